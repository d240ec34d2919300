/** What R1 seals for each neighbour and R2 opens: one share of each of a member's two secrets. */
import { accepted, concatBytes, type Result, rejected, type SealedShare } from "@kindred/protocol";
import { type HeldShares, type RoundKeys, wipeShares } from "./client-state.ts";
import type { CryptoSuite } from "./crypto.ts";
import { BOX_NONCE, shareKey } from "./keys.ts";
import { Secret } from "./secret.ts";
import { type Session, shareX } from "./session.ts";
import { isShare, shareLength, splitSecret } from "./shamir.ts";

/** Bytes of a self-mask seed and of an X25519 secret key. */
export const SEED_BYTES = 32;
const SHARE_BYTES = shareLength(SEED_BYTES);
/** A box holds a share of each of the two secrets and 16 bytes of authentication. */
export const BOX_BYTES = 2 * SHARE_BYTES + 16;

export interface Dealt {
  readonly shares: readonly SealedShare[];
  /** ECDH(c_u, c_v) by neighbour. */
  readonly agreements: ReadonlyMap<number, Secret>;
  /** The member's own share of its own secrets, in the complete graph. */
  readonly own: HeldShares | undefined;
}

/** Deals shares of s_u and b_u to all holders, sealed for each of them alone. */
export function dealShares(
  keys: RoundKeys,
  {
    session,
    self,
    suite,
    random,
  }: { session: Session; self: number; suite: CryptoSuite; random: (length: number) => Uint8Array },
): Result<Dealt> {
  const agreements = new Map<number, Secret>();
  for (const peer of session.neighbours(self)) {
    const agreement = suite.agree(keys.c.expose(), session.entries[peer]!.cPublic);
    if (agreement === undefined) {
      for (const secret of agreements.values()) secret.wipe();
      return lowOrder(session, { self, peer, key: "cPublic" });
    }
    agreements.set(peer, new Secret(agreement));
  }
  const holders = session.holders(self);
  const deal = { threshold: session.threshold, xs: holders.map(shareX), random };
  const maskKeyShares = splitSecret({ ...deal, secret: keys.s.expose() });
  const selfMaskShares = splitSecret({ ...deal, secret: keys.seed.expose() });
  const shares: SealedShare[] = [];
  let own: HeldShares | undefined;
  holders.forEach((holder, i) => {
    const agreement = agreements.get(holder);
    if (agreement === undefined) {
      own = { maskKey: new Secret(maskKeyShares[i]!), selfMask: new Secret(selfMaskShares[i]!) };
      return;
    }
    const key = shareKey(agreement.expose(), { sid: session.sid, sender: self, addressee: holder });
    const plaintext = concatBytes(maskKeyShares[i]!, selfMaskShares[i]!);
    shares.push({ peer: holder, box: suite.seal(plaintext, key, BOX_NONCE) });
    for (const used of [key, plaintext, maskKeyShares[i]!, selfMaskShares[i]!]) used.fill(0);
  });
  return accepted({ shares, agreements, own });
}

/**
 * Opens the boxes that a member's neighbours sealed for it.
 * @param inbox one box of each sender, all of them neighbours
 * @returns the shares by owner; `share-invalid` naming the sender of a box that does not open as a share for this member
 */
export function openBoxes(
  inbox: readonly SealedShare[],
  {
    session,
    self,
    agreements,
    suite,
  }: {
    session: Session;
    self: number;
    agreements: ReadonlyMap<number, Secret>;
    suite: CryptoSuite;
  },
): Result<Map<number, HeldShares>> {
  const held = new Map<number, HeldShares>();
  for (const { peer, box } of inbox) {
    const agreement = agreements.get(peer)!.expose();
    const key = shareKey(agreement, { sid: session.sid, sender: peer, addressee: self });
    const opened = openBox(box, { key, suite });
    if (opened === undefined) {
      wipeShares(held.values());
      return rejected("share-invalid", "inbox.shares", {
        rule: `from member ${peer} does not open as a share for this client`,
        fix: "deliver the boxes unaltered; leave out a member whose boxes are malformed",
      });
    }
    held.set(peer, opened);
  }
  return accepted(held);
}

function openBox(
  box: Uint8Array,
  { key, suite }: { key: Uint8Array; suite: CryptoSuite },
): HeldShares | undefined {
  const plaintext = suite.open(box, key, BOX_NONCE);
  key.fill(0);
  if (plaintext === undefined) return undefined;
  const maskKey = plaintext.slice(0, SHARE_BYTES);
  const selfMask = plaintext.slice(SHARE_BYTES);
  plaintext.fill(0);
  if (isShare(maskKey, SEED_BYTES) && isShare(selfMask, SEED_BYTES))
    return { maskKey: new Secret(maskKey), selfMask: new Secret(selfMask) };
  maskKey.fill(0);
  selfMask.fill(0);
  return undefined;
}

/** Boxes of `BOX_BYTES` one after another. */
export function packBoxes(shares: readonly SealedShare[]): Uint8Array {
  const packed = new Uint8Array(BOX_BYTES * shares.length);
  shares.forEach(({ box }, i) => {
    packed.set(box, BOX_BYTES * i);
  });
  return packed;
}

/** The box at a position, a view. */
export function boxAt(packed: Uint8Array, position: number): Uint8Array {
  return packed.subarray(BOX_BYTES * position, BOX_BYTES * (position + 1));
}

/** The rejection of a neighbour's key that is a point of low order. */
export function lowOrder(
  { kind, neighbours }: Pick<Session, "kind" | "neighbours">,
  { self, peer, key }: { self: number; peer: number; key: "cPublic" | "sPublic" },
) {
  const entry =
    kind === "complete"
      ? `roster.entries[${peer}]`
      : `neighbourhood.neighbours[${neighbours(self).indexOf(peer)}].advertisement`;
  return rejected("roster-invalid", `${entry}.${key}`, {
    rule: "must not be a point of low order: every secret agreed with it would be public",
    fix: "leave the member out",
  });
}
