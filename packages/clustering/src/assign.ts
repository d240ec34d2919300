/** Nearest centroids under the cosine, and the silhouette that follows from the two nearest ones. */

import { checkShapes, type Matrix, normalised, rowOf, type Vector } from "./matrix.ts";

/** The two nearest centroids of a point. */
export interface Assignment {
  /** Index of the nearest centroid; the lowest index wins a tie. */
  readonly cluster: number;
  /** Cosine between the point and that centroid, in [−1, 1]; 0 for a point without direction. */
  readonly similarity: number;
  /** Index of the second nearest centroid, or −1 when there is only one centroid. */
  readonly second: number;
  /** Cosine to the second nearest centroid, or −1 when there is only one centroid. */
  readonly secondSimilarity: number;
}

/**
 * Finds the nearest and second nearest centroid by cosine.
 *
 * @param point dimension d; normalised here, so any length > 0 will do. A zero point goes to cluster 0 with similarity 0.
 * @param centroids k × d, rows of norm 1
 * @throws {RangeError} on a mismatch of shapes or a value that is not finite
 */
export function assign(point: Vector, centroids: Matrix): Assignment {
  checkShapes(point, centroids);
  return nearestTwo(normalised(point), centroids);
}

/**
 * How much a point belongs to each cluster: the softmax of its cosines over a temperature. Near 0 all belongs to the
 * nearest centroid; the larger, the more evenly.
 *
 * @param point dimension d, any length; a point without direction belongs to all alike
 * @param centroids k × d, rows of norm 1
 * @param temperature > 0, finite
 * @returns length k, of sum 1
 * @throws {RangeError} on a mismatch of shapes, a value that is not finite or a temperature outside its bounds
 */
export function softMembership(point: Vector, centroids: Matrix, temperature: number): Float64Array {
  if (!(temperature > 0 && temperature < Number.POSITIVE_INFINITY))
    throw new RangeError(`The temperature must be finite and above 0, not ${temperature}.`);
  checkShapes(point, centroids);
  const unit = normalised(point);
  const { rows, columns, data } = centroids;
  const shares = new Float64Array(rows);
  let largest = Number.NEGATIVE_INFINITY;
  for (let c = 0, offset = 0; c < rows; c++, offset += columns) {
    let cosine = 0;
    for (let i = 0; i < columns; i++) cosine += unit[i]! * data[offset + i]!;
    shares[c] = cosine / temperature;
    largest = Math.max(largest, shares[c]!);
  }
  let total = 0;
  for (let c = 0; c < rows; c++) {
    shares[c] = Math.exp(shares[c]! - largest);
    total += shares[c]!;
  }
  for (let c = 0; c < rows; c++) shares[c]! /= total;
  return shares;
}

/** As {@link assign}, for a point already known to be of norm 1 (or zero) and of the right dimension. */
export function nearestTwo(unit: Float64Array, centroids: Matrix): Assignment {
  const { rows, columns, data } = centroids;
  let cluster = 0;
  let similarity = Number.NEGATIVE_INFINITY;
  let second = -1;
  let secondSimilarity = Number.NEGATIVE_INFINITY;
  for (let c = 0, offset = 0; c < rows; c++, offset += columns) {
    let product = 0;
    for (let i = 0; i < columns; i++) product += unit[i]! * data[offset + i]!;
    if (product > similarity) {
      second = c === 0 ? -1 : cluster;
      secondSimilarity = similarity;
      cluster = c;
      similarity = product;
    } else if (product > secondSimilarity) {
      second = c;
      secondSimilarity = product;
    }
  }
  return {
    cluster,
    similarity: clampCosine(similarity),
    second,
    secondSimilarity: clampCosine(secondSimilarity),
  };
}

/** Rounding may push a cosine of float32 rows a hair outside [−1, 1]; −∞ stands for "no such centroid". */
function clampCosine(value: number): number {
  return Math.max(-1, Math.min(1, value));
}

/**
 * The simplified silhouette of one point: (b − a) / max(a, b), where a and b are the cosine distances
 * (1 − cosine) to the nearest and the second nearest centroid (Hruschka, Campello & de Castro, "Evolutionary
 * algorithms for clustering gene-expression data", ICDM 2004). Because a is the nearest distance, the value is
 * in [0, 1]; it is stated and clamped as [−1, 1], the range of the silhouette.
 *
 * Conventions: 0 with a single centroid, for a zero point, and when a = b = 0 (coinciding centroids).
 *
 * @param point dimension d, any length
 * @param centroids k × d, rows of norm 1
 * @throws {RangeError} on a mismatch of shapes or a value that is not finite
 */
export function simplifiedSilhouette(point: Vector, centroids: Matrix): number {
  const { similarity, second, secondSimilarity } = assign(point, centroids);
  if (second < 0) return 0;
  const a = 1 - similarity;
  const b = 1 - secondSimilarity;
  const largest = Math.max(a, b);
  return largest === 0 ? 0 : Math.max(-1, Math.min(1, (b - a) / largest));
}

/**
 * The mean of {@link simplifiedSilhouette} over the rows of `points`.
 *
 * @throws {RangeError} when there is no point, on a mismatch of shapes or a value that is not finite
 */
export function meanSimplifiedSilhouette(points: Matrix, centroids: Matrix): number {
  if (points.rows < 1) throw new RangeError("The mean silhouette of no points is undefined.");
  let sum = 0;
  for (let r = 0; r < points.rows; r++) sum += simplifiedSilhouette(rowOf(points, r), centroids);
  return sum / points.rows;
}
