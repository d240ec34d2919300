/**
 * Internal validation: how compact and how separate clusters are, without knowing the truth. Equal to scikit-learn
 * (see `test/vectors`), which refuses the same inputs.
 */

import { centroidsOf, distance, type Grouping, grouping, type Metric, preparedRows } from "./geometry.ts";
import type { Matrix } from "./matrix.ts";

/**
 * The silhouette of every point (Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 20, 1987): (b − a) / max(a, b),
 * where a is the mean distance to the other points of its own cluster and b the smallest mean distance to the points
 * of another. 0 for a point alone in its cluster and where a = b = 0. Time O(n² d).
 *
 * @param points n × d
 * @param labels n whole numbers, of 2 to n − 1 distinct values
 * @returns n values in [−1, 1]
 * @throws {RangeError} when the labels do not fit, name fewer than 2 or as many clusters as points, or a value is not
 *   finite
 */
export function silhouettes(points: Matrix, labels: ArrayLike<number>, metric: Metric): Float64Array {
  const groups = separable(points, labels);
  const rows = preparedRows(points, metric);
  const { clusterOf, sizes } = groups;
  const k = sizes.length;
  const total = new Float64Array(rows.length * k);
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < i; j++) {
      const value = distance(rows[i]!, rows[j]!, metric);
      total[i * k + clusterOf[j]!] = total[i * k + clusterOf[j]!]! + value;
      total[j * k + clusterOf[i]!] = total[j * k + clusterOf[i]!]! + value;
    }
  }
  return Float64Array.from(rows, (_, i) => {
    const own = clusterOf[i]!;
    if (sizes[own] === 1) return 0;
    let b = Number.POSITIVE_INFINITY;
    for (let c = 0; c < k; c++) if (c !== own) b = Math.min(b, total[i * k + c]! / sizes[c]!);
    return silhouetteOf(total[i * k + own]! / (sizes[own]! - 1), b);
  });
}

/**
 * The simplified silhouette of every point: as {@link silhouettes}, with the distance to a cluster's centroid in
 * place of the mean distance to its points (Hruschka, Campello & de Castro, "Evolutionary algorithms for clustering
 * gene-expression data", ICDM 2004). Centroids are the means of the labelled points; under the cosine, their
 * directions. Time O(n k d).
 *
 * @param points n × d
 * @param labels n whole numbers, of 2 to n − 1 distinct values
 * @returns n values in [−1, 1]
 * @throws {RangeError} as {@link silhouettes}
 */
export function simplifiedSilhouettes(
  points: Matrix,
  labels: ArrayLike<number>,
  metric: Metric,
): Float64Array {
  const groups = separable(points, labels);
  const rows = preparedRows(points, metric);
  const centroids = centroidsOf(rows, groups, metric);
  return Float64Array.from(rows, (row, i) => {
    const own = groups.clusterOf[i]!;
    if (groups.sizes[own] === 1) return 0;
    let b = Number.POSITIVE_INFINITY;
    centroids.forEach((centroid, c) => {
      if (c !== own) b = Math.min(b, distance(row, centroid, metric));
    });
    return silhouetteOf(distance(row, centroids[own]!, metric), b);
  });
}

/** How far the points of one cluster, or of all, lie from their centroids. */
export interface Spread {
  /** Number of points. */
  readonly size: number;
  /** Mean distance to the centroid. */
  readonly distance: number;
  /** Mean squared distance to the centroid; times `size` it is k-means' inertia. */
  readonly variance: number;
}

/**
 * Within-cluster distance and variance, per cluster and over all points.
 *
 * @param points n × d, n ≥ 1
 * @param labels n whole numbers; any number of clusters
 * @returns `clusters` in ascending order of label
 * @throws {RangeError} when the labels do not fit or a value is not finite
 */
