/**
 * Agglomerative clustering of weighted directions, and the layers that cuts of its tree give. On private centroids it
 * is post-processing: it costs no privacy.
 */

import { distance, preparedRows } from "./geometry.ts";
import { type Matrix, normalised } from "./matrix.ts";

/**
 * How far apart two clusters are. `ward`: √(2 v w / (v + w)) times the Euclidean distance of their mean unit vectors,
 * v and w being their weights (Ward 1963), so that a merge costs half its square in inertia. `average`: the weighted
 * mean cosine distance between their points (UPGMA). `complete`: the largest cosine distance between their points,
 * whatever the weights.
 */
export type Linkage = "ward" | "average" | "complete";

/** One merge. Clusters are numbered as by scipy: the n leaves 0 … n − 1, then merge m as n + m. */
export interface Merge {
  /** The smaller of the two numbers. */
  readonly left: number;
  readonly right: number;
  /** The linkage's distance at which they merge; never less than that of the merges before. */
  readonly height: number;
  /** Number of leaves in the merged cluster. */
  readonly leaves: number;
  /** Their total weight. */
  readonly weight: number;
}

/** A tree over n leaves: n − 1 merges in ascending order of height. */
export interface Dendrogram {
  readonly leaves: number;
  readonly merges: readonly Merge[];
}

/**
 * Builds the tree with the nearest-neighbour chain algorithm (Murtagh 1983; Müllner, "Modern hierarchical,
 * agglomerative clustering algorithms", 2011), exact for these three linkages. Equal to scipy's `linkage` on rows of
 * norm 1; a whole weight is the same as that many copies of the point. Time O(n² d), memory O(n²).
 *
 * @param points n × d, n ≥ 1; rows are normalised here
 * @param options.weights length n, each > 0; all 1 when absent
 * @throws {RangeError} on a point without direction, a value that is not finite or a mismatch of shapes
 */
export function agglomerate(
  points: Matrix,
  options: { readonly linkage: Linkage; readonly weights?: ArrayLike<number> },
): Dendrogram {
  const rows = directedRows(points);
  const weights = positiveWeights(options.weights, rows.length);
  const pairwise = initialDistances(rows, { linkage: options.linkage, weights });
  return numbered(nearestNeighbourChain(pairwise, { linkage: options.linkage, weights }), weights);
}

interface Chained {
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

/** Symmetric n × n distances. */
function initialDistances(
  rows: readonly Float64Array[],
  { linkage, weights }: { linkage: Linkage; weights: Float64Array },
): Float64Array {
  const n = rows.length;
  const distances = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const [v, w] = [weights[i]!, weights[j]!];
      const value =
        linkage === "ward"
          ? Math.sqrt((2 * v * w) / (v + w)) * distance(rows[i]!, rows[j]!, "euclidean")
          : distance(rows[i]!, rows[j]!, "cosine");
      distances[i * n + j] = value;
      distances[j * n + i] = value;
    }
  }
  return distances;
}

/** Merges in the order found; a merge of x and y lives on in y's row. */
function nearestNeighbourChain(
  distances: Float64Array,
  { linkage, weights }: { linkage: Linkage; weights: Float64Array },
): Chained[] {
  const n = weights.length;
  const weight = Float64Array.from(weights);
  const active = new Uint8Array(n).fill(1);
  const chain: number[] = [];
  const merges: Chained[] = [];
  while (merges.length < n - 1) {
    if (chain.length === 0) chain.push(active.indexOf(1));
    for (;;) {
      const x = chain.at(-1)!;
      const previous = chain.at(-2);
      // Preferring the predecessor on a tie makes the chain end.
      let y = previous ?? -1;
      let nearest = previous === undefined ? Number.POSITIVE_INFINITY : distances[x * n + previous]!;
      for (let i = 0; i < n; i++) {
        if (active[i] === 0 || i === x || !(distances[x * n + i]! < nearest)) continue;
        nearest = distances[x * n + i]!;
        y = i;
      }
      if (y !== previous) {
        chain.push(y);
        continue;
      }
      chain.length -= 2;
      const [gone, kept] = x < y ? [x, y] : [y, x];
      merges.push({ x: gone, y: kept, height: nearest });
      const [v, w] = [weight[gone]!, weight[kept]!];
      active[gone] = 0;
      for (let i = 0; i < n; i++) {
        if (active[i] === 0 || i === kept) continue;
        const toGone = distances[gone * n + i]!;
        const toKept = distances[kept * n + i]!;
        const u = weight[i]!;
        // Lance & Williams (1967).
        const value =
          linkage === "complete"
            ? Math.max(toGone, toKept)
            : linkage === "average"
              ? (v * toGone + w * toKept) / (v + w)
              : Math.sqrt(
                  Math.max(0, (u + v) * toGone ** 2 + (u + w) * toKept ** 2 - u * nearest ** 2) / (u + v + w),
                );
        distances[kept * n + i] = value;
        distances[i * n + kept] = value;
      }
      weight[kept] = v + w;
      break;
    }
  }
  return merges;
}

