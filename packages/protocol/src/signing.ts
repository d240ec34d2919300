/** The exact bytes that signatures cover. Every one starts with a domain label of its own. */
import { hashParts, utf8ToBytes } from "./canonical.ts";
import type { Advertisement } from "./messages.ts";

function u32(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw new RangeError(`must be an unsigned 32-bit integer, found ${value}`); // setUint32 would wrap silently
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
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

/** Digest of the key directory: every advertisement in order, signatures included; 32 bytes. */
export function directoryDigest(entries: readonly Advertisement[]): Uint8Array {
  return hashParts(
    "kindred.directory/1",
    entries.flatMap((e) => [e.device, e.cPublic, e.sPublic, e.nonce, e.seedCommitment, e.signature]),
  );
}

/** What a session id binds together. */
export interface SessionBinding {
  readonly task: string;
  readonly round: number;
  /** 32 bytes each. */
  readonly planDigest: Uint8Array;
  readonly modelHash: Uint8Array;
  readonly directory: Uint8Array;
}

/** sid = H(task, round, planDigest, modelHash, keyDirectory), 32 bytes (SECURE_AGGREGATION, "Phases"). */
export function sessionId({ task, round, planDigest, modelHash, directory }: SessionBinding): Uint8Array {
  return hashParts("kindred.session/1", [utf8ToBytes(task), u32(round), planDigest, modelHash, directory]);
}

/** Bytes the coordinator signs under a roster; 32 bytes. */
export function rosterSigningBytes(sid: Uint8Array): Uint8Array {
  return hashParts("kindred.roster/1", [sid]);
}

/** Bytes a member signs in R3: `sid` and the digest of the sorted U3; 32 bytes. */
export function consistencySigningBytes(sid: Uint8Array, survivors: readonly number[]): Uint8Array {
  return hashParts("kindred.consistency/1", [sid, ...survivors.map(u32)]);
}
