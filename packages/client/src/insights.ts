/** What the model in use says of the person whose interactions these are. Computed on the device, nothing of it is sent. */
import { predictRatings, ratingHeadOf, type Sequence } from "@kindred/encoder";
import { type CatalogueItem, KindredError } from "@kindred/protocol";
import { type CollaborativeTable, collaborativeTable } from "./collaborative.ts";
import { trainingRandom } from "./contribution.ts";
import type { ModelWeights } from "./encoder-runtime.ts";
import { describeEvolution, type Evolution, NO_EVOLUTION } from "./evolution.ts";
import { type ExplainOptions, type Explanation, explainRecommendation } from "./explanation.ts";
import { ratedItems } from "./held-out-evaluation.ts";
import type { InteractionLog } from "./interactions.ts";
import { InterestHistory, type Milestone } from "./interest-history.ts";
import { describeInterests, type Interests, noInterests } from "./interests.ts";
import { type ItemSpace, itemSpace } from "./item-space.ts";
import type { LocalTask, ReadyTask } from "./local-task.ts";
import { type PersonalVectors, personalVectors } from "./personal-vectors.ts";
import {
  type Recommendation,
  type RecommendationContext,
  type RecommendOptions,
  recommendItems,
} from "./recommendations.ts";
import type { LoadedModel } from "./task-source.ts";

/** A rating that was never given. */
export interface PredictedRating {
  readonly item: CatalogueItem;
  /** Share of the best possible rating, 0 to 1. */
  readonly rating: number;
  /** Ratings of the person's own that it rests on, besides what everybody's say of the item. */
  readonly own: number;
}

/** What came of fitting a person's own parameters. */
export interface PersonalReport {
  /** Whether there are some now: those fitted to the earlier interactions made the latest ones more likely. */
  readonly kept: boolean;
  /**
   * Mean next-item loss over the latest fifth of the record, nats, without and with parameters fitted to the rest;
   * `undefined` where there is too little to judge by.
   */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** Answers follow the model and the interactions of the moment; what is dear to compute is kept until the next model. */
export class Insights {
  readonly #task: LocalTask;
  readonly #log: InteractionLog;
  readonly #random: (length: number) => Uint8Array;
  readonly #history = new InterestHistory();
  /** Content hash of the model that {@link follow} fitted personal parameters to. */
  #fitted: string | undefined;
  #space: Promise<ItemSpace> | undefined;
  #table: { readonly hash: string; readonly table: CollaborativeTable | undefined } | undefined;

  constructor(of: {
    readonly task: LocalTask;
    readonly log: InteractionLog;
    /** Cryptographically secure random bytes. */
    readonly random: (length: number) => Uint8Array;
  }) {
    this.#task = of.task;
    this.#log = of.log;
    this.#random = of.random;
  }

