/** A task as one device holds it: verified plan, catalogue, encoder, the newest model, and what they say about a person. */
import { predictRatings, ratingHeadOf, type Sequence } from "@kindred/encoder";
import { DEFAULT_PRIVACY_FLOORS, type PrivacyFloors, verifyPlan } from "@kindred/engine";
import {
  type Catalogue,
  type CatalogueItem,
  ERROR_TABLE,
  KindredError,
  modelHash,
  type Plan,
  planDigest,
} from "@kindred/protocol";
import type { CryptoSuite } from "@kindred/secagg";
import { Backoff, type Clock } from "./clock.ts";
import { type CollaborativeTable, collaborativeTable } from "./collaborative.ts";
import { checkModelShape, trainingRandom } from "./contribution.ts";
import type { EncoderFactory } from "./encoder-factory.ts";
import type { EncoderRuntime, ModelWeights } from "./encoder-runtime.ts";
import { describeEvolution, type Evolution, NO_EVOLUTION } from "./evolution.ts";
import { type ExplainOptions, type Explanation, explainRecommendation } from "./explanation.ts";
import { ratedItems } from "./held-out-evaluation.ts";
import type { InteractionLog } from "./interactions.ts";
import { InterestHistory, type Milestone } from "./interest-history.ts";
import { describeInterests, type Interests, noInterests } from "./interests.ts";
import { checkNames, type ItemSpace, itemSpace } from "./item-space.ts";
import { PersonalLayer } from "./personal-layer.ts";
import { type PersonalVectors, personalVectors } from "./personal-vectors.ts";
import {
  type Recommendation,
  type RecommendationContext,
  type RecommendOptions,
  recommendItems,
} from "./recommendations.ts";
import type { ClientStore } from "./store.ts";
import {
  type LoadedModel,
  type MaterialFiles,
  readMaterial,
  readModel,
  type TaskMaterial,
  type TaskSource,
} from "./task-source.ts";

/** Plan, catalogue and encoder, all verified. */
export interface ReadyTask extends TaskMaterial {
  readonly plan: Plan;
  /** 64 hexadecimal digits. */
  readonly digest: string;
  readonly encoder: EncoderRuntime;
}

export interface LocalTaskOptions {
  readonly task: string;
  readonly source: TaskSource;
  readonly store: ClientStore;
  readonly encoder: EncoderRuntime | EncoderFactory;
  readonly suite: Pick<CryptoSuite, "verify">;
  readonly floors: Partial<PrivacyFloors>;
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  /** Told the bytes of each file that was obtained. */
  readonly received: (bytes: number) => void;
}

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

/** Attempts to obtain a file before its absence is reported. */
const ATTEMPTS = 4;

export class LocalTask {
  readonly #options: LocalTaskOptions;
  #ready: ReadyTask | undefined;
  #model: LoadedModel | undefined;
  #wanted: string | undefined;
  #loading: { readonly hash: string; readonly loaded: Promise<LoadedModel> } | undefined;
  #space: Promise<ItemSpace> | undefined;
  #table: { readonly hash: string; readonly table: CollaborativeTable | undefined } | undefined;
  readonly #history = new InterestHistory();
  readonly #personal: PersonalLayer;
  #closed = false;

  constructor(options: LocalTaskOptions) {
    this.#options = options;
    this.#personal = new PersonalLayer(options.store);
  }

  /** `undefined` until it is loaded. */
  get ready(): ReadyTask | undefined {
    return this.#ready;
  }

  /** Content hash of the model in use. */
  get modelHash(): string | undefined {
    return this.#model?.hash;
  }

  /** Keeps nothing in the store from now on. */
  close(): void {
    this.#closed = true;
  }

