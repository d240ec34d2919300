/**
 * The coordinator's last piece of work as plain data: what was revealed, and what R0 committed to. A job survives a
 * structured clone, so any part of it can be done anywhere (see `recoverPart`).
 */
import { bytesToHex, equalBytes, type RevealedShares, SHARE_KINDS } from "@kindred/protocol";
import { redacted } from "./secret.ts";
import type { RoundBinding, Session } from "./session.ts";
import { isShareAt, shareLength } from "./shamir.ts";
import { surplusLevel } from "./surplus-seeds.ts";

/** Bytes of a self-mask seed and of an X25519 secret key. */
export const SECRET_BYTES = 32;
/** Bytes of a share of either. */
export const SHARE_BYTES = shareLength(SECRET_BYTES);

const MASK_KEY = SHARE_KINDS.indexOf("mask-key");

/** What one holder revealed, packed: a cohort reveals up to a million shares, too many for an object each. */
export interface PackedReveal {
  readonly owners: Uint32Array;
  /** By position in `owners`: position in `SHARE_KINDS`. */
  readonly kinds: Uint8Array;
  /** `SHARE_BYTES` for every owner. */
  readonly shares: Uint8Array;
  /** `SHARE_BYTES` for every owner, of its noise seed where it survived; empty where no noise is removed. */
  readonly noise: Uint8Array;
}

export interface RecoveryJob {
  readonly sid: Uint8Array;
  /** Entries of the vector are integers modulo 2^bits. */
  readonly bits: number;
  readonly length: number;
  /** t, shares that reconstruct. */
  readonly threshold: number;
  /** By member, 32 bytes each: `sPublic` and `seedCommitment` of its advertisement. */
  readonly sPublic: Uint8Array;
  readonly seedCommitments: Uint8Array;
  /** Deviations of the components of surplus noise that are removed, in order; none at level 0. */
  readonly surplus: readonly number[];
  /** U3, sorted. */
  readonly survivors: Uint32Array;
  /** U2∖U3, and for each the neighbours in U3, whose masked inputs still hold a mask shared with it. */
  readonly dropped: readonly { readonly owner: number; readonly peers: Uint32Array }[];
  /** Who revealed, sorted, and what. */
  readonly holders: Uint32Array;
  readonly reveals: readonly PackedReveal[];
}

/**
 * Whether a member's columns hold well-formed shares: `width` bytes for each, SHARE_BYTES or, where noise seeds are revealed
 * too, twice as many, of which the second half is zero beside a mask key.
 */
export function areRevealed({ owners, kinds, shares }: RevealedShares, width: number): boolean {
  if (shares.length !== width * owners.length) return false;
  for (let i = 0; i < owners.length; i++) {
    const at = width * i;
    if (!isShareAt(shares, at, SECRET_BYTES)) return false;
    if (width === SHARE_BYTES) continue;
    const second = at + SHARE_BYTES;
    const isExpected =
      kinds[i] === MASK_KEY
        ? isZeroBetween(shares, second, at + width)
        : isShareAt(shares, second, SECRET_BYTES);
    if (!isExpected) return false;
  }
  return true;
}

function isZeroBetween(bytes: Uint8Array, begin: number, end: number): boolean {
  let bits = 0;
  for (let i = begin; i < end; i++) bits |= bytes[i]!;
  return bits === 0;
}

/** Packs well-formed shares, all with that of a noise seed behind them, or none. The result shares no memory. */
export function packReveal({ owners, kinds, shares }: RevealedShares): PackedReveal {
  const count = owners.length;
  const removes = shares.length > SHARE_BYTES * count;
  const packed = {
    owners: owners.slice(),
    // Not `slice`, which is a view where a column is a Node Buffer.
    kinds: Uint8Array.from(kinds),
    shares: removes ? halves(shares, 0) : Uint8Array.from(shares),
    noise: removes ? halves(shares, SHARE_BYTES) : new Uint8Array(0),
  };
  return redacted(packed, `[${count} secret]`);
}

