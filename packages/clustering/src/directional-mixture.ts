/**
 * A mixture of spherical Gaussians over unit vectors, described by directions, shares and spreads. The squared norm of a
 * unit vector is 1, so the squares that EM needs are the counts: a mixture takes the very statistics of k-means, of the
 * same sensitivity, and a round that counts people by it carries nothing more.
 */
import { type Matrix, normalised, rowOf, type Vector } from "./matrix.ts";
import { type GaussianMixture, responsibilities } from "./mixture.ts";
import { type SufficientStatistics, weightedDirections } from "./statistics.ts";

/** Nobody's vectors are all one: the least spread, in squared norm over all dimensions. */
const LEAST_SPREAD = 1e-3;
/** Least share of a component, so that one that was empty can be found again. */
const LEAST_SHARE = 1e-6;

/**
 * Variance per dimension of unit vectors about their mean: (1 − R²) / d, at least 0.001 / d.
 * @param concentration R, the norm of their mean (mean resultant length; Mardia & Jupp 2000, section 9.2), 0 to 1
 * @param dimension d, ≥ 1
 */
export function spreadOf(concentration: number, dimension: number): number {
  return Math.max(LEAST_SPREAD, 1 - Math.min(1, concentration) ** 2) / dimension;
}

/**
 * The mixture with means along the centroids, as far out as its spreads say: of norm √(1 − d v).
 *
 * @param centroids k × d, rows of norm 1
 * @param options.shares length k, ≥ 0
 * @param options.spreads v, length k, variances per dimension, above 0 and at most 1 / d, as from {@link spreadOf}
 * @throws {RangeError} when the lengths do not fit
 */
export function directionalMixture(
  centroids: Matrix,
  { shares, spreads }: { readonly shares: ArrayLike<number>; readonly spreads: ArrayLike<number> },
): GaussianMixture {
  const { rows: k, columns: d } = centroids;
  if (shares.length !== k || spreads.length !== k)
    throw new RangeError(`${shares.length} shares and ${spreads.length} spreads do not fit ${k} centroids.`);
  const positive = Float64Array.from(shares, (share) => Math.max(LEAST_SHARE, share));
  const total = positive.reduce((sum, share) => sum + share, 0);
  const means = new Float64Array(k * d);
  for (let c = 0; c < k; c++) {
    const norm = Math.sqrt(Math.max(0, 1 - d * spreads[c]!));
    rowOf(centroids, c).forEach((value, i) => {
      means[c * d + i] = norm * value;
    });
  }
  return {
    covariance: "spherical",
    dimension: d,
    weights: positive.map((share) => share / total),
    means,
    variances: Float64Array.from(spreads),
  };
}

/**
 * Responsibilities of a mixture's components for a direction.
 *
 * @param vector dimension d, scaled to norm 1; for a zero vector the weights of the mixture
 * @returns length k, of sum 1
 * @throws {RangeError} on another dimension or a value that is not finite
 */
export function mixtureMembership(vector: Vector, mixture: GaussianMixture): Float64Array {
  const unit = normalised(vector);
  if (unit.every((value) => value === 0)) return Float64Array.from(mixture.weights);
  return responsibilities(unit, mixture).responsibilities;
}

/**
 * The sufficient statistics of one EM iteration for ONE user, as `sufficientStatistics` of k-means but soft: vector x of
 * share s adds γ_c s to `counts[c]` and γ_c s x to row c of `sums`. The responsibilities γ are ≥ 0 and sum to 1, so
 * ‖counts‖₂ ≤ 1 and ‖sums‖₂ ≤ 1 however many vectors there are (up to float64 rounding, below 1e−12).
 *
 * @param vectors m × d, one or several interest vectors of the same user; zero vectors are left out
 * @param mixture k components in d dimensions
 * @param weights length m, ≥ 0; all alike when absent
 * @throws {RangeError} on a mismatch of shapes or a value that is not finite
 */
export function softStatistics(
  vectors: Matrix,
  mixture: GaussianMixture,
  weights?: ArrayLike<number>,
): SufficientStatistics {
  const { dimension: d, weights: components } = mixture;
  if (vectors.columns !== d)
    throw new RangeError(`Vectors of dimension ${vectors.columns} meet a mixture of dimension ${d}.`);
  const counts = new Float64Array(components.length);
  const sums = new Float64Array(components.length * d);
  for (const { unit, share } of weightedDirections(vectors, weights)) {
    const expected = responsibilities(unit, mixture).responsibilities;
    for (let c = 0; c < counts.length; c++) {
      const part = share * expected[c]!;
      counts[c]! += part;
      for (let i = 0; i < d; i++) sums[c * d + i]! += part * unit[i]!;
    }
  }
  return { counts, sums };
}
