/** Density clustering of weighted points, such as private centroids with their noisy counts. */

import { distance, type Metric, preparedRows } from "./geometry.ts";
import type { Matrix } from "./matrix.ts";

/** The label of an outlier. */
export const OUTLIER = -1;

/** Rounding keeps equal directions about 1e−16 apart; a chosen radius stays well above that. */
const LEAST_RADIUS = 1e-9;

/** What {@link dbscan} found. */
export interface DensityClusters {
  /** Length n: the cluster of each point, from 0, or {@link OUTLIER}. */
  readonly labels: Int32Array;
  /** Ascending indices of the core points. */
  readonly core: readonly number[];
  /** Ascending indices of the points in no cluster. */
  readonly outliers: readonly number[];
  readonly clusters: number;
  /** The radius used: as given, or {@link kneeRadius}. */
  readonly radius: number;
}

export interface DensityOptions {
  readonly metric: Metric;
  /** A point is core when the weights within `radius` of it, its own included, reach this; > 0. */
  readonly minWeight: number;
  /** Length n, finite; all 1 when absent. Noisy counts may be negative: they count against their neighbourhood. */
  readonly weights?: ArrayLike<number>;
  /** Neighbourhood radius, > 0; {@link kneeRadius} when absent. */
  readonly radius?: number;
}

/**
 * DBSCAN (Ester, Kriegel, Sander & Xu, KDD 1996) with weights: clusters are the connected core points and what lies
 * within the radius of one; a border point belongs to the first cluster that reaches it. Labels equal scikit-learn's
 * `DBSCAN` with `sample_weight`. Time O(n² d).
 *
 * @param points n × d
 * @throws {RangeError} on a mismatch of shapes, a value that is not finite, or options outside their bounds
 */
export function dbscan(points: Matrix, options: DensityOptions): DensityClusters {
  const rows = preparedRows(points, options.metric);
  const weights = checkedWeights(options, rows.length);
  const radius = options.radius ?? kneeRadius(points, options);
  if (!(radius > 0)) throw new RangeError(`The radius must be above 0, not ${radius}.`);
  const neighbours = rows.map((a) =>
    rows.flatMap((b, j) => (distance(a, b, options.metric) <= radius ? [j] : [])),
  );
  // A point is its own neighbour even where the cosine of a zero vector with itself says otherwise.
  neighbours.forEach((near, i) => {
    if (!near.includes(i)) near.push(i);
  });
  const isCore = neighbours.map((near) => near.reduce((sum, j) => sum + weights[j]!, 0) >= options.minWeight);
  const labels = new Int32Array(rows.length).fill(OUTLIER);
  let clusters = 0;
  for (let start = 0; start < rows.length; start++) {
    if (labels[start] !== OUTLIER || !isCore[start]) continue;
    const stack = [start];
    for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
      if (labels[i] !== OUTLIER) continue;
      labels[i] = clusters;
      if (isCore[i]) stack.push(...neighbours[i]!.filter((j) => labels[j] === OUTLIER));
    }
    clusters++;
  }
  const indicesWhere = (holds: (i: number) => boolean) => rows.flatMap((_, i) => (holds(i) ? [i] : []));
  return {
    labels,
    core: indicesWhere((i) => isCore[i]!),
    outliers: indicesWhere((i) => labels[i] === OUTLIER),
    clusters,
    radius,
  };
}

/**
 * For each point the smallest radius at which it is core: the weighted form of the k-distance, by which Ester et al.
 * choose the radius. Infinite for a point that no radius makes core.
 *
 * @param points n × d
 * @throws {RangeError} as {@link dbscan}
 */
export function coreDistances(points: Matrix, options: Omit<DensityOptions, "radius">): Float64Array {
  const rows = preparedRows(points, options.metric);
  const weights = checkedWeights(options, rows.length);
  return Float64Array.from(rows, (row, i) => {
    const others = rows
      .map((other, j) => ({ weight: weights[j]!, at: i === j ? 0 : distance(row, other, options.metric) }))
      .sort((a, b) => a.at - b.at);
    let sum = 0;
    for (const [position, { weight, at }] of others.entries()) {
      sum += weight;
      // All points of equal distance come in together.
      if (others[position + 1]?.at !== at && sum >= options.minWeight) return at;
    }
    return Number.POSITIVE_INFINITY;
  });
}

/**
 * A radius where the descending curve of {@link coreDistances} bends from its outliers to its clusters: the point
 * farthest below the straight line between the curve's ends (the knee of Satopää et al., "Finding a 'kneedle' in a
 * haystack", 2011), both axes scaled to 1.
 *
 * @param points n × d
 * @returns a finite radius above 0
 * @throws {RangeError} when no radius makes any point core, or as {@link dbscan}
 */
export function kneeRadius(points: Matrix, options: Omit<DensityOptions, "radius">): number {
  const curve = coreDistances(points, options).filter(Number.isFinite).sort().reverse();
  const largest = curve[0];
  if (largest === undefined)
    throw new RangeError(`No radius gathers the least weight of a core point, ${options.minWeight}.`);
  const smallest = curve.at(-1)!;
  const range = largest - smallest;
  let knee = largest;
  let deepest = 0;
  curve.forEach((value, i) => {
    const depth = 1 - i / Math.max(1, curve.length - 1) - (value - smallest) / range;
    if (depth > deepest) {
      deepest = depth;
      knee = value;
    }
  });
  return Math.max(knee, LEAST_RADIUS);
}

function checkedWeights(
  { weights, minWeight }: Pick<DensityOptions, "weights" | "minWeight">,
  n: number,
): Float64Array {
  if (!(minWeight > 0 && minWeight < Number.POSITIVE_INFINITY))
    throw new RangeError(`The least weight of a core point must be finite and above 0, not ${minWeight}.`);
  if (!weights) return new Float64Array(n).fill(1);
  if (weights.length !== n) throw new RangeError(`${weights.length} weights do not fit ${n} points.`);
  return Float64Array.from(weights, (weight, r) => {
    if (Number.isFinite(weight)) return weight;
    throw new RangeError(`Weight ${r} is not finite.`);
  });
}
