/**
 * Degree and threshold of the k-regular neighbourhood graph: the rule of Bell et al. ("Secure Single-Server
 * Aggregation with (Poly)Logarithmic Overhead", CCS 2020) for random Harary graphs.
 *
 * Client and coordinator compute it each for themselves. Engines may round Math.log differently in the last place;
 * a decision that hangs on that would make the two disagree on the graph, and the round would fail, never leak.
 */
import { accepted, type Result, rejected } from "@kindred/protocol";

export interface RegularGraphOptions {
  /** n, members of the cohort. */
  readonly n: number;
  /** γ, share of the members that collude with the coordinator. */
  readonly corruption: number;
  /** δ, share of the members that drop out. */
  readonly dropout: number;
  /**
   * `semi-honest`: the coordinator follows the protocol. `semi-malicious`: it may also tell different members
   * different survivor sets, so the threshold must exceed half of the honest neighbours plus all corrupt ones.
   */
  readonly mode: "semi-honest" | "semi-malicious";
  /** σ: privacy fails with probability below 2^−σ. */
  readonly security: number;
  /** η: reconstruction fails with probability below 2^−η. */
  readonly correctness: number;
}

/** A guard against rounding a count down over a representation error, 0.1 · 30 = 3.0000000000000004 and its like. */
const ROUNDING = 1e-12;

/** ⌊rate·n⌋, robust against the representation error of the product. */
export function floorShare(rate: number, n: number): number {
  return Math.floor(rate * n + ROUNDING * n);
}

/**
 * The smallest even degree k, with its threshold, such that
 * 1. the graph of honest survivors is disconnected with probability below 2^−(σ+1);
 * 2. no member has t or more corrupt neighbours, but with probability 2^−(σ+1);
 * 3. every member keeps t surviving neighbours, but with probability 2^−η.
 * @returns `plan-invalid` where the rates leave no room; `cohort-too-small` where no k < n − 1 does it
 */
export function regularGraphParameters(
  options: RegularGraphOptions,
): Result<{ degree: number; threshold: number }> {
  const { n, corruption, dropout, mode } = options;
  const load = mode === "semi-honest" ? corruption + dropout : corruption + 2 * dropout;
  if (!(corruption >= 0 && dropout >= 0 && load <= 0.9 + ROUNDING))
    return rejected("plan-invalid", "plan.cohort", {
      rule: `needs ${mode === "semi-honest" ? "corruption + dropout" : "corruption + 2 × dropout"} from 0 to 0.9 for a regular graph, found ${load}`,
      fix: "lower cohort.corruption or cohort.dropout, or use the complete graph",
    });
  for (let degree = 2; degree < n - 1; degree += 2) {
    const threshold = thresholdFor(degree, options);
    if (threshold !== undefined) return accepted({ degree, threshold });
  }
  return rejected("cohort-too-small", "cohort", {
    rule: `of ${n} members has no regular graph that withstands corruption ${corruption} and dropout ${dropout}`,
    fix: "use a larger cohort or the complete graph",
  });
}

function thresholdFor(degree: number, options: RegularGraphOptions): number | undefined {
  const { n, corruption, dropout, mode, security, correctness } = options;
  const corrupt = floorShare(corruption, n);
  const survivors = n - floorShare(dropout, n);
  if (logDisconnected(n, degree, n - survivors + corrupt) >= -(security + 1) * Math.LN2) return undefined;
  // t1 is the least t with Pr[corrupt neighbours > t] < 2^−(σ+1)/n.
  let t1 = degree;
  for (let tail = 0; t1 > 0; t1--) {
    tail += hypergeometric(t1, { total: n, marked: corrupt, drawn: degree });
    if (tail >= 2 ** -(security + 1) / n) break;
  }
  if (mode === "semi-malicious") t1 = Math.ceil((t1 + degree - 1.25) / 2);
  // t2 is the greatest t with Pr[surviving neighbours < t] < 2^−η/n.
  let t2 = 0;
  for (let tail = 0; t2 < degree; t2++) {
    tail += hypergeometric(t2, { total: n, marked: survivors, drawn: degree });
    if (tail >= 2 ** -correctness / n) break;
  }
  return t2 > t1 ? Math.max(t1 + 1, 2) : undefined;
}

/**
 * Log of a union bound on the probability that removing `removed` members disconnects the graph: a Harary graph
 * breaks only where k/2 successive members are missing at two places of its ring, n(n−k−1)/2 pairs of places.
 */
function logDisconnected(n: number, degree: number, removed: number): number {
  if (degree > removed) return Number.NEGATIVE_INFINITY;
  return (
    Math.log((n * (n - degree - 1)) / 2) +
    logFactorial(removed) +
    logFactorial(n - degree) -
    logFactorial(n) -
    logFactorial(removed - degree)
  );
}

/** Pr[X = x] for the number of marked ones among `drawn` out of `total` without replacement. */
function hypergeometric(
  x: number,
  { total, marked, drawn }: { total: number; marked: number; drawn: number },
): number {
  if (x < 0 || x > marked || x > drawn || drawn - x > total - marked) return 0;
  return Math.exp(logChoose(marked, x) + logChoose(total - marked, drawn - x) - logChoose(total, drawn));
}

function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** ln n!: a table for small n, Stirling's series (error below 1e−17 relative) beyond. */
function logFactorial(n: number): number {
  if (n < SMALL_LOG_FACTORIALS.length) return SMALL_LOG_FACTORIALS[n]!;
  const inverse = 1 / n;
  const square = inverse * inverse;
  const correction = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)));
  return n * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI * n) + correction;
}

const SMALL_LOG_FACTORIALS = new Float64Array(64);
for (let n = 2; n < SMALL_LOG_FACTORIALS.length; n++)
  SMALL_LOG_FACTORIALS[n] = SMALL_LOG_FACTORIALS[n - 1]! + Math.log(n);
