/**
 * A Gaussian mixture by federated EM: the device computes its responsibilities and bounded sums, the server takes the
 * M step from their (noisy) total.
 */

import type { Matrix, Vector } from "./matrix.ts";
import { rowOf } from "./matrix.ts";
import type { SufficientStatistics } from "./statistics.ts";

/** `diagonal`: a variance per component and dimension. `spherical`: one per component. */
export type Covariance = "diagonal" | "spherical";

/** k Gaussian components in d dimensions. */
export interface GaussianMixture {
  readonly covariance: Covariance;
  readonly dimension: number;
  /** Length k, ≥ 0, of sum 1. */
  readonly weights: Float64Array;
  /** k × d, row-major. */
  readonly means: Float64Array;
  /** k × d, row-major, when diagonal; length k when spherical; > 0. */
  readonly variances: Float64Array;
}

/** One user's bounded contribution to an EM iteration; additive over users. */
export interface MixtureStatistics extends SufficientStatistics {
  /**
   * Responsibility-weighted squares: k × d, row-major, when diagonal; when spherical length k, of squared norms.
   */
  readonly squares: Float64Array;
}

/** Added to every variance, as scikit-learn's `reg_covar`; and the least variance that noise can leave. */
const REGULARISATION = 1e-6;

/**
 * A mixture to start from: equal weights, the centroids as means, one variance for all.
 *
 * @param centroids k × d, k ≥ 1
 * @param options.variance per dimension, > 0; default that of a uniform direction, 1 / d
 * @throws {RangeError} when there is no centroid or the variance is not positive
 */
export function mixtureFromCentroids(
  centroids: Matrix,
  options: { readonly covariance: Covariance; readonly variance?: number },
): GaussianMixture {
  const { rows: k, columns: d } = centroids;
  if (k < 1) throw new RangeError("A mixture needs at least one component.");
  const variance = options.variance ?? 1 / d;
  if (!(variance > 0 && variance < Number.POSITIVE_INFINITY))
    throw new RangeError(`The variance must be finite and above 0, not ${variance}.`);
  return {
    covariance: options.covariance,
    dimension: d,
    weights: new Float64Array(k).fill(1 / k),
    means: Float64Array.from(centroids.data),
    variances: new Float64Array(options.covariance === "diagonal" ? k * d : k).fill(variance),
  };
}

/**
 * The responsibilities of the components for a point (the E step), and the logarithm of its density.
 *
 * @param point dimension d; scaled down to norm 1 when it is longer
 * @returns `responsibilities` of length k, of sum 1; `logDensity` in nats
 * @throws {RangeError} on another dimension or a value that is not finite
 */
export function responsibilities(
  point: Vector,
  mixture: GaussianMixture,
): { readonly responsibilities: Float64Array; readonly logDensity: number } {
  return expectation(boundedPoint(point, mixture), mixture);
}

/**
 * The sufficient statistics of one EM iteration for ONE user: with m vectors x, each of norm at most 1 (longer ones are
 * scaled down), component c's `counts` gain γ_c / m, `sums` γ_c x / m, and `squares` γ_c x² / m (spherical: γ_c ‖x‖² / m).
 *
 * Sensitivity: the responsibilities γ are ≥ 0 and sum to 1, so ‖counts‖₂ ≤ 1; ‖sums‖₂ ≤ Σ_c γ_c ‖x‖ ≤ 1; and
 * ‖squares‖₂ ≤ Σ_c γ_c ‖x²‖₂ ≤ ‖x‖² ≤ 1. Each block is bounded by 1 however many vectors the user has. Unlike in
 * k-means a zero vector is a point like any other.
 *
 * @param vectors m × d; without a vector all results are zero
 * @throws {RangeError} on another dimension or a value that is not finite
 */
export function mixtureStatistics(vectors: Matrix, mixture: GaussianMixture): MixtureStatistics {
  const d = mixture.dimension;
  const k = mixture.weights.length;
  const counts = new Float64Array(k);
  const sums = new Float64Array(k * d);
  const squares = new Float64Array(mixture.variances.length);
  for (let r = 0; r < vectors.rows; r++) {
    const point = boundedPoint(rowOf(vectors, r), mixture);
    const expected = expectation(point, mixture).responsibilities;
    for (let c = 0; c < k; c++) {
      const share = expected[c]! / vectors.rows;
      counts[c]! += share;
      for (let i = 0; i < d; i++) {
        const value = point[i]!;
        sums[c * d + i]! += share * value;
        squares[mixture.covariance === "diagonal" ? c * d + i : c]! += share * value * value;
      }
    }
  }
  return { counts, sums, squares };
}

