/**
 * The canary estimate of federated learning (Andrew et al. 2023, "One-shot Empirical Privacy Estimation for Federated
 * Learning"): canary clients submit random unit directions at the clip norm, and how far the cosines with what was
 * learned lie from those of unused directions says how much a client shows. An estimate, not a bound: it holds neither
 * from above nor from below.
 *
 * Cosines of canaries and of unused directions tend to the same spread 1/√d. It is taken as such and not fitted, other
 * than in the paper's algorithm: at a small δ the error of a spread fitted to some dozens of canaries outweighs all else.
 */
import { delta as checkedDelta, gaussianEpsilon } from "@kindred/privacy";

/**
 * ε between N(mean of the cosines, 1/d) and N(0, 1/d).
 * @param cosines of the canaries' directions with the aggregate, or with θ_T − θ_0; at least one
 * @param options.dimension d: unused directions have cosines ~ N(0, 1/d)
 */
export function federatedCanaryEstimate(
  cosines: readonly number[],
  { dimension, delta }: { dimension: number; delta: number },
): number {
  const mean = cosines.reduce((sum, value) => sum + value, 0) / cosines.length;
  const shift = mean * Math.sqrt(dimension);
  return shift > 0 ? gaussianEpsilon({ noiseMultiplier: 1 / shift, delta: checkedDelta(delta) }) : 0;
}