/** Sorts the merges by height and numbers the clusters. */
function numbered(chained: readonly Chained[], weights: Float64Array): Dendrogram {
  const leaves = weights.length;
  const merges: Merge[] = [];
  const parent = Array.from({ length: leaves }, (_, i) => i);
  const clusterAt = Array.from({ length: leaves }, (_, i) => i);
  const ordered = chained.slice().sort((a, b) => a.height - b.height);
  for (const { x, y, height } of ordered) {
    const [rootX, rootY] = [rootOf(parent, x), rootOf(parent, y)];
    const both = [clusterAt[rootX]!, clusterAt[rootY]!];
    const size = (cluster: number) => (cluster < leaves ? 1 : merges[cluster - leaves]!.leaves);
    const mass = (cluster: number) =>
      cluster < leaves ? weights[cluster]! : merges[cluster - leaves]!.weight;
    parent[rootX] = rootY;
    clusterAt[rootY] = leaves + merges.length;
    merges.push({
      left: Math.min(...both),
      right: Math.max(...both),
      height,
      leaves: size(both[0]!) + size(both[1]!),
      weight: mass(both[0]!) + mass(both[1]!),
    });
  }
  return { leaves, merges };
}

/**
 * Cuts the tree into a number of clusters: all merges but the last `count` − 1.
 *
 * @param count from 1 to the number of leaves
 * @returns for each leaf its cluster, numbered from 0 by the lowest leaf
 * @throws {RangeError} when there is no such cut
 */
export function cutByCount(tree: Dendrogram, count: number): Int32Array {
  if (!Number.isInteger(count) || count < 1 || count > tree.leaves)
    throw new RangeError(`A tree of ${tree.leaves} leaves has no cut into ${count} clusters.`);
  return cutAfter(tree, tree.leaves - count);
}

/**
 * Cuts the tree at a height: all merges up to and including it (scipy's `fcluster` by distance).
 *
 * @returns for each leaf its cluster, numbered from 0 by the lowest leaf
 * @throws {RangeError} when the height is not a number
 */
export function cutByHeight(tree: Dendrogram, height: number): Int32Array {
  if (Number.isNaN(height)) throw new RangeError("A cut needs a height.");
  return cutAfter(tree, tree.merges.filter((merge) => merge.height <= height).length);
}

/** The widest range of heights without a merge. */
export interface Gap {
  /** Number of clusters when the tree is cut inside the gap. */
  readonly count: number;
  /** Height of the merge below the gap (0 above the leaves) and of the one above it. */
  readonly from: number;
  readonly to: number;
}

/**
 * The number of clusters whose cut lies in the largest gap between consecutive merges; of equal gaps the one with
 * fewer clusters.
 *
 * @param range counts to choose from; 2 ≤ minimum ≤ maximum ≤ leaves
 * @throws {RangeError} when the range holds no such count
 */
export function largestGap(
  tree: Dendrogram,
  { minimum, maximum }: { readonly minimum: number; readonly maximum: number },
): Gap {
  const whole = Number.isInteger(minimum) && Number.isInteger(maximum);
  if (!whole || minimum < 2 || maximum < minimum || maximum > tree.leaves)
    throw new RangeError(
      `${minimum} to ${maximum} are no cluster counts of a tree of ${tree.leaves} leaves.`,
    );
  const height = (merge: number) => (merge < 0 ? 0 : tree.merges[merge]!.height);
  let best: Gap | undefined;
  for (let count = minimum; count <= maximum; count++) {
    const from = height(tree.leaves - count - 1);
    const to = height(tree.leaves - count);
    if (best === undefined || to - from > best.to - best.from) best = { count, from, to };
  }
  return best!;
}

function cutAfter({ leaves, merges }: Dendrogram, steps: number): Int32Array {
  const parent = Array.from({ length: leaves + steps }, (_, i) => i);
  for (let m = 0; m < steps; m++) {
    parent[merges[m]!.left] = leaves + m;
    parent[merges[m]!.right] = leaves + m;
  }
  const label = new Map<number, number>();
  return Int32Array.from({ length: leaves }, (_, leaf) => {
    const root = rootOf(parent, leaf);
    if (!label.has(root)) label.set(root, label.size);
    return label.get(root)!;
  });
}

function rootOf(parent: number[], start: number): number {
  let root = start;
  while (parent[root] !== root) root = parent[root]!;
  for (let node = start; node !== root; ) {
    const next = parent[node]!;
    parent[node] = root;
    node = next;
  }
  return root;
}

