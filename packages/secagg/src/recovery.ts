/** The coordinator's reconstruction (R4): secrets from revealed shares, checked against what R0 committed to. */
import { accepted, equalBytes, type Result, type RevealedShare, rejected } from "@kindred/protocol";
import type { CryptoSuite } from "./crypto.ts";
import { type MaskShape, pairwiseMaskKey, seedCommitment, selfMaskKey } from "./keys.ts";
import { type MaskJob, maskJob } from "./masks.ts";
import { type Session, shareX } from "./session.ts";
import { combineWith, interpolateShare, lagrangeCoefficients, type Share } from "./shamir.ts";

/** Bytes of a self-mask seed and of an X25519 secret key. */
export const SECRET_BYTES = 32;
/** Subsets of shares that are tried for one secret before the round is given up. */
const MAX_ATTEMPTS = 256;

export interface RecoveryInput {
  readonly session: Session;
  readonly shape: MaskShape;
  /** U2 and U3, sorted. */
  readonly sharing: readonly number[];
  readonly survivors: readonly number[];
  /** By member: what it revealed in R4. Every share is well-formed and of the kind that U3 implies. */
  readonly reveals: readonly (readonly RevealedShare[] | undefined)[];
  readonly suite: CryptoSuite;
}

/**
 * The job that turns the sum of U3's masked inputs into the sum of its plain vectors: takes off the self masks of U3,
 * and the pairwise masks that members of U2∖U3 left behind.
 * @returns the job, and the members whose shares did not match; `reconstruction-failed` naming the owner of a secret
 *   that no tried subset reconstructs
 */
export function recoverMasks(input: RecoveryInput): Result<{ job: MaskJob; corrupt: readonly number[] }> {
  const { session, shape, sharing, survivors, suite } = input;
  const { sid, entries } = session;
  const reconstruct = reconstructor(input);
  const alive = new Set(survivors);
  const terms: { key: Uint8Array; sign: 1 | -1 }[] = [];
  for (const owner of sharing) {
    const { seedCommitment: commitment, sPublic } = entries[owner]!;
    if (alive.has(owner)) {
      const seed = reconstruct.secret(owner, (candidate) =>
        equalBytes(seedCommitment(candidate), commitment),
      );
      if (seed === undefined) return irrecoverable(owner, "self-mask seed");
      terms.push({ key: selfMaskKey(seed, { sid, owner, shape }), sign: -1 });
      seed.fill(0);
      continue;
    }
    const sSecret = reconstruct.secret(owner, (candidate) =>
      equalBytes(suite.agreementKeyPair(candidate).publicKey, sPublic),
    );
    if (sSecret === undefined) return irrecoverable(owner, "mask key");
    for (const peer of session.neighbours(owner)) {
      if (!alive.has(peer)) continue;
      const agreement = suite.agree(sSecret, entries[peer]!.sPublic);
      if (agreement === undefined) return irrecoverable(peer, "agreement with a dropped member");
      const key = pairwiseMaskKey(agreement, { sid, between: [owner, peer], shape });
      agreement.fill(0);
      // The survivor `peer` added this mask if owner < peer and took it off otherwise.
      terms.push({ key, sign: owner < peer ? -1 : 1 });
    }
    sSecret.fill(0);
  }
  return accepted({ job: maskJob({ ...shape, terms }), corrupt: reconstruct.corrupt() });
}

interface Reconstructor {
  secret(owner: number, matches: (candidate: Uint8Array) => boolean): Uint8Array | undefined;
  /** Members whose shares were found wrong, sorted (see `culprits`). */
  corrupt(): readonly number[];
}

function reconstructor({ session, reveals }: RecoveryInput): Reconstructor {
  const { threshold } = session;
  const corrupt = new Set<number>();
  // Owners share their holders, all of them in the complete graph: the costly coefficients repeat.
  const known = new Map<string, Float64Array>();
  const byOwner = new Map<number, { holder: number; share: Uint8Array }[]>();
  reveals.forEach((shares, holder) => {
    for (const { owner, share } of shares ?? []) {
      const list = byOwner.get(owner) ?? [];
      list.push({ holder, share });
      byOwner.set(owner, list);
    }
  });

  function combine(shares: readonly Share[]): Uint8Array | undefined {
    const xs = shares.map(({ x }) => x);
    const label = xs.join();
    const coefficients = known.get(label) ?? lagrangeCoefficients(xs);
    known.set(label, coefficients);
    return combineWith(coefficients, shares, SECRET_BYTES);
  }

  return {
    secret(owner, matches) {
      const revealed = byOwner.get(owner) ?? [];
      // Members caught once come last: with them out of the way the first attempt succeeds.
      const ordered = [
        ...revealed.filter(({ holder }) => !corrupt.has(holder)),
        ...revealed.filter(({ holder }) => corrupt.has(holder)),
      ].map(({ holder, share }) => ({ holder, x: shareX(holder), share }));
      if (ordered.length < threshold) return undefined;
      let attempt = 0;
      for (const subset of subsets(ordered, threshold)) {
        const candidate = combine(subset);
        if (candidate !== undefined && matches(candidate)) {
          // The search for culprits costs far more than a reconstruction, so it waits for a failure.
          if (attempt > 0) for (const culprit of culprits(ordered, subset)) corrupt.add(culprit);
          return candidate;
        }
        if (++attempt >= MAX_ATTEMPTS) break;
      }
      return undefined;
    },
    corrupt: () => [...corrupt].sort((a, b) => a - b),
  };
}

/**
 * Subsets of `size` items, most promising first, without end when there is a choice: every run of neighbours on the
 * ring (which avoids any cluster of bad items as wide as the surplus), then pseudo-random ones. Deterministic.
 */
function* subsets<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  const n = items.length;
  yield items.slice(0, size);
  if (n === size) return;
  for (let start = 1; start < n; start++)
    yield Array.from({ length: size }, (_, i) => items[(start + i) % n]!);
  let state = 1;
  for (;;) {
    const pool = [...items];
    for (let i = 0; i < size; i++) {
      // Park–Miller: nothing secret or adversarial hangs on it, failing to find a subset only fails the round.
      state = (state * 48271) % 2147483647;
      const j = i + (state % (n - i));
      const kept = pool[i]!;
      pool[i] = pool[j]!;
      pool[j] = kept;
    }
    yield pool.slice(0, size);
  }
}

/**
 * Holders whose share does not lie on the polynomials that `subset` defines, provided that no other polynomials fit as
 * many shares: two sets of them agree in fewer than t places, so fitting (m + t)/2 of m shares is unique. Otherwise
 * errors that cancel at x = 0 could throw suspicion on the honest, and nobody is named. Evidence against holder or
 * dealer, no proof: whoever dealt a wrong share makes its holder look guilty.
 */
function culprits(
  all: readonly (Share & { readonly holder: number })[],
  subset: readonly (Share & { readonly holder: number })[],
): number[] {
  const inside = new Set(subset.map(({ holder }) => holder));
  const xs = subset.map(({ x }) => x);
  const contradicting = all
    .filter(({ holder }) => !inside.has(holder))
    .filter(({ x, share }) => !equalBytes(interpolateShare(lagrangeCoefficients(xs, x), subset), share))
    .map(({ holder }) => holder);
  return 2 * contradicting.length <= all.length - subset.length ? contradicting : [];
}

function irrecoverable(owner: number, what: string) {
  return rejected("reconstruction-failed", "reveal.shares", {
    rule: `do not reconstruct the ${what} of member ${owner}`,
    fix: "repeat the round; leave the member out if it happens again",
  });
}
