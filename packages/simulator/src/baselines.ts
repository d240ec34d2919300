/** Baselines without training: every learned model must beat them. */

import type { Population } from "./population.ts";
import { seenItems } from "./ranking.ts";

/**
 * Popularity: the number of users who interacted with each item, the same for everybody.
 *
 * @returns one score per item of `train.items`
 */
export function popularityBaseline(train: Population): Float32Array {
  const scores = new Float32Array(train.items.length);
  for (const seen of seenItems(train)) for (const item of seen) scores[item] = scores[item]! + 1;
  return scores;
}

/**
 * Item-to-item nearest neighbours on binary interactions (Sarwar et al., "Item-based collaborative filtering
 * recommendation algorithms", WWW 2001): items i and j with n_i and n_j users and c_ij common ones are similar by
 * the cosine c_ij / √(n_i n_j); an item's score is the sum of its similarities to the user's items, as far as it is
 * among their `neighbours` most similar ones.
 *
 * Time O(Σ over users of items²) once; memory O(items · neighbours).
 *
 * @param options.neighbours at least 1; all when absent
 * @returns the scores of all items for a user by position in `train.users`
 */
export function itemNeighboursBaseline(
  train: Population,
  options: { readonly neighbours?: number } = {},
): (userIndex: number) => Float32Array {
  const size = train.items.length;
  const neighbours = options.neighbours ?? size;
  const histories = seenItems(train).map((seen) => Int32Array.from(seen));
  const usersOf: number[][] = Array.from({ length: size }, () => []);
  histories.forEach((history, user) => {
    for (const item of history) usersOf[item]!.push(user);
  });
  const common = new Int32Array(size);
  const lists = usersOf.map((users, item) => {
    common.fill(0);
    for (const user of users) {
      for (const other of histories[user]!) common[other] = common[other]! + 1;
    }
    common[item] = 0;
    const cosine = (other: number): number =>
      common[other]! / Math.sqrt(users.length * usersOf[other]!.length);
    let others: number[] = [];
    for (let other = 0; other < size; other++) if (common[other]! > 0) others.push(other);
    if (others.length > neighbours)
      others = others.sort((a, b) => cosine(b) - cosine(a) || a - b).slice(0, neighbours);
    const similarities = new Float32Array(others.length);
    for (let position = 0; position < others.length; position++)
      similarities[position] = cosine(others[position]!);
    return { items: Int32Array.from(others), similarities };
  });
  return (userIndex) => {
    const scores = new Float32Array(size);
    for (const item of histories[userIndex] ?? []) {
      const { items, similarities } = lists[item]!;
      for (let position = 0; position < items.length; position++) {
        const other = items[position]!;
        scores[other] = scores[other]! + similarities[position]!;
      }
    }
    return scores;
  };
}
