/** What is publicly known of an item, written out: each tag, each word, and the year, where `itemFeatures` projects to a few numbers. */
import { words } from "../features.ts";
import type { SparseRows } from "./ridge.ts";

/** What the catalogue says of an item. */
export interface DescribedItem {
  readonly title: string;
  readonly tags: readonly string[];
}

/** Names and values; a name is unique across groups. */
type Group = readonly (readonly [name: string, value: number])[];

/** Euclidean norm of each group in an item's row. */
const GROUP_NORMS = { offset: 1, tags: 1, words: 1, pairs: 0.7, year: 1, taggedYear: 1 } as const;
const GROUPS = ["offset", "tags", "words", "pairs", "year", "taggedYear"] as const;
/** Distances, in years, between the centres of the bumps, and their widths. */
const BUMP_WIDTHS = [1, 4, 16];
/** Centres on either side in which a bump is still felt: e^(−3²/2) = 1 %. */
const BUMP_REACH = 3;
const YEAR = /(?<!\d)(?:1[89]|20)\d\d(?!\d)/g;

/**
 * Rows of attributes, one per item: an offset; its tags; the words of its title and the pairs of neighbouring words (a sequel
 * shares those of the film before), rarer ones heavier by ln(1 + items / items that have it); and the last number from 1800
 * to 2099 in the title as a year, which is spread over Gaussian bumps of three widths so that near years are alike; and that year
 * with each tag, since a new war film is not an old one. A group has the same norm in every item that has any of it.
 */
export function itemAttributes(items: readonly DescribedItem[]): SparseRows {
  const described = items.map(groupsOf);
  const having = new Map<string, number>();
  for (const { tags, words: single, pairs } of described)
    for (const [name] of [...tags, ...single, ...pairs]) having.set(name, (having.get(name) ?? 0) + 1);

  const columns = new Map<string, number>();
  const starts = new Uint32Array(items.length + 1);
  const indices: number[] = [];
  const values: number[] = [];
  described.forEach((groups, item) => {
    for (const group of GROUPS) {
      const entries = groups[group].map(([name, value]) => {
        const count = having.get(name);
        return [name, count === undefined ? value : Math.log(1 + items.length / count)] as const;
      });
      const norm = Math.sqrt(entries.reduce((sum, [, value]) => sum + value * value, 0));
      for (const [name, value] of entries) {
        const column = columns.get(name) ?? columns.size;
        columns.set(name, column);
        indices.push(column);
        values.push((GROUP_NORMS[group] * value) / norm);
      }
    }
    starts[item + 1] = indices.length;
  });
  return {
    columns: columns.size,
    starts,
    indices: Uint32Array.from(indices),
    values: Float64Array.from(values),
  };
}

function groupsOf({ title, tags }: DescribedItem): Record<keyof typeof GROUP_NORMS, Group> {
  const year = title.match(YEAR)?.at(-1);
  const inTitle = words(year === undefined ? title : title.replaceAll(year, " "));
  const once = (kind: string, names: readonly string[]): Group =>
    [...new Set(names)].map((name) => [`${kind} ${name}`, 1]);
  const tagged = once(
    "tag",
    tags.map((tag) => words(tag).join(" ")),
  );
  const years = year === undefined ? [] : BUMP_WIDTHS.flatMap((width) => bumps(Number(year), width));
  return {
    offset: [["offset", 1]],
    tags: tagged,
    words: once("word", inTitle),
    pairs: once(
      "pair",
      inTitle.slice(1).map((word, before) => `${inTitle[before]} ${word}`),
    ),
    year: years,
    taggedYear: tagged.flatMap(([tag]) => years.map(([bump, value]) => [`${bump} ${tag}`, value] as const)),
  };
}

function bumps(year: number, width: number): Group {
  const nearest = Math.round(year / width);
  return Array.from({ length: 2 * BUMP_REACH + 1 }, (_, i) => {
    const centre = nearest + i - BUMP_REACH;
    const distance = (year - centre * width) / width;
    return [`year ${width} ${centre}`, Math.exp((-distance * distance) / 2)];
  });
}
