/** Whether one ranking is better than another, or only luckier with these people. */
import { publicRandom } from "@kindred/clustering";

/** A difference of means over the same people. */
export interface PairedDifference {
  /** Mean of a − b. */
  readonly difference: number;
  /** Bounds of the central 95 % of resampled differences. */
  readonly low: number;
  readonly high: number;
  /** Share of resamples in which a is not better than b: evidence against "a is better". */
  readonly notBetter: number;
}

/** Gain of each rank at 10: 1 / log₂(1 + rank) up to rank 10, else 0; its mean is NDCG@10. */
export function gainsAt10(ranks: readonly number[]): Float64Array {
  return Float64Array.from(ranks, (rank) => (rank <= 10 ? 1 / Math.log2(1 + rank) : 0));
}

/**
 * The paired bootstrap by percentiles (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13; for
 * rankings Sakai, SIGIR 2006): people are drawn with replacement, and both sides are averaged over the same draw.
 *
 * @param a one value per person
 * @param b the same people in the same order
 * @param options.resamples 2,000 by default
 * @throws {RangeError} when the lengths differ or are 0
 */
export function pairedBootstrap(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { seed, resamples = 2000 }: { readonly seed: number; readonly resamples?: number },
): PairedDifference {
  const n = a.length;
  if (n === 0 || b.length !== n) throw new RangeError(`A pair needs as many values: ${n} and ${b.length}.`);
  const differences = Float64Array.from({ length: n }, (_, i) => a[i]! - b[i]!);
  const random = publicRandom(seed);
  const means = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += differences[Math.floor(random() * n)]!;
    return sum / n;
  }).sort();
  const at = (share: number): number =>
    means[Math.min(resamples - 1, Math.max(0, Math.round(share * (resamples - 1))))]!;
  return {
    difference: differences.reduce((sum, value) => sum + value, 0) / n,
    low: at(0.025),
    high: at(0.975),
    notBetter: means.filter((mean) => mean <= 0).length / resamples,
  };
}
