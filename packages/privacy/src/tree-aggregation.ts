/**
 * Sensitivity of tree aggregation (DP-FTRL), for comparison: noisy sums of every node of a binary tree over steps.
 *
 * Kairouz, McMahan, Song, Thakkar, Thakurta, Xu 2021, "Practical and Private (Deep) Learning without Sampling or
 * Shuffling", Appendix D. Where `steps` is no power of two the tree is the row of complete trees of its binary
 * expansion, largest first. Each node is released with noise of z times the norm of one contribution, so that a
 * person's cost is that of one Gaussian release with multiplier z/√S, S as returned here.
 */

import { demandInteger } from "./refusal.ts";

/** Most steps of one tree: the search below grows with participations², separation and the logarithm of steps. */
const MAXIMUM_STEPS = 2 ** 20;

/**
 * S for a person who takes part once in a tree that is restarted before they come again: the depth ⌊log₂ steps⌋ + 1.
 *
 * @throws PrivacyRangeError unless steps is an integer from 1 to 2^20.
 */
export function restartedTreeSensitivitySquared(steps: number): number {
  demandInteger(steps, { field: "steps", from: 1, to: MAXIMUM_STEPS });
  return 32 - Math.clz32(steps);
}

/**
 * S for a person who takes part repeatedly in one tree: the largest Σ over its nodes of (participations below it)².
 *
 * @param options.participations Most participations, at least 1.
 * @param options.separation Fewest steps that lie between two participations: 0 allows successive ones.
 * @param options.steps Leaves of the tree.
 * @throws PrivacyRangeError on a value out of range.
 */
export function treeSensitivitySquared(options: {
  readonly participations: number;
  readonly separation: number;
  readonly steps: number;
}): number {
  const { participations, separation, steps } = options;
  demandInteger(participations, { field: "participations", from: 1, to: MAXIMUM_STEPS });
  demandInteger(separation, { field: "separation", from: 0, to: MAXIMUM_STEPS });
  demandInteger(steps, { field: "steps", from: 1, to: MAXIMUM_STEPS });
  const possible = Math.min(participations, Math.ceil(steps / (separation + 1)));
  const placing = new Placing(separation);
  let largest = 0;
  for (let count = 1; count <= possible; count++)
    largest = Math.max(largest, placing.best({ size: steps, count, head: 0, tail: 0 }));
  return largest;
}

/** A stretch of leaves in which `count` participations are to be placed, none in its first `head` or last `tail`. */
interface Stretch {
  readonly size: number;
  readonly count: number;
  readonly head: number;
  readonly tail: number;
}

/** The placements that cost most, by dynamic programming over the two halves of a stretch. */
class Placing {
  readonly #separation: number;
  readonly #known = new Map<string, number>();

  constructor(separation: number) {
    this.#separation = separation;
  }

  /** Largest Σ (participations)² over the nodes above the stretch's leaves; −∞ where they do not fit. */
  best(stretch: Stretch): number {
    const { size, count, head, tail } = stretch;
    if (count === 0) return 0;
    if (head + tail + (count - 1) * (this.#separation + 1) + 1 > size) return -Infinity;
    if (size === 1) return 1;
    const key = `${size},${count},${head},${tail}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const whole = 2 ** (31 - Math.clz32(size));
    const complete = whole === size;
    const left = complete ? size / 2 : whole;
    const value = (complete ? count * count : 0) + this.#split(stretch, left);
    this.#known.set(key, value);
    return value;
  }

  #split({ size, count, head, tail }: Stretch, left: number): number {
    const right = size - left;
    let largest = Math.max(
      this.best({ size: left, count, head, tail: Math.max(0, tail - right) }),
      this.best({ size: right, count, head: Math.max(0, head - left), tail }),
    );
    for (let first = 1; first < count; first++) {
      for (let quiet = 0; quiet <= this.#separation; quiet++) {
        const before = this.best({ size: left, count: first, head, tail: this.#separation - quiet });
        if (before === -Infinity) continue;
        largest = Math.max(
          largest,
          before + this.best({ size: right, count: count - first, head: quiet, tail }),
        );
      }
    }
    return largest;
  }
}
