/** How good clusters are, as a simulation that knows everybody can say. */
import {
  adjustedMutualInformation,
  adjustedRandIndex,
  assign,
  calinskiHarabasz,
  daviesBouldin,
  fowlkesMallowsIndex,
  type Matrix,
  meanSimplifiedSilhouette,
  rowOf,
  withinClusterSpread,
} from "@kindred/clustering";
import type { ClusterModel } from "@kindred/engine";
import type { ClusterQuality, LayerNode } from "../report/simulation-result.ts";

/** The nearest cluster of each person. */
export function nearestClusters(
  people: Matrix,
  model: Pick<ClusterModel, "centroids" | "clusters">,
): number[] {
  const centroids = matrixOf(model);
  return Array.from({ length: people.rows }, (_, row) => assign(rowOf(people, row), centroids).cluster);
}

/**
 * Metrics with and without labels, over all people.
 * @param people interest vectors, rows of norm 1
 * @param groups label per person, −1 for none
 */
export function clusterQuality(
  people: Matrix,
  { model, groups }: { readonly model: ClusterModel; readonly groups: readonly number[] },
): ClusterQuality {
  const labels = nearestClusters(people, model);
  const occupied = new Set(labels).size;
  const separable = occupied >= 2 && occupied < people.rows;
  const labelled = groups.flatMap((group, row) => (group >= 0 ? [row] : []));
  const [classes, own] = [labelled.map((row) => groups[row]!), labelled.map((row) => labels[row]!)];
  const agreement = (index: (a: number[], b: number[]) => number): number | null =>
    labelled.length > 0 ? index(classes, own) : null;
  return {
    clusters: model.clusters,
    released: model.clustering.source === "released",
    silhouette: meanSimplifiedSilhouette(people, matrixOf(model)),
    distance: withinClusterSpread(people, labels, "cosine").overall.distance,
    daviesBouldin: separable ? daviesBouldin(people, labels) : null,
    calinskiHarabasz: separable ? calinskiHarabasz(people, labels) : null,
    ari: agreement(adjustedRandIndex),
    ami: agreement(adjustedMutualInformation),
    fmi: agreement(fowlkesMallowsIndex),
  };
}

/** The layers of a model from basic to fine, with how many people are nearest to what. */
export function layerTree(people: Matrix, model: ClusterModel): LayerNode[][] {
  const { layers, regions } = model.clustering;
  let sizes = new Array<number>(model.clusters).fill(0);
  for (const cluster of nearestClusters(people, model)) sizes[cluster]!++;
  const tree: LayerNode[][] = [];
  for (const [depth, { ids, names, parents }] of [...layers.entries()].reverse()) {
    const fine = depth === layers.length - 1;
    tree.unshift(
      ids.map((id, i) => ({
        id,
        name: names[i]!.slice(0, 2).join(", ") || `cluster ${id}`,
        size: sizes[i]!,
        parent: parents[i] ?? null,
        outlier: fine && regions[i] === -1,
      })),
    );
    const gathered = new Array<number>(layers[depth - 1]?.ids.length ?? 0).fill(0);
    for (const [i, parent] of parents.entries()) gathered[parent]! += sizes[i]!;
    sizes = gathered;
  }
  return tree;
}

function matrixOf({ centroids, clusters }: Pick<ClusterModel, "centroids" | "clusters">): Matrix {
  return { rows: clusters, columns: centroids.length / clusters, data: centroids };
}
