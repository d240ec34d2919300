/**
 * The vector pipeline: everything that depends on a person's data becomes one vector of integers modulo 2^b,
 * and the sum of a cohort becomes means again. Client and server halves are paired and stand side by side.
 *
 * Client: clip each block, join to L2 norm ≤ 1, zero-pad to the longest round's length, rotate, scale, round under an exact integer norm
 * check, add integer noise, reduce modulo 2^b (DIFFERENTIAL_PRIVACY, "Distributed mechanism"; Kairouz, Liu & Steinke 2021).
 * Server: centred lift, unscale, rotate back, unpad, split, divide by the number of survivors.
 */
import {
  type AesCtrRandom,
  centredLift,
  clipNorm,
  conditionalRound,
  joinBlocks,
  l2Norm,
  rotate,
  sampleDiscreteGaussian,
  splitBlocks,
  sumVariance,
  toModulus,
  unrotate,
} from "@kindred/privacy";
import type { MechanismParameters, Plan, SignalBlock, SignalName, VectorBlock } from "@kindred/protocol";
import { roundBlocks } from "./adaptive-clip.ts";
import { type RoundContent, signalBlocks } from "./signals/round-content.ts";

/** A block that a person's data fills; the other one says whether the model block was clipped. */
type DataBlock = Exclude<VectorBlock["name"], "clipping">;

/** The values of one contribution, block by block, before clipping. */
export interface Contribution {
  /** Trainable weights after local training minus before. */
  readonly model: ArrayLike<number>;
  /** One-hot cluster membership averaged over the person's vectors; length k, L2 norm ≤ 1. */
  readonly counts: ArrayLike<number>;
  /** Mean of the person's unit vectors per cluster; length k·d, L2 norm ≤ 1. */
  readonly sums: ArrayLike<number>;
  /** `[loss / lossBound, simplified silhouette]`, each within [−1, 1]. */
  readonly evaluation: ArrayLike<number>;
  /** The signal that the round collects in place of model, counts and sums; length of its block. */
  readonly signal?: ArrayLike<number>;
}

/** Means over the survivors, block by block, as decoded from a noisy sum. */
export interface MeanContribution {
  readonly model: Float64Array;
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly evaluation: Float64Array;
  /** Standard deviation of the noise on each entry of a block's mean, by block. */
  readonly deviation: Readonly<Record<DataBlock, number>>;
  /** Noisy share of survivors whose update was within the clip norm, where the plan adapts it. */
  readonly withinClip?: number;
}

/** Means over the survivors of a round that collects a signal. */
export interface MeanSignal extends Pick<MeanContribution, "evaluation" | "withinClip"> {
  readonly signal: Float64Array;
  /** Standard deviation of the noise on each entry, by block. */
  readonly deviation: Readonly<Record<"signal" | "evaluation", number>>;
}

interface EncodeOptions {
  readonly plan: Plan;
  /** Session id, 32 bytes: the public seed of the rotation. */
  readonly sid: Uint8Array;
  /** Secret randomness of this client, fresh for the round. */
  readonly random: AesCtrRandom;
  /** Clip norm of the model block in this round (`clipOf`); left out where the plan's is fixed. */
  readonly clip?: number | undefined;
  /** What the round carries (`contentOfRound`); training by default. */
  readonly content?: RoundContent | undefined;
}

/**
 * Encodes a contribution for masking. A block that holds a value that is not finite counts as zeros: a refusal would
 * tell the coordinator, who chooses the model, for whom training on it diverges.
 * @returns paddedLength integers modulo 2^b
 * @throws RangeError if a block has the wrong length, or the clip norm is missing
 */
export function encodeContribution(
  contribution: Contribution,
  { plan, sid, random, clip, content = "training" }: EncodeOptions,
): Uint32Array {
  const { mechanism } = plan.resolved;
  const training = roundBlocks(plan, clip);
  const blocks = content === "training" ? training : signalBlocks(plan, content);
  const joint = joinBlocks(
    blocks.map((block) => ({
      values:
        block.name === "clipping"
          ? withinClip(contribution, training[0]!)
          : checkedValues(contribution, block),
      clip: clipNorm(block.clip),
      weight: block.weight,
    })),
  );
  const padded = new Float64Array(mechanism.paddedLength);
  padded.set(joint);
  rotate(padded, sid);
  const rounded = conditionalRound({
    vector: padded,
    scale: mechanism.scale,
    bound: mechanism.sensitivity.l2,
    random,
  });
  // Surplus noise, where the plan has it, is added with the masks: it comes from keys that others hold shares of.
  if (mechanism.localDeviation > 0) {
    const noise = sampleDiscreteGaussian({ sigma: mechanism.localDeviation, length: rounded.length, random });
    for (let i = 0; i < rounded.length; i++) rounded[i]! += noise[i]!;
  }
  return toModulus(rounded, mechanism.modulusBits);
}

