/**
 * The vector pipeline: everything that depends on a person's data becomes one vector of integers modulo 2^b,
 * and the sum of a cohort becomes means again. Client and server halves are paired and stand side by side.
 *
 * Client: clip each block, join to L2 norm ≤ 1, zero-pad to 2^m, rotate, scale, round under an exact integer norm
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
import type { MechanismParameters, Plan, VectorBlock } from "@kindred/protocol";
import { roundBlocks } from "./adaptive-clip.ts";

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

interface EncodeOptions {
  readonly plan: Plan;
  /** Session id, 32 bytes: the public seed of the rotation. */
  readonly sid: Uint8Array;
  /** Secret randomness of this client, fresh for the round. */
  readonly random: AesCtrRandom;
  /** Clip norm of the model block in this round (`clipOf`); left out where the plan's is fixed. */
  readonly clip?: number | undefined;
}

/**
 * Encodes a contribution for masking. A block that holds a value that is not finite counts as zeros: a refusal would
 * tell the coordinator, who chooses the model, for whom training on it diverges.
 * @returns paddedLength integers modulo 2^b
 * @throws RangeError if a block has the wrong length, or the clip norm is missing
 */
export function encodeContribution(
  contribution: Contribution,
  { plan, sid, random, clip }: EncodeOptions,
): Uint32Array {
  const { mechanism } = plan.resolved;
  const blocks = roundBlocks(plan, clip);
  const joint = joinBlocks(
    blocks.map((block) => ({
      values:
        block.name === "clipping" ? withinClip(contribution, blocks[0]!) : checkedValues(contribution, block),
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

function checkedValues(contribution: Contribution, block: VectorBlock): ArrayLike<number> {
  const values = contribution[block.name as DataBlock];
  if (values.length !== block.length)
    throw new RangeError(
      `contribution.${block.name} must have ${block.length} values, found ${values.length}`,
    );
  return Array.prototype.every.call(values, Number.isFinite) ? values : new Float64Array(values.length);
}

/** +1/2 where the update's norm is at most the clip norm, −1/2 where it is clipped: centred, to cost half as much. */
function withinClip(contribution: Contribution, model: VectorBlock): readonly number[] {
  return [l2Norm(checkedValues(contribution, model)) <= model.clip ? 0.5 : -0.5];
}

/**
 * Decodes the sum of `survivors` encoded contributions.
 * @param sum paddedLength integers modulo 2^b
 * @throws RangeError if the plan adapts the clip norm and that of the round is missing
 */
export function decodeAggregate(
  sum: Uint32Array,
  {
    plan,
    sid,
    survivors,
    clip,
    kept,
  }: {
    plan: Plan;
    sid: Uint8Array;
    survivors: number;
    clip?: number | undefined;
    /** Survivors whose surplus noise could not be removed; 0 by default. */
    kept?: number | undefined;
  },
): MeanContribution {
  const { mechanism } = plan.resolved;
  const blocks = roundBlocks(plan, clip);
  const lifted = centredLift(sum, mechanism.modulusBits);
  const joint = new Float64Array(lifted.length);
  const unscale = 1 / (mechanism.scale * survivors);
  for (let i = 0; i < lifted.length; i++) joint[i] = lifted[i]! * unscale;
  unrotate(joint, sid);
  const length = blocks.reduce((total, block) => total + block.length, 0);
  const [model, counts, sums, evaluation, clipping] = splitBlocks(
    joint.subarray(0, length),
    blocks.map(({ length: blockLength, clip: norm, weight }) => ({
      length: blockLength,
      clip: clipNorm(norm),
      weight,
    })),
  );
  const deviation = Object.fromEntries(
    blocks.map((block) => [block.name, blockDeviation(mechanism, { block, survivors, kept })]),
  ) as Record<DataBlock, number>;
  const mean = { model: model!, counts: counts!, sums: sums!, evaluation: evaluation!, deviation };
  return clipping === undefined ? mean : { ...mean, withinClip: clipping[0]! + 0.5 };
}

/**
 * Standard deviation of one entry of a block's mean when all `survivors` add their noise: √V / (s·n) · C/a, V the
 * variance of the sum's noise, nσ_i² where none of it is removed.
 * @param options.kept survivors whose surplus noise could not be removed; 0 by default
 */
export function blockDeviation(
  mechanism: MechanismParameters,
  { block, survivors, kept = 0 }: { block: VectorBlock; survivors: number; kept?: number | undefined },
): number {
  const noise = Math.sqrt(sumVariance(mechanism, { survivors, kept }));
  return (noise / (mechanism.scale * survivors)) * (block.clip / block.weight);
}
