/** Full-ranking evaluation: the rank of a held-out item among all items a person has not seen, and its measures. */

/** Means over users of the usual measures of a single relevant item. */
export interface RankingMetrics {
  /** Hit rate: share of users whose item is among the first 10. */
  readonly hr10: number;
  /** Normalised discounted cumulative gain at 10: mean of 1 / log₂(rank + 1) for ranks up to 10, else 0. */
  readonly ndcg10: number;
  /** Mean reciprocal rank, not cut off. */
  readonly mrr: number;
  /** Number of users. */
  readonly n: number;
}

/**
 * @param ranks from 1, one per tested user
 * @throws {RangeError} when there is none, or one is not a whole number of at least 1
 */
export function rankingMetrics(ranks: readonly number[]): RankingMetrics {
  if (ranks.length === 0) throw new RangeError("Ranking metrics need at least one rank.");
  let hits = 0;
  let gain = 0;
  let reciprocal = 0;
  for (const rank of ranks) {
    if (!Number.isInteger(rank) || rank < 1) throw new RangeError(`A rank starts at 1; ${rank} is none.`);
    reciprocal += 1 / rank;
    if (rank > 10) continue;
    hits += 1;
    gain += 1 / Math.log2(rank + 1);
  }
  const n = ranks.length;
  return { hr10: hits / n, ndcg10: gain / n, mrr: reciprocal / n, n };
}

/**
 * The rank, from 1, of `target` among all items that are not seen. Ties are broken pessimistically: an item of
 * equal score ranks before the target, so that a constant scorer comes last and not first.
 *
 * @param options.scores one per item; −∞ and +∞ are allowed
 * @param options.target index of the held-out item; it must not be seen
 * @param options.seen indices of the user's known items, or a mask with one byte per item (non-zero: seen)
 * @throws {RangeError} when a ranked score is NaN, the target is seen or out of range, or the mask has another length
 */
export function rankOf(options: {
  readonly scores: Float32Array;
  readonly target: number;
  readonly seen: ReadonlySet<number> | Uint8Array;
}): number {
  const { scores, target, seen } = options;
  if (seen instanceof Uint8Array && seen.length !== scores.length)
    throw new RangeError(`A mask of ${seen.length} does not fit ${scores.length} items.`);
  const isSeen = (item: number): boolean => (seen instanceof Uint8Array ? seen[item] !== 0 : seen.has(item));
  const own = scores[target];
  if (own === undefined) throw new RangeError(`Item ${target} is outside a catalogue of ${scores.length}.`);
  if (isSeen(target)) throw new RangeError(`Item ${target} is already seen and cannot be ranked.`);
  let rank = 1;
  for (let item = 0; item < scores.length; item++) {
    if (isSeen(item)) continue;
    const score = scores[item]!;
    if (Number.isNaN(score)) throw new RangeError(`The score of item ${item} is not a number.`);
    if (item !== target && score >= own) rank++;
  }
  return rank;
}
