/**
 * What a round that collects a signal counts, and where each count stands in the signal's block.
 *
 * Transitions are counted between H items, H² entries: all items of a small catalogue, otherwise the H most popular ones
 * by the popularity that an earlier round released, which is public by then. Divergence from the usual count sketch
 * (Charikar, Chen & Farach-Colton, ICALP 2002): transitions are many and each is rare, so that the collisions of a sketch
 * of this size drown them, while a few items make most of the interactions.
 *
 * Popularity is counted for every item, by everybody in the first row and by each fine cluster in the others.
 */
import type { Model, ModelSignals, Plan, PlanInput } from "@kindred/protocol";

/** H, items between which a plan's transitions are counted. */
export function countedItemCount({ resolved }: Plan): number {
  return Math.round(Math.sqrt(resolved.signals?.transitions?.[0]?.length ?? 0));
}

/**
 * The items between which a round counts transitions: the entry of (a, b) is that of a's place times H plus b's place.
 * @param model the round's
 * @returns H item indices
 */
export function countedItems(plan: Plan, { signals }: Pick<Model, "signals">): Uint32Array {
  const { itemCount } = plan.resolved;
  const count = countedItemCount(plan);
  const all = Uint32Array.from({ length: itemCount }, (_, item) => item);
  if (count === itemCount) return all;
  const popularity = everybodysPopularity(signals?.popularity, itemCount);
  // The sort is stable: of equals the first of the catalogue.
  return all.sort((a, b) => popularity[b]! - popularity[a]! || a - b).slice(0, count);
}

/** Noisy number of people of each item; 0 where it does not stand out of the noise, or before there is a release. */
export function everybodysPopularity(
  popularity: ModelSignals["popularity"],
  itemCount: number,
): Float32Array {
  const counts = new Float32Array(itemCount);
  if (popularity === undefined) return counts;
  for (let i = 0; i < popularity.entries.length && popularity.entries[i]! < itemCount; i++)
    counts[popularity.entries[i]!] = popularity.counts[i]!;
  return counts;
}

/**
 * Rows of the matrix of popularity: everybody, and each fine cluster while there is room for them.
 * @param room entries of the block at the most, as far as they make no round larger
 */
export function popularityRows(
  { clustering }: Pick<PlanInput, "clustering">,
  { itemCount, room }: { readonly itemCount: number; readonly room: number },
): number {
  const rows = 1 + clustering.clusters;
  return rows * itemCount <= room ? rows : 1;
}
