import { describe, expect, it } from "vitest";
import { sampleDiscreteGaussian } from "./discrete-gaussian.ts";
import { AesCtrRandom } from "./random.ts";

const generator = (label: number) => new AesCtrRandom(new Uint8Array(32).fill(label));

/**
 * The readable twin: Canonne, Kamath, Steinke 2020, Algorithms 1 to 3 as written, with integer σ and Laplace scale σ.
 */
function readableSampler(random: AesCtrRandom, sigma: number): number {
  const bernoulliExp = (a: number, b: number): boolean => {
    if (a > b) return bernoulliExp(1, 1) && bernoulliExp(a - b, b);
    let k = 1;
    while (random.uniformInt(b * k) < a) k++;
    return k % 2 === 1;
  };
  for (;;) {
    const u = random.uniformInt(sigma);
    if (!bernoulliExp(u, sigma)) continue;
    let v = 0;
    while (bernoulliExp(1, 1)) v++;
    const negative = random.uniformInt(2) === 1;
    const magnitude = u + v * sigma;
    if (negative && magnitude === 0) continue;
    if (bernoulliExp((magnitude - sigma) ** 2, 2 * sigma * sigma)) return negative ? -magnitude : magnitude;
  }
}

/** Pr[x] ∝ exp(−x²/2σ²) on |x| ≤ 12σ + 12, beyond which less than 1e−30 lies. */
function exactPmf(sigma: number): { support: number; pmf: (x: number) => number } {
  const support = Math.ceil(12 * sigma) + 12;
  const weight = (x: number) => Math.exp((-x * x) / (2 * sigma * sigma));
  let total = 0;
  for (let x = -support; x <= support; x++) total += weight(x);
  return { support, pmf: (x) => weight(x) / total };
}

/**
 * Pearson's statistic over cells of at least `least` expected samples, as a standard normal deviate
 * (Wilson and Hilferty 1931).
 */
function chiSquareDeviate(samples: Int32Array, sigma: number, least = 50): number {
  const { support, pmf } = exactPmf(sigma);
  const counts = new Map<number, number>();
  for (const sample of samples) counts.set(sample, (counts.get(sample) ?? 0) + 1);
  let chi2 = 0;
  let cells = 0;
  let expected = 0;
  let observed = 0;
  let seen = 0;
  let mass = 0;
  for (let x = -support; x <= support; x++) {
    expected += samples.length * pmf(x);
    observed += counts.get(x) ?? 0;
    const rest = samples.length * (1 - mass) - expected;
    if (expected < least || (rest < least && x < support)) continue;
    chi2 += (observed - expected) ** 2 / expected;
    cells++;
    mass += expected / samples.length;
    seen += observed;
    expected = 0;
    observed = 0;
  }
  expect(seen).toBe(samples.length);
  const freedom = cells - 1;
  return (Math.cbrt(chi2 / freedom) - (1 - 2 / (9 * freedom))) / Math.sqrt(2 / (9 * freedom));
}

const LENGTH = 200_000;

/** Second moment over σ², as a standard normal deviate. */
function varianceDeviate(samples: Int32Array, sigma: number): number {
  const moment = samples.reduce((sum, x) => sum + (x / sigma) ** 2, 0) / samples.length;
  return (moment - 1) * Math.sqrt(samples.length / 2);
}

