/** What the lists are like that people are shown, beyond whether they hold the next item. */
import { topIndices } from "@kindred/clustering";
import { rankOf } from "@kindred/encoder";
import type { Population } from "./population.ts";
import { seenItems } from "./ranking.ts";
import type { Split } from "./split.ts";

/** The length of every list. */
export const LIST_LENGTH = 10;

/** What one scorer makes of every held-out interaction of a split, in the order of `split.test`. */
export interface Rankings {
  /** Rank of the held-out item, from 1; see `rankOf`. */
  readonly ranks: readonly number[];
  /** Items shown to each person: the LIST_LENGTH best that they have not seen, best first. */
  readonly lists: readonly (readonly number[])[];
}

/** Qualities of lists, means over people where not said otherwise. */
export interface ListQuality {
  /** Share of the catalogue that is in at least one list, 0 to 1. */
  readonly coverage: number;
  /**
   * Mean self-information −log₂(users of the item / users) of what is listed, bits (Vargas and Castells, RecSys 2011).
   * An item that nobody has counts as one that one person has.
   */
  readonly novelty: number;
  /** Mean cosine distance between the text vectors of two items of a list, 0 to 2 (Ziegler et al., WWW 2005). */
  readonly diversity: number;
}

/**
 * Ranks the held-out items and makes everybody's list.
 *
 * @param score the scores of all items for a user by position in `split.train.users`; asked once per person, in order
 * @throws {RangeError} as `rankOf`
 */
export function rankAndList(split: Split, score: (userIndex: number) => Float32Array): Rankings {
  const seen = seenItems(split.train);
  const ranks: number[] = [];
  const lists: number[][] = [];
  for (const { userIndex, itemIndex } of split.test) {
    const scores = score(userIndex);
    const own = seen[userIndex]!;
    ranks.push(rankOf({ scores, target: itemIndex, seen: own }));
    const unseen = scores.slice();
    for (const item of own) unseen[item] = Number.NEGATIVE_INFINITY;
    lists.push(topIndices(unseen, LIST_LENGTH).filter((item) => !own.has(item)));
  }
  return { ranks, lists };
}

/**
 * @param options.train counts how many users have each item
 * @param options.vectors items × dimension, rows of norm 1: public text vectors, the same for every scorer
 */
export function listQuality(
  lists: readonly (readonly number[])[],
  { train, vectors }: { readonly train: Population; readonly vectors: Float32Array },
): ListQuality {
  const items = train.items.length;
  const users = new Float64Array(items);
  for (const seen of seenItems(train)) for (const item of seen) users[item]! += 1;
  const listed = new Set<number>();
  let novelty = 0;
  let diversity = 0;
  for (const list of lists) {
    let information = 0;
    for (const item of list) {
      listed.add(item);
      information -= Math.log2(Math.max(1, users[item]!) / train.users.length);
    }
    novelty += information / Math.max(1, list.length) / lists.length;
    diversity += meanDistance(list, { vectors, dimension: vectors.length / items }) / lists.length;
  }
  return { coverage: listed.size / items, novelty, diversity };
}

/** Mean cosine distance over all pairs of a list; 0 where there is no pair. */
function meanDistance(
  list: readonly number[],
  { vectors, dimension }: { vectors: Float32Array; dimension: number },
): number {
  let sum = 0;
  let pairs = 0;
  for (let i = 0; i < list.length; i++)
    for (let j = 0; j < i; j++) {
      let dot = 0;
      for (let c = 0; c < dimension; c++)
        dot += vectors[list[i]! * dimension + c]! * vectors[list[j]! * dimension + c]!;
      sum += 1 - dot;
      pairs++;
    }
  return pairs === 0 ? 0 : sum / pairs;
}
