/**
 * Sequences drawn from a distribution of the next item, and that distribution as a teacher: how an encoder learns what
 * something else already foresees, such as transition counts that were released.
 */
import type { Sequence, Window } from "../sequence.ts";
import { asSequence } from "./item-walks.ts";
import type { SoftTeacher } from "./soft-targets.ts";

/**
 * Log-probabilities of all items as the next one after these, oldest first; after none of them, as the first one. Nats, up
 * to a constant.
 */
export type Foresight = (items: readonly number[]) => Float32Array;

/** Mean items of a drawn sequence beyond the first two, before it is cut off. */
const MEAN_MORE = 10;

/**
 * Sequences of distinct items, each drawn from what is foreseen after those before it. Lengths are 2 or more and fall
 * off exponentially, as those of most people's records do.
 *
 * @param options.length items of a sequence at most, 2 or more; no more than are foreseen about
 * @param options.progress told the share that is done; awaited, so that a host can breathe
 */
export async function drawnSequences(
  foresight: Foresight,
  options: {
    readonly count: number;
    readonly length: number;
    readonly random: () => number;
    readonly progress?: (fraction: number) => void | Promise<void>;
  },
): Promise<Sequence[]> {
  const { count, length, random, progress } = options;
  const sequences: Sequence[] = [];
  while (sequences.length < count) {
    const wanted = Math.min(length, 2 + Math.floor(-Math.log(1 - random()) * MEAN_MORE));
    const first = foresight([]);
    const items = [drawNext(first, random)];
    while (items.length < Math.min(wanted, first.length))
      items.push(drawNext(without(foresight(items), items), random));
    sequences.push(asSequence(items, random));
    if (sequences.length % 32 === 0) await progress?.(sequences.length / count);
  }
  await progress?.(1);
  return sequences;
}

/** What is foreseen, as a teacher whom `softTargets` can ask; items that have been are not expected again. */
export function foresightTeacher(
  foresight: Foresight,
  shape: { readonly itemCount: number; readonly sequenceLength: number },
): SoftTeacher {
  const { itemCount, sequenceLength } = shape;
  return {
    itemCount,
    shape: { sequenceLength },
    scoresAlong(windows: readonly Window[], take) {
      let row = 0;
      for (const { sequence, start, end } of windows) {
        const items = Array.from(sequence.items);
        for (let position = start; position < end; position++) {
          const before = items.slice(0, position + 1);
          take(row++, without(foresight(before), before));
        }
      }
    },
  };
}

/** A copy in which items that have been cannot come again. */
function without(scores: Float32Array, items: readonly number[]): Float32Array {
  const left = scores.slice();
  for (const item of items) left[item] = Number.NEGATIVE_INFINITY;
  return left;
}

/** An item in proportion to the exponential of its score. */
function drawNext(scores: Float32Array, random: () => number): number {
  const largest = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const shares = Float64Array.from(scores, (score) => Math.exp(score - largest));
  let left = random() * shares.reduce((sum, share) => sum + share, 0);
  for (let item = 0; item < shares.length; item++) {
    left -= shares[item]!;
    if (left < 0) return item;
  }
  // Rounding left nothing over: the likeliest item.
  return shares.indexOf(1);
}
