/** Training with everybody's data in one place: the baseline that federated training is measured against. */
import { KindredError } from "@kindred/protocol";
import { Adam } from "./adam.ts";
import type { InterestEncoder } from "./encoder.ts";
import { type EvaluationUser, nextItemRanks } from "./evaluate.ts";
import type { Teaching } from "./pretraining/soft-targets.ts";
import { rankingMetrics } from "./ranking.ts";
import { checkSequence, type Sequence } from "./sequence.ts";
import { epochWindows } from "./train-local.ts";

export interface CentralisedOptions {
  /** One sequence per person, each with at least two interactions. */
  readonly sequences: readonly Sequence[];
  readonly epochs: number;
  /** Windows per step. */
  readonly batchSize: number;
  readonly learningRate: number;
  readonly optimiser: "adam";
  /** Decoupled weight decay per step, relative to the learning rate (Loshchilov and Hutter 2019); 0 by default. */
  readonly weightDecay?: number;
  /** Early stopping on NDCG@10 of these people; without, all epochs are run. */
  readonly validation?: readonly EvaluationUser[];
  /** Epochs without a better validation score before stopping; 5 by default. */
  readonly patience?: number;
  /** What a teacher expects along `sequences`: distillation. */
  readonly teaching?: Teaching;
  readonly onEpoch?: (report: EpochReport) => void;
  /** After every step: epochs begun before, and the share of the present one that is done. Awaited, so that a host can breathe. */
  readonly onStep?: (at: { epochs: number; fraction: number }) => void | Promise<void>;
  readonly random: () => number;
}

export interface EpochReport {
  /** From 1. */
  readonly epoch: number;
  /** Mean training loss of the epoch, nats, under dropout. */
  readonly loss: number;
  /** NDCG@10 on the validation people, where there are any. */
  readonly ndcg10?: number;
}

export interface CentralisedResult {
  readonly epochs: readonly EpochReport[];
  /** Epoch whose weights the encoder now holds. */
  readonly bestEpoch: number;
}

/**
 * {@link Adam} on shuffled windows of all people. The encoder holds the best weights
 * afterwards: those of the best validation epoch, or of the last epoch without validation.
 *
 * @throws KindredError `option-invalid` on a sequence that is malformed or has fewer than two interactions
 */
export async function trainCentrally(
  encoder: InterestEncoder,
  options: CentralisedOptions,
): Promise<CentralisedResult> {
  const { sequences, batchSize, learningRate, weightDecay = 0, validation, patience = 5, random } = options;
  if (sequences.length === 0)
    throw new KindredError({
      code: "option-invalid",
      field: "sequences",
      rule: "must not be empty",
      fix: "pass at least one person",
    });
  sequences.forEach((sequence, index) => {
    checkSequence(sequence, `sequences[${index}]`, { itemCount: encoder.itemCount, minimum: 2 });
  });
  const weights = encoder.getWeights();
  const adam = new Adam(weights.length, learningRate);
  const reports: EpochReport[] = [];
  let best = { epoch: 0, ndcg10: -1, weights: weights.slice() };
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    const windows = epochWindows(sequences, encoder.shape.sequenceLength, random);
    let loss = 0;
    let tokens = 0;
    for (let at = 0; at < windows.length; at += batchSize) {
      const result = encoder.lossAndGradient(windows.slice(at, at + batchSize), random, options.teaching);
      loss += result.loss * result.tokens;
      tokens += result.tokens;
      if (weightDecay > 0)
        for (let i = 0; i < weights.length; i++) weights[i]! *= 1 - learningRate * weightDecay;
      adam.step(weights, result.gradient);
      encoder.setWeights(weights);
      const fraction = Math.min(1, (at + batchSize) / windows.length);
      await options.onStep?.({ epochs: epoch - 1, fraction });
    }
    const report: EpochReport = validation
      ? {
          epoch,
          loss: loss / tokens,
          ndcg10: rankingMetrics(nextItemRanks({ encoder, users: validation })).ndcg10,
        }
      : { epoch, loss: loss / tokens };
    reports.push(report);
    options.onEpoch?.(report);
    const ndcg10 = report.ndcg10 ?? epoch;
    if (ndcg10 > best.ndcg10) best = { epoch, ndcg10, weights: weights.slice() };
    else if (epoch - best.epoch >= patience) break;
  }
  encoder.setWeights(best.weights);
  return { epochs: reports, bestEpoch: best.epoch };
}
