/**
 * The two halves of federated k-means: what one user contributes, and how centroids come out of the noisy sum.
 */

import { nearestTwo } from "./assign.ts";
import { checkShapes, type Matrix, normalised, rowOf } from "./matrix.ts";

/** One user's bounded contribution to a Lloyd iteration; additive over users. */
export interface SufficientStatistics {
  /** Length k: the share of the user's vectors, by their weights, in each cluster. */
  readonly counts: Float64Array;
  /** Length k · d, row-major: per cluster the sum of the user's unit vectors in it, each times its share. */
  readonly sums: Float64Array;
}

/**
 * The sufficient statistics of spherical k-means for ONE user.
 *
 * With m vectors x₁ … x_m (each scaled to norm 1 here, whatever the caller passes), vector x in cluster c adds
 * its share s to `counts[c]` and s x to row c of `sums`; the share is 1/m, or the vector's weight over the sum of the
 * weights. Sensitivity: ‖counts‖₂ ≤ ‖counts‖₁ ≤ 1, and by the triangle inequality ‖sums‖₂ ≤ Σ sᵢ ‖xᵢ‖₂ ≤ 1 (both up to
 * float64 rounding, below 1e−12), so each block is bounded by 1 for one user no matter how many vectors the user has.
 *
 * A zero vector has no direction: it is left out and does not count towards m. Without any direction, or any weight,
 * both results are all zeros.
 *
 * @param vectors m × d, one or several interest vectors of the same user, as from `interestVectors`
 * @param centroids k × d, rows of norm 1
 * @param weights length m, ≥ 0; all alike when absent
 * @throws {RangeError} on a mismatch of shapes or a value that is not finite
 */
export function sufficientStatistics(
  vectors: Matrix,
  centroids: Matrix,
  weights?: ArrayLike<number>,
): SufficientStatistics {
  checkShapes({ length: vectors.columns }, centroids);
  const counts = new Float64Array(centroids.rows);
  const sums = new Float64Array(centroids.rows * centroids.columns);
  for (const { unit, share } of weightedDirections(vectors, weights)) {
    const { cluster } = nearestTwo(unit, centroids);
    counts[cluster] = counts[cluster]! + share;
    const offset = cluster * centroids.columns;
    for (let i = 0; i < unit.length; i++) sums[offset + i] = sums[offset + i]! + share * unit[i]!;
  }
  return { counts, sums };
}

/**
 * The directions of one user's vectors and their shares, of sum 1; without vectors that have none, or no weight.
 *
 * @param weights length m, ≥ 0; all alike when absent
 * @throws {RangeError} when the lengths do not fit, or for a weight that is none or a value that is not finite
 */
export function weightedDirections(
  vectors: Matrix,
  weights?: ArrayLike<number>,
): { readonly unit: Float64Array; readonly share: number }[] {
  if (weights && weights.length !== vectors.rows)
    throw new RangeError(`${weights.length} weights do not fit ${vectors.rows} vectors.`);
  const directions: { readonly unit: Float64Array; readonly weight: number }[] = [];
  let total = 0;
  for (let r = 0; r < vectors.rows; r++) {
    const unit = normalised(rowOf(vectors, r));
    const weight = weights?.[r] ?? 1;
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY))
      throw new RangeError(`Weight ${r} must be a finite number of at least 0, not ${weight}.`);
    if (weight === 0 || unit.every((value) => value === 0)) continue;
    directions.push({ unit, weight });
    total += weight;
  }
  return directions.map(({ unit, weight }) => ({ unit, share: weight / total }));
}

/** New centroids, and the clusters that could not be moved. */
export interface AggregateCentroids {
  /** k × d, rows of norm 1 wherever `previous` has norm 1. */
  readonly centroids: Matrix;
  /** Ascending indices of the clusters that kept their previous centroid. */
  readonly suppressed: number[];
}

/**
 * Centroids from the noisy sum of many users' {@link SufficientStatistics}: each is the direction of its sum.
 * The counts decide only whether a cluster is released at all; a direction needs no division by a noisy count.
 *
 * A cluster keeps its previous centroid (and is listed in `suppressed`) when its noisy count is below `floor` or
 * not a number, or when its noisy sum is zero or not finite.
 *
 * @param options.counts length k, in users
 * @param options.sums length k · d, row-major
 * @param options.previous k × d, the centroids the contributions were computed against
 * @param options.floor smallest noisy count, in users, for which a centroid moves; 0 releases every cluster of
 *   non-negative count
 * @throws {RangeError} on a mismatch of shapes or a negative or NaN floor
 */
export function centroidsFromAggregate(options: {
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly previous: Matrix;
  readonly floor: number;
}): AggregateCentroids {
  const { counts, sums, previous, floor } = options;
  if (!(floor >= 0)) throw new RangeError(`The floor must be a count of at least 0, not ${floor}.`);
  if (counts.length !== previous.rows || sums.length !== previous.data.length) {
    throw new RangeError(
      `${counts.length} counts and ${sums.length} sums do not fit ${previous.rows} × ${previous.columns} centroids.`,
    );
  }
  const { rows, columns } = previous;
  const data = Float32Array.from(previous.data);
  const suppressed: number[] = [];
  for (let c = 0; c < rows; c++) {
    const sum = sums.subarray(c * columns, (c + 1) * columns);
    const usable = sum.every(Number.isFinite) && sum.some((value) => value !== 0);
    if (counts[c]! >= floor && usable) data.set(normalised(sum), c * columns);
    else suppressed.push(c);
  }
  return { centroids: { rows, columns, data }, suppressed };
}
