/**
 * Boxes and shares as a message holds them: columns with one record per member, as they cross the wire. A coordinator
 * passes up to a million of each on in a round and looks into none, so they are no objects of their own; whoever deals,
 * opens or checks single ones lists them.
 */
import { readRecords, writeRecords } from "./member-records.ts";

export interface SealedShare {
  /** Index of the other party: addressee on the way up, sender on the way down. */
  readonly peer: number;
  /** 1 to 1024 bytes, as many in every box of a message. */
  readonly box: Uint8Array;
}

/** Boxes of different members. */
export interface SealedShares {
  readonly peers: Uint32Array;
  /** One box for each peer, all of one length. */
  readonly boxes: Uint8Array;
}

/** What a revealed share is of: `self-mask` of b_owner (owner ∈ U3), `mask-key` of s_owner (owner ∈ U2∖U3). */
export const SHARE_KINDS = ["self-mask", "mask-key"] as const;
export type ShareKind = (typeof SHARE_KINDS)[number];

export interface RevealedShare {
  /** Index of the member whose secret this is a share of. */
  readonly owner: number;
  readonly kind: ShareKind;
  /** 1 to 256 bytes, as many in every share of a message. */
  readonly share: Uint8Array;
}

/** Shares of different members' secrets. */
export interface RevealedShares {
  readonly owners: Uint32Array;
  /** By owner: position in `SHARE_KINDS`. */
  readonly kinds: Uint8Array;
  /** One share for each owner, all of one length. */
  readonly shares: Uint8Array;
}

/**
 * The columns of a list.
 * @throws RangeError if the boxes differ in length
 */
export function sealedColumns(list: readonly SealedShare[]): SealedShares {
  return {
    peers: Uint32Array.from(list, ({ peer }) => peer),
    boxes: writeRecords(list.map(({ box }) => box)),
  };
}

/** Inverse of `sealedColumns`; the boxes are views. */
export function sealedShares({ peers, boxes }: SealedShares): SealedShare[] {
  return readRecords(boxes, peers.length).map((box, i) => ({ peer: peers[i]!, box }));
}

/**
 * The columns of a list.
 * @throws RangeError if the shares differ in length
 */
export function revealedColumns(list: readonly RevealedShare[]): RevealedShares {
  return {
    owners: Uint32Array.from(list, ({ owner }) => owner),
    kinds: Uint8Array.from(list, ({ kind }) => SHARE_KINDS.indexOf(kind)),
    shares: writeRecords(list.map(({ share }) => share)),
  };
}

/** Inverse of `revealedColumns`; the shares are views. */
export function revealedShares({ owners, kinds, shares }: RevealedShares): RevealedShare[] {
  return readRecords(shares, owners.length).map((share, i) => ({
    owner: owners[i]!,
    kind: SHARE_KINDS[kinds[i]!]!,
    share,
  }));
}
