/** Where a sequence of directions changes: a person's interests over time. */

import { type Matrix, normalised, rowOf } from "./matrix.ts";
import { publicRandom } from "./random.ts";

/** A place where the directions before and after differ more than chance explains. */
export interface ChangePoint {
  /** Index of the first point after the change. */
  readonly index: number;
  /** Distance of the mean directions on either side, as a cosine distance in [0, 2]. */
  readonly shift: number;
  /** Share of the shuffled sequences that split at least as well, from 1 / (shuffles + 1) to 1. */
  readonly probability: number;
}

/** Shuffled sequences per test: the smallest probability is .005. */
const SHUFFLES = 199;

/**
 * Change points by hierarchical bisection (E-divisive: Matteson & James, JASA 109, 2014; with α = 2, which looks for
 * changes of the mean). In each part of the sequence the split of the largest between-group sum of squares
 * m n / (m + n) ‖x̄ − ȳ‖² is tested against shuffles of the part; if it stands out, both sides are searched in turn.
 *
 * Neighbouring points are rarely independent (who reads one part of a series reads the next), and shuffling them one by
 * one would take every such run for a change. So blocks of successive points are shuffled. As with every bisection, an
 * excursion that ends where it began may be passed over: no single split tells it apart.
 *
 * @param points n × d; rows are normalised here
 * @param options.minimum fewest points on either side of a change, ≥ 2, default 8
 * @param options.block successive points that are shuffled together, ≥ 1, default 3
 * @param options.significance probability at the most, in (0, 1), default .01
 * @param options.shift distance of the means at the least, default .2
 * @param options.seed of the shuffles, an integer in [0, 2⁵³), default 1
 * @returns in ascending order of index
 * @throws {RangeError} on a value that is not finite or options outside their bounds
 */
export function changePoints(
  points: Matrix,
  options: {
    readonly minimum?: number;
    readonly block?: number;
    readonly significance?: number;
    readonly shift?: number;
    readonly seed?: number;
  } = {},
): ChangePoint[] {
  const { minimum = 8, block = 3, significance = 0.01, shift = 0.2, seed = 1 } = options;
  if (!Number.isInteger(minimum) || minimum < 2)
    throw new RangeError(`A side of a change needs a whole number of at least 2 points, not ${minimum}.`);
  if (!Number.isInteger(block) || block < 1)
    throw new RangeError(`A block has a whole number of at least 1 point, not ${block}.`);
  if (!(significance > 0 && significance < 1))
    throw new RangeError(`The significance must lie between 0 and 1, not ${significance}.`);
  const rows = Array.from({ length: points.rows }, (_, row) => normalised(rowOf(points, row)));
  const random = publicRandom(seed);
  const search = (start: number, end: number): ChangePoint[] => {
    const part = rows.slice(start, end);
    const best = bestSplit(part, minimum);
    if (best === undefined || best.shift < shift) return [];
    let better = 0;
    // Enough shuffles that split better settle the matter early.
    const most = Math.floor(significance * (SHUFFLES + 1)) - 1;
    for (let i = 0; i < SHUFFLES && better <= most; i++) {
      const shuffled = shuffledBlocks(part, { block, random });
      if ((bestSplit(shuffled, minimum)?.gain ?? 0) >= best.gain) better++;
    }
    const probability = (better + 1) / (SHUFFLES + 1);
    if (probability > significance) return [];
    const index = start + best.at;
    return [...search(start, index), { index, shift: best.shift, probability }, ...search(index, end)];
  };
  return search(0, rows.length);
}

interface Split {
  readonly at: number;
  readonly gain: number;
  readonly shift: number;
}

/** The split of the largest between-group sum of squares; `undefined` for a part that is too short. */
function bestSplit(part: readonly Float64Array[], minimum: number): Split | undefined {
  const n = part.length;
  const d = part[0]?.length ?? 0;
  if (n < 2 * minimum) return undefined;
  const total = new Float64Array(d);
  for (const row of part) for (let i = 0; i < d; i++) total[i]! += row[i]!;
  const left = new Float64Array(d);
  let best: Split | undefined;
  for (let at = 1; at <= n - minimum; at++) {
    const row = part[at - 1]!;
    let squares = 0;
    for (let i = 0; i < d; i++) {
      left[i]! += row[i]!;
      squares += (left[i]! / at - (total[i]! - left[i]!) / (n - at)) ** 2;
    }
    if (at < minimum) continue;
    const gain = ((at * (n - at)) / n) * squares;
    if (best === undefined || gain > best.gain) best = { at, gain, shift: 0 };
  }
  return best && { ...best, shift: shiftAt(part, best.at) };
}

/** Cosine distance of the means on either side. */
function shiftAt(part: readonly Float64Array[], at: number): number {
  const d = part[0]!.length;
  const [before, after] = [new Float64Array(d), new Float64Array(d)];
  part.forEach((row, r) => {
    const sum = r < at ? before : after;
    for (let i = 0; i < d; i++) sum[i]! += row[i]!;
  });
  const [a, b] = [normalised(before), normalised(after)];
  let cosine = 0;
  for (let i = 0; i < d; i++) cosine += a[i]! * b[i]!;
  return Math.max(0, 1 - cosine);
}

/** Blocks of successive points in a random order (Fisher–Yates); where the blocks begin is random too. */
function shuffledBlocks(
  part: readonly Float64Array[],
  { block, random }: { block: number; random: () => number },
): Float64Array[] {
  const blocks: Float64Array[][] = [];
  const first = 1 + Math.floor(random() * block);
  for (let start = 0, end = first; start < part.length; start = end, end += block)
    blocks.push(part.slice(start, end));
  for (let i = blocks.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [blocks[i], blocks[j]] = [blocks[j]!, blocks[i]!];
  }
  return blocks.flat();
}
