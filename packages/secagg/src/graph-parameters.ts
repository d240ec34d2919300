/**
 * Degree and threshold of the k-regular neighbourhood graph: the rule of Bell et al. ("Secure Single-Server
 * Aggregation with (Poly)Logarithmic Overhead", CCS 2020) for random Harary graphs.
 *
 * It is the published rule, to compare with: dropouts are independent of the graph there. A coordinator that decides
 * who dropped out once it knows the graph needs `certified-graph.ts`, which is what rounds use.
 */
import { accepted, type Result, rejected } from "@kindred/protocol";
import { floorShare, logFactorial, lowerQuantile, ROUNDING, upperQuantile } from "./hypergeometric.ts";

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
  let t1 = upperQuantile({ total: n, marked: corrupt, drawn: degree }, 2 ** -(security + 1) / n);
  if (mode === "semi-malicious") t1 = Math.ceil((t1 + degree - 1.25) / 2);
  const t2 = lowerQuantile({ total: n, marked: survivors, drawn: degree }, 2 ** -correctness / n);
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
