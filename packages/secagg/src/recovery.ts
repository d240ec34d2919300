/**
 * The coordinator's reconstruction (R4): secrets from revealed shares, checked against what R0 committed to, and noise
 * seeds, checked against their tags.
 */
import { accepted, equalBytes, type Result, rejected } from "@kindred/protocol";
import type { CryptoSuite } from "./crypto.ts";
import { locateErrors } from "./error-locator.ts";
import { pairwiseMaskKey, seedCommitment, selfMaskKey } from "./keys.ts";
import { applyMasks, type MaskJob, wipeMasks } from "./masks.ts";
import { type RecoveryJob, recoveryOwners, SECRET_BYTES, SHARE_BYTES } from "./recovery-job.ts";
import { shareX } from "./session.ts";
import { combineWith, interpolateShare, lagrangeCoefficients, type Share, shareValue } from "./shamir.ts";
import { applyNoise, isNoiseSecret, removedNoise } from "./surplus-seeds.ts";

/** Subsets of shares that are tried for one secret before the round is given up. */
const MAX_ATTEMPTS = 256;
/** The same for a noise seed, without which a round can do. */
const MAX_NOISE_ATTEMPTS = 8;
/**
 * Masks that are derived before they are applied: each batch goes over the vector a few times, and the keys of a whole round
 * would be a burden on memory.
 */
const BATCH_TERMS = 1024;

export interface RecoveryPart {
  /** Whose secrets to recover: `recoveryOwners` of the job, or some of them. */
  readonly owners: Iterable<number>;
  /** `job.length` entries below 2^bits; masks are taken off it in place. */
  readonly sum: Uint32Array;
  readonly suite: CryptoSuite;
}

/** What a recovery found out about members; indices, sorted. */
export interface RecoveryFindings {
  /** Whose revealed shares were found wrong. */
  readonly corrupt: readonly number[];
  /** Survivors whose noise seed does not come out of the shares: their surplus noise stays in the sum. */
  readonly kept: readonly number[];
}

/**
 * Takes masks and surplus noise off a sum of masked inputs: the self masks of U3, and the pairwise masks that members of U2∖U3 left
 * behind, as far as they belong to the given owners. Parts add up: applied to zeros, the results of a partition of the
 * owners sum to what has to be added to the masked sum.
 * @returns what was found; `reconstruction-failed` naming the owner of a secret that does not come out of the shares,
 *   with `sum` half done
 */
export function recoverPart(
  job: RecoveryJob,
  { owners, sum, suite }: RecoveryPart,
): Result<RecoveryFindings> {
  const { sid, bits, length, sPublic, seedCommitments, surplus: deviations } = job;
  const shape = { bits, length };
  const reconstruct = reconstructor(job, { table: "shares", attempts: MAX_ATTEMPTS });
  const noiseSecrets = reconstructor(job, { table: "noise", attempts: MAX_NOISE_ATTEMPTS });
  const kept: number[] = [];
  const removeNoise = (owner: number, selfMaskSeed: Uint8Array): void => {
    const component = deviations.length - 1;
    const secret = noiseSecrets.secret(owner, (candidate) =>
      isNoiseSecret(candidate, { sid, owner, component, selfMaskSeed }, suite),
    );
    if (secret === undefined) {
      kept.push(owner);
      return;
    }
    const noise = removedNoise(secret, { sid, owner, deviations, shape }, suite);
    applyNoise(sum, noise, { bits, keystream: suite.maskStream });
    for (const { key } of noise) key.fill(0);
    secret.fill(0);
  };
  const peersOf = new Map(job.dropped.map(({ owner, peers }) => [owner, peers]));
  let terms: MaskJob["terms"][number][] = [];
  const flush = (): void => {
    const batch = { ...shape, terms };
    applyMasks(sum, batch, suite);
    wipeMasks(batch);
    terms = [];
  };
  const add = (term: MaskJob["terms"][number]): void => {
    if (terms.push(term) >= BATCH_TERMS) flush();
  };
  const giveUp = (owner: number, what: string) => {
    wipeMasks({ ...shape, terms });
    return irrecoverable(owner, what);
  };
  for (const owner of owners) {
    const peers = peersOf.get(owner);
    if (peers === undefined) {
      const commitment = memberBytes(seedCommitments, owner);
      const seed = reconstruct.secret(owner, (candidate) =>
        equalBytes(seedCommitment(candidate), commitment),
      );
      if (seed === undefined) return giveUp(owner, "self-mask seed");
      add({ key: selfMaskKey(seed, { sid, owner, shape }, suite), sign: -1 });
      if (deviations.length > 0) removeNoise(owner, seed);
      seed.fill(0);
      continue;
    }
    const sSecret = reconstruct.secret(owner, (candidate) => {
      const { publicKey, secretKey } = suite.agreementKeyPair(candidate);
      secretKey.fill(0);
      return equalBytes(publicKey, memberBytes(sPublic, owner));
    });
    if (sSecret === undefined) return giveUp(owner, "mask key");
    for (const peer of peers) {
      const agreement = suite.agree(sSecret, memberBytes(sPublic, peer));
      if (agreement === undefined) {
        sSecret.fill(0);
        return giveUp(peer, "agreement with a dropped member");
      }
      const key = pairwiseMaskKey(agreement, { sid, between: [owner, peer], shape }, suite);
      agreement.fill(0);
      // The survivor `peer` added this mask if owner < peer and took it off otherwise.
      add({ key, sign: owner < peer ? -1 : 1 });
    }
    sSecret.fill(0);
  }
  flush();
  const corrupt = new Set([...reconstruct.corrupt(), ...noiseSecrets.corrupt()]);
  return accepted({ corrupt: [...corrupt].sort(ascending), kept: kept.sort(ascending) });
}

