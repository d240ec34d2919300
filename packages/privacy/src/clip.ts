/**
 * Clipping, and the joint vector of sensitivity 1 that carries all blocks of one person.
 *
 * v = [a₁·clip(v₁)/C₁, a₂·clip(v₂)/C₂, …] with Σaᵢ² = 1 has L2 norm at most 1 whatever the blocks are, so
 * that one mechanism with one noise multiplier releases all of them.
 */

import { demand, demandInteger, PrivacyRangeError } from "./refusal.ts";
import type { ClipNorm } from "./units.ts";

/** One block of a person's contribution, before clipping. */
export interface Block {
  readonly values: ArrayLike<number>;
  /** Largest L2 norm Cᵢ of the block, in the block's own units. */
  readonly clip: ClipNorm;
  /** Share aᵢ > 0 of the joint norm; the squares of all weights sum to 1. */
  readonly weight: number;
}

/** The public part of a {@link Block}. */
export interface BlockShape {
  readonly length: number;
  readonly clip: ClipNorm;
  readonly weight: number;
}

/**
 * L2 norm of a vector, without overflow or underflow of the squares.
 *
 * @throws PrivacyRangeError when a value is NaN or infinite.
 */
export function l2Norm(vector: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < vector.length; i++) {
    const value = Math.abs(vector[i]!);
    if (!(value < Infinity)) {
      throw new PrivacyRangeError({
        field: `vector[${i}]`,
        rule: `must be a finite number, got ${vector[i]}`,
        fix: "drop the update: a training step that diverged cannot be clipped",
      });
    }
    if (value > largest) largest = value;
  }
  if (largest === 0) return 0;
  let sum = 0;
  for (let i = 0; i < vector.length; i++) {
    const ratio = vector[i]! / largest;
    sum += ratio * ratio;
  }
  return largest * Math.sqrt(sum);
}

/**
 * Scales a vector down to L2 norm `clip` where it is longer.
 *
 * @returns The clipped copy, and the factor min(1, clip/‖v‖) it was scaled by.
 * @throws PrivacyRangeError when a value is NaN or infinite.
 */
export function clipToNorm(
  vector: ArrayLike<number>,
  clip: ClipNorm,
): { vector: Float64Array; scale: number } {
  demandClip(clip, "clip");
  const norm = l2Norm(vector);
  const scale = norm > clip ? clip / norm : 1;
  // A plain loop: `Float64Array.from` with a function goes through an iterator and takes fifty times as long.
  const clipped = new Float64Array(vector.length);
  for (let i = 0; i < clipped.length; i++) clipped[i] = vector[i]! * scale;
  return { vector: clipped, scale };
}

/**
 * Clips each block and joins them into one vector of L2 norm at most 1 (up to rounding).
 *
 * @returns Σ lengths values, the blocks in order.
 * @throws PrivacyRangeError when a value is not finite or the weights' squares do not sum to 1 ± 1e−9.
 */
export function joinBlocks(blocks: readonly Block[]): Float64Array {
  demandWeights(blocks);
  const joint = new Float64Array(blocks.reduce((total, block) => total + block.values.length, 0));
  let offset = 0;
  for (const { values, clip, weight } of blocks) {
    const { vector } = clipToNorm(values, clip);
    const factor = weight / clip;
    for (let i = 0; i < vector.length; i++) joint[offset + i] = vector[i]! * factor;
    offset += vector.length;
  }
  return joint;
}

/**
 * The inverse of {@link joinBlocks} for a joint vector or any sum of joint vectors: × Cᵢ/aᵢ.
 *
 * @param joint At least Σ lengths values; what lies beyond (padding) is ignored.
 * @throws PrivacyRangeError when the vector is shorter than its blocks.
 */
export function splitBlocks(joint: ArrayLike<number>, blocks: readonly BlockShape[]): Float64Array[] {
  demandWeights(blocks);
  const needed = blocks.reduce((total, block) => total + block.length, 0);
  demand(joint.length >= needed, {
    field: "joint",
    rule: `must hold the ${needed} values of its blocks, got ${joint.length}`,
    fix: "split the vector with the blocks it was joined from",
  });
  let offset = 0;
  return blocks.map(({ length, clip, weight }) => {
    const factor = clip / weight;
    const start = offset;
    offset += length;
    const block = new Float64Array(length);
    for (let i = 0; i < length; i++) block[i] = joint[start + i]! * factor;
    return block;
  });
}

function demandClip(clip: number, field: string): void {
  demand(Number.isFinite(clip) && clip > 0, {
    field,
    rule: `must be a finite number above 0, got ${clip}`,
    fix: "give a positive clip norm",
  });
}

function demandWeights(blocks: readonly { clip: ClipNorm; weight: number; length?: number }[]): void {
  let squares = 0;
  for (const [i, { clip, weight, length }] of blocks.entries()) {
    demandClip(clip, `blocks[${i}].clip`);
    demand(weight > 0 && weight <= 1 + 1e-9, {
      field: `blocks[${i}].weight`,
      rule: `must be above 0 and at most 1, got ${weight}`,
      fix: "divide each weight by the root of the sum of all squared weights",
    });
    if (length !== undefined) demandInteger(length, { field: `blocks[${i}].length`, from: 0, to: 2 ** 31 });
    squares += weight * weight;
  }
  demand(Math.abs(squares - 1) <= 1e-9, {
    field: "blocks.weight",
    rule: `squared weights must sum to 1, got ${squares}`,
    fix: "divide each weight by the root of the sum of all squared weights",
  });
}