export function withinClusterSpread(
  points: Matrix,
  labels: ArrayLike<number>,
  metric: Metric,
): { readonly clusters: readonly (Spread & { readonly label: number })[]; readonly overall: Spread } {
  const groups = grouping(points, labels);
  const rows = preparedRows(points, metric);
  const centroids = centroidsOf(rows, groups, metric);
  const distances = new Float64Array(groups.sizes.length);
  const squares = new Float64Array(groups.sizes.length);
  rows.forEach((row, r) => {
    const c = groups.clusterOf[r]!;
    const value = distance(row, centroids[c]!, metric);
    distances[c] = distances[c]! + value;
    squares[c] = squares[c]! + value ** 2;
  });
  const n = rows.length;
  return {
    clusters: groups.labels.map((label, c) => {
      const size = groups.sizes[c]!;
      return { label, size, distance: distances[c]! / size, variance: squares[c]! / size };
    }),
    overall: { size: n, distance: sumOf(distances) / n, variance: sumOf(squares) / n },
  };
}

/** Below this, scikit-learn's Davies–Bouldin takes a distance for zero. */
const ZERO = 1e-8;

/**
 * The Davies–Bouldin index (Davies & Bouldin, "A cluster separation measure", IEEE TPAMI 1, 1979), Euclidean: the
 * mean over clusters of the largest (sᵢ + sⱼ) / d(cᵢ, cⱼ), with s the mean distance to the centroid. 0 is best. 0 as
 * well when no cluster has any extent or all centroids coincide. For cosine geometry pass rows of norm 1.
 *
 * @param points n × d
 * @param labels n whole numbers, of 2 to n − 1 distinct values
 * @throws {RangeError} as {@link silhouettes}
 */
export function daviesBouldin(points: Matrix, labels: ArrayLike<number>): number {
  const groups = separable(points, labels);
  const rows = preparedRows(points, "euclidean");
  const centroids = centroidsOf(rows, groups, "euclidean");
  const extent = withinClusterSpread(points, labels, "euclidean").clusters.map(({ distance }) => distance);
  let largestSeparation = 0;
  let sum = 0;
  centroids.forEach((a, i) => {
    let worst = 0;
    centroids.forEach((b, j) => {
      if (i === j) return;
      const separation = distance(a, b, "euclidean");
      largestSeparation = Math.max(largestSeparation, separation);
      if (separation > 0) worst = Math.max(worst, (extent[i]! + extent[j]!) / separation);
    });
    sum += worst;
  });
  if (largestSeparation <= ZERO || extent.every((value) => value <= ZERO)) return 0;
  return sum / centroids.length;
}

/**
 * The Caliński–Harabasz index, or variance ratio ("A dendrite method for cluster analysis", Communications in
 * Statistics 3, 1974), Euclidean: between-cluster over within-cluster sum of squares, each over its degrees of
 * freedom. Larger is better; 1 when no cluster has any extent. For cosine geometry pass rows of norm 1.
 *
 * @param points n × d
 * @param labels n whole numbers, of 2 to n − 1 distinct values
 * @throws {RangeError} as {@link silhouettes}
 */
export function calinskiHarabasz(points: Matrix, labels: ArrayLike<number>): number {
  const groups = separable(points, labels);
  const rows = preparedRows(points, "euclidean");
  const centroids = centroidsOf(rows, groups, "euclidean");
  const everything = { labels: [0], clusterOf: new Int32Array(rows.length), sizes: [rows.length] };
  const [mean] = centroidsOf(rows, everything, "euclidean");
  const between = centroids.reduce(
    (sum, centroid, c) => sum + groups.sizes[c]! * distance(centroid, mean!, "euclidean") ** 2,
    0,
  );
  const within = rows.reduce(
    (sum, row, r) => sum + distance(row, centroids[groups.clusterOf[r]!]!, "euclidean") ** 2,
    0,
  );
  const k = centroids.length;
  return within === 0 ? 1 : (between * (rows.length - k)) / (within * (k - 1));
}

function silhouetteOf(a: number, b: number): number {
  const largest = Math.max(a, b);
  return largest === 0 ? 0 : (b - a) / largest;
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Comparing clusters needs two of them, and one with more than a point. */
function separable(points: Matrix, labels: ArrayLike<number>): Grouping {
  const groups = grouping(points, labels);
  const k = groups.labels.length;
  if (k < 2 || k >= points.rows)
    throw new RangeError(
      `${points.rows} points in ${k} clusters: 2 to ${points.rows - 1} clusters can be compared.`,
    );
  return groups;
}
