import { describe, expect, it } from "vitest";
import { sampleDiscreteGaussian } from "./discrete-gaussian.ts";
import { AesCtrRandom } from "./random.ts";

const generator = (label: number) => new AesCtrRandom(new Uint8Array(32).fill(label));

/** Pr[x] ∝ exp(−x²/2σ²) on |x| ≤ 12σ + 12, beyond which less than 1e−30 lies. */
function exactPmf(sigma: number): { support: number; pmf: (x: number) => number } {
  const support = Math.ceil(12 * sigma) + 12;
  const weight = (x: number) => Math.exp((-x * x) / (2 * sigma * sigma));
  let total = 0;
  for (let x = -support; x <= support; x++) total += weight(x);
  return { support, pmf: (x) => weight(x) / total };
}

/**
 * Pearson's statistic over cells of at least 50 expected samples, as a standard normal deviate
 * (Wilson and Hilferty 1931).
 */
function chiSquareDeviate(samples: Int32Array, sigma: number): number {
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
    if (expected < 50 || (rest < 50 && x < support)) continue;
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

describe("sampleDiscreteGaussian", () => {
  it.each([1, 2, 5, 40, 1000])("has the exact distribution at σ = %d", (sigma) => {
    const samples = sampleDiscreteGaussian({ sigma, length: LENGTH, random: generator(sigma % 251) });
    expect(Math.abs(chiSquareDeviate(samples, sigma))).toBeLessThan(4);
  });

  it("would be caught by this test if σ were off by 4 %", () => {
    const samples = sampleDiscreteGaussian({ sigma: 25, length: LENGTH, random: generator(25) });
    expect(chiSquareDeviate(samples, 25)).toBeLessThan(4);
    expect(chiSquareDeviate(samples, 26)).toBeGreaterThan(8);
    expect(chiSquareDeviate(samples, 24)).toBeGreaterThan(8);
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
