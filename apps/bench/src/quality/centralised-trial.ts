/**
 * Encoders that are trained on everybody's data in one place and compared: leave-last-out, full ranking, the number of
 * epochs chosen on the second-last items, which no encoder is trained on.
 */
import {
  type Backend,
  type EvaluationUser,
  InterestEncoder,
  itemFeatures,
  loadBackend,
  type Sequence,
  seededRandom,
  type Teaching,
} from "@kindred/encoder";
import type { PlanInput } from "@kindred/protocol";
import { evaluationUsers, leaveLastOut, type Population, userSequences } from "@kindred/simulator";
import { refuse } from "../flags.ts";

/** What the encoders of one comparison are trained and measured on. */
export interface CentralisedTrial {
  readonly backend: Backend;
  readonly items: readonly { readonly id: string; readonly title: string; readonly tags: string[] }[];
  /** One per person, without the last two interactions; at least two are left. */
  readonly sequences: readonly Sequence[];
  /** Whose second-last item is foretold, to choose the epoch. */
  readonly validation: readonly EvaluationUser[];
  /** Whose last item is foretold. */
  readonly test: readonly EvaluationUser[];
}

/**
 * Splits a population, and prints how large it is.
 * @throws KindredError `option-invalid` where nobody is left to train on, to choose epochs by or to measure
 */
export async function centralisedTrial(
  population: Population,
  out: NodeJS.WritableStream,
): Promise<CentralisedTrial> {
  const split = leaveLastOut(population);
  const people = {
    sequences: userSequences(split.validation.train).filter(({ items }) => items.length >= 2),
    validation: evaluationUsers(split.validation),
    test: evaluationUsers(split),
  };
  if (Object.values(people).some(({ length }) => length === 0))
    refuse(
      "--data",
      "must have people whose last or second-last item is new to them, found too few",
      "pass a data set of more people, or a larger --people",
    );
  out.write(`${population.name}: ${population.users.length} people, ${population.items.length} items\n\n`);
  const items = population.items.map(({ id, title, tags }) => ({ id, title, tags: [...tags] }));
  return { backend: await loadBackend(), items, ...people };
}

/** An encoder with the weights of its best epoch. */
export interface TrainedEncoder {
  /** The caller disposes of it. */
  readonly encoder: InterestEncoder;
  /** From 1. */
  readonly bestEpoch: number;
  /** NDCG@10 on the second-last items after that epoch. */
  readonly validationNdcg10: number;
  readonly seconds: number;
}

/** Trains the encoder of a plan; weights and order come from the seed of its encoder. */
export async function trainInOnePlace(
  trial: CentralisedTrial,
  options: {
    readonly plan: PlanInput;
    /** At the most. */
    readonly epochs: number;
    /** Of Adam; 0.002 by default. */
    readonly learningRate?: number;
    readonly teaching?: Teaching;
  },
): Promise<TrainedEncoder> {
  const { plan, epochs, learningRate = 2e-3, teaching } = options;
  const encoder = InterestEncoder.create({
    backend: trial.backend,
    shape: plan.encoder,
    training: plan.training,
    features: itemFeatures(trial.items, plan.encoder),
    itemCount: trial.items.length,
  });
  const started = performance.now();
  const result = await encoder.trainCentralised({
    sequences: trial.sequences,
    validation: trial.validation,
    epochs,
    patience: 3,
    batchSize: 32,
    learningRate,
    optimiser: "adam",
    ...(teaching && { teaching }),
    random: seededRandom(plan.encoder.seed),
  });
  return {
    encoder,
    bestEpoch: result.bestEpoch,
    // There are people to choose by, so that every epoch has one.
    validationNdcg10: result.epochs[result.bestEpoch - 1]!.ndcg10!,
    seconds: (performance.now() - started) / 1000,
  };
}