/** A new mixture, and the components that could not be moved. */
export interface AggregateMixture {
  readonly mixture: GaussianMixture;
  /** Ascending indices of the components that kept their mean and variance. */
  readonly suppressed: number[];
}

/**
 * The M step from the noisy sum of many users' {@link MixtureStatistics}: weights N_c / N, means S_c / N_c and variances
 * Q_c / N_c − mean² + 1e−6. Without noise equal to scikit-learn's `GaussianMixture`.
 *
 * With noise: a component whose count is below `floor`, zero or not a number keeps its mean and variance (and is listed
 * in `suppressed`); a mean is brought back into the unit ball, where all points are; a variance is at least 1e−6; a
 * negative count weighs nothing.
 *
 * @param options.floor smallest noisy count, in users, for which a component moves; ≥ 0
 * @throws {RangeError} on a mismatch of shapes or a negative or NaN floor
 */
export function mixtureFromAggregate(
  aggregate: MixtureStatistics,
  options: { readonly previous: GaussianMixture; readonly floor: number },
): AggregateMixture {
  const { previous, floor } = options;
  const { dimension: d, covariance } = previous;
  const { counts, sums, squares } = aggregate;
  if (!(floor >= 0)) throw new RangeError(`The floor must be a count of at least 0, not ${floor}.`);
  const k = previous.weights.length;
  if (counts.length !== k || sums.length !== k * d || squares.length !== previous.variances.length)
    throw new RangeError(
      `${counts.length} counts, ${sums.length} sums and ${squares.length} squares do not fit ${k} ${covariance} components in ${d} dimensions.`,
    );
  const means = Float64Array.from(previous.means);
  const variances = Float64Array.from(previous.variances);
  const suppressed: number[] = [];
  const perComponent = squares.length / k;
  for (let c = 0; c < k; c++) {
    const count = counts[c]!;
    const sum = sums.subarray(c * d, (c + 1) * d);
    const square = squares.subarray(c * perComponent, (c + 1) * perComponent);
    if (!(count >= floor && count > 0) || ![count, ...sum, ...square].every(Number.isFinite)) {
      suppressed.push(c);
      continue;
    }
    const mean = withinUnitBall(sum.map((value) => value / count));
    means.set(mean, c * d);
    const squaredNorm = mean.reduce((total, value) => total + value * value, 0);
    square.forEach((value, i) => {
      const variance =
        covariance === "diagonal" ? value / count - mean[i]! ** 2 : (value / count - squaredNorm) / d;
      variances[c * perComponent + i] = Math.max(0, variance) + REGULARISATION;
    });
  }
  const positive = counts.map((count) => (count > 0 && Number.isFinite(count) ? count : 0));
  const total = positive.reduce((sum, count) => sum + count, 0);
  const weights = total > 0 ? positive.map((count) => count / total) : Float64Array.from(previous.weights);
  return { mixture: { covariance, dimension: d, weights, means, variances }, suppressed };
}

function expectation(
  point: Float64Array,
  { covariance, dimension: d, weights, means, variances }: GaussianMixture,
): { responsibilities: Float64Array; logDensity: number } {
  const logs = weights.map((weight, c) => {
    let exponent = 0;
    for (let i = 0; i < d; i++) {
      const variance = variances[covariance === "diagonal" ? c * d + i : c]!;
      exponent += (point[i]! - means[c * d + i]!) ** 2 / variance + Math.log(2 * Math.PI * variance);
    }
    return Math.log(weight) - exponent / 2;
  });
  const largest = logs.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const shares = logs.map((value) => Math.exp(value - largest));
  const total = shares.reduce((sum, value) => sum + value, 0);
  return {
    responsibilities: shares.map((value) => value / total),
    logDensity: largest + Math.log(total),
  };
}

function boundedPoint(point: Vector, { dimension }: GaussianMixture): Float64Array {
  if (point.length !== dimension)
    throw new RangeError(`A point of dimension ${point.length} meets a mixture of dimension ${dimension}.`);
  const bad = point.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new RangeError(`Component ${bad} of a vector is not finite.`);
  return withinUnitBall(Float64Array.from(point));
}

function withinUnitBall(point: Float64Array): Float64Array {
  // hypot does not overflow where the sum of squares would.
  const norm = Math.hypot(...point);
  return norm > 1 ? point.map((value) => value / norm) : point;
}
