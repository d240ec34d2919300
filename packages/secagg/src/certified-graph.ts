/**
 * Degree and threshold of the k-regular graph against a coordinator that decides who counts as dropped *after* it knows
 * the graph, provided that members prove to each other which U2 they masked for and which U3 they agree on
 * (docs/decisions, "The neighbour graph against a coordinator that lies").
 *
 * The rule of Bell et al. (CCS 2020) takes dropouts to be independent of the graph. On a ring they need not be: declaring
 * k/2 successive members dropped at two places cuts the ring in two, and each part's sum could be read by itself. Members
 * know the ring and U3, so they look for such gaps. What they cannot see is who is corrupt: so two windows must hold
 * more survivors than corrupt members can be in them.
 *
 * Client and coordinator compute it each for themselves. Engines may round Math.log differently in the last place;
 * a decision that hangs on that would make the two disagree on the graph, and the round would fail, never leak.
 */
import { accepted, type Result, rejected } from "@kindred/protocol";
import { floorShare, lowerQuantile, ROUNDING, upperQuantile } from "./hypergeometric.ts";

export interface CertifiedGraphOptions {
  /** n, members of the cohort. */
  readonly n: number;
  /** γ, share of the members that collude with the coordinator, whoever they are before the graph is known. */
  readonly corruption: number;
  /** δ, share of the members that drop out. */
  readonly dropout: number;
  /** σ: privacy fails with probability below 2^−σ over the draw of the graph. */
  readonly security: number;
  /** η: a round in which no more than δ·n members drop out, at random, fails with probability below 2^−η. */
  readonly correctness: number;
}

export interface CertifiedGraph {
  /** k, even. */
  readonly degree: number;
  /** t. */
  readonly threshold: number;
  /** Survivors that every two disjoint windows of k/2 successive places on the ring must hold together. */
  readonly windowFloor: number;
}

/**
 * The smallest even degree k with a threshold t and a floor w such that, with X hypergeometric,
 * 1. no member has t or more corrupt neighbours: Pr[Hyp(n, γn, k) ≥ t] < 2^−(σ+1)/n;
 * 2. no two windows hold w or more corrupt members: Pr[Hyp(n, γn, k) ≥ w] < 2^−(σ+1)/pairs, where pairs =
 *    n(n − k + 1)/2 counts the pairs of disjoint windows;
 * 3. every member keeps t surviving neighbours: Pr[Hyp(n, (1−δ)n, k) < t] < 2^−(η+1)/n;
 * 4. every two windows keep w survivors: Pr[Hyp(n, (1−δ)n, k) < w] < 2^−(η+1)/pairs.
 * @returns `plan-invalid` where the rates leave no room; `cohort-too-small` where no k < n − 1 does it
 */
export function certifiedGraphParameters(options: CertifiedGraphOptions): Result<CertifiedGraph> {
  const { n, corruption, dropout, security, correctness } = options;
  if (!(corruption >= 0 && dropout >= 0 && corruption + dropout <= 0.9 + ROUNDING))
    return rejected("plan-invalid", "plan.cohort", {
      rule: `needs corruption + dropout from 0 to 0.9 for a regular graph, found ${corruption + dropout}`,
      fix: "lower cohort.corruption or cohort.dropout, or use the complete graph",
    });
  const corrupt = floorShare(corruption, n);
  const survivors = n - floorShare(dropout, n);
  const privacy = 2 ** -(security + 1);
  const failure = 2 ** -(correctness + 1);
  for (let degree = 2; degree < n - 1; degree += 2) {
    const pairs = (n * (n - degree + 1)) / 2;
    const colluding = { total: n, marked: corrupt, drawn: degree };
    const staying = { total: n, marked: survivors, drawn: degree };
    const threshold = Math.max(upperQuantile(colluding, privacy / n) + 1, 2);
    const windowFloor = upperQuantile(colluding, privacy / pairs) + 1;
    if (
      lowerQuantile(staying, failure / n) >= threshold &&
      lowerQuantile(staying, failure / pairs) >= windowFloor
    )
      return accepted({ degree, threshold, windowFloor });
  }
  return rejected("cohort-too-small", "cohort", {
    rule: `of ${n} members has no regular graph that withstands corruption ${corruption} and dropout ${dropout}`,
    fix: "use a larger cohort or the complete graph",
  });
}

/**
 * The fewest survivors that two disjoint windows of `width` successive places on the ring hold together. While that is
 * more than the corrupt members in any two windows, the honest survivors are connected: two that follow each other
 * on the ring without being neighbours have a window without an honest survivor between them, and it takes two
 * such gaps to cut a ring.
 * @param ring the members in their order on the ring; at least 2·width of them
 */
export function fewestInTwoWindows(
  ring: Uint32Array,
  { survivors, width }: { survivors: readonly number[]; width: number },
): number {
  const n = ring.length;
  const present = new Uint8Array(n);
  for (const member of survivors) present[member] = 1;
  const counts = new Uint32Array(n);
  let count = 0;
  for (let place = 0; place < width; place++) count += present[ring[place]!]!;
  for (let start = 0; start < n; start++) {
    counts[start] = count;
    count += present[ring[(start + width) % n]!]! - present[ring[start]!]!;
  }
  // For each window the least among those that do not overlap it: a minimum that slides along, kept in a queue of
  // starts with increasing counts.
  const queue: number[] = [];
  let head = 0;
  let next = width;
  let fewest = Number.POSITIVE_INFINITY;
  for (let start = 0; start < n; start++) {
    for (; next <= start + n - width; next++) {
      while (queue.length > head && counts[queue.at(-1)! % n]! >= counts[next % n]!) queue.pop();
      queue.push(next);
    }
    while (queue[head]! < start + width) head++;
    fewest = Math.min(fewest, counts[start]! + counts[queue[head]! % n]!);
  }
  return fewest;
}
