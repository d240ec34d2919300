/** Spherical k-means over few weighted points, such as micro-clusters, and the choice of k. */

import { nearestTwo } from "./assign.ts";
import { agglomerate, cutByCount, type Dendrogram } from "./dendrogram.ts";
import { type LloydResult, lloyd } from "./lloyd.ts";
import { type Matrix, matrixFromRows, normalised, rowOf } from "./matrix.ts";
import { type PublicRandom, publicRandom } from "./random.ts";
import { spreadSeeds } from "./seeding.ts";

/** Lloyd iterations at most; weighted points are few, so that convergence comes sooner. */
const ITERATIONS = 100;
/** k-means++ starts besides the one from Ward's tree. */
const STARTS = 4;
/** Reference sets of the gap statistic. */
const REFERENCES = 8;

export interface WeightedPoints {
  /** n × d; rows are normalised here and must have a direction. */
  readonly points: Matrix;
  /** Length n, each > 0. */
  readonly weights: Float64Array;
}

/**
 * Weighted spherical k-means from several starts: the cut of Ward's tree and four draws of k-means++. The one with the
 * largest weighted mean similarity wins; the same on every machine for the same seed.
 *
 * @param options.clusters k, from 1 to n
 * @throws {RangeError} when k is outside that range, or on malformed points or weights
 */
export function weightedKMeans(
  data: WeightedPoints,
  options: { readonly clusters: number; readonly seed: number },
): LloydResult {
  const { points, weights } = data;
  const { clusters } = options;
  let best = fromTree(data, { tree: agglomerate(points, { linkage: "ward", weights }), clusters });
  const random = publicRandom(options.seed);
  const units = unitRows(points);
  for (let start = 0; start < STARTS; start++) {
    const seeds = spreadSeeds(units, { clusters, random, weights });
    // Fewer distinct directions than clusters: the tree's start has them all already.
    if (seeds.length < clusters) break;
    const result = lloyd({ points, weights, centroids: matrixFromRows(seeds), iterations: ITERATIONS });
    if (result.meanSimilarity > best.meanSimilarity) best = result;
  }
  return best;
}

/** `silhouette`: the largest weighted mean simplified silhouette. `gap`: the gap statistic. */
export type ClusterCriterion = "silhouette" | "gap";

export interface ClusterChoice {
  readonly clusters: number;
  /** What was compared, by ascending k: the silhouette in [0, 1], or the gap in nats. */
  readonly curve: readonly { readonly clusters: number; readonly score: number }[];
}

/**
 * Chooses k. By `silhouette` the largest score wins, the smaller k on a tie. By `gap` (Tibshirani, Walther & Hastie,
 * "Estimating the number of clusters in a data set via the gap statistic", JRSS B 63, 2001) the smallest k whose gap is
 * not less than the next one's less its standard error, else the largest k; the reference sets are uniform directions
 * with the same weights.
 *
 * @param options.minimum smallest k, ≥ 2
 * @param options.maximum largest k; what exceeds n is taken as n
 * @param options.seed draws the reference sets
 * @throws {RangeError} when the range is empty, or on malformed points or weights
 */
export function chooseClusters(
  data: WeightedPoints,
  options: {
    readonly minimum: number;
    readonly maximum: number;
    readonly criterion: ClusterCriterion;
    readonly seed: number;
  },
): ClusterChoice {
  const maximum = Math.min(options.maximum, data.points.rows);
  const whole = Number.isInteger(options.minimum) && Number.isInteger(options.maximum);
  if (!whole || options.minimum < 2 || maximum < options.minimum)
    throw new RangeError(
      `${data.points.rows} points cannot be split into ${options.minimum} to ${options.maximum} clusters.`,
    );
  const counts = Array.from({ length: maximum - options.minimum + 1 }, (_, i) => options.minimum + i);
  if (options.criterion === "gap") return chooseByGap(data, { counts, seed: options.seed });
  const tree = agglomerate(data.points, { linkage: "ward", weights: data.weights });
  const units = unitRows(data.points);
  const curve = counts.map((clusters) => {
    const { centroids } = fromTree(data, { tree, clusters });
    return { clusters, score: weightedSilhouette(units, data.weights, centroids) };
  });
  const best = curve.reduce((a, b) => (b.score > a.score ? b : a));
  return { clusters: best.clusters, curve };
}

function chooseByGap(
  data: WeightedPoints,
  { counts, seed }: { counts: readonly number[]; seed: number },
): ClusterChoice {
  const random = publicRandom(seed);
  const references = Array.from({ length: REFERENCES }, () =>
    logDispersions({ points: uniformDirections(data.points, random), weights: data.weights }, counts),
  );
  const observed = logDispersions(data, counts);
  const curve = counts.map((clusters, i) => {
    const values = references.map((reference) => reference[i]!);
    const mean = values.reduce((sum, value) => sum + value, 0) / REFERENCES;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / REFERENCES;
    return { clusters, score: mean - observed[i]!, error: Math.sqrt(variance * (1 + 1 / REFERENCES)) };
  });
  const chosen = curve.find(({ score }, i) => {
    const next = curve[i + 1];
    return next !== undefined && score >= next.score - next.error;
  });
  return {
    clusters: (chosen ?? curve.at(-1)!).clusters,
    curve: curve.map(({ clusters, score }) => ({ clusters, score })),
  };
}

/** Per k the logarithm of the weighted mean cosine distance to the nearest centroid, held above that of rounding. */
function logDispersions(data: WeightedPoints, counts: readonly number[]): number[] {
  const tree = agglomerate(data.points, { linkage: "ward", weights: data.weights });
  return counts.map((clusters) =>
    Math.log(Math.max(1e-7, 1 - fromTree(data, { tree, clusters }).meanSimilarity)),
  );
}

function fromTree(
  { points, weights }: WeightedPoints,
  { tree, clusters }: { tree: Dendrogram; clusters: number },
): LloydResult {
  const labels = cutByCount(tree, clusters);
  const sums = Array.from({ length: clusters }, () => new Float64Array(points.columns));
  unitRows(points).forEach((unit, r) => {
    const sum = sums[labels[r]!]!;
    for (let i = 0; i < unit.length; i++) sum[i] = sum[i]! + weights[r]! * unit[i]!;
  });
  return lloyd({
    points,
    weights,
    centroids: matrixFromRows(sums.map(normalised)),
    iterations: ITERATIONS,
  });
}

function weightedSilhouette(
  units: readonly Float64Array[],
  weights: Float64Array,
  centroids: Matrix,
): number {
  let sum = 0;
  let total = 0;
  units.forEach((unit, r) => {
    const { similarity, secondSimilarity } = nearestTwo(unit, centroids);
    const [a, b] = [1 - similarity, 1 - secondSimilarity];
    if (b > 0) sum += (weights[r]! * (b - a)) / b;
    total += weights[r]!;
  });
  return sum / total;
}

/** As many directions as `points`, uniform on the sphere (Muller 1959). */
function uniformDirections(points: Matrix, random: PublicRandom): Matrix {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const data = Float32Array.from({ length: points.data.length }, normal);
  return { rows: points.rows, columns: points.columns, data };
}

function unitRows(points: Matrix): Float64Array[] {
  return Array.from({ length: points.rows }, (_, r) => normalised(rowOf(points, r)));
}
