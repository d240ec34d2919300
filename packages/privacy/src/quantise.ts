/**
 * From real vectors to integers modulo 2^b and back.
 *
 * Kairouz, Liu, Steinke, "The Distributed Discrete Gaussian Mechanism for Federated Learning with Secure
 * Aggregation" (2021), sections 4 and 5. Floating-point work ends here: the norm that the privacy proof
 * needs is checked on the integers, exactly.
 */

import { l2Norm } from "./clip.ts";
import { type RandomBytes, uniformRandom } from "./random.ts";
import { demand, demandInteger, PrivacyRangeError } from "./refusal.ts";

/** Default β = e^(−1/2): a rounding is accepted with probability at least 1 − β ≈ 0.39. */
export const ROUNDING_BETA = Math.exp(-0.5);

const TRIES = 1000;
const MAXIMUM_COORDINATE = 2 ** 31 - 1;

/** L1 norm that an integer vector of L2 norm ≤ `l2` can have: l2·min(√d, l2), as |x| ≤ x² for integers. */
export function integerL1Bound(l2: number, dimension: number): number {
  return l2 * Math.min(Math.sqrt(dimension), l2);
}

/**
 * Sensitivity of a vector of L2 norm ≤ `scaledNorm` after conditional stochastic rounding.
 *
 * Δ₂ = min{ c + √d, √(c² + d/4 + √(2 ln(1/β))·(c + √d/2)) } and Δ₁ = Δ₂·min(√d, Δ₂).
 *
 * @param options.scaledNorm c = s·C, in quantised units.
 * @param options.dimension d, the length of the vector that is rounded.
 * @param options.beta Bound 0 < β < 1 on the probability that one rounding is rejected.
 */
export function roundedSensitivity(options: {
  readonly scaledNorm: number;
  readonly dimension: number;
  readonly beta: number;
}): { l2: number; l1: number } {
  const { scaledNorm: c, dimension: d, beta } = options;
  demand(Number.isFinite(c) && c > 0, {
    field: "scaledNorm",
    rule: `must be a finite number above 0, got ${c}`,
    fix: "give scale times clip norm",
  });
  demandInteger(d, { field: "dimension", from: 1, to: 2 ** 30 });
  demand(beta > 0 && beta < 1, {
    field: "beta",
    rule: `must be above 0 and below 1, got ${beta}`,
    fix: "use exp(-1/2)",
  });
  const always = c + Math.sqrt(d);
  const likely = Math.sqrt(c * c + d / 4 + Math.sqrt(2 * Math.log(1 / beta)) * (c + Math.sqrt(d) / 2));
  const l2 = Math.min(always, likely);
  return { l2, l1: integerL1Bound(l2, d) };
}

/** Σx² exactly. Partial sums stay below 2^53 in a number and spill into a BigInt. */
export function squaredNorm(vector: Int32Array): bigint {
  let spilled = 0n;
  let partial = 0;
  for (let i = 0; i < vector.length; i++) {
    const x = vector[i]!;
    if (x > 0x3ffffff || x < -0x3ffffff) {
      spilled += BigInt(x) * BigInt(x);
      continue;
    }
    partial += x * x; // below 2^52 each, so the sum of two is still exact
    if (partial >= 2 ** 52) {
      spilled += BigInt(partial);
      partial = 0;
    }
  }
  return spilled + BigInt(partial);
}

/** Whether √(squared) ≤ bound, exactly: the bound is a dyadic rational, compared as integers. */
function normWithin(squared: bigint, bound: number): boolean {
  let numerator = bound;
  let exponent = 0n;
  while (!Number.isInteger(numerator)) {
    numerator *= 2;
    exponent += 1n;
  }
  const root = BigInt(numerator);
  return squared << (2n * exponent) <= root * root;
}

/**
 * Conditional stochastic rounding: scales, rounds each coordinate up or down without bias, and repeats until
 * the L2 norm of the integers is at most `bound`. The norm test is exact integer arithmetic.
 *
 * @param options.vector Real vector, already clipped and rotated.
 * @param options.scale s > 0: quantised units per real unit.
 * @param options.bound Δ₂ of {@link roundedSensitivity}, in quantised units.
 * @throws PrivacyRangeError when a coordinate does not fit 32 bits, or no try satisfies the bound: the
 *   vector was longer than the clip norm that the bound was computed from.
 */
export function conditionalRound(options: {
  readonly vector: ArrayLike<number>;
  readonly scale: number;
  readonly bound: number;
  readonly random: RandomBytes;
}): Int32Array {
  const { vector, scale, bound } = options;
  demand(scale > 0 && scale < Infinity, {
    field: "scale",
    rule: `must be a finite number above 0, got ${scale}`,
    fix: "use the scale of the calibrated mechanism",
  });
  demand(bound >= 0 && bound < Infinity, {
    field: "bound",
    rule: `must be a finite number of at least 0, got ${bound}`,
    fix: "use the rounded L2 sensitivity",
  });
  const tooLong = new PrivacyRangeError({
    field: "vector",
    rule: `no rounding has an L2 norm of at most ${bound}`,
    fix: "clip the vector to the norm that the bound was computed from",
  });
  // Rounding moves the vector by at most √d, so that a hopeless one need not be tried.
  if (l2Norm(vector) * scale > bound + Math.sqrt(vector.length) + 1) throw tooLong;
  const random = uniformRandom(options.random);
  const rounded = new Int32Array(vector.length);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    for (let i = 0; i < rounded.length; i++) {
      const scaled = vector[i]! * scale;
      const floor = Math.floor(scaled);
      if (!(Math.abs(floor) < MAXIMUM_COORDINATE)) {
        throw new PrivacyRangeError({
          field: `vector[${i}]`,
          rule: `times scale must fit 32 bits, got ${scaled}`,
          fix: "clip the vector, or lower the scale",
        });
      }
      rounded[i] = random.uniform() < scaled - floor ? floor + 1 : floor;
    }
    if (normWithin(squaredNorm(rounded), bound)) return rounded;
  }
  throw tooLong;
}

/**
 * Residues modulo 2^bits, in [0, 2^bits).
 *
 * @throws PrivacyRangeError unless bits is an integer from 1 to 32.
 */
export function toModulus(vector: Int32Array, bits: number): Uint32Array {
  demandInteger(bits, { field: "bits", from: 1, to: 32 });
  const mask = 0xffffffff >>> (32 - bits);
  return Uint32Array.from(vector, (value) => (value & mask) >>> 0);
}

/**
 * Residues modulo 2^bits lifted to [−2^(bits−1), 2^(bits−1)).
 *
 * @throws PrivacyRangeError on a value of 2^bits or more, or unless bits is an integer from 1 to 32.
 */
export function centredLift(sum: Uint32Array, bits: number): Int32Array {
  demandInteger(bits, { field: "bits", from: 1, to: 32 });
  const shift = 32 - bits;
  const mask = 0xffffffff >>> shift;
  const lifted = new Int32Array(sum.length);
  for (let i = 0; i < sum.length; i++) {
    const value = sum[i]!;
    if (value > mask) {
      throw new PrivacyRangeError({
        field: `sum[${i}]`,
        rule: `must be below 2^${bits}, got ${value}`,
        fix: "reduce the sum modulo 2^bits first",
      });
    }
    lifted[i] = (value << shift) >> shift;
  }
  return lifted;
}
