/** Local training on one device: a few steps of stochastic gradient descent on one person's own interactions. */
import { KindredError, type TrainingOptions } from "@kindred/protocol";
import type { InterestEncoder } from "./encoder.ts";
import { applyDelta, type TrainableLayout } from "./layout.ts";
import { shuffle } from "./random.ts";
import { checkSequence, type Sequence, trainingWindows, type Window } from "./sequence.ts";

export interface LocalTrainingOptions {
  /** The person's sequences (usually one), each with at least two interactions. */
  readonly sequences: readonly Sequence[];
  readonly options: Pick<TrainingOptions, "epochs" | "batchSize" | "learningRate" | "maxSteps" | "proximal">;
  /** Draws for dropout, shuffling and negatives; need not be secret. */
  readonly random: () => number;
}

export interface TrainingResult {
  /** Local weights minus global weights, flat in the encoder's `trainable` layout. */
  readonly delta: Float32Array;
  /**
   * Mean next-item cross-entropy in nats over the tokens of the first local step, with the weights before the update
   * and under the dropout of training.
   */
  readonly loss: number;
  readonly steps: number;
  /** Predictions that the steps were taken on. */
  readonly tokens: number;
}

/** Windows of an epoch; the cuts of long sequences move from epoch to epoch. */
export function epochWindows(sequences: readonly Sequence[], length: number, random: () => number): Window[] {
  const windows = sequences.flatMap((sequence) =>
    trainingWindows(sequence, length, Math.floor(random() * length)),
  );
  return shuffle(windows, random);
}

/**
 * `options.epochs` passes over the person's own windows of up to `sequenceLength` transitions, `batchSize` windows per step,
 * at most `maxSteps` steps, with the proximal term of FedProx (Li et al. 2020, equation 2) where there is a μ. With one step the delta is −learningRate × the mean gradient.
 *
 * @throws KindredError `option-invalid` on a sequence that is malformed or has fewer than two interactions
 */
export async function trainLocally(
  encoder: InterestEncoder,
  { sequences, options, random }: LocalTrainingOptions,
): Promise<TrainingResult> {
  if (sequences.length === 0)
    throw new KindredError({
      code: "option-invalid",
      field: "sequences",
      rule: "must not be empty",
      fix: "skip training for a person without interactions",
    });
  sequences.forEach((sequence, index) => {
    checkSequence(sequence, `sequences[${index}]`, { itemCount: encoder.itemCount, minimum: 2 });
  });
  const { epochs, batchSize, learningRate, maxSteps, proximal = 0 } = options;
  const { trainable } = encoder;
  const delta = new Float32Array(trainable.length);
  let start: Float32Array | undefined;
  let loss = 0;
  let steps = 0;
  let tokens = 0;
  try {
    for (let epoch = 0; epoch < epochs && steps < maxSteps; epoch++) {
      const windows = epochWindows(sequences, encoder.shape.sequenceLength, random);
      for (let at = 0; at < windows.length && steps < maxSteps; at += batchSize) {
        // The weights move only when another step follows: a single step leaves the prepared matrices in place.
        if (steps > 0) {
          start ??= encoder.getWeights();
          encoder.setWeights(applyDelta(start, delta, trainable));
        }
        const result = encoder.lossAndGradient(windows.slice(at, at + batchSize), random);
        if (steps === 0) loss = result.loss;
        steps++;
        tokens += result.tokens;
        descend(delta, result.gradient, { trainable, learningRate, proximal });
      }
    }
  } finally {
    if (start) encoder.setWeights(start);
  }
  return { delta, loss, steps, tokens };
}

/** One step of gradient descent. On its own, because a loop in an asynchronous function is optimised late. */
function descend(
  delta: Float32Array,
  gradient: Float32Array,
  {
    trainable,
    learningRate,
    proximal,
  }: { readonly trainable: TrainableLayout; readonly learningRate: number; readonly proximal: number },
): void {
  for (const { offset, deltaOffset, length } of trainable.tensors)
    for (let i = 0; i < length; i++) {
      const slope = gradient[offset + i]! + proximal * delta[deltaOffset + i]!;
      delta[deltaOffset + i]! -= learningRate * slope;
    }
}
