/** Sequential item rules: which items follow which within a few steps. */
import { KindredError } from "@kindred/protocol";
import type { Population } from "./population.ts";
import { recencyWeights } from "./recency.ts";
import { userItems } from "./sequences.ts";

/** How transitions are counted. */
export interface TransitionOptions {
  /** Steps over which an item counts as following another, at least 1. */
  readonly window: number;
  /**
   * What a pair k steps apart counts: 1 (`uniform`, windowed transitions), or 1/k (`inverse-distance`, the sequential
   * rules of Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018, eq. 3).
   */
  readonly weighting: "uniform" | "inverse-distance";
}

/** How a person's items are scored with the counts. */
export interface TransitionScoring {
  /** Interactions after which an older one counts half as much; absent: all count alike. */
  readonly halfLife?: number;
  /** Share of the followed item's total that its row is divided by: row sum^power; 1 turns counts into probabilities. */
  readonly rowPower?: number;
}

/** Counted transitions. */
export interface TransitionModel {
  /** The scores of all items for a user by position in `train.users`. */
  readonly scores: (userIndex: number, scoring?: TransitionScoring) => Float32Array;
}

/**
 * Counts, over all users, how often item j follows item i within the window (i ≠ j), and scores the items by
 * Σ over the user's items i of recency(i) · count(i, j) / rowSum(i)^rowPower. Sparse: memory O(distinct pairs).
 *
 * @throws {KindredError} `option-invalid` when the window is not a whole number of at least 1
 */
export function transitionsBaseline(
  train: Population,
  { window, weighting }: TransitionOptions,
): TransitionModel {
  if (!Number.isInteger(window) || window < 1)
    throw new KindredError({
      code: "option-invalid",
      field: "window",
      rule: `must be a whole number of at least 1, not ${window}`,
      fix: "pass 5",
    });
  const size = train.items.length;
  const histories = userItems(train);
  const rows = countTransitions(histories, { size, window, weighting });
  return {
    scores: (userIndex, { halfLife, rowPower = 0 } = {}) => {
      const scores = new Float32Array(size);
      for (const [item, weight] of recencyWeights(histories[userIndex] ?? [], halfLife)) {
        const { followers, counts, sum } = rows[item]!;
        const scale = weight / (sum || 1) ** rowPower;
        for (let at = 0; at < followers.length; at++) scores[followers[at]!]! += scale * counts[at]!;
      }
      return scores;
    },
  };
}

/** What follows one item, sparse. */
interface TransitionRow {
  readonly followers: Int32Array;
  readonly counts: Float64Array;
  readonly sum: number;
}

function countTransitions(
  histories: readonly Int32Array[],
  { size, window, weighting }: TransitionOptions & { readonly size: number },
): TransitionRow[] {
  const rows: Map<number, number>[] = Array.from({ length: size }, () => new Map());
  for (const items of histories)
    for (let at = 0; at < items.length; at++)
      for (let step = 1; step <= window && at + step < items.length; step++) {
        const [from, to] = [items[at]!, items[at + step]!];
        if (from === to) continue;
        const row = rows[from]!;
        row.set(to, (row.get(to) ?? 0) + (weighting === "uniform" ? 1 : 1 / step));
      }
  return rows.map((row) => ({
    followers: Int32Array.from(row.keys()),
    counts: Float64Array.from(row.values()),
    sum: [...row.values()].reduce((sum, count) => sum + count, 0),
  }));
}
