import { describe, expect, it } from "vitest";
import { l2Norm } from "./clip.ts";
import {
  centredLift,
  conditionalRound,
  integerL1Bound,
  ROUNDING_BETA,
  roundedSensitivity,
  squaredNorm,
  toModulus,
} from "./quantise.ts";
import { AesCtrRandom } from "./random.ts";

const generator = (label: number) => new AesCtrRandom(new Uint8Array(32).fill(label));

/** A vector of length `dimension` and exactly this L2 norm, in a random direction. */
function vectorOf(dimension: number, norm: number): Float64Array {
  const random = generator(dimension % 256);
  const vector = Float64Array.from({ length: dimension }, () => random.uniform() - 0.5);
  const factor = norm / l2Norm(vector);
  return vector.map((x) => x * factor);
}

describe("roundedSensitivity", () => {
  it("row 23: meets the published norm bound", () => {
    const { l2, l1 } = roundedSensitivity({ scaledNorm: 100, dimension: 1024, beta: Math.exp(-0.5) });
    expect(l2).toBeCloseTo(101.8430165, 7);
    expect(l1).toBeCloseTo(32 * l2, 10);
    expect(integerL1Bound(100, 1024)).toBe(3200);
  });

  it("is never above c + √d, and Δ₁ never above Δ₂² (integers)", () => {
    const { l2, l1 } = roundedSensitivity({ scaledNorm: 3, dimension: 1, beta: 1e-9 });
    expect(l2).toBe(4);
    expect(l1).toBe(4);
    expect(integerL1Bound(3, 1024)).toBe(9);
  });

  it("refuses a norm, dimension or β out of range", () => {
    const good = { scaledNorm: 1, dimension: 4, beta: 0.5 };
    expect(() => roundedSensitivity({ ...good, scaledNorm: 0 })).toThrow(/scaledNorm/);
    expect(() => roundedSensitivity({ ...good, dimension: 1.5 })).toThrow(/dimension/);
    expect(() => roundedSensitivity({ ...good, beta: 1 })).toThrow(/beta/);
  });
});

describe("squaredNorm", () => {
  it("is exact where a double is not", () => {
    expect(squaredNorm(Int32Array.of(3, -4))).toBe(25n);
    expect(squaredNorm(new Int32Array(0))).toBe(0n);
    const extremes = Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 2 ** 26, -(2 ** 26), 2 ** 26 - 1, 1);
    expect(squaredNorm(extremes)).toBe(Array.from(extremes, (x) => BigInt(x) ** 2n).reduce((a, b) => a + b));
    const many = Int32Array.from({ length: 5000 }, (_, i) => (i % 2 ? 1 : -1) * (2 ** 26 - 1 - i));
    expect(squaredNorm(many)).toBe(Array.from(many, (x) => BigInt(x) ** 2n).reduce((a, b) => a + b));
  });
});

describe("conditionalRound", () => {
  it("rounds to a neighbour, within the bound, and without bias", () => {
    const dimension = 64;
    const scale = 20;
    const vector = vectorOf(dimension, 1);
    const bound = roundedSensitivity({ scaledNorm: scale, dimension, beta: ROUNDING_BETA }).l2;
    const random = generator(2);
    const sum = new Float64Array(dimension);
    const times = 4000;
    let worst = 0;
    for (let t = 0; t < times; t++) {
      const rounded = conditionalRound({ vector, scale, bound, random });
      expect(Number(squaredNorm(rounded))).toBeLessThanOrEqual(bound * bound);
      for (const [i, x] of rounded.entries()) {
        worst = Math.max(worst, Math.abs(x - vector[i]! * scale));
        sum[i]! += x / times;
      }
    }
    expect(worst).toBeLessThan(1);
    // The deviation of one rounding is at most 1/2; conditioning on the norm leaves almost no bias.
    for (const [i, mean] of sum.entries()) {
      expect(Math.abs(mean - vector[i]! * scale)).toBeLessThan((5 * 0.5) / Math.sqrt(times));
    }
  });

  it("repeats until the norm holds: a tight bound leaves only the short roundings", () => {
    const vector = new Float64Array(16).fill(0.5);
    const random = generator(3);
    const norms = new Set<bigint>();
    for (let t = 0; t < 50; t++) {
      norms.add(squaredNorm(conditionalRound({ vector, scale: 1, bound: Math.sqrt(6), random })));
    }
    expect([...norms].every((norm) => norm <= 6n)).toBe(true);
    expect(norms.has(6n) || norms.has(5n)).toBe(true);
  });

  it("compares exactly at the boundary", () => {
    const ask = (bound: number) =>
      conditionalRound({ vector: [3, 4], scale: 2 ** 20, bound, random: generator(4) });
    expect(ask(5 * 2 ** 20)).toEqual(Int32Array.of(3 * 2 ** 20, 4 * 2 ** 20));
    expect(() => ask(5 * 2 ** 20 - 2 ** -30)).toThrow(/no rounding has an L2 norm of at most/);
  });

  it("gives up on a vector that was not clipped", () => {
    const attempt = (norm: number) =>
      conditionalRound({ vector: vectorOf(64, norm), scale: 100, bound: 105, random: generator(5) });
    expect(() => attempt(1.2)).toThrow(RangeError); // beyond any rounding
    expect(() => attempt(1.1)).toThrow(/clip the vector/); // tried, and never short enough
    expect(attempt(1)).toHaveLength(64);
  });

  it("refuses a coordinate beyond 32 bits, values that are not finite, and a bad scale", () => {
    const ask = (value: number, scale: number) =>
      conditionalRound({ vector: [value], scale, bound: 1e300, random: generator(6) });
    expect(() => ask(1, 2 ** 31)).toThrow(/must fit 32 bits/);
    expect(() => ask(Number.NaN, 1)).toThrow(/finite/);
    expect(() => ask(1, 0)).toThrow(/scale/);
    expect(() => ask(1, Infinity)).toThrow(/scale/);
  });
});

describe("toModulus and centredLift", () => {
  it.each([1, 8, 20, 31, 32])("are inverse within [−2^(b−1), 2^(b−1)) for b = %d", (bits) => {
    const half = 2 ** (bits - 1);
    const values = Int32Array.from([-half, -half + 1, -1, 0, half - 1].filter((x) => x >= -half && x < half));
    const residues = toModulus(values, bits);
    expect(residues.every((x) => x < 2 ** bits)).toBe(true);
    expect(residues[0]).toBe(half);
    expect(centredLift(residues, bits)).toEqual(values);
  });

  it("respects addition modulo 2^b", () => {
    const a = Int32Array.of(500_000, -500_000, 7);
    const b = Int32Array.of(-499_990, 499_000, -8);
    const [ra, rb] = [toModulus(a, 20), toModulus(b, 20)];
    const sum = ra.map((x, i) => (x + rb[i]!) % 2 ** 20);
    expect(centredLift(sum, 20)).toEqual(Int32Array.of(10, -1000, -1));
  });

  it("refuses residues beyond the modulus and moduli beyond 32 bits", () => {
    expect(() => centredLift(Uint32Array.of(0, 256), 8)).toThrow(/sum\[1\]: must be below 2\^8, got 256/);
    expect(() => toModulus(new Int32Array(1), 33)).toThrow(/bits/);
    expect(() => centredLift(new Uint32Array(1), 0)).toThrow(/bits/);
  });
});
