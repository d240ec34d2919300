/** Names for clusters, made of public tags only. */

import type { Matrix } from "./matrix.ts";
import { nearestItems } from "./nearest.ts";

/** Items whose tags are public; row i of the item vectors is `items[i]`. */
interface TaggedCatalogue {
  readonly items: readonly { readonly tags: readonly string[] }[];
}

/** Nearest items whose tags name a cluster, at the most; in a small catalogue, a cluster's share of the items. */
const NAMING_ITEMS = 30;
const TAGS_PER_CLUSTER = 3;

/** How many of the nearest items describe a cluster. */
export function namingItems(items: number, clusters: number): number {
  return Math.min(NAMING_ITEMS, Math.ceil(items / clusters));
}

/**
 * The tags that set the items of each cluster apart: class-based TF-IDF (Grootendorst, "BERTopic", 2022, equation 2).
 * Tag t of cluster c weighs tf(t, c) · log(1 + A / f(t)), with f the tag's count over the whole catalogue and A the mean
 * number of tags per cluster when every item is in one. In place of all of a cluster's items, tf counts the nearest
 * ones, at most 30: those at its border say little. An item counts a tag once. Ties go by the alphabet, so that the same
 * centroids have the same names everywhere. No two clusters begin with the same two tags, in whichever order, as long as one
 * has others: the first of them in `order` keeps its pair.
 *
 * @param units item vectors of norm 1, items × d
 * @param centroids k × d, rows of norm 1
 * @param catalogue the items in the order of `units`
 * @param count tags per cluster at the most, default 3
 * @param without tags that name no cluster, such as those of sensitive categories
 * @param order the rows of `centroids`, each once, those that keep a contested pair first; default as they are
 * @returns per cluster its tags, the most telling first; empty where the nearest items have none
 * @throws {RangeError} when the items or `order` do not fit, or on a mismatch of shapes
 */
export function clusterTags(
  units: Matrix,
  centroids: Matrix,
  {
    items,
    count = TAGS_PER_CLUSTER,
    without = [],
    order = Array.from({ length: centroids.rows }, (_, row) => row),
  }: TaggedCatalogue & {
    readonly count?: number;
    readonly without?: readonly string[];
    readonly order?: readonly number[];
  },
): string[][] {
  if (items.length !== units.rows)
    throw new RangeError(`${items.length} items do not fit ${units.rows} item vectors.`);
  if ([...order].sort((a, b) => a - b).some((row, i) => row !== i) || order.length !== centroids.rows)
    throw new RangeError(`The order of ${order.length} rows is not one of the ${centroids.rows} centroids.`);
  const frequency = new Map<string, number>();
  let total = 0;
  for (const { tags } of items)
    for (const tag of new Set(tags)) {
      frequency.set(tag, (frequency.get(tag) ?? 0) + 1);
      total++;
    }
  const mean = total / centroids.rows;
  const unspoken = new Set(without);
  const rankings = nearestItems(units, centroids, namingItems(units.rows, centroids.rows)).map((nearest) => {
    const counts = new Map<string, number>();
    for (const item of nearest)
      for (const tag of new Set(items[item]!.tags))
        if (!unspoken.has(tag)) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    const weight = (tag: string) => counts.get(tag)! * Math.log(1 + mean / frequency.get(tag)!);
    return [...counts.keys()].sort((a, b) => weight(b) - weight(a) || (a < b ? -1 : 1));
  });
  const taken = new Set<string>();
  const names: string[][] = [];
  for (const row of order) names[row] = withOwnPair(rankings[row]!, taken).slice(0, count);
  return names;
}

/**
 * Puts the best pair of tags first that no cluster before has, the others behind it in their order; as it is where every pair
 * is taken, or there is none.
 *
 * @param taken pairs of the clusters before, to which this one's is added
 */
function withOwnPair(ranked: readonly string[], taken: Set<string>): readonly string[] {
  for (let second = 1; second < ranked.length; second++)
    for (let first = 0; first < second; first++) {
      const pair = [ranked[first]!, ranked[second]!];
      const key = JSON.stringify([...pair].sort());
      if (taken.has(key)) continue;
      taken.add(key);
      return [...pair, ...ranked.filter((_, place) => place !== first && place !== second)];
    }
  return ranked;
}
