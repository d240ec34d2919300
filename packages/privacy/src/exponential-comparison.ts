/**
 * Exact comparison of a uniform real number with e^(−a/b): as many random bits are drawn, and as many digits of the
 * exponential computed, as it takes to decide. Floating point only answers what it can answer with certainty.
 */

import type { UniformRandom } from "./random.ts";

/** Whether (whole + V)·numerator/denominator < e^(−exponent.a/exponent.b), V uniform in [0, 1). */
export interface ExponentialComparison {
  /** Integer ≥ 0. */
  readonly whole: number;
  /** The first 32 bits of V, as an integer. */
  readonly bits: number;
  readonly numerator: number;
  /** An integer below 2^53, times 2^`doublings`. */
  readonly denominator: number;
  readonly doublings: number;
  /** a = x² and b = 2σ²: integers with x, σ below 2^31. */
  readonly x: number;
  readonly sigma: number;
}

/**
 * Absolute error allowed to (denominator/numerator)·e^(−x²/2σ²) − whole in floating point. With whole below 2^14 and
 * an exponent below 2^10 the true one is under 2^−28 even if exp is wrong by a thousand units in the last place.
 */
const DOUBT = 2 ** -28;
const UNIT_32 = 2 ** -32;

/**
 * Draws the rest of V as far as needed and compares. A pair of 32-bit draws in about 2^27 needs more bits.
 *
 * @param random Where bits of V beyond the first 32 come from.
 */
export function isBelowExponential(comparison: ExponentialComparison, random: UniformRandom): boolean {
  const { whole, bits, numerator, denominator, doublings, x, sigma } = comparison;
  const ratio = x / sigma;
  const height = ((denominator * 2 ** doublings) / numerator) * Math.exp((-ratio * ratio) / 2) - whole;
  const lowest = bits * UNIT_32;
  if (lowest + UNIT_32 <= height - DOUBT) return true;
  if (lowest >= height + DOUBT) return false;
  return isBelowExactly(comparison, random);
}

/** The same, always by integer arithmetic. */
export function isBelowExactly(comparison: ExponentialComparison, random: UniformRandom): boolean {
  const a = BigInt(comparison.x) ** 2n;
  const b = 2n * BigInt(comparison.sigma) ** 2n;
  const numerator = BigInt(comparison.numerator);
  const denominator = BigInt(comparison.denominator) << BigInt(comparison.doublings);
  let known = (BigInt(comparison.whole) << 32n) + BigInt(comparison.bits);
  for (let digits = 32n; ; digits += 32n) {
    // E lies in [least, most]/2^precision, the real number in [known, known + 1)/2^digits.
    const precision = digits + 64n + BigInt(comparison.doublings);
    const { least, most } = exponentialBounds(a, b, precision);
    if (((known + 1n) * numerator) << precision <= (least * denominator) << digits) return true;
    if ((known * numerator) << precision >= (most * denominator) << digits) return false;
    known = (known << 32n) + BigInt(random.uint32());
  }
}

/** Bits computed beyond those asked for, and the error at the end in units of the last of them. */
const GUARD = 32n;
const SERIES_ERROR = 1n << 12n;

interface Bounds {
  readonly least: bigint;
  readonly most: bigint;
}

/** Integers with least ≤ 2^precision·e^(−a/b) ≤ most, for a ≥ 0 and b > 0. */
export function exponentialBounds(a: bigint, b: bigint, precision: bigint): Bounds {
  const scale = precision + GUARD;
  const one = 1n << scale;
  if (a === 0n) return { least: 1n << precision, most: 1n << precision };
  const times = (x: Bounds, y: Bounds): Bounds => ({
    least: (x.least * y.least) >> scale,
    most: ((x.most * y.most) >> scale) + 1n,
  });
  let result = powerSeries(a % b, b, one);
  let power = powerSeries(1n, 1n, one);
  for (let rest = a / b; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = times(result, power);
    power = times(power, power);
  }
  return { least: result.least >> GUARD, most: (result.most >> GUARD) + 1n };
}

/**
 * e^(−r/b) for 0 ≤ r ≤ b in units of 1/one, by its alternating series. Each term is off by at most two units, as
 * the error of the one before is divided by its index; the series ends after fewer than 2^10 terms for any
 * precision used here.
 */
function powerSeries(r: bigint, b: bigint, one: bigint): Bounds {
  let term = one;
  let sum = one;
  for (let k = 1n; term > 0n; k++) {
    term = (term * r) / (b * k);
    sum += k % 2n === 1n ? -term : term;
  }
  const least = sum - SERIES_ERROR;
  return { least: least > 0n ? least : 0n, most: sum + SERIES_ERROR };
}
