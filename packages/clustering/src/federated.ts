/** One small interface for every clustering that learns in rounds: device → aggregate → model. */

import { softMembership } from "./assign.ts";
import type { Matrix, Vector } from "./matrix.ts";
import {
  type GaussianMixture,
  type MixtureStatistics,
  mixtureFromAggregate,
  mixtureStatistics,
  responsibilities,
} from "./mixture.ts";
import { centroidsFromAggregate, type SufficientStatistics, sufficientStatistics } from "./statistics.ts";

/** A clustering whose rounds add up bounded statistics of its users. */
export interface FederatedClustering<Model, Statistics extends SufficientStatistics> {
  /** What one user contributes: every block of L2 norm at most 1. */
  readonly statistics: (vectors: Matrix, model: Model) => Statistics;
  /** The next model from the (noisy) sum of the users' statistics; what is under the floor stays as it was. */
  readonly update: (
    aggregate: Statistics,
    options: { readonly model: Model; readonly floor: number },
  ) => { readonly model: Model; readonly suppressed: readonly number[] };
  /** How much a point belongs to each cluster, of sum 1. */
  readonly membership: (point: Vector, model: Model) => Float64Array;
}

/**
 * Spherical k-means; the model is its centroids.
 *
 * @param options.temperature of the membership, see {@link softMembership}
 */
export function sphericalKMeans(options: {
  readonly temperature: number;
}): FederatedClustering<Matrix, SufficientStatistics> {
  return {
    statistics: (vectors, centroids) => sufficientStatistics(vectors, centroids),
    update: ({ counts, sums }, { model, floor }) => {
      const { centroids, suppressed } = centroidsFromAggregate({ counts, sums, previous: model, floor });
      return { model: centroids, suppressed };
    },
    membership: (point, centroids) => softMembership(point, centroids, options.temperature),
  };
}

/** The Gaussian mixture; spherical or diagonal as its model says. */
export const gaussianMixture: FederatedClustering<GaussianMixture, MixtureStatistics> = {
  statistics: mixtureStatistics,
  update: (aggregate, { model, floor }) => {
    const { mixture, suppressed } = mixtureFromAggregate(aggregate, { previous: model, floor });
    return { model: mixture, suppressed };
  },
  membership: (point, mixture) => responsibilities(point, mixture).responsibilities,
};