  /**
   * Takes up a new model, and fits the person's own parameters to it where the plan has some: once for each model, for
   * how long it takes depends on the record, and the coordinator says when a model is announced.
   */
  async follow(hash: string): Promise<void> {
    await this.#task.adopt(hash);
    const { ready, closed } = this.#task;
    if (ready?.plan.personal === undefined || closed || this.#fitted === hash) return;
    this.#fitted = hash;
    await this.personalise();
  }

  /**
   * Fits the person's own parameters to the model in use and keeps them on this device.
   * @throws KindredError `option-invalid` before the task is loaded, or where the plan has no personal parameters
   */
  async personalise(): Promise<PersonalReport> {
    const { ready, weights } = this.#task.inUse();
    const { plan, digest, encoder } = ready;
    const options = plan.personal;
    if (options === undefined)
      throw new KindredError({
        code: "option-invalid",
        field: "plan.personal",
        rule: "must be there for personal parameters",
        fix: "ask the operator for a task whose plan has them",
      });
    const sequence = this.#log.sequence(ready.index);
    if (sequence.items.length < 2) return { kept: false, before: undefined, after: undefined };
    const random = trainingRandom(this.#random);
    const fit = await encoder.fitPersonal(weights, { sequence, options, random });
    if (this.#task.closed) return { kept: false, before: undefined, after: undefined };
    await this.#task.personal.keep(fit.parameters, digest);
    const judged = Number.isFinite(fit.before);
    return {
      kept: fit.parameters !== undefined,
      before: judged ? fit.before : undefined,
      after: judged ? fit.after : undefined,
    };
  }

  /**
   * The rating that this person would give an item.
   * @throws KindredError `option-invalid` before the task is loaded, on an item that the catalogue does not have, or where
   *   the plan has no rating head
   */
  async rate(id: string): Promise<PredictedRating> {
    const { ready, model } = this.#task.inUse();
    const { plan, index, catalogue } = ready;
    const item = index.get(id);
    if (item === undefined)
      throw new KindredError({
        code: "option-invalid",
        field: "item",
        rule: "must be the id of a catalogue item",
        fix: "ask for items of the task's catalogue",
      });
    const { encoder: shape, training, resolved } = plan;
    const head = ratingHeadOf(model.model.weights, { shape, training, itemCount: resolved.itemCount });
    if (head === undefined)
      throw new KindredError({
        code: "option-invalid",
        field: "plan.training.ratings",
        rule: "must be there for ratings to be predicted",
        fix: "ask the operator for a task whose plan has a rating head",
      });
    const own = ratedItems(this.#log.sequence(index));
    const { units } = await this.#itemSpace(ready, model);
    const [rating] = predictRatings(head, { own, units, wanted: [item] });
    return { item: catalogue.items[item]!, rating: rating!, own: own.length };
  }

  /** The encoder's answers with the person's own parameters, where there are some. */
  async #userVectors(
    { encoder }: ReadyTask,
    weights: ModelWeights,
    sequences: readonly Sequence[],
  ): Promise<Float32Array> {
    return this.#task.personal.apply(await encoder.userVectors(weights, sequences));
  }

  /** The encoder's answers along the record, as they are for this person, and the last one as it is without their parameters. */
  async #milestones(
    { encoder }: ReadyTask,
    weights: ModelWeights,
    sequence: Sequence,
  ): Promise<{ readonly milestones: readonly Milestone[]; readonly shared: Float32Array }> {
    const answers = await this.#history.milestones(sequence, {
      hash: weights.hash,
      userVectors: (sequences) => encoder.userVectors(weights, sequences),
    });
    return {
      milestones: answers.map((answer) => ({ ...answer, vector: this.#task.personal.apply(answer.vector) })),
      shared: answers.at(-1)!.vector,
    };
  }

  /**
   * @param options.halfLife milliseconds after which an interaction counts half as much for the long term
   * @throws KindredError `option-invalid` before the task is loaded
   */
  async interests({ halfLife }: { halfLife: number }): Promise<Interests> {
    const { ready, model, weights } = this.#task.inUse();
    const { encoder, plan } = ready;
    const sequence = this.#log.sequence(ready.index);
    if (sequence.items.length === 0) return noInterests(plan.encoder.dimension);
    const space = await this.#itemSpace(ready, model);
    const userVectors = (sequences: readonly Sequence[]) => this.#userVectors(ready, weights, sequences);
    const { milestones, shared } = await this.#milestones(ready, weights, sequence);
    const latest = milestones.at(-1)!;
    const maximum = plan.clustering.interests;
    const present =
      maximum === 1
        ? oneInterest(latest.vector)
        : await personalVectors({ userVectors, sequence, maximum, items: async () => space.units });
    const recency = milestones.map(({ time }) => 2 ** ((time - latest.time) / halfLife));
    const total = recency.reduce((sum, weight) => sum + weight, 0);
    const history = {
      present,
      shortTerm: latest.vector.slice(),
      past: milestones.map(({ vector }, i) => ({ vector, weight: recency[i]! / total })),
      recorded: new Set(Array.from(sequence.items)),
    };
    const scores = await encoder.interestScores(weights, latest.vector, shared);
    return describeInterests(history, { model: model.model, scores, clusterOf: space.clusterOf });
  }

  /** @throws KindredError `option-invalid` before the task is loaded */
  async evolution(): Promise<Evolution> {
    const { ready, model, weights } = this.#task.inUse();
    const { encoder } = ready;
    const sequence = this.#log.sequence(ready.index);
    if (sequence.items.length === 0) return NO_EVOLUTION;
    const space = await this.#itemSpace(ready, model);
    const { milestones, shared } = await this.#milestones(ready, weights, sequence);
    const scores = await encoder.interestScores(weights, milestones.at(-1)!.vector, shared);
    return describeEvolution({ model: model.model, space, sequence, milestones, scores });
  }

  /** @throws KindredError `option-invalid` before the task is loaded, or as `recommendItems` */
  async recommend(options: RecommendOptions): Promise<Recommendation[]> {
    const context = await this.#recommending();
    return recommendItems(context, this.#log.sequence(context.index), options);
  }

  /** @throws KindredError `option-invalid` before the task is loaded, or as `explainRecommendation` */
  async explain(recommendation: Recommendation, options: ExplainOptions): Promise<Explanation> {
    const context = await this.#recommending();
    return explainRecommendation(context, {
      ...options,
      recommendation,
      sequence: this.#log.sequence(context.index),
    });
  }

  async #recommending(): Promise<RecommendationContext> {
    const { ready, model: loaded, weights } = this.#task.inUse();
    const { catalogue, index, encoder } = ready;
    const { hash, model } = loaded;
    const space = await this.#itemSpace(ready, loaded);
    if (this.#table?.hash !== hash)
      this.#table = { hash, table: collaborativeTable(model.signals ?? {}, catalogue.items.length) };
    const personal = {
      userVectors: (sequences: readonly Sequence[]) => this.#userVectors(ready, weights, sequences),
      scores: (vector: Float32Array) => encoder.scores(weights, vector),
    };
    return { catalogue, index, encoder: personal, model, space, table: this.#table.table };
  }

  #itemSpace(ready: ReadyTask, model: LoadedModel): Promise<ItemSpace> {
    const known = this.#space;
    const compute = async (): Promise<ItemSpace> => {
      const past = await known?.catch(() => undefined);
      if (past?.hash === model.hash) return past;
      return itemSpace(ready.encoder, model);
    };
    this.#space = compute();
    return this.#space;
  }
}

function oneInterest(vector: Float32Array): PersonalVectors {
  return {
    vectors: { rows: 1, columns: vector.length, data: vector },
    weights: Float64Array.of(1),
  };
}