function checkedValues(
  contribution: Contribution,
  { name, length }: Pick<VectorBlock | SignalBlock, "name" | "length">,
): ArrayLike<number> {
  const field = name === "transitions" || name === "popularity" ? "signal" : (name as DataBlock);
  const values = contribution[field] ?? [];
  if (values.length !== length)
    throw new RangeError(`contribution.${field} must have ${length} values, found ${values.length}`);
  return Array.prototype.every.call(values, Number.isFinite) ? values : new Float64Array(values.length);
}

/** +1/2 where the update's norm is at most the clip norm, −1/2 where it is clipped: centred, to cost half as much. */
function withinClip(contribution: Contribution, model: VectorBlock): readonly number[] {
  return [l2Norm(checkedValues(contribution, model)) <= model.clip ? 0.5 : -0.5];
}

interface DecodeOptions {
  readonly plan: Plan;
  readonly sid: Uint8Array;
  readonly survivors: number;
  /** Survivors whose surplus noise could not be removed; 0 by default. */
  readonly kept?: number | undefined;
}

/**
 * Decodes the sum of `survivors` encoded contributions of a round that trains.
 * @param sum paddedLength integers modulo 2^b
 * @throws RangeError if the plan adapts the clip norm and that of the round is missing
 */
export function decodeAggregate(
  sum: Uint32Array,
  { clip, ...options }: DecodeOptions & { clip?: number | undefined },
): MeanContribution {
  const blocks = roundBlocks(options.plan, clip);
  const [model, counts, sums, evaluation, clipping] = decodeBlocks(sum, blocks, options);
  const deviation = Object.fromEntries(
    blocks.map((block) => [block.name, deviationOf(block, options)]),
  ) as Record<DataBlock, number>;
  const mean = { model: model!, counts: counts!, sums: sums!, evaluation: evaluation!, deviation };
  return clipping === undefined ? mean : { ...mean, withinClip: clipping[0]! + 0.5 };
}

/**
 * Decodes the sum of a round that collects a signal.
 * @param sum paddedLength integers modulo 2^b
 * @throws RangeError if the plan does not collect it
 */
export function decodeSignal(
  sum: Uint32Array,
  { signal: name, ...options }: DecodeOptions & { readonly signal: SignalName },
): MeanSignal {
  const blocks = signalBlocks(options.plan, name);
  const [signal, evaluation, clipping] = decodeBlocks(sum, blocks, options);
  const deviation = {
    signal: deviationOf(blocks[0]!, options),
    evaluation: deviationOf(blocks[1]!, options),
  };
  const mean = { signal: signal!, evaluation: evaluation!, deviation };
  return clipping === undefined ? mean : { ...mean, withinClip: clipping[0]! + 0.5 };
}

function decodeBlocks(
  sum: Uint32Array,
  blocks: readonly (VectorBlock | SignalBlock)[],
  { plan, sid, survivors }: DecodeOptions,
): Float64Array[] {
  const { mechanism } = plan.resolved;
  const lifted = centredLift(sum, mechanism.modulusBits);
  const joint = new Float64Array(lifted.length);
  const unscale = 1 / (mechanism.scale * survivors);
  for (let i = 0; i < lifted.length; i++) joint[i] = lifted[i]! * unscale;
  unrotate(joint, sid);
  const length = blocks.reduce((total, block) => total + block.length, 0);
  return splitBlocks(
    joint.subarray(0, length),
    blocks.map(({ length: blockLength, clip, weight }) => ({
      length: blockLength,
      clip: clipNorm(clip),
      weight,
    })),
  );
}

function deviationOf(block: VectorBlock | SignalBlock, { plan, survivors, kept }: DecodeOptions): number {
  return blockDeviation(plan.resolved.mechanism, { block, survivors, kept });
}

/**
 * Standard deviation of one entry of a block's mean when all `survivors` add their noise: √V / (s·n) · C/a, V the
 * variance of the sum's noise, nσ_i² where none of it is removed.
 * @param options.kept survivors whose surplus noise could not be removed; 0 by default
 */
export function blockDeviation(
  mechanism: MechanismParameters,
  {
    block,
    survivors,
    kept = 0,
  }: { block: Pick<VectorBlock, "clip" | "weight">; survivors: number; kept?: number | undefined },
): number {
  const noise = Math.sqrt(sumVariance(mechanism, { survivors, kept }));
  return (noise / (mechanism.scale * survivors)) * (block.clip / block.weight);
}
