/** How a person is counted by the clusters of a model. */
import {
  directionalMixture,
  type GaussianMixture,
  type Matrix,
  type SufficientStatistics,
  softStatistics,
  sufficientStatistics,
} from "@kindred/clustering";
import type { ClusterModel } from "./cluster-description.ts";

/** The mixture that a model's clusters are, or `undefined` where they are those of k-means. */
export function clusterMixture({
  centroids,
  clusters,
  clustering,
}: Pick<ClusterModel, "centroids" | "clusters" | "clustering">): GaussianMixture | undefined {
  const { sizes: shares, spreads } = clustering;
  if (spreads === undefined) return undefined;
  const directions = { rows: clusters, columns: centroids.length / clusters, data: centroids };
  return directionalMixture(directions, { shares, spreads });
}

/**
 * One person's counts and sums for the round that starts from a model: by its micro-clusters where it has any, otherwise
 * by its clusters, softly where they are a mixture. Each block has norm 1 at most.
 * @param vectors m × dimension, the person's interest vectors
 * @param weights length m, ≥ 0
 */
export function countInterests(
  model: ClusterModel,
  { vectors, weights }: { readonly vectors: Matrix; readonly weights: ArrayLike<number> },
): SufficientStatistics {
  const columns = model.centroids.length / model.clusters;
  const hard = (data: Float32Array): SufficientStatistics =>
    sufficientStatistics(vectors, { rows: data.length / columns, columns, data }, weights);
  if (model.cells.length > 0) return hard(model.cells);
  const mixture = clusterMixture(model);
  return mixture === undefined ? hard(model.centroids) : softStatistics(vectors, mixture, weights);
}
