/** Next-item evaluation: leave-last-out, full ranking over every item the person has not seen. */
import { KindredError } from "@kindred/protocol";
import type { InterestEncoder } from "./encoder.ts";
import type { Sequence } from "./sequence.ts";

export interface EvaluationUser {
  /** What the encoder is given. */
  readonly sequence: Sequence;
  /** The item that follows. */
  readonly target: number;
  /** Items left out of the ranking; the target is ranked even if it is among them. */
  readonly seen: Iterable<number>;
}

export interface RankingMetrics {
  /** Hit rate: share of people whose target is among the first ten. */
  readonly hr10: number;
  /** Mean of 1 / log2(1 + rank) where the rank is at most ten, else 0. */
  readonly ndcg10: number;
  /** Mean reciprocal rank over the full ranking. */
  readonly mrr: number;
}

/** People scored at once, which bounds the memory of the score matrix. */
const USERS_AT_ONCE = 256;

/**
 * Rank of each target, from 1, among all unseen items; a tie counts against us.
 *
 * @throws KindredError `option-invalid` on a target outside the catalogue or a malformed sequence
 */
export function nextItemRanks({
  encoder,
  users,
}: {
  encoder: InterestEncoder;
  users: readonly EvaluationUser[];
}): number[] {
  const ranks: number[] = [];
  for (let start = 0; start < users.length; start += USERS_AT_ONCE) {
    const part = users.slice(start, start + USERS_AT_ONCE);
    const scores = encoder.scoresForMany(part.map(({ sequence }) => sequence));
    part.forEach((user, index) => {
      if (!Number.isInteger(user.target) || user.target < 0 || user.target >= encoder.itemCount)
        throw new KindredError({
          code: "option-invalid",
          field: `users[${start + index}].target`,
          rule: `must be an item index from 0 to ${encoder.itemCount - 1}`,
          fix: "leave people out whose next item is not in the catalogue",
        });
      ranks.push(rankOfTarget(scores[index]!, user));
    });
  }
  return ranks;
}

/** Rank of the target, from 1, by scores of all items; a tie counts against us. */
export function rankOfTarget(
  scores: ArrayLike<number>,
  { target, seen }: Pick<EvaluationUser, "target" | "seen">,
): number {
  const own = scores[target]!;
  const excluded = new Set(seen).add(target);
  let rank = 1;
  for (let item = 0; item < scores.length; item++) if (!(scores[item]! < own)) rank++;
  for (const item of excluded) if (!(scores[item]! < own)) rank--;
  return rank;
}

/** @param ranks from 1 @throws KindredError `option-invalid` when there are none */
export function rankingMetrics(ranks: readonly number[]): RankingMetrics {
  if (ranks.length === 0)
    throw new KindredError({
      code: "option-invalid",
      field: "ranks",
      rule: "must not be empty",
      fix: "evaluate at least one person",
    });
  let hits = 0;
  let gain = 0;
  let reciprocal = 0;
  for (const rank of ranks) {
    if (rank <= 10) {
      hits++;
      gain += 1 / Math.log2(1 + rank);
    }
    reciprocal += 1 / rank;
  }
  return { hr10: hits / ranks.length, ndcg10: gain / ranks.length, mrr: reciprocal / ranks.length };
}
