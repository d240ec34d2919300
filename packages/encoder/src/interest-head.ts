/**
 * The next interest: which group of items the next one belongs to. The groups are clusters of the public item features, which a
 * plan pins, so that a weight of the head means the same in every round, whatever becomes of the released clusters; these are
 * made of the groups on the device. No tensor library.
 */
import { assign, normaliseRows, rowOf, seedCentroids } from "@kindred/clustering";
import type { EncoderShape, TrainingOptions } from "@kindred/protocol";
import { encoderLayout } from "./layout.ts";

/** A softmax over groups, logits u·M + c. */
export interface InterestHead {
  /** M, d × groups. */
  readonly matrix: Float32Array;
  /** c, one per group. */
  readonly bias: Float32Array;
}

/** Lloyd iterations over the public features. */
const ITERATIONS = 10;

/**
 * Groups of the catalogue's items by their public features: spherical k-means, the same bit for bit on every platform.
 * @param features items × `columns`
 * @returns per item a group from 0 to `groups` − 1; some are empty where the features have fewer directions
 */
export function itemGroups(
  features: Float32Array,
  { columns, groups, seed }: { readonly columns: number; readonly groups: number; readonly seed: number },
): Int32Array {
  const units = normaliseRows({ rows: features.length / columns, columns, data: features });
  if (units.data.every((value) => value === 0)) return new Int32Array(units.rows);
  const centroids = seedCentroids({
    items: units,
    clusters: groups,
    seed,
    iterations: ITERATIONS,
    shortage: "accept",
  });
  return Int32Array.from({ length: units.rows }, (_, item) => assign(rowOf(units, item), centroids).cluster);
}

/**
 * The next-interest head of a model.
 * @param weights all shared weights in the order of the encoder's layout
 * @returns `undefined` where the plan has no next-interest head
 */
export function interestHeadOf(
  weights: Float32Array,
  {
    shape,
    training,
    itemCount,
  }: { readonly shape: EncoderShape; readonly training: TrainingOptions; readonly itemCount: number },
): InterestHead | undefined {
  if (training.interests === undefined) return undefined;
  const { tensors } = encoderLayout(shape, itemCount, training);
  const view = (name: string): Float32Array => {
    const { offset, length } = tensors.find((tensor) => tensor.name === name)!;
    return weights.subarray(offset, offset + length);
  };
  return { matrix: view("interest.matrix"), bias: view("interest.bias") };
}

/**
 * Mean cross-entropy of the next item's group, and its gradient.
 *
 * @param rows user vectors, rows × d, and the group that followed each
 * @param into gradients that the result is added to, scaled: of the head, and of the vectors
 * @returns the mean in nats, not scaled; 0 without rows
 */
export function interestLoss(
  head: InterestHead,
  rows: { readonly vectors: Float32Array; readonly groups: ArrayLike<number> },
  into: InterestHead & { readonly vectors: Float32Array; readonly scale: number },
): number {
  const { vectors, groups } = rows;
  const count = head.bias.length;
  const d = head.matrix.length / count;
  const slope = into.scale / Math.max(1, groups.length);
  let loss = 0;
  for (let row = 0; row < groups.length; row++) {
    const at = row * d;
    const error = groupShares(head, vectors.subarray(at, at + d));
    loss -= Math.log(Math.max(error[groups[row]!]!, 1e-37));
    error[groups[row]!]! -= 1;
    for (let g = 0; g < count; g++) {
      error[g]! *= slope;
      into.bias[g]! += error[g]!;
    }
    for (let j = 0; j < d; j++) {
      const value = vectors[at + j]!;
      let sum = 0;
      for (let g = 0; g < count; g++) {
        sum += error[g]! * head.matrix[j * count + g]!;
        into.matrix[j * count + g]! += error[g]! * value;
      }
      into.vectors[at + j]! += sum;
    }
  }
  return loss / Math.max(1, groups.length);
}

/** Probability of each group that the next item is one of it, by a user vector of d entries; of sum 1. */
export function groupShares({ matrix, bias }: InterestHead, vector: ArrayLike<number>): Float64Array {
  const logits = Float64Array.from(bias);
  const count = logits.length;
  for (let j = 0; j < vector.length; j++)
    for (let g = 0; g < count; g++) logits[g]! += vector[j]! * matrix[j * count + g]!;
  return softmax(logits);
}

/**
 * Item scores of which every group has the share that the head gives it, and its items among each other the odds that they
 * have: log p(group) + log p(item | group), by the head and by the scores.
 *
 * @param scores one per item, nats up to a constant
 * @returns logarithms of probabilities of sum 1 over the groups that have items
 */
export function scoresByInterest(
  scores: Float32Array,
  { groups, shares }: { readonly groups: Int32Array; readonly shares: Float64Array },
): Float32Array {
  // Each group has its own largest score, so that none vanishes beside another.
  const largest = new Float64Array(shares.length).fill(Number.NEGATIVE_INFINITY);
  scores.forEach((score, item) => {
    const group = groups[item]!;
    if (score > largest[group]!) largest[group] = score;
  });
  const totals = new Float64Array(shares.length);
  scores.forEach((score, item) => {
    const group = groups[item]!;
    totals[group]! += Math.exp(score - largest[group]!);
  });
  const whole = shares.reduce((sum, share, group) => sum + (totals[group]! > 0 ? share : 0), 0);
  const offset = shares.map((share, group) => Math.log(share / whole / totals[group]!) - largest[group]!);
  return scores.map((score, item) => score + offset[groups[item]!]!);
}

function softmax(logits: Float64Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const shares = logits.map((logit) => Math.exp(logit - largest));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}
