/** What a simulation measures, which knows everybody's data: rankings, clusters against known groups, names, a map. */

import { type Matrix, normaliseRows } from "@kindred/clustering";
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
import type { ClusterModel } from "@kindred/engine";
import type { Model, SignedPlan } from "@kindred/protocol";
import {
  evaluationUsers,
  type Population,
  popularityBaseline,
  rankHeldOut,
  simulateFederated,
  typicalTagGroups,
  userSequences,
} from "@kindred/simulator";
import type {
  ClusterQuality,
  LayerNode,
  PersonResult,
  Quality,
  SimulationResult,
} from "../report/simulation-result.ts";
import { clusterQuality, layerTree, nearestClusters } from "./cluster-quality.ts";
import { onePerson } from "./one-person.ts";
import { principalPlane } from "./principal-plane.ts";
import type { Scenario } from "./scenario.ts";

export class QualityMeter {
  readonly #scenario: Scenario;
  readonly #backend: Backend;
  readonly #features: Float32Array;
  readonly #encoder: InterestEncoder;
  readonly #users;
  readonly #sequences;
  /** Positions of the people with a record, and their groups. */
  readonly #recorded: readonly number[];
  readonly #groups: readonly number[];

  private constructor(scenario: Scenario, backend: Backend) {
    this.#scenario = scenario;
    this.#backend = backend;
    const { plan, catalogue, split } = scenario;
    this.#features = itemFeatures(catalogue.items, plan.encoder);
    this.#encoder = this.#newEncoder();
    this.#users = evaluationUsers(split);
    this.#sequences = userSequences(split.train);
    this.#recorded = this.#sequences.flatMap(({ items }, index) => (items.length > 0 ? [index] : []));
    const { population } = scenario;
    const groups = hasGroups(population)
      ? population.users.map(({ group }) => group!)
      : typicalTagGroups(split.train);
    this.#groups = this.#recorded.map((index) => groups[index]!);
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

  /** What one person sees under a model; see {@link onePerson}. */
  person(signed: SignedPlan, model: Model): Promise<PersonResult> {
    return onePerson({ scenario: this.#scenario, signed, model, backend: this.#backend });
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
  ): Promise<{
    readonly measured: Omit<NonNullable<SimulationResult["metrics"]["noiseCohort"]>, "cohort">;
    readonly model: Model;
  }> {
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
      const people = this.#people(encoder);
      const measured = {
        quality: this.#rank(encoder),
        epsilon: result.epsilon ?? plan.privacy.epsilon,
        clusters: clusterQuality(people, { model: result.clusters, groups: this.#groups }),
        layers: layerTree(people, result.clusters),
      };
      // The plan of the run has room for fewer micro-clusters than so large a cohort carries.
      const clusters = { ...result.clusters, cells: new Float32Array() };
      const model = {
        task: plan.task,
        round: plan.rounds,
        parent: "",
        weights: encoder.getWeights(),
        ...clusters,
      };
      return { measured, model };
    } finally {
      encoder.dispose();
    }
  }

  /** Whether people's groups are known, or follow from their interactions. */
  get groups(): "known" | "typical-tag" {
    return hasGroups(this.#scenario.population) ? "known" : "typical-tag";
  }

  /** Clusters of a model: metrics over all people, layers, and a map. */
  clusters(model: Model): {
    quality: ClusterQuality;
    layers: LayerNode[][];
    map: SimulationResult["clusters"];
  } {
    this.#encoder.setWeights(model.weights);
    const people = this.#people(this.#encoder);
    const layers = layerTree(people, model);
    return {
      quality: clusterQuality(people, { model, groups: this.#groups }),
      layers,
      map: this.#map(model, { people, names: layers.at(-1)!.map(({ name }) => name) }),
    };
  }

  /** Interest vectors of everybody with a record, rows of norm 1. */
  #people(encoder: InterestEncoder): Matrix {
    const sequences = this.#recorded.map((index) => this.#sequences[index]!);
    const columns = this.#scenario.plan.encoder.dimension;
    return normaliseRows({ rows: sequences.length, columns, data: encoder.userVectors(sequences) });
  }

  #map(
    model: ClusterModel,
    { people, names }: { people: Matrix; names: readonly string[] },
  ): SimulationResult["clusters"] {
    const columns = this.#scenario.plan.encoder.dimension;
    const positions = principalPlane({ rows: model.clusters, columns, data: model.centroids });
    const assigned = nearestClusters(people, model);
    return names.map((name, cluster) => ({
      name,
      size: assigned.filter((own) => own === cluster).length,
      x: positions[cluster]![0],
      y: positions[cluster]![1],
    }));
  }

  dispose(): void {
    this.#encoder.dispose();
  }
}

function hasGroups({ users }: Population): boolean {
  return users.every(({ group }) => group !== undefined);
}

function quality(ranks: number[]): Quality {
  const { hr10, ndcg10 } = rankingMetrics(ranks);
  return { hr10, ndcg10 };
}
