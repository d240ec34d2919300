/** Distances, and points grouped by their labels: what the internal metrics and the density clustering share. */

import { type Matrix, normalised, rowOf } from "./matrix.ts";

/** `cosine`: 1 − cosine, in [0, 2], 1 to a point without direction. `euclidean`: the L2 distance. */
export type Metric = "cosine" | "euclidean";

/**
 * The rows in float64, scaled to norm 1 under the cosine, so that {@link distance} may take them.
 *
 * @throws {RangeError} on a value that is not finite or a matrix whose data do not fit its shape
 */
export function preparedRows(points: Matrix, metric: Metric): Float64Array[] {
  if (points.data.length !== points.rows * points.columns)
    throw new RangeError(
      `A matrix of ${points.rows} × ${points.columns} holds ${points.data.length} values.`,
    );
  return Array.from({ length: points.rows }, (_, r) => {
    const row = rowOf(points, r);
    if (metric === "cosine") return normalised(row);
    const bad = row.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new RangeError(`Component ${bad} of a vector is not finite.`);
    return Float64Array.from(row);
  });
}

/** The distance of two prepared rows. */
export function distance(a: Float64Array, b: Float64Array, metric: Metric): number {
  let sum = 0;
  if (metric === "cosine") {
    for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
    return Math.min(2, Math.max(0, 1 - sum));
  }
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum);
}

/** Points in clusters: the distinct labels ascending, and for each point the position of its label among them. */
export interface Grouping {
  readonly labels: readonly number[];
  readonly clusterOf: Int32Array;
  readonly sizes: readonly number[];
}

/**
 * Groups points by label.
 *
 * @throws {RangeError} when the labels are not one whole number per point, or there is no point
 */
export function grouping(points: Matrix, labels: ArrayLike<number>): Grouping {
  if (labels.length !== points.rows)
    throw new RangeError(`${labels.length} labels do not fit ${points.rows} points.`);
  if (points.rows === 0) throw new RangeError("A metric over no points is undefined.");
  const distinct = [...new Set(Array.from(labels))].sort((a, b) => a - b);
  const bad = distinct.find((label) => !Number.isInteger(label));
  if (bad !== undefined) throw new RangeError(`A label is a whole number, not ${bad}.`);
  const position = new Map(distinct.map((label, c) => [label, c]));
  const clusterOf = Int32Array.from(labels, (label) => position.get(label)!);
  const sizes = new Array<number>(distinct.length).fill(0);
  for (const c of clusterOf) sizes[c] = sizes[c]! + 1;
  return { labels: distinct, clusterOf, sizes };
}

/** The mean of each cluster's prepared rows; under the cosine its direction, zero where the rows cancel out. */
export function centroidsOf(
  rows: readonly Float64Array[],
  { clusterOf, sizes }: Grouping,
  metric: Metric,
): Float64Array[] {
  const sums = sizes.map(() => new Float64Array(rows[0]!.length));
  rows.forEach((row, r) => {
    const sum = sums[clusterOf[r]!]!;
    for (let i = 0; i < row.length; i++) sum[i] = sum[i]! + row[i]!;
  });
  if (metric === "cosine") return sums.map(normalised);
  return sums.map((sum, c) => sum.map((value) => value / sizes[c]!));
}
