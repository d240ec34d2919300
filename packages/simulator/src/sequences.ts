/** From a population's interactions to what the encoder reads. */
import type { EvaluationUser, Sequence } from "@kindred/encoder";
import { ACTIONS } from "@kindred/encoder/layout";
import { itemIndex, type Population } from "./population.ts";
import { seenItems } from "./ranking.ts";
import type { Split } from "./split.ts";

/** The largest rating that occurs, to scale ratings to [0, 1]; 1 where there are none. */
export function ratingScale(population: Population): number {
  let largest = 0;
  for (const user of population.users)
    for (const { rating } of user.interactions)
      if (rating !== undefined && rating > largest) largest = rating;
  return largest > 0 ? largest : 1;
}

/** Each user's items in time, by position in `population.items`. */
export function userItems(population: Population): Int32Array[] {
  const index = itemIndex(population);
  return population.users.map(({ interactions }) =>
    Int32Array.from(interactions, ({ item }) => index.get(item)!),
  );
}

/** One sequence per user, in the population's order; item indices are positions in `population.items`. */
export function userSequences(population: Population): Sequence[] {
  const index = itemIndex(population);
  const scale = ratingScale(population);
  return population.users.map(({ interactions }) => ({
    items: interactions.map(({ item }) => index.get(item)!),
    actions: interactions.map(({ action }) => ACTIONS.indexOf(action)),
    times: interactions.map(({ time }) => time),
    ratings: interactions.map(({ rating }) => (rating === undefined ? Number.NaN : rating / scale)),
  }));
}

/** The people of a split whose next item is to be ranked. */
export function evaluationUsers(split: Split): EvaluationUser[] {
  const sequences = userSequences(split.train);
  const seen = seenItems(split.train);
  return split.test.map(({ userIndex, itemIndex: target }) => ({
    sequence: sequences[userIndex]!,
    target,
    seen: seen[userIndex]!,
  }));
}
