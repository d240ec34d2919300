/** The encoder as the SDK uses it: asynchronous, one caller at a time, weights loaded only when they change. */
import {
  type Backend,
  InterestEncoder,
  itemFeatures,
  loadBackend,
  type PersonalFit,
  type Sequence,
} from "@kindred/encoder";
import { type Catalogue, KindredError, type PersonalOptions, type Plan } from "@kindred/protocol";

/** Weights and the content hash of the model they belong to, by which a runtime knows them again. */
export interface ModelWeights {
  readonly hash: string;
  /** All shared weights, in the encoder's layout. */
  readonly weights: Float32Array;
}

/** What the SDK needs of an encoder. Several clients may share one runtime. */
export interface EncoderRuntime {
  /**
   * Local training from the given model, as the plan says; the model itself does not change.
   * @param sequence at least two interactions
   * @returns local minus global weights, flat over the trained tensors; mean next-item loss before the update, nats
   */
  train(
    model: ModelWeights,
    { sequence, random }: { sequence: Sequence; random: () => number },
  ): Promise<{ readonly delta: Float32Array; readonly loss: number }>;
  /** One interest vector per sequence, row-major n × d; every sequence has at least one interaction. */
  userVectors(model: ModelWeights, sequences: readonly Sequence[]): Promise<Float32Array>;
  /**
   * Fits a person's own parameters to their record; the model itself does not change.
   * @param fit.sequence at least two interactions
   */
  fitPersonal(
    model: ModelWeights,
    fit: {
      readonly sequence: Sequence;
      readonly options: PersonalOptions;
      readonly random: () => number;
    },
  ): Promise<PersonalFit>;
  /** Score of every item as the next one, in nats up to a constant, by an interest vector as `userVectors` gives it. */
  scores(model: ModelWeights, vector: Float32Array): Promise<Float32Array>;
  /**
   * Scores by which to sum up what the next interest is: where the plan has a next-interest head, each group of items has the
   * share that the head gives it; otherwise they are those of `scores`.
   * @param shared the same vector without the person's own parameters, which is what a head was trained on; `vector` by default
   */
  interestScores(model: ModelWeights, vector: Float32Array, shared?: Float32Array): Promise<Float32Array>;
  /** Row-major items × d. */
  itemVectors(model: ModelWeights): Promise<Float32Array>;
}

/** The runtime on `InterestEncoder`, which holds tensors until it is disposed. */
export interface TensorEncoderRuntime extends EncoderRuntime {
  /** Name of the tensor backend. */
  readonly backend: string;
  dispose(): Promise<void>;
}

/**
 * Starts an encoder for a task. Computing the catalogue's text features takes about a second per 10,000 items.
 * @param options.features those that the plan names; without, and where it names none, text features are computed
 * @param options.backend the best one that loads by default
 * @throws KindredError `option-invalid` if features are missing that the plan names; `plan-invalid` if the plan's model length is not the encoder's
 */
export async function createEncoderRuntime(options: {
  readonly plan: Plan;
  readonly catalogue: Catalogue;
  readonly features?: Float32Array;
  readonly backend?: Backend;
}): Promise<TensorEncoderRuntime> {
  const { plan, catalogue } = options;
  if (options.features === undefined && plan.resolved.featuresHash !== undefined)
    throw new KindredError({
      code: "option-invalid",
      field: "features",
      rule: "must be those that the plan names",
      fix: "pass the features of the task's material on",
    });
  const backend = options.backend ?? (await loadBackend());
  const encoder = InterestEncoder.create({
    backend,
    shape: plan.encoder,
    training: plan.training,
    features: options.features ?? itemFeatures(catalogue.items, plan.encoder),
    itemCount: catalogue.items.length,
  });
  if (plan.resolved.blocks[0]?.length !== encoder.trainable.length) {
    encoder.dispose();
    throw new KindredError({
      code: "plan-invalid",
      field: "plan.resolved.blocks.0.length",
      rule: `must be ${encoder.trainable.length}, the number of trained weights of this encoder`,
      fix: "use client and coordinator of the same version",
    });
  }
  return serialised(encoder, backend.name);
}

function serialised(encoder: InterestEncoder, backend: string): TensorEncoderRuntime {
  let loaded: string | undefined;
  let last: Promise<unknown> = Promise.resolve();

  /** Runs one action after all earlier ones: training moves the weights while it works. */
  const exclusively = <T>(action: () => T | Promise<T>): Promise<T> => {
    const result = last.then(action);
    last = result.catch(() => undefined);
    return result;
  };
  const withModel = <T>({ hash, weights }: ModelWeights, action: () => T | Promise<T>): Promise<T> =>
    exclusively(async () => {
      if (loaded !== hash) {
        loaded = undefined;
        encoder.setWeights(weights);
        loaded = hash;
      }
      try {
        return await action();
      } catch (error) {
        loaded = undefined;
        throw error;
      }
    });

  return {
    backend,
    train: (model, { sequence, random }) =>
      withModel(model, () => encoder.train({ sequences: [sequence], options: encoder.training, random })),
    userVectors: (model, sequences) => withModel(model, () => encoder.userVectors(sequences)),
    fitPersonal: (model, fit) => withModel(model, () => encoder.fitPersonal(fit)),
    scores: (model, vector) => withModel(model, () => encoder.scores(vector)),
    interestScores: (model, vector, shared) => withModel(model, () => encoder.interestScores(vector, shared)),
    itemVectors: (model) => withModel(model, () => encoder.itemVectors()),
    dispose: () => exclusively(() => encoder.dispose()),
  };
}
