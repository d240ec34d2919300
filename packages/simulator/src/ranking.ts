/** Ranks the held-out items of a split by any scorer. */
import { rankOf } from "@kindred/encoder";
import { itemIndex, type Population } from "./population.ts";
import type { Split } from "./split.ts";

/**
 * Ranks every held-out item of a split.
 *
 * @param score the scores of all items (order of `split.train.items`) for a user by position in `split.train.users`
 * @returns one rank per entry of `split.test`, in that order
 * @throws {RangeError} as `rankOf`
 */
export function rankHeldOut(split: Split, score: (userIndex: number) => Float32Array): number[] {
  const seen = seenItems(split.train);
  return split.test.map(({ userIndex, itemIndex: target }) =>
    rankOf({ scores: score(userIndex), target, seen: seen[userIndex]! }),
  );
}

/** Per user, the positions of the items they have interacted with. */
export function seenItems(population: Population): ReadonlySet<number>[] {
  const index = itemIndex(population);
  return population.users.map((user) => new Set(user.interactions.map(({ item }) => index.get(item)!)));
}
