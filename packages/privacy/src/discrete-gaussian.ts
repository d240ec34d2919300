/**
 * Exact sampling of the discrete Gaussian over the integers.
 *
 * Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), Algorithms 1–3, with σ
 * restricted to a positive integer and the Laplace scale t = σ. Every probability is then a ratio of
 * integers below 2^53, so no draw depends on the rounding of a floating-point number.
 */

import { type RandomBytes, type UniformRandom, uniformRandom } from "./random.ts";
import { demandInteger } from "./refusal.ts";

/** Largest σ: 2σ² ≤ 2^49 stays exact, and 32-bit output holds more than 127 deviations. */
export const MAXIMUM_DEVIATION = 2 ** 24;

const MAXIMUM_OUTPUT = 2 ** 31 - 1;

/**
 * Bernoulli(exp(−a/b)) for integers 0 ≤ a ≤ b (Algorithm 1 of the paper).
 *
 * Divergence: the paper draws Bernoulli(a/(bk)) at once; here it is the conjunction of Bernoulli(1/k) and
 * Bernoulli(a/b), which has the same probability and keeps b·k from overflowing.
 */
function bernoulliExp(random: UniformRandom, a: number, b: number): boolean {
  let k = 1;
  while ((k === 1 || random.uniformInt(k) === 0) && random.uniformInt(b) < a) k++;
  return (k & 1) === 1;
}

/** Whether all of `times` trials succeed; stops at the first that does not. */
function allSucceed(times: number, trial: () => boolean): boolean {
  for (let i = 0; i < times; i++) if (!trial()) return false;
  return true;
}

/**
 * Accepts |Y| = u + vσ with probability exp(−(|Y| − σ)²/2σ²).
 *
 * For v ≥ 1, with w = v − 1, the exponent splits into w²/2 + wu/σ + u²/2σ²: the numerators stay bounded
 * however far out |Y| lies.
 */
function accepts(random: UniformRandom, sigma: number, u: number, v: number): boolean {
  const twiceVariance = 2 * sigma * sigma;
  if (v === 0) return bernoulliExp(random, (sigma - u) * (sigma - u), twiceVariance);
  const w = v - 1;
  if (w > 0) {
    const halves = w * w;
    if (halves % 2 === 1 && !bernoulliExp(random, 1, 2)) return false;
    if (!allSucceed(Math.floor(halves / 2), () => bernoulliExp(random, 1, 1))) return false;
    if (!allSucceed(w, () => bernoulliExp(random, u, sigma))) return false;
  }
  return bernoulliExp(random, u * u, twiceVariance);
}

function sampleOne(random: UniformRandom, sigma: number): number {
  for (;;) {
    // Discrete Laplace of scale σ (Algorithm 2): |Y| = u + vσ.
    const u = random.uniformInt(sigma);
    if (!bernoulliExp(random, u, sigma)) continue;
    let v = 0;
    while (bernoulliExp(random, 1, 1)) v++;
    const negative = random.uniformInt(2) === 1;
    const magnitude = u + v * sigma;
    if (negative && magnitude === 0) continue;
    if (accepts(random, sigma, u, v)) return negative ? -magnitude : magnitude;
  }
}

/**
 * Independent samples of the discrete Gaussian N_ℤ(0, σ²), Pr[x] ∝ exp(−x²/2σ²).
 *
 * The running time of a sample depends on the coins that were rejected, not on any input.
 *
 * @param options.sigma Integer deviation, 1 ≤ σ ≤ 2^24.
 * @param options.length Number of samples.
 * @returns `length` signed integers.
 * @throws PrivacyRangeError on a σ that is not an integer or would overflow exact arithmetic.
 */
export function sampleDiscreteGaussian(options: {
  readonly sigma: number;
  readonly length: number;
  readonly random: RandomBytes;
}): Int32Array {
  const { sigma, length } = options;
  demandInteger(sigma, { field: "sigma", from: 1, to: MAXIMUM_DEVIATION });
  demandInteger(length, { field: "length", from: 0, to: 2 ** 31 });
  const random = uniformRandom(options.random);
  const samples = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const sample = sampleOne(random, sigma);
    // Beyond 127 deviations: probability under e^−8000, and never to be wrapped silently.
    if (Math.abs(sample) > MAXIMUM_OUTPUT) throw new RangeError("discrete Gaussian sample exceeds 32 bits");
    samples[i] = sample;
  }
  return samples;
}
