/**
 * The clip norm of the model block, where a plan lets it follow a quantile of the people's update norms.
 *
 * Andrew, Thakkar, McMahan, Ramaswamy, "Differentially Private Learning with Adaptive Clipping" (NeurIPS 2021),
 * Algorithm 1: each person adds whether their update was within C, as +1/2 or −1/2, and the noisy mean b of that moves
 * C ← C·exp(−η_C(b − γ)). Divergence: the entry is one more block of the joint vector with a weight of its own, so that
 * its cost is part of the one mechanism that everything is released by. The clip norm does not enter the privacy
 * proof: whatever it is, the joint vector has norm 1.
 *
 * Only the model block adapts: the other blocks are bounded by what they are, means of unit vectors and shares.
 *
 * The clip norm of a round is in the file of the model that the round starts from, so that the session id binds it, and
 * nobody's masks cancel with those of somebody who was told another one.
 */
import {
  type AdaptiveClip,
  accepted,
  type Model,
  type Plan,
  type Result,
  rejected,
  type VectorBlock,
} from "@kindred/protocol";

/** What a round said about its clip norm, from the noisy sum; free of further cost. */
export interface ClippingRecord {
  /** C of the round. */
  readonly norm: number;
  /** b + 1/2: noisy share of updates within C; may leave [0, 1] by the noise. */
  readonly fraction: number;
  /** C of the next round. */
  readonly next: number;
}

/** Relative tolerance where engines round exp and log differently. */
const TOLERANCE = 1e-9;

/** The clip norm of a plan's first round. */
export function initialClip(plan: Plan): number {
  return plan.resolved.blocks[0]!.clip;
}

/** C·exp(−η_C(b − γ)) within the plan's bounds; the noisy fraction counts as at least 0 and at most 1. */
export function nextClip(
  { quantile, learningRate, minimum, maximum }: AdaptiveClip,
  { norm, fraction }: Pick<ClippingRecord, "norm" | "fraction">,
): number {
  const within = Math.min(1, Math.max(0, fraction));
  return Math.min(maximum, Math.max(minimum, norm * Math.exp(-learningRate * (within - quantile))));
}

/** Whether `next` follows from the other two by the plan's rule, as an auditor checks. */
export function followsRule(adaptive: AdaptiveClip, { next, ...before }: ClippingRecord): boolean {
  const due = nextClip(adaptive, before);
  return Math.abs(next - due) <= TOLERANCE * due;
}

/**
 * The clip norm for updates made from a model: the plan's, or the model's own where it adapts.
 * @returns the norm; `model-invalid` if the model has none although it should or the other way round, or one outside
 *   the plan's bounds or farther from the first than its number of rounds can have moved it
 */
export function clipOf(plan: Plan, { clip, round }: Pick<Model, "clip" | "round">): Result<number> {
  const { adaptive } = plan.privacy.blocks.model;
  const first = initialClip(plan);
  const refuse = (rule: string) =>
    rejected("model-invalid", "model.clip", { rule, fix: "publish a model of this task" });
  if (adaptive === undefined)
    return clip === undefined ? accepted(first) : refuse("must not be there: the plan's clip norm is fixed");
  if (clip === undefined) return refuse("must be there: the plan's clip norm is adaptive");
  const { quantile, learningRate, minimum, maximum } = adaptive;
  const least = Math.max(minimum, first * Math.exp(-learningRate * (1 - quantile) * round));
  const most = Math.min(maximum, first * Math.exp(learningRate * quantile * round));
  if (clip < least * (1 - TOLERANCE) || clip > most * (1 + TOLERANCE))
    return refuse(`must be from ${least} to ${most} after ${round} rounds, found ${clip}`);
  return accepted(clip);
}

/**
 * The blocks of a round whose clip norm is `clip`.
 * @param clip left out where the plan's is fixed
 * @throws RangeError if the plan adapts and no clip norm is given
 */
export function roundBlocks(plan: Plan, clip: number | undefined): readonly VectorBlock[] {
  const { blocks } = plan.resolved;
  if (clip !== undefined) return blocks.map((block) => (block.name === "model" ? { ...block, clip } : block));
  if (plan.privacy.blocks.model.adaptive !== undefined)
    throw new RangeError("clip must be that of the round's model: the plan's clip norm is adaptive");
  return blocks;
}