describe("sampleDiscreteGaussian", () => {
  it.each([1, 2, 3, 5, 16, 31, 32, 40, 77, 1000])("has the exact distribution at σ = %d", (sigma) => {
    const samples = sampleDiscreteGaussian({ sigma, length: LENGTH, random: generator(sigma % 251) });
    expect(Math.abs(chiSquareDeviate(samples, sigma))).toBeLessThan(4);
  });

  it("passes the test that its readable twin passes", () => {
    const random = generator(40);
    const samples = Int32Array.from({ length: 50_000 }, () => readableSampler(random, 40));
    expect(Math.abs(chiSquareDeviate(samples, 40))).toBeLessThan(4);
    expect(Math.abs(varianceDeviate(samples, 40))).toBeLessThan(4);
  });

  it.each([100, 1000])("would be caught if the deviation were off by 1 %%, σ = %d", (sigma) => {
    const length = 600_000;
    const drawn = (actual: number) =>
      sampleDiscreteGaussian({ sigma: actual, length, random: generator(actual % 251) });
    const tests = (samples: Int32Array) => [
      chiSquareDeviate(samples, sigma, length / 64),
      varianceDeviate(samples, sigma),
    ];
    // Some sixty cells; over cells of few integers the test would spread its power.
    for (const deviate of tests(drawn(sigma))) expect(Math.abs(deviate)).toBeLessThan(4);
    for (const wrong of [1.01 * sigma, 0.99 * sigma])
      for (const deviate of tests(drawn(wrong))) expect(Math.abs(deviate)).toBeGreaterThan(6);
  });

  it("has the tail beyond four deviations, where other rectangles rule", () => {
    const sigma = 50;
    const length = 3_000_000;
    const samples = sampleDiscreteGaussian({ sigma, length, random: generator(11) });
    const { support, pmf } = exactPmf(sigma);
    for (const from of [4 * sigma, 4.5 * sigma]) {
      let mass = 0;
      for (let x = from; x <= support; x++) mass += 2 * pmf(x);
      const found = samples.reduce((count, x) => count + (Math.abs(x) >= from ? 1 : 0), 0);
      expect(Math.abs(found - length * mass)).toBeLessThan(4 * Math.sqrt(length * mass));
    }
  });

  it.each([1, 3, 100, 8738, 2 ** 18, 2 ** 24])("has the moments of N(0, σ²) at σ = %d", (sigma) => {
    const samples = sampleDiscreteGaussian({ sigma, length: LENGTH, random: generator(9) });
    const moment = (power: number) => samples.reduce((sum, x) => sum + (x / sigma) ** power, 0) / LENGTH;
    const root = Math.sqrt(LENGTH);
    // Deviations of the sample moments of a standard normal: 1, √2, √15, √96.
    expect(Math.abs(moment(1)) * root).toBeLessThan(4);
    expect(Math.abs(moment(2) - 1) * root).toBeLessThan(4 * Math.SQRT2);
    expect(Math.abs(moment(3)) * root).toBeLessThan(4 * Math.sqrt(15));
    expect(Math.abs(moment(4) - 3) * root).toBeLessThan(4 * Math.sqrt(96));
  });

  it("gives independent neighbours", () => {
    const samples = sampleDiscreteGaussian({ sigma: 10, length: LENGTH, random: generator(3) });
    let product = 0;
    for (let i = 1; i < LENGTH; i++) product += (samples[i]! * samples[i - 1]!) / 100;
    expect(Math.abs(product) / Math.sqrt(LENGTH)).toBeLessThan(4);
  });

  it("is a function of the seed, whichever cipher runs it", () => {
    const fast = sampleDiscreteGaussian({ sigma: 77, length: 3000, random: generator(5) });
    const random = new AesCtrRandom(new Uint8Array(32).fill(5));
    expect(sampleDiscreteGaussian({ sigma: 77, length: 3000, random })).toEqual(fast);
  });

  it("accepts a plain source of bytes and an empty request", () => {
    const source = generator(5);
    const plain = { fill: (out: Uint8Array) => source.fill(out) };
    const expected = sampleDiscreteGaussian({ sigma: 77, length: 100, random: generator(5) });
    expect(sampleDiscreteGaussian({ sigma: 77, length: 100, random: plain })).toEqual(expected);
    expect(sampleDiscreteGaussian({ sigma: 1, length: 0, random: plain })).toHaveLength(0);
  });

  it.each([0, -1, 1.5, 2 ** 24 + 1, Number.NaN, Infinity])("refuses σ = %d", (sigma) => {
    expect(() => sampleDiscreteGaussian({ sigma, length: 1, random: generator(1) })).toThrow(
      /sigma: must be an integer from 1 to 16777216/,
    );
  });
});
