/** A person's interactions as the encoder sees them: validated, bucketed, cut into windows and packed. */
import { KindredError } from "@kindred/protocol";
import { ACTIONS, GAP_BUCKETS, RATING_BUCKETS } from "./layout.ts";

/** One person's interactions, oldest first. All arrays have the same length. */
export interface Sequence {
  /** Item indices, 0 … itemCount − 1. */
  readonly items: ArrayLike<number>;
  /** Indices into `ACTIONS`. */
  readonly actions: ArrayLike<number>;
  /** Milliseconds since any fixed instant. */
  readonly times: ArrayLike<number>;
  /** Ratings scaled to [0, 1]; NaN where there is none. */
  readonly ratings?: ArrayLike<number>;
}

/** Upper ends of the time-gap buckets 1, 2, …, in ms; logarithmic from one second to a year. */
export const GAP_BOUNDARIES_MS = [
  1e3, 1e4, 6e4, 6e5, 3.6e6, 2.16e7, 8.64e7, 2.592e8, 6.048e8, 2.592e9,
] as const;

/** Bucket of the gap to the previous interaction: 0 without one, then by `GAP_BOUNDARIES_MS`. */
export function gapBucket(gap: number | undefined): number {
  if (gap === undefined) return 0;
  let bucket = 1;
  for (const boundary of GAP_BOUNDARIES_MS) if (gap >= boundary) bucket++;
  return Math.min(bucket, GAP_BUCKETS - 1);
}

function ratingBucket(rating: number | undefined): number {
  if (rating === undefined || Number.isNaN(rating)) return 0;
  return 1 + Math.min(RATING_BUCKETS - 2, Math.max(0, Math.floor(rating * (RATING_BUCKETS - 1))));
}

/**
 * @param minimum shortest allowed length: 1 to encode, 2 to train
 * @throws KindredError `option-invalid` naming the sequence and the entry
 */
export function checkSequence(
  sequence: Sequence,
  field: string,
  { itemCount, minimum }: { itemCount: number; minimum: number },
): void {
  const fail = (at: string, rule: string, fix: string): never => {
    throw new KindredError({ code: "option-invalid", field: `${field}.${at}`, rule, fix });
  };
  const { items, actions, times, ratings } = sequence;
  if (items.length < minimum)
    fail("items", `must have at least ${minimum} entries, got ${items.length}`, "leave this person out");
  for (const [name, values] of Object.entries({ actions, times, ratings }))
    if (values && values.length !== items.length)
      fail(name, `must have ${items.length} entries as items has, got ${values.length}`, "align the arrays");
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    if (!Number.isInteger(item) || item < 0 || item >= itemCount)
      fail(
        `items[${i}]`,
        `must be an item index from 0 to ${itemCount - 1}`,
        "drop items outside the catalogue",
      );
    const action = actions[i]!;
    if (!Number.isInteger(action) || action < 0 || action >= ACTIONS.length)
      fail(`actions[${i}]`, `must be an index from 0 to ${ACTIONS.length - 1}`, "map the action to ACTIONS");
    if (!Number.isFinite(times[i]!))
      fail(`times[${i}]`, "must be a finite number of ms", "clean the event log");
  }
}

/** Positions start … end − 1 of a sequence; `targets` says whether each is followed by one to predict. */
export interface Window {
  readonly sequence: Sequence;
  readonly start: number;
  readonly end: number;
}

/** The last `length` interactions. */
export function lastWindow(sequence: Sequence, length: number): Window {
  const end = sequence.items.length;
  return { sequence, start: Math.max(0, end - length), end };
}

/**
 * Cuts a sequence of n interactions into windows of at most `length` inputs whose successors exist, covering
 * each of the n − 1 transitions exactly once; the latest window comes first.
 *
 * @param shift transitions that the *latest* window is shorter than `length`: drawing it anew each epoch moves the cuts
 */
export function trainingWindows(sequence: Sequence, length: number, shift = 0): Window[] {
  const windows: Window[] = [];
  let end = sequence.items.length - 1;
  let size = end > length ? length - shift : length;
  while (end > 0) {
    const start = Math.max(0, end - size);
    windows.push({ sequence, start, end });
    end = start;
    size = length;
  }
  return windows;
}

/** Windows laid one behind the other without padding. */
export interface TokenBatch {
  /** Number of tokens N. */
  readonly rows: number;
  /** Window w owns tokens starts[w] … starts[w + 1] − 1. */
  readonly starts: Int32Array;
  readonly items: Int32Array;
  readonly actions: Uint8Array;
  readonly gaps: Uint8Array;
  readonly ratings: Uint8Array;
  /** The item after each token; −1 where the sequence ends. */
  readonly targets: Int32Array;
}

export function packWindows(windows: readonly Window[]): TokenBatch {
  const starts = new Int32Array(windows.length + 1);
  windows.forEach(({ start, end }, index) => {
    starts[index + 1] = starts[index]! + end - start;
  });
  const rows = starts[windows.length]!;
  const batch = {
    rows,
    starts,
    items: new Int32Array(rows),
    actions: new Uint8Array(rows),
    gaps: new Uint8Array(rows),
    ratings: new Uint8Array(rows),
    targets: new Int32Array(rows),
  };
  windows.forEach(({ sequence, start, end }, index) => {
    const { items, actions, times, ratings } = sequence;
    for (let position = start, row = starts[index]!; position < end; position++, row++) {
      batch.items[row] = items[position]!;
      batch.actions[row] = actions[position]!;
      batch.gaps[row] = gapBucket(position > 0 ? times[position]! - times[position - 1]! : undefined);
      batch.ratings[row] = ratingBucket(ratings?.[position]);
      batch.targets[row] = items[position + 1] ?? -1;
    }
  });
  return batch;
}