  /**
   * Obtains and verifies everything. Where the coordinator cannot be reached, what was kept has to do.
   * @throws KindredError of the plan's, catalogue's or model's fault, or `internal` where nothing was kept
   */
  async load(): Promise<void> {
    const { store, suite, task, floors } = this.#options;
    const { material, kept } = await this.#material();
    const verified = verifyPlan(material.signed, { floors: { ...DEFAULT_PRIVACY_FLOORS, ...floors }, suite });
    if (!verified.ok) throw new KindredError(verified.rejection);
    const plan = verified.value;
    const digest = planDigest(plan);
    if (!kept) await this.#keep(material.files);
    const { encoder: given } = this.#options;
    const encoder =
      typeof given === "function"
        ? await given({
            plan,
            catalogue: material.catalogue,
            ...(material.features && { features: material.features }),
          })
        : given;
    if (this.#ready?.digest !== digest)
      this.#model = keptModel(await store.readCached("model"), { task, plan, catalogue: material.catalogue });
    this.#ready = { ...material, plan, digest, encoder };
    await this.#personal.load({ digest, dimension: plan.encoder.dimension });
    try {
      await this.refresh();
    } catch (error) {
      if (isTransient(error) && this.#model !== undefined) return;
      this.#ready = undefined;
      throw error;
    }
  }

  /** Looks for a newer model. */
  async refresh(): Promise<void> {
    const { modelHash: hash } = await this.#retry(() => this.#options.source.progress());
    if (hash !== null) await this.adopt(hash);
  }

  /**
   * The model of that hash; it becomes the one in use if no other was asked for later.
   * @throws KindredError `model-invalid` if it is not the model of that hash, task and plan
   */
  adopt(hash: string): Promise<LoadedModel> {
    if (this.#model?.hash === hash) return Promise.resolve(this.#model);
    this.#wanted = hash;
    if (this.#loading?.hash === hash) return this.#loading.loaded;
    const loaded = this.#obtain(hash).finally(() => {
      if (this.#loading?.hash === hash) this.#loading = undefined;
    });
    this.#loading = { hash, loaded };
    return loaded;
  }

  /**
   * Fits the person's own parameters to the model in use and keeps them on this device.
   * @throws KindredError `option-invalid` before the task is loaded, or where the plan has no personal parameters
   */
  async personalise(log: InteractionLog): Promise<PersonalReport> {
    const { ready, weights } = this.#inUse();
    const { plan, digest, encoder } = ready;
    const options = plan.personal;
    if (options === undefined)
      throw new KindredError({
        code: "option-invalid",
        field: "plan.personal",
        rule: "must be there for personal parameters",
        fix: "ask the operator for a task whose plan has them",
      });
    const sequence = log.sequence(ready.index);
    if (sequence.items.length < 2) return { kept: false, before: undefined, after: undefined };
    const random = trainingRandom(this.#options.random);
    const fit = await encoder.fitPersonal(weights, { sequence, options, random });
    if (this.#closed) return { kept: false, before: undefined, after: undefined };
    await this.#personal.keep(fit.parameters, digest);
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
  async rate(log: InteractionLog, id: string): Promise<PredictedRating> {
    const { ready, model } = this.#inUse();
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
    const own = ratedItems(log.sequence(index));
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
    return this.#personal.apply(await encoder.userVectors(weights, sequences));
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
      milestones: answers.map((answer) => ({ ...answer, vector: this.#personal.apply(answer.vector) })),
      shared: answers.at(-1)!.vector,
    };
  }

  /**
   * @param options.halfLife milliseconds after which an interaction counts half as much for the long term
   * @throws KindredError `option-invalid` before the task is loaded
   */
  async interests(log: InteractionLog, { halfLife }: { halfLife: number }): Promise<Interests> {
    const { ready, model, weights } = this.#inUse();
    const { encoder, plan } = ready;
    const sequence = log.sequence(ready.index);
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
  async evolution(log: InteractionLog): Promise<Evolution> {
    const { ready, model, weights } = this.#inUse();
    const { encoder } = ready;
    const sequence = log.sequence(ready.index);
    if (sequence.items.length === 0) return NO_EVOLUTION;
    const space = await this.#itemSpace(ready, model);
    const { milestones, shared } = await this.#milestones(ready, weights, sequence);
    const scores = await encoder.interestScores(weights, milestones.at(-1)!.vector, shared);
    return describeEvolution({ model: model.model, space, sequence, milestones, scores });
  }

  /** @throws KindredError `option-invalid` before the task is loaded, or as `recommendItems` */
  async recommend(log: InteractionLog, options: RecommendOptions): Promise<Recommendation[]> {
    const context = await this.#recommending();
    return recommendItems(context, log.sequence(context.index), options);
  }

  /** @throws KindredError `option-invalid` before the task is loaded, or as `explainRecommendation` */
  async explain(
    log: InteractionLog,
    recommendation: Recommendation,
    options: ExplainOptions,
  ): Promise<Explanation> {
    const context = await this.#recommending();
    return explainRecommendation(context, {
      ...options,
      recommendation,
      sequence: log.sequence(context.index),
    });
  }

  async #recommending(): Promise<RecommendationContext> {
    const { ready, model: loaded, weights } = this.#inUse();
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

  #inUse(): { ready: ReadyTask; model: LoadedModel; weights: ModelWeights } {
    const ready = this.#ready;
    const model = this.#model;
    if (ready === undefined || model === undefined)
      throw new KindredError({
        code: "option-invalid",
        field: "client",
        rule: "must be started before it can look at interests",
        fix: "await client.start() first",
      });
    return { ready, model, weights: { hash: model.hash, weights: model.model.weights } };
  }

  /** Plan and catalogue from the coordinator, or those kept where it cannot be reached. */
  async #material(): Promise<{ material: TaskMaterial; kept: boolean }> {
    const { store, task, source, received } = this.#options;
    const [catalogue, built] = await Promise.all([
      store.readCached("catalogue"),
      store.readCached("features"),
    ]);
    const features = built && { features: built };
    try {
      const material = await this.#retry(() =>
        source.material({ ...(catalogue && { catalogue }), ...features }),
      );
      received(material.downloaded);
      return { material, kept: false };
    } catch (error) {
      if (!isTransient(error)) throw error;
      const plan = await store.readCached("plan");
      if (plan === undefined || catalogue === undefined) throw error;
      return { material: readMaterial({ plan, catalogue, ...features }, task), kept: true };
    }
  }

  /** Keeps the public files for the next start. */
  async #keep(files: MaterialFiles): Promise<void> {
    const { store } = this.#options;
    for (const name of ["plan", "catalogue", "features"] as const) {
      const file = files[name];
      if (file !== undefined && !this.#closed) await store.writeCached(name, file);
    }
  }

  async #obtain(hash: string): Promise<LoadedModel> {
    const { source, store, received } = this.#options;
    const loaded = await this.#retry(() => source.model(hash));
    received(loaded.file.length);
    if (this.#ready !== undefined) {
      checkModelShape(loaded, this.#ready.plan);
      checkNames(loaded.model, this.#ready.catalogue);
    }
    if (this.#wanted === hash && !this.#closed) {
      this.#model = loaded;
      await store.writeCached("model", loaded.file);
    }
    return loaded;
  }

  /** What failed for a passing reason is tried again a few times, with growing pauses. */
  async #retry<T>(action: () => Promise<T>): Promise<T> {
    const { clock, random } = this.#options;
    const backoff = new Backoff(random);
    for (let attempt = 1; ; attempt++) {
      try {
        return await action();
      } catch (error) {
        if (!isTransient(error) || attempt === ATTEMPTS || this.#closed) throw error;
      }
      await new Promise<void>((resolve) => {
        clock.setTimer(backoff.next(), resolve);
      });
    }
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

/** The model kept from the last run, if it still fits the plan. */
function keptModel(
  file: Uint8Array | undefined,
  { task, plan, catalogue }: { task: string; plan: Plan; catalogue: Catalogue },
): LoadedModel | undefined {
  if (file === undefined) return undefined;
  try {
    const loaded = readModel(file, { hash: modelHash(file), task });
    checkModelShape(loaded, plan);
    checkNames(loaded.model, catalogue);
    return loaded;
  } catch (error) {
    if (error instanceof KindredError) return undefined;
    throw error;
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof KindredError && ERROR_TABLE[error.code].retry;
}
