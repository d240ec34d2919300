/** How much of a direction belongs to each of a model's clusters. */
import { mixtureMembership, softMembership } from "@kindred/clustering";
import { clusterMixture } from "@kindred/engine";
import type { Model } from "@kindred/protocol";

/** Of a softmax of cosines, where the clusters are those of k-means. */
const TEMPERATURE = 0.1;

/**
 * Shares of a vector in the fine clusters, of sum 1: responsibilities where the clusters are a mixture, otherwise the
 * softmax of the cosines at temperature 0.1.
 */
export function membershipIn(
  model: Pick<Model, "centroids" | "clusters" | "clustering">,
): (vector: Float32Array) => Float64Array {
  const mixture = clusterMixture(model);
  if (mixture !== undefined) return (vector) => mixtureMembership(vector, mixture);
  const { centroids: data, clusters: rows } = model;
  const centroids = { rows, columns: data.length / rows, data };
  return (vector) => softMembership(vector, centroids, TEMPERATURE);
}