/** Of every pair of shares the one that begins at `first`. */
function halves(shares: Uint8Array, first: number): Uint8Array {
  const count = shares.length / (2 * SHARE_BYTES);
  const column = new Uint8Array(SHARE_BYTES * count);
  for (let i = 0; i < count; i++) {
    const at = 2 * SHARE_BYTES * i + first;
    column.set(shares.subarray(at, at + SHARE_BYTES), SHARE_BYTES * i);
  }
  return column;
}

/** Whether both reveal the same shares in the same order. */
export function equalReveals(a: PackedReveal, b: PackedReveal): boolean {
  return (
    a.owners.length === b.owners.length &&
    a.owners.every((owner, i) => owner === b.owners[i] && a.kinds[i] === b.kinds[i]) &&
    equalBytes(a.shares, b.shares) &&
    equalBytes(a.noise, b.noise)
  );
}

export interface RecoveryInput {
  readonly session: Session;
  readonly binding: Pick<RoundBinding, "bits" | "length" | "surplus">;
  /** U2 and U3, sorted. */
  readonly sharing: readonly number[];
  readonly survivors: readonly number[];
  /** By member: what it revealed in R4. Every share is well-formed and of the kind that U3 implies. */
  readonly reveals: readonly (PackedReveal | undefined)[];
}

/** The job of a round whose reveals are in; it does not appear in JSON or in Node's `inspect`. */
export function recoveryJob({
  session,
  binding: { bits, length, surplus = [] },
  sharing,
  survivors,
  reveals,
}: RecoveryInput): RecoveryJob {
  const alive = new Set(survivors);
  const holders = reveals.flatMap((reveal, member) => (reveal === undefined ? [] : [member]));
  const job: RecoveryJob = {
    sid: session.sid,
    bits,
    length,
    threshold: session.threshold,
    sPublic: side(session, "sPublic"),
    seedCommitments: side(session, "seedCommitment"),
    surplus: surplus.slice(0, surplusLevel(surplus, survivors.length)).map(({ deviation }) => deviation),
    survivors: Uint32Array.from(survivors),
    dropped: sharing
      .filter((owner) => !alive.has(owner))
      .map((owner) => ({
        owner,
        peers: Uint32Array.from(session.neighbours(owner).filter((peer) => alive.has(peer))),
      })),
    holders: Uint32Array.from(holders),
    reveals: holders.map((holder) => reveals[holder]!),
  };
  const { dropped } = job;
  return redacted(job, {
    sid: bytesToHex(session.sid),
    bits,
    length,
    survivors: survivors.length,
    dropped: dropped.length,
    reveals: `[${holders.length} secret]`,
  });
}

/** Overwrites the revealed shares with zeros: nothing of a round's secrets is needed once its sum is known. */
export function wipeRecovery({ reveals }: RecoveryJob): void {
  for (const { shares, noise } of reveals) {
    shares.fill(0);
    noise.fill(0);
  }
}

/** The members whose secrets the job recovers, costly ones first, so that parts of it end together. */
export function recoveryOwners({ dropped, survivors }: RecoveryJob): Uint32Array {
  return Uint32Array.from([...dropped.map(({ owner }) => owner), ...survivors]);
}

/** An entry of noise takes as long to draw as so many entries of a mask to add. */
const MASKS_PER_NOISE = 16;

/** Masks that the job takes off. */
export function recoveryTerms({ dropped, survivors }: RecoveryJob): number {
  return dropped.reduce((sum, { peers }) => sum + peers.length, survivors.length);
}

/** Masks that would take as long as the job's masks and noise together. */
export function recoveryEffort(job: RecoveryJob): number {
  return recoveryTerms(job) + MASKS_PER_NOISE * job.surplus.length * job.survivors.length;
}

function side({ entries, size }: Session, field: "sPublic" | "seedCommitment"): Uint8Array {
  const bytes = new Uint8Array(32 * size);
  for (let member = 0; member < size; member++) bytes.set(entries[member]![field], 32 * member);
  return bytes;
}
