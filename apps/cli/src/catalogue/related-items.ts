/** Pairs of items that are publicly known to be related: a list of the operator's, or items that share a rare tag. */
import { publicRandom } from "@kindred/clustering";
import type { RelatedPair } from "@kindred/encoder/features";
import { csvRecords, refuse } from "./csv.ts";
import type { SourceItem } from "./source-items.ts";

const MOST_PAIRS = 6_000;

/**
 * Reads a CSV file with the columns `id` and `related`: one pair of item ids per line.
 * @param options.most pairs that are kept, spread evenly; 6,000 by default, which is enough to learn weights from
 * @throws KindredError `catalogue-invalid` naming file, line and field
 */
export function readRelated(
  content: string,
  {
    name,
    items,
    most = MOST_PAIRS,
  }: { readonly name: string; readonly items: readonly { readonly id: string }[]; readonly most?: number },
): RelatedPair[] {
  const index = new Map(items.map(({ id }, position) => [id, position]));
  const pairs: RelatedPair[] = [];
  for (const { line, fields } of csvRecords(content, { name, columns: ["id", "related"] })) {
    const position = (field: "id" | "related"): number => {
      const found = index.get(String(fields[field] ?? "").trim());
      if (found === undefined)
        refuse(`${name}:${line} ${field}`, "must be the id of an item", "remove the line, or add the item");
      return found;
    };
    pairs.push([position("id"), position("related")]);
  }
  return thinned(pairs, most);
}

/**
 * Pairs of items that share a tag; the rarer the tag, the likelier it is the one: a tag that everything has relates nothing.
 * @returns at most one pair per item and 6,000 in all
 */
export function relatedByTags(items: readonly SourceItem[], seed: number): RelatedPair[] {
  const bearers = new Map<string, number[]>();
  items.forEach(({ tags }, item) => {
    for (const tag of tags) {
      const list = bearers.get(tag);
      if (list === undefined) bearers.set(tag, [item]);
      else list.push(item);
    }
  });
  const random = publicRandom(seed);
  const pairs: RelatedPair[] = [];
  items.forEach(({ tags }, item) => {
    const shared = tags.map((tag) => bearers.get(tag)!).filter(({ length }) => length > 1);
    if (shared.length === 0) return;
    const others = drawn(shared, random).filter((other) => other !== item);
    pairs.push([item, others[Math.floor(random() * others.length)]!]);
  });
  return thinned(pairs, MOST_PAIRS);
}

/** One of the lists, each as likely as it is short. */
function drawn(lists: readonly (readonly number[])[], random: () => number): readonly number[] {
  let left = random() * lists.reduce((sum, { length }) => sum + 1 / length, 0);
  for (const list of lists) {
    left -= 1 / list.length;
    if (left <= 0) return list;
  }
  return lists.at(-1)!;
}

/** Spread evenly over the whole list. */
function thinned(pairs: readonly RelatedPair[], most: number): RelatedPair[] {
  const step = Math.max(1, pairs.length / most);
  return Array.from({ length: Math.min(pairs.length, most) }, (_, i) => pairs[Math.floor(i * step)]!);
}
