/**
 * Random walks over items that are alike, as sequences to pre-train on: public material stands in for people's histories
 * (after DeepWalk, Perozzi et al. 2014). Nothing of a person is looked at.
 */
import { KindredError } from "@kindred/protocol";
import { ACTIONS } from "../layout.ts";
import type { Sequence } from "../sequence.ts";

/** Item i leads to `partners[starts[i]]` … `partners[starts[i + 1] − 1]`, in proportion to `weights`. */
export interface ItemGraph {
  /** items + 1 entries. */
  readonly starts: Int32Array;
  readonly partners: Int32Array;
  /** Above 0. */
  readonly weights: Float32Array;
}

/**
 * Each item's nearest others by cosine; weight cos², and none to an item of no positive cosine.
 *
 * @param features row-major items × dimension, rows of norm 1
 * @param options.progress told the share of items that are done; awaited now and then, so that a host can breathe
 */
export async function similarityGraph(
  features: Float32Array,
  options: {
    readonly dimension: number;
    readonly neighbours: number;
    readonly progress?: (fraction: number) => void | Promise<void>;
  },
): Promise<ItemGraph> {
  const { dimension: d, neighbours, progress } = options;
  const items = features.length / d;
  const starts = new Int32Array(items + 1);
  const partners: number[] = [];
  const weights: number[] = [];
  const scores = new Float32Array(items);
  for (let item = 0; item < items; item++) {
    for (let other = 0; other < items; other++) {
      let dot = 0;
      for (let j = 0; j < d; j++) dot += features[item * d + j]! * features[other * d + j]!;
      scores[other] = other === item ? -1 : dot;
    }
    for (const other of largest(scores, neighbours)) {
      partners.push(other);
      weights.push(scores[other]! ** 2);
    }
    starts[item + 1] = partners.length;
    if (item % 256 === 255) await progress?.((item + 1) / items);
  }
  await progress?.(1);
  return { starts, partners: Int32Array.from(partners), weights: Float32Array.from(weights) };
}

/** Positions of the largest positive scores, the first of equals first. */
function largest(scores: Float32Array, count: number): number[] {
  const kept: number[] = [];
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!;
    if (!(score > 0) || (kept.length === count && score <= scores[kept[count - 1]!]!)) continue;
    let at = kept.length;
    while (at > 0 && scores[kept[at - 1]!]! < score) at--;
    kept.splice(at, 0, i);
    if (kept.length > count) kept.pop();
  }
  return kept;
}

/**
 * The graph of pairs that are publicly known to be related, in both directions; a pair that is named n times weighs n.
 * @throws KindredError `option-invalid` on a position outside the catalogue
 */
export function graphOfPairs(items: number, pairs: readonly (readonly [number, number])[]): ItemGraph {
  const edges = Array.from({ length: items }, () => new Map<number, number>());
  pairs.forEach((pair, index) => {
    if (pair.some((item) => !Number.isInteger(item) || item < 0 || item >= items))
      throw new KindredError({
        code: "option-invalid",
        field: `pairs[${index}]`,
        rule: `must be two item indices from 0 to ${items - 1}`,
        fix: "drop pairs of items outside the catalogue",
      });
    const [a, b] = pair;
    if (a === b) return;
    edges[a]!.set(b, (edges[a]!.get(b) ?? 0) + 1);
    edges[b]!.set(a, (edges[b]!.get(a) ?? 0) + 1);
  });
  const starts = new Int32Array(items + 1);
  edges.forEach((own, item) => {
    starts[item + 1] = starts[item]! + own.size;
  });
  return {
    starts,
    partners: Int32Array.from(edges.flatMap((own) => [...own.keys()])),
    weights: Float32Array.from(edges.flatMap((own) => [...own.values()])),
  };
}

/** Probability that a step goes on from the walk's first item: a walk is about something. */
const RESTART = 0.2;
/** Draws of a next item that the walk does not have yet, before it ends. */
const DRAWS = 8;

/**
 * Walks of distinct items, as many from each item. What walks know nothing of
 * (actions, time gaps, ratings) is drawn at random, so that the encoder learns not to go by it.
 *
 * @param options.length items of a walk at most; walks that end with a single item are left out
 */
export function itemWalks(
  graph: ItemGraph,
  options: { readonly length: number; readonly perItem: number; readonly random: () => number },
): Sequence[] {
  const { length, perItem, random } = options;
  const walks: Sequence[] = [];
  for (let round = 0; round < perItem; round++)
    for (let first = 0; first + 1 < graph.starts.length; first++) {
      const items = walkFrom(graph, first, { length, random });
      if (items.length >= 2) walks.push(asSequence(items, random));
    }
  return walks;
}

function walkFrom(
  graph: ItemGraph,
  first: number,
  { length, random }: { length: number; random: () => number },
): number[] {
  const items = [first];
  const visited = new Set(items);
  let at = first;
  while (items.length < length) {
    let next = -1;
    for (let draw = 0; draw < DRAWS && next < 0; draw++) {
      const drawn = step(graph, random() < RESTART ? first : at, random);
      if (drawn >= 0 && !visited.has(drawn)) next = drawn;
    }
    if (next < 0) break;
    items.push(next);
    visited.add(next);
    at = next;
  }
  return items;
}

/** A neighbour in proportion to its weight; −1 where there is none. */
function step({ starts, partners, weights }: ItemGraph, item: number, random: () => number): number {
  const from = starts[item]!;
  const to = starts[item + 1]!;
  let total = 0;
  for (let edge = from; edge < to; edge++) total += weights[edge]!;
  let left = random() * total;
  for (let edge = from; edge < to; edge++) {
    left -= weights[edge]!;
    if (left < 0) return partners[edge]!;
  }
  return to > from ? partners[to - 1]! : -1;
}

/** Gaps are spread evenly over their logarithm, from a second to a month. */
const LOG_MONTH = Math.log(30 * 86_400);

/** Items as a person's record; what they say nothing of (actions, time gaps, ratings) is drawn at random. */
export function asSequence(items: readonly number[], random: () => number): Sequence {
  let time = 0;
  const later = (): number => {
    time += 1000 * Math.exp(random() * LOG_MONTH);
    return time;
  };
  return {
    items,
    actions: items.map(() => Math.floor(random() * ACTIONS.length)),
    times: items.map(later),
    ratings: items.map(() => (random() < 0.5 ? Number.NaN : random())),
  };
}
