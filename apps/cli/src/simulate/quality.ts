/** What a simulation measures, which knows everybody's data: rankings, clusters against known groups, names, a map. */

import {
  adjustedRandIndex,
  assign,
  clusterTags,
  type Matrix,
  meanSimplifiedSilhouette,
  normaliseRows,
} from "@kindred/clustering";
import {
  type Backend,
  type CentralisedResult,
  type EvaluationUser,
  InterestEncoder,
  itemFeatures,
  loadBackend,
  nextItemRanks,
  rankingMetrics,
  type Sequence,
  seededRandom,
} from "@kindred/encoder";
import type { Model } from "@kindred/protocol";
import {
  evaluationUsers,
  popularityBaseline,
  rankHeldOut,
  simulateFederated,
  userSequences,
} from "@kindred/simulator";
import type { Quality, SimulationResult } from "../report/simulation-result.ts";
import { principalPlane } from "./principal-plane.ts";
import type { Scenario } from "./scenario.ts";

export class QualityMeter {
  readonly #scenario: Scenario;
  readonly #backend: Backend;
  readonly #features: Float32Array;
  readonly #encoder: InterestEncoder;
  readonly #users;
  readonly #sequences;

  private constructor(scenario: Scenario, backend: Backend) {
    this.#scenario = scenario;
    this.#backend = backend;
    const { plan, catalogue, split } = scenario;
    this.#features = itemFeatures(catalogue.items, plan.encoder);
    this.#encoder = this.#newEncoder();
    this.#users = evaluationUsers(split);
    this.#sequences = userSequences(split.train);
  }

  static async create(scenario: Scenario): Promise<QualityMeter> {
    return new QualityMeter(scenario, await loadBackend());
  }

  get backend(): string {
    return this.#backend.name;
  }

  /** People whose held-out item is ranked. */
  get users(): number {
    return this.#users.length;
  }

  #newEncoder(): InterestEncoder {
    const { plan, catalogue } = this.#scenario;
    return InterestEncoder.create({
      backend: this.#backend,
      shape: plan.encoder,
      training: plan.training,
      features: this.#features,
      itemCount: catalogue.items.length,
    });
  }

  popularity(): Quality {
    const scores = popularityBaseline(this.#scenario.split.train);
    return quality(rankHeldOut(this.#scenario.split, () => scores));
  }

  /** Full ranking of the held-out items by a model's encoder. */
  model({ weights }: Pick<Model, "weights">): Quality {
    this.#encoder.setWeights(weights);
    return this.#rank(this.#encoder);
  }

  #rank(encoder: InterestEncoder): Quality {
    return quality(nextItemRanks({ encoder, users: this.#users }));
  }

  /**
   * The same encoder trained on everybody's data in one place. The number of epochs is chosen by the second-last items,
   * on people who do not have them; then the encoder is trained anew, for as long, on all that federated training sees.
   */
  async centralised(progress: (fraction: number) => void): Promise<Quality> {
    const { split } = this.#scenario;
    const { bestEpoch } = await this.#trainCentrally(userSequences(split.validation.train), {
      validation: evaluationUsers(split.validation),
      progress: (fraction) => progress(fraction / 2),
      read: ({ bestEpoch }) => ({ bestEpoch }),
    });
    return this.#trainCentrally(this.#sequences, {
      epochs: bestEpoch,
      progress: (fraction) => progress((1 + fraction) / 2),
      read: (_, encoder) => this.#rank(encoder),
    });
  }

  async #trainCentrally<T>(
    sequences: readonly Sequence[],
    options: {
      readonly epochs?: number;
      readonly validation?: readonly EvaluationUser[];
      readonly progress: (fraction: number) => void;
      readonly read: (result: CentralisedResult, encoder: InterestEncoder) => T;
    },
  ): Promise<T> {
    const { plan, centralised } = this.#scenario;
    const epochs = options.epochs ?? centralised.epochs;
    const encoder = this.#newEncoder();
    try {
      const result = await encoder.trainCentralised({
        ...centralised,
        epochs,
        optimiser: "adam",
        sequences: sequences.filter(({ items }) => items.length >= 2),
        ...(options.validation && { validation: options.validation }),
        onStep: async ({ epochs: begun, fraction }) => {
          options.progress((begun + fraction) / epochs);
          await new Promise((resolve) => setImmediate(resolve));
        },
        random: seededRandom(plan.encoder.seed),
      });
      return options.read(result, encoder);
    } finally {
      encoder.dispose();
    }
  }

  /** The federated training with the noise of `cohort` people per round on its means; see `simulateFederated`. */
  async noiseCohort(
    cohort: number,
    progress: (fraction: number) => void,
  ): Promise<{ quality: Quality; epsilon: number }> {
    const { plan } = this.#scenario;
    const encoder = this.#newEncoder();
    try {
      const result = await simulateFederated({
        plan,
        encoder,
        sequences: this.#sequences,
        items: this.#scenario.catalogue.items,
        cohort: this.#scenario.cohort,
        noiseCohort: cohort,
        seed: plan.encoder.seed,
        onRound: async ({ round }) => {
          progress(round / plan.rounds);
          await new Promise((resolve) => setImmediate(resolve));
        },
      });
      return { quality: this.#rank(encoder), epsilon: result.epsilon ?? plan.privacy.epsilon };
    } finally {
      encoder.dispose();
    }
  }

  /** Clusters of a model: silhouette over all people, agreement with the known groups, names, sizes and a map. */
  clusters(model: Model): { silhouette: number; ari: number | null; clusters: SimulationResult["clusters"] } {
    const { population } = this.#scenario;
    this.#encoder.setWeights(model.weights);
    const d = this.#scenario.plan.encoder.dimension;
    const people = population.users.flatMap((user, index) =>
      this.#sequences[index]!.items.length > 0 ? [{ user, index }] : [],
    );
    const points = normaliseRows({
      rows: people.length,
      columns: d,
      data: this.#encoder.userVectors(people.map(({ index }) => this.#sequences[index]!)),
    });
    const centroids = { rows: model.clusters, columns: d, data: model.centroids };
    const assigned = people.map(
      (_, row) => assign(points.data.subarray(row * d, (row + 1) * d), centroids).cluster,
    );
    const groups = people.map(({ user }) => user.group);
    const known = groups.every((group) => group !== undefined);
    return {
      silhouette: meanSimplifiedSilhouette(points, centroids),
      ari: known ? adjustedRandIndex(groups as number[], assigned) : null,
      clusters: this.#map(centroids, assigned),
    };
  }

  #map(centroids: Matrix, assigned: readonly number[]): SimulationResult["clusters"] {
    const items = normaliseRows({
      rows: this.#scenario.catalogue.items.length,
      columns: centroids.columns,
      data: this.#encoder.itemVectors(),
    });
    const names = clusterTags(items, centroids, this.#scenario.catalogue);
    const positions = principalPlane(centroids);
    return Array.from({ length: centroids.rows }, (_, cluster) => ({
      name: names[cluster]!.slice(0, 2).join(", ") || `cluster ${cluster + 1}`,
      size: assigned.filter((own) => own === cluster).length,
      x: positions[cluster]![0],
      y: positions[cluster]![1],
    }));
  }

  dispose(): void {
    this.#encoder.dispose();
  }
}

function quality(ranks: number[]): Quality {
  const { hr10, ndcg10 } = rankingMetrics(ranks);
  return { hr10, ndcg10 };
}
