/** Next-item evaluation: leave-last-out, full ranking over every item the person has not seen. */
import { KindredError } from "@kindred/protocol";
import type { InterestEncoder } from "./encoder.ts";
import type { PersonalParameters } from "./personal.ts";
import { rankOf } from "./ranking.ts";
import type { Sequence } from "./sequence.ts";

export interface EvaluationUser {
  /** What the encoder is given. */
  readonly sequence: Sequence;
  /** The item that follows. */
  readonly target: number;
  /** Items left out of the ranking; the target is ranked even if it is among them. */
  readonly seen: Iterable<number>;
  /** The person's own parameters, where they have some. */
  readonly personal?: PersonalParameters | undefined;
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
    const scores = encoder.scoresForMany(
      part.map(({ sequence }) => sequence),
      part.map(({ personal }) => personal),
    );
    part.forEach((user, index) => {
      if (!Number.isInteger(user.target) || user.target < 0 || user.target >= encoder.itemCount)
        throw new KindredError({
          code: "option-invalid",
          field: `users[${start + index}].target`,
          rule: `must be an item index from 0 to ${encoder.itemCount - 1}`,
          fix: "leave people out whose next item is not in the catalogue",
        });
      const seen = new Set(user.seen);
      seen.delete(user.target);
      ranks.push(rankOf({ scores: scores[index]!, target: user.target, seen }));
    });
  }
  return ranks;
}
