/**
 * What sums modulo 2^b hold: how likely an entry wraps, the largest scale that fits, and the fewest bits that cost
 * nothing worth naming.
 *
 * Kairouz, Liu, Steinke, "The Distributed Discrete Gaussian Mechanism for Federated Learning with Secure
 * Aggregation" (2021), sections 4 and 5. Wrapping is a matter of accuracy alone: reduction modulo 2^b is applied to what is
 * already private.
 *
 * **Tail.** An entry of the sum of n rotated, rounded and noisy vectors of norm s·C is sub-Gaussian with proxy
 * V = s²C²n²/D + n/4 + N. The first term is that of a rotated vector of norm s·C·n (rotation.ts, D its mixing width): all
 * members have sent the same vector, the worst there is. n/4 is the rounding's: each is unbiased within an interval of
 * length 1 (Hoeffding's lemma; that rare outcomes are drawn again is left out). N = nσ² is the noise's: a discrete
 * Gaussian of parameter σ is sub-Gaussian with proxy σ² (Canonne, Kamath, Steinke 2020, section 2). So an entry leaves
 * (−2^(b−1), 2^(b−1)) with probability of at most 2·exp(−κ²/2), κ = 2^(b−1)/√V.
 */

import { logErfc } from "./log-space.ts";
import { demand, demandInteger } from "./refusal.ts";
import { mixingWidth } from "./rotation.ts";

/**
 * p: the expected number of entries that wrap in a round is at most this, in the worst case of the file's head.
 *
 * It may be this large because an entry that wraps is off by 2κ deviations only, and the inverse rotation spreads them
 * over D entries: one of 100,000 adds about a thousandth to the noise of that round.
 */
export const WRAP_BOUND = 0.05;

/** Share by which rounding may make the sensitivity, and with it the noise, larger where bits are chosen for a plan. */
export const ROUNDING_SHARE = 0.01;

/** The sum that a modulus is to hold. */
export interface ModularSum {
  /** b, 8 … 32. */
  readonly modulusBits: number;
  /** n, all of whom may survive. */
  readonly cohort: number;
  /** Joint L2 norm C of one participant; default 1, that of the joint vector. */
  readonly clip?: number;
  /** Length of the vector. */
  readonly dimension: number;
  /** σ of one participant's noise. */
  readonly localDeviation: number;
}

function demandSum({ modulusBits, cohort, localDeviation }: ModularSum): void {
  demandInteger(modulusBits, { field: "modulusBits", from: 8, to: 32 });
  demandInteger(cohort, { field: "cohort", from: 1, to: 2 ** 24 });
  demand(localDeviation >= 0 && localDeviation < Infinity, {
    field: "localDeviation",
    rule: `must be a finite number of at least 0, got ${localDeviation}`,
    fix: "give the deviation of one participant's noise",
  });
}

/** κ: proxies' deviations that the modulus must hold on either side for {@link WRAP_BOUND}, √(2·ln(2d/p)). */
export function modulusDeviations(dimension: number): number {
  return Math.sqrt(2 * Math.log((2 * dimension) / WRAP_BOUND));
}

/**
 * Largest scale for which the sum of a cohort, noise included, fits the modulus with κ deviations to spare:
 * s = √(2^(2b) − nκ²) / (2κ·√(ρC²n²/D + nσ²)), ρ = 1.
 *
 * @param sum With `localDeviation` in unscaled units.
 * @param sum.kappa Default {@link modulusDeviations}.
 * @throws PrivacyRangeError when the modulus cannot even hold the rounding error.
 */
export function scaleFor(sum: ModularSum & { readonly kappa?: number }): number {
  demandSum(sum);
  const { modulusBits, cohort, clip = 1, dimension, localDeviation } = sum;
  const { kappa = modulusDeviations(dimension) } = sum;
  const room = 2 ** (2 * modulusBits) - cohort * kappa ** 2;
  demand(room > 0, {
    field: "modulusBits",
    rule: `2^${2 * modulusBits} must exceed cohort · κ² = ${Math.ceil(cohort * kappa ** 2)}`,
    fix: "raise modulusBits or lower the cohort maximum",
  });
  const spread = (clip * cohort) ** 2 / mixingWidth(dimension) + cohort * localDeviation ** 2;
  return Math.sqrt(room) / (2 * kappa * Math.sqrt(spread));
}

/** V of the file's head, in quantised units. */
function proxy({ cohort, clip = 1, dimension, localDeviation, scale }: ScaledSum): number {
  return (scale * clip * cohort) ** 2 / mixingWidth(dimension) + cohort / 4 + cohort * localDeviation ** 2;
}

/** A sum at its scale; `localDeviation` in quantised units. */
export interface ScaledSum extends ModularSum {
  /** s: quantised units per unit. */
  readonly scale: number;
}

/**
 * Entries of a noisy sum that wrap in a round, expected at the most: d·2·exp(−κ²/2). This is proven (see the head of the
 * file) and of two bounds the coarser; {@link wrapProbability} is what is to be seen.
 */
export function wrapBound(sum: ScaledSum): number {
  demandSum(sum);
  return 2 * sum.dimension * Math.exp(-(2 ** (2 * sum.modulusBits - 2)) / (2 * proxy(sum)));
}

/**
 * Probability that one entry of a noisy sum leaves [−2^(b−1), 2^(b−1)) and wraps, when all n updates are the same
 * vector of the clip norm: the worst case of the sum.
 *
 * A rotated entry of the sum is taken as normal with variance V: it is the sum of D signed terms, n roundings and n
 * noises. Times d it is what {@link wrapBound} bounds, about a tenth of it.
 */
export function wrapProbability(sum: ScaledSum): number {
  demandSum(sum);
  return Math.exp(logErfc(2 ** (sum.modulusBits - 1) / Math.sqrt(2 * proxy(sum))));
}

/**
 * What `build` gives for the fewest bits from 8 to 32 that `fits`, by bisection: more bits are taken to fit whenever fewer do.
 *
 * @param options.build Throws a RangeError where the bits are too few.
 * @throws PrivacyRangeError where 32 bits do not fit; and what `build` throws for them
 */
export function fewestBits<T>(options: {
  readonly build: (bits: number) => T;
  readonly fits: (built: T) => boolean;
}): T {
  const { build, fits } = options;
  let best = build(32);
  demand(fits(best), {
    field: "modulusBits",
    rule: `no modulus of at most 32 bits keeps wrapped entries within ${WRAP_BOUND} a round and what rounding costs within ${ROUNDING_SHARE}`,
    fix: "set modulusBits, or lower the cohort maximum or the length of the vector",
  });
  let tooFew = 7;
  let enough = 32;
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2);
    const built = attempt(() => build(middle));
    if (built !== undefined && fits(built)) {
      best = built;
      enough = middle;
    } else tooFew = middle;
  }
  return best;
}

function attempt<T>(build: () => T): T | undefined {
  try {
    return build();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