/** One layer of clusters over the same points. */
export interface Layer {
  /** Point → cluster of this layer. */
  readonly labels: Int32Array;
  /** Clusters × d: directions of the weighted sums of the points' unit vectors. */
  readonly centroids: Matrix;
  /** Per cluster the weight of its points. */
  readonly weights: Float64Array;
  /** Per cluster the cluster of the layer before (the coarser one) that it is part of; empty in the first layer. */
  readonly parents: readonly number[];
}

/**
 * Nested layers of one tree, from basic to fine: each cluster of a layer lies in one cluster of the layer before.
 *
 * @param points n × d, such as the private centroids; rows are normalised here
 * @param options.weights length n, each > 0, such as noisy counts
 * @param options.counts clusters per layer, ascending, or a range of which the largest gap chooses; what exceeds n is
 *   taken as n
 * @throws {RangeError} when the counts are not ascending from at least 1, or as {@link agglomerate}
 */
export function clusterLayers(
  points: Matrix,
  options: {
    readonly linkage: Linkage;
    readonly weights?: ArrayLike<number>;
    readonly counts: readonly (number | { readonly minimum: number; readonly maximum: number })[];
  },
): { readonly tree: Dendrogram; readonly layers: readonly Layer[] } {
  const tree = agglomerate(points, options);
  const rows = directedRows(points);
  const weights = positiveWeights(options.weights, rows.length);
  const layers: Layer[] = [];
  for (const wanted of options.counts) {
    const coarser = layers.at(-1);
    const before = coarser?.centroids.rows ?? 1;
    const count = Math.min(tree.leaves, typeof wanted === "number" ? wanted : gapCount(tree, wanted));
    if (count < before)
      throw new RangeError(`A layer of ${count} clusters cannot lie within one of ${before}.`);
    const labels = cutByCount(tree, count);
    const parents = new Array<number>(coarser === undefined ? 0 : count);
    if (coarser) for (const [r, label] of labels.entries()) parents[label] = coarser.labels[r]!;
    layers.push({ labels, parents, ...weightedCentroids(rows, { labels, weights, count }) });
  }
  return { tree, layers };
}

/**
 * The centroids and weights of a layer from its labels: the directions of the weighted sums of the points' unit vectors.
 *
 * @param points n × d; rows are normalised here
 * @param options.labels n whole numbers from 0, each of 0 … the largest at least once
 * @param options.weights length n, each > 0; all 1 when absent
 * @throws {RangeError} on a point without direction or a mismatch of shapes
 */
export function layerCentroids(
  points: Matrix,
  { labels, weights }: { readonly labels: ArrayLike<number>; readonly weights?: ArrayLike<number> },
): Pick<Layer, "centroids" | "weights"> {
  if (labels.length !== points.rows)
    throw new RangeError(`${labels.length} labels do not fit ${points.rows} points.`);
  const whole = Int32Array.from(labels);
  return weightedCentroids(directedRows(points), {
    labels: whole,
    weights: positiveWeights(weights, points.rows),
    count: whole.reduce((a, b) => Math.max(a, b), -1) + 1,
  });
}

function gapCount(tree: Dendrogram, range: { readonly minimum: number; readonly maximum: number }): number {
  if (tree.leaves <= range.minimum) return tree.leaves;
  return largestGap(tree, { minimum: range.minimum, maximum: Math.min(range.maximum, tree.leaves) }).count;
}

function weightedCentroids(
  rows: readonly Float64Array[],
  { labels, weights, count }: { labels: Int32Array; weights: Float64Array; count: number },
): Pick<Layer, "centroids" | "weights"> {
  const columns = rows[0]!.length;
  const sums = Array.from({ length: count }, () => new Float64Array(columns));
  const totals = new Float64Array(count);
  rows.forEach((row, r) => {
    const c = labels[r]!;
    const sum = sums[c]!;
    totals[c] = totals[c]! + weights[r]!;
    for (let i = 0; i < columns; i++) sum[i] = sum[i]! + weights[r]! * row[i]!;
  });
  const data = new Float32Array(count * columns);
  sums.forEach((sum, c) => {
    data.set(normalised(sum), c * columns);
  });
  return { centroids: { rows: count, columns, data }, weights: totals };
}

function directedRows(points: Matrix): Float64Array[] {
  if (points.rows < 1) throw new RangeError("A tree needs at least one point.");
  const rows = preparedRows(points, "cosine");
  const lost = rows.findIndex((row) => row.every((value) => value === 0));
  if (lost >= 0) throw new RangeError(`Point ${lost} has no direction.`);
  return rows;
}

function positiveWeights(weights: ArrayLike<number> | undefined, n: number): Float64Array {
  if (!weights) return new Float64Array(n).fill(1);
  if (weights.length !== n) throw new RangeError(`${weights.length} weights do not fit ${n} points.`);
  return Float64Array.from(weights, (weight, r) => {
    if (weight > 0 && weight < Number.POSITIVE_INFINITY) return weight;
    throw new RangeError(`Weight ${r} must be finite and above 0, not ${weight}.`);
  });
}
