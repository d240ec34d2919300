/** Groups of people by what is typical of them, to compare clusters with where no groups are known. */
import { itemIndex, type Population } from "./population.ts";

/**
 * Per person the tag that sets their interactions most apart from the population's: the largest
 * tf · log(1 + N / f), with tf the person's share of interactions with the tag, f its count over all interactions and N
 * the mean count of a tag (the weight by which clusters are named). Ties go by the alphabet.
 *
 * @returns a label from 0 per person, numbered by first appearance; −1 for a person without any tag
 */
export function typicalTagGroups(population: Population): number[] {
  const index = itemIndex(population);
  const counts = population.users.map(({ interactions }) => {
    const own = new Map<string, number>();
    for (const { item } of interactions)
      for (const tag of new Set(population.items[index.get(item)!]!.tags))
        own.set(tag, (own.get(tag) ?? 0) + 1);
    return own;
  });
  const totals = new Map<string, number>();
  for (const own of counts) for (const [tag, count] of own) totals.set(tag, (totals.get(tag) ?? 0) + count);
  const mean = [...totals.values()].reduce((sum, count) => sum + count, 0) / Math.max(1, totals.size);
  const labels = new Map<string, number>();
  return counts.map((own) => {
    const weight = (tag: string): number => own.get(tag)! * Math.log(1 + mean / totals.get(tag)!);
    const [typical] = [...own.keys()].sort((a, b) => weight(b) - weight(a) || (a < b ? -1 : 1));
    if (typical === undefined) return -1;
    if (!labels.has(typical)) labels.set(typical, labels.size);
    return labels.get(typical)!;
  });
}