/** The whole job on the calling thread. @param sum the masked sum, which becomes the plain sum */
export function recoverSum(
  job: RecoveryJob,
  { sum, suite }: Omit<RecoveryPart, "owners">,
): Result<RecoveryFindings> {
  return recoverPart(job, { owners: recoveryOwners(job), sum, suite });
}

const ascending = (a: number, b: number): number => a - b;

function memberBytes(table: Uint8Array, member: number): Uint8Array {
  return table.subarray(32 * member, 32 * (member + 1));
}

type HeldShare = Share & { readonly holder: number };

interface Reconstructor {
  secret(owner: number, matches: (candidate: Uint8Array) => boolean): Uint8Array | undefined;
  /** Members whose shares were found wrong, sorted (see `culprits`). */
  corrupt(): readonly number[];
}

/** @param options.table which of the revealed shares; `attempts`: subsets of them to try for one secret */
function reconstructor(
  job: RecoveryJob,
  { table, attempts }: { table: "shares" | "noise"; attempts: number },
): Reconstructor {
  const { threshold } = job;
  const corrupt = new Set<number>();
  // Owners share their holders, all of them in the complete graph: the costly coefficients repeat.
  let known: { label: string; coefficients: Float64Array } | undefined;
  const sharesOf = sharesByOwner(job, table);

  function combine(shares: readonly Share[]): Uint8Array | undefined {
    const xs = shares.map(({ x }) => x);
    const label = xs.join();
    if (known?.label !== label) known = { label, coefficients: lagrangeCoefficients(xs) };
    return combineWith(known.coefficients, shares, SECRET_BYTES);
  }

  /** Leaves out what the error-correcting code of the shares shows to be wrong, chunk by chunk. */
  function correct(
    shares: readonly HeldShare[],
    matches: (candidate: Uint8Array) => boolean,
  ): Uint8Array | undefined {
    const xs = shares.map(({ x }) => x);
    const wrong = new Set<number>();
    for (let chunk = 0; chunk < SHARE_BYTES / 4; chunk++) {
      const values = shares.map(({ share }) => shareValue(share, chunk));
      const found = locateErrors(xs, values, threshold);
      if (found === undefined || found.length === 0) continue;
      for (const position of found) wrong.add(position);
      const right = shares.filter((_, position) => !wrong.has(position));
      if (right.length < threshold) return undefined;
      const candidate = combine(right.slice(0, threshold));
      if (candidate !== undefined && matches(candidate)) {
        // What is left lies on the polynomial found for every chunk: one with another value at 0 than the dealer's, where
        // too many are wrong for the code, would have spoilt the candidate.
        for (const position of wrong) corrupt.add(shares[position]!.holder);
        return candidate;
      }
      candidate?.fill(0);
    }
    return undefined;
  }

  return {
    secret(owner, matches) {
      const revealed = sharesOf(owner);
      // Members caught once come last: with them out of the way the first attempt succeeds.
      const ordered = [
        ...revealed.filter(({ holder }) => !corrupt.has(holder)),
        ...revealed.filter(({ holder }) => corrupt.has(holder)),
      ];
      if (ordered.length < threshold) return undefined;
      let attempt = 0;
      for (const subset of subsets(ordered, threshold)) {
        const candidate = combine(subset);
        if (candidate !== undefined && matches(candidate)) {
          // The search for culprits costs far more than a reconstruction, so it waits for a failure.
          if (attempt > 0) for (const culprit of culprits(ordered, subset)) corrupt.add(culprit);
          return candidate;
        }
        candidate?.fill(0);
        if (attempt === 0) {
          const corrected = correct(ordered, matches);
          if (corrected !== undefined) return corrected;
        }
        // More are wrong than the code can tell apart, but a commitment can: a lucky subset will do.
        if (++attempt >= attempts) break;
      }
      return undefined;
    },
    corrupt: () => [...corrupt].sort(ascending),
  };
}

/** Looks the shares of an owner up, in order of their holders, in one table for all. */
function sharesByOwner(
  { holders, reveals, sPublic }: RecoveryJob,
  table: "shares" | "noise",
): (owner: number) => HeldShare[] {
  const begin = new Uint32Array(sPublic.length / 32 + 1);
  for (const { owners } of reveals) for (const owner of owners) begin[owner + 1]!++;
  for (let owner = 1; owner < begin.length; owner++) begin[owner]! += begin[owner - 1]!;
  const total = begin.at(-1)!;
  const rank = new Uint32Array(total);
  const position = new Uint32Array(total);
  const next = begin.slice();
  reveals.forEach(({ owners }, r) => {
    owners.forEach((owner, p) => {
      const at = next[owner]!++;
      rank[at] = r;
      position[at] = p;
    });
  });
  return (owner) => {
    const found: HeldShare[] = [];
    for (let at = begin[owner]!; at < begin[owner + 1]!; at++) {
      const holder = holders[rank[at]!]!;
      const from = SHARE_BYTES * position[at]!;
      const share = reveals[rank[at]!]![table].subarray(from, from + SHARE_BYTES);
      found.push({ holder, x: shareX(holder), share });
    }
    return found;
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
 * dealer, no proof: whoever dealt a wrong share makes its holder look guilty, and so can more than (m − t)/2 holders
 * who agree on their errors.
 */
function culprits(all: readonly HeldShare[], subset: readonly HeldShare[]): number[] {
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
