/** The encoder's answers along a person's record, kept in memory so that a new interaction costs one more of them. */
import type { Sequence } from "@kindred/encoder";

/** The encoder's answer after some of the interactions. */
export interface Milestone {
  /** How many interactions it is the answer to. */
  readonly length: number;
  /** Of the last of them, milliseconds since the epoch. */
  readonly time: number;
  readonly vector: Float32Array;
}

/** Interactions from milestone to milestone. */
const STRIDE = 5;
/** Milestones at the most, from the latest back. */
const MOST = 100;

export class InterestHistory {
  #hash: string | undefined;
  #sequence: Sequence | undefined;
  readonly #vectors = new Map<number, Float32Array>();

  /**
   * An answer after every fifth interaction, 100 at the most, and after the last one.
   * @param sequence at least one interaction, oldest first
   * @param options.hash content hash of the model; under another one everything is computed anew
   */
  async milestones(
    sequence: Sequence,
    options: {
      readonly hash: string;
      readonly userVectors: (sequences: readonly Sequence[]) => Promise<Float32Array>;
    },
  ): Promise<Milestone[]> {
    const { hash, userVectors } = options;
    this.#forgetChanged(sequence, hash);
    const { length } = sequence.items;
    const lengths: number[] = [];
    const first = Math.max(1, Math.floor(length / STRIDE) - MOST + 1);
    for (let i = first; i * STRIDE < length; i++) lengths.push(i * STRIDE);
    lengths.push(length);
    const missing = lengths.filter((end) => !this.#vectors.has(end));
    if (missing.length > 0) {
      const data = await userVectors(missing.map((end) => prefix(sequence, end)));
      const d = data.length / missing.length;
      // While this waited the model may have changed for a later call.
      if (this.#hash !== hash) this.#forgetChanged(sequence, hash);
      missing.forEach((end, i) => {
        this.#vectors.set(end, data.slice(i * d, (i + 1) * d));
      });
    }
    const found = lengths.map((end) => ({
      length: end,
      time: sequence.times[end - 1]!,
      vector: this.#vectors.get(end)!,
    }));
    const kept = new Set(lengths);
    for (const end of this.#vectors.keys()) if (!kept.has(end)) this.#vectors.delete(end);
    return found;
  }

  /** Drops answers to other interactions than those at hand, or by another model. */
  #forgetChanged(sequence: Sequence, hash: string): void {
    const before = this.#hash === hash ? this.#sequence : undefined;
    const alike = before === undefined ? 0 : commonLength(before, sequence);
    for (const end of this.#vectors.keys()) if (end > alike) this.#vectors.delete(end);
    this.#hash = hash;
    this.#sequence = sequence;
  }
}

/** The first `end` interactions. */
export function prefix({ items, actions, times, ratings }: Sequence, end: number): Sequence {
  const cut = (values: ArrayLike<number>): number[] => Array.prototype.slice.call(values, 0, end);
  return {
    items: cut(items),
    actions: cut(actions),
    times: cut(times),
    ...(ratings === undefined ? {} : { ratings: cut(ratings) }),
  };
}

/** How many interactions two sequences have in common from the beginning. */
function commonLength(a: Sequence, b: Sequence): number {
  const most = Math.min(a.items.length, b.items.length);
  for (let i = 0; i < most; i++) {
    const same =
      a.items[i] === b.items[i] &&
      a.actions[i] === b.actions[i] &&
      a.times[i] === b.times[i] &&
      Object.is(a.ratings?.[i], b.ratings?.[i]);
    if (!same) return i;
  }
  return most;
}
