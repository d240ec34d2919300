/**
 * What R1 seals for each neighbour and R2 opens: one share of each of a member's two secrets, and of each of its noise seeds
 * where the plan removes surplus noise.
 */
import {
  accepted,
  concatBytes,
  type Result,
  rejected,
  type SealedShare,
  type SealedShares,
  sealedColumns,
  sealedShares,
} from "@kindred/protocol";
import { type HeldShares, type RoundKeys, wipeShares } from "./client-state.ts";
import type { CryptoSuite } from "./crypto.ts";
import { BOX_NONCE, shareKey } from "./keys.ts";
import { Secret } from "./secret.ts";
import { type Session, shareX } from "./session.ts";
import { isShare, shareLength, splitSecret } from "./shamir.ts";
import { noiseSecret } from "./surplus-seeds.ts";

/** Bytes of a self-mask seed and of an X25519 secret key. */
export const SEED_BYTES = 32;
const SHARE_BYTES = shareLength(SEED_BYTES);

/** Bytes of a box: the shares and 16 of authentication. @param components of surplus noise */
export function boxBytes(components: number): number {
  return (2 + components) * SHARE_BYTES + 16;
}

export interface Dealt {
  readonly sealed: SealedShares;
  /** ECDH(c_u, c_v) by neighbour. */
  readonly agreements: ReadonlyMap<number, Secret>;
  /** The member's own share of its own secrets, in the complete graph. */
  readonly own: HeldShares | undefined;
}

/**
 * Deals shares of s_u, b_u and the noise seeds to all holders, sealed for each of them alone.
 * @param options.noiseSeeds a_0 … a_{L−1}
 */
export function dealShares(
  keys: RoundKeys,
  {
    session,
    self,
    noiseSeeds,
    suite,
    random,
  }: {
    session: Session;
    self: number;
    noiseSeeds: readonly Uint8Array[];
    suite: CryptoSuite;
    random: (length: number) => Uint8Array;
  },
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
  const { sid } = session;
  const selfMaskSeed = keys.seed.expose();
  const noiseSecrets = noiseSeeds.map((seed, component) =>
    noiseSecret(seed, { sid, owner: self, component, selfMaskSeed }, suite),
  );
  const dealt = [keys.s.expose(), selfMaskSeed, ...noiseSecrets].map((secret) =>
    splitSecret({ ...deal, secret }),
  );
  for (const secret of noiseSecrets) secret.fill(0);
  const shares: SealedShare[] = [];
  let own: HeldShares | undefined;
  holders.forEach((holder, i) => {
    const parts = dealt.map((ofSecret) => ofSecret[i]!);
    const agreement = agreements.get(holder);
    if (agreement === undefined) {
      own = heldShares(parts);
      return;
    }
    const key = shareKey(agreement.expose(), { sid, sender: self, addressee: holder }, suite);
    const plaintext = concatBytes(...parts);
    shares.push({ peer: holder, box: suite.seal(plaintext, key, BOX_NONCE) });
    for (const used of [key, plaintext, ...parts]) used.fill(0);
  });
  return accepted({ sealed: sealedColumns(shares), agreements, own });
}

/** @param parts shares of s_u, b_u and the noise seeds, which become secrets */
function heldShares([maskKey, selfMask, ...noise]: readonly Uint8Array[]): HeldShares {
  return {
    maskKey: new Secret(maskKey!),
    selfMask: new Secret(selfMask!),
    noise: noise.map((share) => new Secret(share)),
  };
}

/**
 * Opens the boxes that a member's neighbours sealed for it.
 * @param inbox one box of each sender, all of them neighbours
 * @returns the shares by owner; `share-invalid` naming the sender of a box that does not open as a share for this member
 */
export function openBoxes(
  inbox: SealedShares,
  {
    session,
    self,
    components,
    agreements,
    suite,
  }: {
    session: Session;
    self: number;
    /** Of surplus noise. */
    components: number;
    agreements: ReadonlyMap<number, Secret>;
    suite: CryptoSuite;
  },
): Result<Map<number, HeldShares>> {
  const held = new Map<number, HeldShares>();
  for (const { peer, box } of sealedShares(inbox)) {
    const agreement = agreements.get(peer)!.expose();
    const key = shareKey(agreement, { sid: session.sid, sender: peer, addressee: self }, suite);
    const opened = box.length === boxBytes(components) ? openBox(box, { key, suite }) : undefined;
    key.fill(0);
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
  if (plaintext === undefined) return undefined;
  const parts = Array.from({ length: plaintext.length / SHARE_BYTES }, (_, i) =>
    plaintext.slice(i * SHARE_BYTES, (i + 1) * SHARE_BYTES),
  );
  plaintext.fill(0);
  if (parts.every((part) => isShare(part, SEED_BYTES))) return heldShares(parts);
  for (const part of parts) part.fill(0);
  return undefined;
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
