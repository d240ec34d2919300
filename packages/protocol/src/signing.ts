/** The exact bytes that signatures cover. Every one starts with a domain label of its own. */
import { concatBytes, frameParts, hashParts, sha256Bytes, utf8ToBytes } from "./canonical.ts";
import type { Advertisement } from "./messages.ts";

/** `setUint32` would wrap silently. */
function notU32(value: number): RangeError {
  return new RangeError(`must be an unsigned 32-bit integer, found ${value}`);
}

function u32(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw notU32(value);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** Eight bytes, for numbers up to 2^53 − 1. */
function u64(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`must be a whole number from 0 to 2^53 − 1, found ${value}`);
  return concatBytes(u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32));
}

/** Bytes a device signs to prove its identity on one connection; 32 bytes. */
export function helloSigningBytes({ task, nonce }: { task: string; nonce: Uint8Array }): Uint8Array {
  return hashParts("kindred.hello/1", [utf8ToBytes(task), nonce]);
}

/** Bytes a device signs under its round keys (R0); 32 bytes. */
export function advertisementSigningBytes(
  advertisement: Omit<Advertisement, "signature">,
  { task, round }: { task: string; round: number },
): Uint8Array {
  const { device, cPublic, sPublic, nonce, seedCommitment } = advertisement;
  return hashParts("kindred.advertise/1", [
    utf8ToBytes(task),
    u32(round),
    device,
    cPublic,
    sPublic,
    nonce,
    seedCommitment,
  ]);
}

/** An advertisement as a leaf of the directory's Merkle tree: its fields one after another, 208 bytes. */
export function advertisementBytes(advertisement: Advertisement): Uint8Array {
  const { device, cPublic, sPublic, nonce, seedCommitment, signature } = advertisement;
  return concatBytes(device, cPublic, sPublic, nonce, seedCommitment, signature);
}

/**
 * Digest of the key directory: the number of members, their device keys in order, and the Merkle root over
 * `advertisementBytes` of all of them; 32 bytes.
 * @param devices 32 bytes for each member
 */
export function directoryDigest({ devices, root }: { devices: Uint8Array; root: Uint8Array }): Uint8Array {
  return hashParts("kindred.directory/2", [u32(devices.length / 32), devices, root]);
}

/** What a session id binds together. */
export interface SessionBinding {
  readonly task: string;
  readonly round: number;
  /** 32 bytes each. */
  readonly planDigest: Uint8Array;
  readonly modelHash: Uint8Array;
  readonly beacon: Uint8Array;
  readonly directory: Uint8Array;
}

/** sid = H(task, round, planDigest, modelHash, beacon, keyDirectory), 32 bytes (SECURE_AGGREGATION, "Phases"). */
export function sessionId(binding: SessionBinding): Uint8Array {
  const { task, round, planDigest, modelHash, beacon, directory } = binding;
  return hashParts("kindred.session/2", [
    utf8ToBytes(task),
    u32(round),
    planDigest,
    modelHash,
    beacon,
    directory,
  ]);
}

/** Bytes the coordinator signs under a roster; 32 bytes. */
export function rosterSigningBytes(sid: Uint8Array): Uint8Array {
  return hashParts("kindred.roster/1", [sid]);
}

/**
 * Bytes a member signs with its masked input (R2): `sid` and the U2 that it masked for; 32 bytes.
 * @param sharing U2 as `encodeMemberSet` gives it
 */
export function sharingSigningBytes(sid: Uint8Array, sharing: Uint8Array): Uint8Array {
  return hashParts("kindred.sharing/1", [sid, sharing]);
}

/** Bytes a member signs in R3: the digest of `sid` and of the sorted U3, each member as a part of its own; 32 bytes. */
export function consistencySigningBytes(sid: Uint8Array, survivors: readonly number[]): Uint8Array {
  // Thousands of parts: their frames are written in place.
  const members = new Uint8Array(8 * survivors.length);
  const view = new DataView(members.buffer);
  survivors.forEach((member, i) => {
    if (!Number.isInteger(member) || member < 0 || member > 0xffffffff) throw notU32(member);
    view.setUint32(8 * i, 4);
    view.setUint32(8 * i + 4, member);
  });
  return sha256Bytes(concatBytes(frameParts("kindred.consistency/1", [sid]), members));
}

/**
 * Bytes the coordinator signs under a tree head of its ledger; 32 bytes. The same for the same head, so two different
 * heads of one size, both signed, prove that it shows two histories.
 * @param head.root 32 bytes
 */
export function ledgerHeadSigningBytes({ size, root }: { size: number; root: Uint8Array }): Uint8Array {
  return hashParts("kindred.ledger-head/1", [u64(size), root]);
}
