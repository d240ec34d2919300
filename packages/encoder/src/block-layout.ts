/** The tensors of one block of each architecture, their starts, and which of them carry low-rank adapters. No tensor library. */
import type { EncoderShape } from "@kindred/protocol";
import { constant, perHead, perUnit, type Start, xavier } from "./start.ts";

/** A tensor before it has a place. */
export interface DeclaredTensor {
  readonly name: string;
  /** Row-major. */
  readonly shape: readonly number[];
  readonly start: Start;
}

/** Half-life, in interactions, of the recency prior of each attention head or recurrent unit at the start. */
const HALF_LIVES = [2, 8, 4, 16];
/** logit(2^(−1/h)) of them: the bias at which an update gate keeps half of its state over h interactions. */
const KEEPING_BIASES = [0.881374, 2.402258, 1.664988, 3.117108];

/**
 * The start is residual-dominant (after Zhang et al. 2019, "Fixup"): value and output matrices begin near a scaled
 * identity, queries and keys near zero, and the distance bias falls linearly (Press et al. 2022, "ALiBi").
 */
function transformerTensors({
  dimension: d,
  heads,
  feedForward: f,
  sequenceLength,
}: EncoderShape): DeclaredTensor[] {
  return [
    { name: "attentionNorm.gain", shape: [d], start: constant(1) },
    { name: "attentionNorm.bias", shape: [d], start: constant(0) },
    { name: "attention.query", shape: [d, d], start: xavier({ gain: 1 }) },
    { name: "attention.key", shape: [d, d], start: xavier({ gain: 1 }) },
    { name: "attention.value", shape: [d, d], start: xavier({ gain: 0.1, diagonal: 0.6 }) },
    {
      name: "attention.distance",
      shape: [heads, sequenceLength],
      start: perHead((head, distance) => (-Math.LN2 * distance) / HALF_LIVES[head % HALF_LIVES.length]!),
    },
    { name: "attention.output", shape: [d, d], start: xavier({ gain: 0.1, diagonal: 0.6 }) },
    { name: "feedForwardNorm.gain", shape: [d], start: constant(1) },
    { name: "feedForwardNorm.bias", shape: [d], start: constant(0) },
    { name: "feedForward.up", shape: [d, f], start: xavier({ gain: 1 }) },
    { name: "feedForward.upBias", shape: [f], start: constant(0) },
    { name: "feedForward.down", shape: [f, d], start: xavier({ gain: 0.1 }) },
    { name: "feedForward.downBias", shape: [d], start: constant(0) },
  ];
}

/** The state begins as moving averages, of several half-lives, of what the interactions say. */
function gruTensors({ dimension: d }: EncoderShape): DeclaredTensor[] {
  const square = [d, d];
  const gate = xavier({ gain: 0.5 });
  return [
    { name: "recurrentNorm.gain", shape: [d], start: constant(1) },
    { name: "recurrentNorm.bias", shape: [d], start: constant(0) },
    { name: "recurrent.inputReset", shape: square, start: gate },
    { name: "recurrent.inputUpdate", shape: square, start: gate },
    { name: "recurrent.inputCandidate", shape: square, start: xavier({ gain: 0.1, diagonal: 0.6 }) },
    { name: "recurrent.stateReset", shape: square, start: gate },
    { name: "recurrent.stateUpdate", shape: square, start: gate },
    { name: "recurrent.stateCandidate", shape: square, start: xavier({ gain: 0.1 }) },
    { name: "recurrent.resetBias", shape: [d], start: constant(0) },
    {
      name: "recurrent.updateBias",
      shape: [d],
      start: perUnit((unit) => KEEPING_BIASES[unit % KEEPING_BIASES.length]!),
    },
    { name: "recurrent.candidateBias", shape: [d], start: constant(0) },
    { name: "recurrent.stateBias", shape: [d], start: constant(0) },
    { name: "recurrent.output", shape: square, start: xavier({ gain: 0.1, diagonal: 1.2 }) },
  ];
}

const TENSORS: Record<EncoderShape["architecture"], (shape: EncoderShape) => DeclaredTensor[]> = {
  transformer: transformerTensors,
  gru: gruTensors,
};

/** The tensors of one block, named without the block's prefix, in the order of the flat vector. */
export function blockTensors(shape: EncoderShape): DeclaredTensor[] {
  return TENSORS[shape.architecture](shape);
}

/** Matrices of one block that carry a low-rank adapter when `trainable` is `adapters`, each [inputs, outputs]. */
export function adaptedMatrices(shape: EncoderShape): { name: string; inputs: number; outputs: number }[] {
  return blockTensors(shape)
    .filter(({ name, shape: { length } }) => length === 2 && name !== "attention.distance")
    .map(({ name, shape: [inputs, outputs] }) => ({ name, inputs: inputs!, outputs: outputs! }));
}
