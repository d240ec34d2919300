/** How well the model foresaw the interaction that a device keeps out of its training. On this device only. */
import { predictRatings, type Rated, rankOf, ratingHeadOf, type Sequence } from "@kindred/encoder";
import type { HeldOutResult } from "@kindred/engine";
import type { Model, Plan, PlanInput } from "@kindred/protocol";
import type { EncoderRuntime } from "./encoder-runtime.ts";
import { prefix } from "./interest-history.ts";
import { expectedClusters } from "./interests.ts";
import { type ItemSpace, itemSpace } from "./item-space.ts";
import type { LoadedModel } from "./task-source.ts";

/** What a person rated, oldest first. */
export function ratedItems({ items, ratings }: Sequence): Rated[] {
  return Array.from(items, (item, i) => ({ item, rating: ratings?.[i] ?? Number.NaN })).filter(
    ({ rating }) => !Number.isNaN(rating),
  );
}

/** The interaction that is kept out of training, and what a device has to foresee it by. */
export interface HeldOutInteraction {
  /** All before it, oldest first. */
  readonly known: Sequence;
  /** Its item. */
  readonly target: number;
  /** Items of `known`. */
  readonly seen: ReadonlySet<number>;
  /** Its rating in shares of the best one; NaN where it has none. */
  readonly rating: number;
}

/**
 * @param sequence all interactions; the last one is what is to be foreseen
 * @returns `undefined` where there is nothing before it, or its item was seen before and so is not ranked
 */
export function heldOutInteraction(sequence: Sequence): HeldOutInteraction | undefined {
  const known = prefix(sequence, sequence.items.length - 1);
  const target = sequence.items[known.items.length];
  const seen = new Set(Array.from(known.items));
  if (target === undefined || seen.size === 0 || seen.has(target)) return undefined;
  return { known, target, seen, rating: sequence.ratings?.[known.items.length] ?? Number.NaN };
}

/**
 * How well a model foresaw it.
 * @param by.scores of all items after `known`, in nats up to a constant
 * @param by.interestScores those by which the next interest is summed up; see `interestScores` of the encoder
 * @param by.space the items under the model
 */
export function judgeHeldOut(
  { known, target, seen, rating }: HeldOutInteraction,
  by: {
    readonly plan: Pick<PlanInput, "encoder" | "training">;
    readonly model: Pick<Model, "weights" | "clusters">;
    readonly scores: Float32Array;
    readonly interestScores: Float32Array;
    readonly space: Pick<ItemSpace, "units" | "clusterOf">;
  },
): HeldOutResult {
  const { plan, model, scores, space } = by;
  const { units, clusterOf } = space;
  const expected = expectedClusters(by.interestScores, { clusterOf, clusters: model.clusters });
  const result = {
    rank: rankOf({ scores, target, seen }),
    loss: crossEntropy(scores, target),
    expectedCluster: expected.indexOf(Math.max(...expected)) === clusterOf[target],
  };
  const head = ratingHeadOf(model.weights, {
    shape: plan.encoder,
    training: plan.training,
    itemCount: scores.length,
  });
  if (head === undefined || Number.isNaN(rating)) return result;
  const [predicted] = predictRatings(head, { own: ratedItems(known), units, wanted: [target] });
  return { ...result, ratingError: predicted! - rating };
}

/**
 * @param sequence all interactions; the last one is what is to be foreseen
 * @returns `undefined` where there is nothing to foresee, as `heldOutInteraction` has it
 */
export async function evaluateHeldOut(
  sequence: Sequence,
  { plan, loaded, encoder }: { plan: Plan; loaded: LoadedModel; encoder: EncoderRuntime },
): Promise<HeldOutResult | undefined> {
  const held = heldOutInteraction(sequence);
  if (held === undefined) return undefined;
  const { hash, model } = loaded;
  const weights = { hash, weights: model.weights };
  const vector = await encoder.userVectors(weights, [held.known]);
  const scores = await encoder.scores(weights, vector);
  const interestScores =
    plan.training.interests === undefined ? scores : await encoder.interestScores(weights, vector);
  vector.fill(0);
  const space = await itemSpace(encoder, loaded);
  return judgeHeldOut(held, { plan, model, scores, interestScores, space });
}

/** −log softmax(scores)[target], nats. */
function crossEntropy(scores: Float32Array, target: number): number {
  const largest = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const total = scores.reduce((sum, score) => sum + Math.exp(score - largest), 0);
  return largest + Math.log(total) - scores[target]!;
}
