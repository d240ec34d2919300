/** Layers coarser than the clusters, of which none may tell something sensitive about the people in it. */
import { clusterLayers, type Dendrogram, layerCentroids, type Matrix } from "@kindred/clustering";
import type { ClusteringOptions, ModelClustering } from "@kindred/protocol";

/** A layer: for each cluster of the finest one, the layer's cluster. */
export interface LayerCut {
  readonly labels: Int32Array;
  /** Clusters × d. */
  readonly centroids: Matrix;
}

/** The clusters of one layer while they are merged: per leaf of the tree the node that it lies in. */
type Cut = readonly number[];

/**
 * Nested layers above the clusters, from basic to fine: cuts of one Ward tree. A layer's cluster that is not described
 * diversely is merged upward, with all that lies under its parent in the tree, until every cluster of the layer is; what
 * has become one cluster, or is the next finer layer already, is left out. Coarser layers are merged with the finer
 * ones, so that they stay nested. Post-processing: it costs no privacy.
 *
 * @param centroids the finest clusters, k × d
 * @param options.weights length k, each > 0
 * @param options.ranges clusters per layer, from basic to fine, each with a minimum below k
 * @param options.isDiverse whether a centroid passes among so many clusters (`describesDiversely`)
 * @returns the layers, each of fewer clusters than the next, and how many clusters were merged or left out
 */
export function diverseLayers(
  centroids: Matrix,
  options: {
    readonly weights: readonly number[];
    readonly ranges: ClusteringOptions["layers"];
    readonly isDiverse: (centroid: Float32Array, clusters: number) => boolean;
  },
): { readonly layers: readonly LayerCut[]; readonly changes: ModelClustering["changes"] } {
  const { weights, ranges, isDiverse } = options;
  const { tree, layers: wanted } = clusterLayers(centroids, { linkage: "ward", weights, counts: ranges });
  const parents = parentNodes(tree);
  const layers: LayerCut[] = [];
  let finer: Cut = Array.from({ length: tree.leaves }, (_, leaf) => leaf);
  let merged = 0;
  let suppressed = 0;
  for (const { centroids: clusters } of wanted.slice().reverse()) {
    if (clusters.rows === tree.leaves) continue;
    // A cut into so many clusters undoes the last merges: its nodes are numbered below their results.
    const end = 2 * tree.leaves - clusters.rows;
    let cut: Cut = finer.map((node) => ancestorBelow(parents, node, end));
    const before = clustersOf(cut);
    let layer = layerOf(cut, centroids, weights);
    for (let failed = firstFailure(layer, isDiverse); failed >= 0; failed = firstFailure(layer, isDiverse)) {
      cut = mergedUpward(parents, cut, cut[layer.labels.indexOf(failed)]!);
      layer = layerOf(cut, centroids, weights);
    }
    const after = clustersOf(cut);
    if (after === 1) suppressed += before;
    else merged += before - after;
    if (after === 1 || after === clustersOf(finer)) continue;
    layers.unshift(layer);
    finer = cut;
  }
  return { layers, changes: [...counted("merged", merged), ...counted("suppressed", suppressed)] };
}

/** Per node of the tree, numbered as in {@link Dendrogram}, the node that it is merged into; none for the root. */
function parentNodes({ leaves, merges }: Dendrogram): readonly number[] {
  const parents: number[] = [];
  for (const [m, { left, right }] of merges.entries()) {
    parents[left] = leaves + m;
    parents[right] = leaves + m;
  }
  return parents;
}

/** The highest ancestor of a node, or the node itself, among those numbered below `end`. */
function ancestorBelow(parents: readonly number[], node: number, end: number): number {
  let highest = node;
  for (let next = parents[highest]; next !== undefined && next < end; next = parents[highest]) highest = next;
  return highest;
}

/** The cut with a node's parent in its place, and in that of everything under the parent. */
function mergedUpward(parents: readonly number[], cut: Cut, node: number): Cut {
  const parent = parents[node]!;
  return cut.map((own) => (ancestorBelow(parents, own, parent + 1) === parent ? parent : own));
}

function clustersOf(cut: Cut): number {
  return new Set(cut).size;
}

/** Clusters numbered by their first leaf. */
function layerOf(cut: Cut, centroids: Matrix, weights: readonly number[]): LayerCut {
  const nodes = [...new Set(cut)];
  const labels = Int32Array.from(cut, (node) => nodes.indexOf(node));
  return { labels, centroids: layerCentroids(centroids, { labels, weights }).centroids };
}

/** The first cluster that does not pass, or −1; one cluster of everybody tells nothing. */
function firstFailure(
  { centroids: { rows, columns, data } }: LayerCut,
  isDiverse: (centroid: Float32Array, clusters: number) => boolean,
): number {
  if (rows === 1) return -1;
  for (let cluster = 0; cluster < rows; cluster++)
    if (!isDiverse(data.subarray(cluster * columns, (cluster + 1) * columns), rows)) return cluster;
  return -1;
}

function counted(kind: "merged" | "suppressed", count: number): ModelClustering["changes"] {
  return count === 0 ? [] : [{ kind, reason: "not-diverse", count }];
}
