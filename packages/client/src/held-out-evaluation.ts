/** How well the model foresaw the interaction that a device keeps out of its training. On this device only. */
import { predictRatings, type Rated, rankOf, ratingHeadOf, type Sequence } from "@kindred/encoder";
import type { HeldOutResult } from "@kindred/engine";
import type { Plan } from "@kindred/protocol";
import type { EncoderRuntime } from "./encoder-runtime.ts";
import { prefix } from "./interest-history.ts";
import { expectedClusters } from "./interests.ts";
import { itemSpace } from "./item-space.ts";
import type { LoadedModel } from "./task-source.ts";

/** What a person rated, oldest first. */
export function ratedItems({ items, ratings }: Sequence): Rated[] {
  return Array.from(items, (item, i) => ({ item, rating: ratings?.[i] ?? Number.NaN })).filter(
    ({ rating }) => !Number.isNaN(rating),
  );
}

/**
 * @param sequence all interactions; the last one is what is to be foreseen
 * @returns `undefined` where there is nothing before it, or its item was seen before and so is not ranked
 */
export async function evaluateHeldOut(
  sequence: Sequence,
  { plan, loaded, encoder }: { plan: Plan; loaded: LoadedModel; encoder: EncoderRuntime },
): Promise<HeldOutResult | undefined> {
  const known = prefix(sequence, sequence.items.length - 1);
  const target = sequence.items[known.items.length];
  const seen = new Set(Array.from(known.items));
  if (target === undefined || seen.size === 0 || seen.has(target)) return undefined;
  const { hash, model } = loaded;
  const weights = { hash, weights: model.weights };
  const vector = await encoder.userVectors(weights, [known]);
  const scores = await encoder.scores(weights, vector);
  vector.fill(0);
  const { units, clusterOf } = await itemSpace(encoder, loaded);
  const expected = expectedClusters(scores, { clusterOf, clusters: model.clusters });
  const result = {
    rank: rankOf({ scores, target, seen }),
    loss: crossEntropy(scores, target),
    expectedCluster: expected.indexOf(Math.max(...expected)) === clusterOf[target],
  };
  const rating = sequence.ratings?.[known.items.length] ?? Number.NaN;
  const head = ratingHeadOf(model.weights, {
    shape: plan.encoder,
    training: plan.training,
    itemCount: plan.resolved.itemCount,
  });
  if (head === undefined || Number.isNaN(rating)) return result;
  const [predicted] = predictRatings(head, { own: ratedItems(known), units, wanted: [target] });
  return { ...result, ratingError: predicted! - rating };
}

/** −log softmax(scores)[target], nats. */
function crossEntropy(scores: Float32Array, target: number): number {
  const largest = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const total = scores.reduce((sum, score) => sum + Math.exp(score - largest), 0);
  return largest + Math.log(total) - scores[target]!;
}
