/** Centralised spherical k-means: the reference twin of the federated iteration. */

import { nearestTwo } from "./assign.ts";
import { checkShapes, type Matrix, normalised, rowOf } from "./matrix.ts";
import { centroidsFromAggregate } from "./statistics.ts";

/** The outcome of {@link lloyd}. */
export interface LloydResult {
  /** k × d, rows of norm 1. */
  readonly centroids: Matrix;
  /** Length n: the cluster of each point under `centroids`. */
  readonly assignments: Int32Array;
  /** Weighted mean cosine between points and their centroids, in [−1, 1]; what spherical k-means maximises. */
  readonly meanSimilarity: number;
  /** Iterations performed; fewer than asked when no assignment changed. */
  readonly iterations: number;
}

/**
 * Lloyd's algorithm on the sphere (Dhillon & Modha 2001): assign each point to the nearest centroid by cosine,
 * then move each centroid to the direction of the sum of its points. An empty cluster keeps its centroid. Stops
 * early once no assignment changes.
 *
 * Summing one {@link import("./statistics.ts").SufficientStatistics} per user and taking
 * `centroidsFromAggregate` with floor 0 is the same iteration for users of one vector each.
 *
 * @param options.points n × d; rows are normalised here, zero rows carry no weight
 * @param options.centroids k × d starting centroids, rows of norm 1
 * @param options.iterations at most this many, ≥ 0
 * @param options.weights length n, ≥ 0; all 1 when absent
 * @throws {RangeError} on a mismatch of shapes or a value that is not finite
 */
export function lloyd(options: {
  readonly points: Matrix;
  readonly centroids: Matrix;
  readonly iterations: number;
  readonly weights?: ArrayLike<number>;
}): LloydResult {
  const { points, weights } = options;
  checkShapes({ length: points.columns }, options.centroids);
  if (!Number.isInteger(options.iterations) || options.iterations < 0)
    throw new RangeError(`Iterations must be a whole number of at least 0, not ${options.iterations}.`);
  if (weights && weights.length !== points.rows)
    throw new RangeError(`${weights.length} weights do not fit ${points.rows} points.`);

  const units = Array.from({ length: points.rows }, (_, r) => normalised(rowOf(points, r)));
  let centroids = options.centroids;
  let step = assignAll(units, centroids, weights);
  let iterations = 0;
  while (iterations < options.iterations) {
    centroids = centroidsFromAggregate({
      counts: step.counts,
      sums: step.sums,
      previous: centroids,
      floor: 0,
    }).centroids;
    iterations++;
    const before = step.assignments;
    step = assignAll(units, centroids, weights);
    if (step.assignments.every((cluster, r) => cluster === before[r])) break;
  }
  return { centroids, assignments: step.assignments, meanSimilarity: step.meanSimilarity, iterations };
}

function assignAll(
  units: readonly Float64Array[],
  centroids: Matrix,
  weights: ArrayLike<number> | undefined,
): { counts: Float64Array; sums: Float64Array; assignments: Int32Array; meanSimilarity: number } {
  const counts = new Float64Array(centroids.rows);
  const sums = new Float64Array(centroids.data.length);
  const assignments = new Int32Array(units.length);
  let total = 0;
  let similarities = 0;
  units.forEach((unit, r) => {
    const weight = weights?.[r] ?? 1;
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY))
      throw new RangeError(`Weight ${r} must be a finite number of at least 0, not ${weight}.`);
    const { cluster, similarity } = nearestTwo(unit, centroids);
    assignments[r] = cluster;
    counts[cluster] = counts[cluster]! + weight;
    total += weight;
    similarities += weight * similarity;
    const offset = cluster * centroids.columns;
    for (let i = 0; i < unit.length; i++) sums[offset + i] = sums[offset + i]! + weight * unit[i]!;
  });
  return { counts, sums, assignments, meanSimilarity: total > 0 ? similarities / total : 0 };
}
