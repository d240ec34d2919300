/** Federated clustering: statistics of a device, models from aggregates, private clusters and layers, metrics. */

export {
  adjustedMutualInformation,
  adjustedRandIndex,
  fowlkesMallowsIndex,
  purity,
  type VMeasure,
  vMeasure,
} from "./agreement.ts";
export {
  type Assignment,
  assign,
  meanSimplifiedSilhouette,
  simplifiedSilhouette,
  softMembership,
} from "./assign.ts";
export { optimalAssignment } from "./assignment.ts";
export { type ChangePoint, changePoints } from "./change-points.ts";
export {
  agglomerate,
  clusterLayers,
  cutByCount,
  cutByHeight,
  type Dendrogram,
  type Gap,
  type Layer,
  type Linkage,
  largestGap,
  layerCentroids,
  type Merge,
} from "./dendrogram.ts";
export {
  coreDistances,
  type DensityClusters,
  type DensityOptions,
  dbscan,
  kneeRadius,
  OUTLIER,
} from "./density.ts";
export { directionalMixture, mixtureMembership, softStatistics, spreadOf } from "./directional-mixture.ts";
export { describesDiversely } from "./diversity.ts";
export { type FederatedClustering, gaussianMixture, sphericalKMeans } from "./federated.ts";
export type { Metric } from "./geometry.ts";
export {
  type ClusterEvent,
  type ClusterIdentities,
  firstIdentities,
  type MatchedClusters,
  matchClusters,
} from "./identity.ts";
export { type InterestVectors, interestVectors } from "./interests.ts";
export { type LloydResult, lloyd } from "./lloyd.ts";
export { type Matrix, matrixFromRows, normaliseRows, rowOf, type Vector } from "./matrix.ts";
export {
  type ClusterChange,
  clusterMicroRelease,
  microClusterCount,
  type PublicationRules,
  type ReleasedCluster,
  type ReleasedClusters,
  refineClusters,
} from "./micro-clusters.ts";
export {
  type AggregateMixture,
  type Covariance,
  type GaussianMixture,
  type MixtureStatistics,
  mixtureFromAggregate,
  mixtureFromCentroids,
  mixtureStatistics,
  responsibilities,
} from "./mixture.ts";
export { clusterTags } from "./names.ts";
export { nearestItems, topIndices } from "./nearest.ts";
export { type PublicRandom, publicRandom } from "./random.ts";
export { seedCentroids } from "./seeding.ts";
export { type NoisyRelease, shrunkSums } from "./shrinkage.ts";
export {
  type AggregateCentroids,
  centroidsFromAggregate,
  type SufficientStatistics,
  sufficientStatistics,
} from "./statistics.ts";
export {
  calinskiHarabasz,
  daviesBouldin,
  type Spread,
  silhouettes,
  simplifiedSilhouettes,
  withinClusterSpread,
} from "./validity.ts";
export {
  type ClusterChoice,
  type ClusterCriterion,
  chooseClusters,
  type WeightedPoints,
  weightedKMeans,
} from "./weighted-kmeans.ts";
