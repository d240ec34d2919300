import { describe, expect, it } from "vitest";
import { exponentialBounds, isBelowExactly, isBelowExponential } from "./exponential-comparison.ts";
import { AesCtrRandom, UniformRandom } from "./random.ts";

/** Replays words, then fails: a comparison may draw no more than it needs. */
function words(...values: readonly number[]): UniformRandom {
  const left = values.slice();
  const random = new UniformRandom({ fill: (out) => out.fill(0) });
  random.uint32 = () => {
    const next = left.shift();
    if (next === undefined) throw new Error("drew too many words");
    return next;
  };
  return random;
}

/** ⌊2^bits·e^(−1/2)⌋ from e^(1/2) = Σ 2^−k/k!, summed as fractions of a common denominator. */
function rootOfInverseE(bits: bigint): bigint {
  let denominator = 1n;
  let sum = 1n;
  for (let k = 1n; k < 60n; k++) {
    sum = sum * 2n * k + 1n;
    denominator *= 2n * k;
  }
  return (denominator << bits) / sum;
}

describe("exponentialBounds", () => {
  it.each([
    [0n, 1n],
    [1n, 2n],
    [1n, 1n],
    [123n, 1000n],
    [99n, 7n],
    [3_000_001n, 40_000n],
    [700n, 1n],
  ])("encloses e^(−%d/%d) tightly", (a, b) => {
    const coarse = exponentialBounds(a, b, 64n);
    const fine = exponentialBounds(a, b, 512n);
    expect(coarse.most - coarse.least).toBeLessThanOrEqual(3n);
    expect(fine.most - fine.least).toBeLessThanOrEqual(3n);
    expect(coarse.least << 448n <= fine.most && fine.least <= coarse.most << 448n).toBe(true);
    const exact = Math.exp(-Number(a) / Number(b));
    expect(Math.abs(Number(coarse.least) / 2 ** 64 - exact)).toBeLessThan(1e-14 * exact + 2 ** -62);
  });

  it("has the digits of e^(−1/2)", () => {
    const { least, most } = exponentialBounds(1n, 2n, 200n);
    const expected = rootOfInverseE(200n);
    expect(least <= expected && expected <= most).toBe(true);
  });
});

describe("isBelowExponential", () => {
  // V < e^(−1/2): x = σ, one rectangle of height 1.
  const half = { whole: 0, numerator: 1, denominator: 1, doublings: 0, x: 3, sigma: 3 };
  const digits = rootOfInverseE(96n);
  const word = (i: bigint) => Number((digits >> (64n - 32n * i)) & 0xffffffffn);

  it("decides from 32 bits where they decide, without drawing more", () => {
    expect(isBelowExponential({ ...half, bits: word(0n) - 2000 }, words())).toBe(true);
    expect(isBelowExponential({ ...half, bits: word(0n) + 2000 }, words())).toBe(false);
    expect(isBelowExactly({ ...half, bits: word(0n) - 1 }, words())).toBe(true);
    expect(isBelowExactly({ ...half, bits: word(0n) + 1 }, words())).toBe(false);
  });

  it.each([isBelowExponential, isBelowExactly])("reads on while the digits agree: %o", (compare) => {
    const at = (...more: number[]) => compare({ ...half, bits: word(0n) }, words(...more));
    expect(at(word(1n) - 1)).toBe(true);
    expect(at(word(1n) + 1)).toBe(false);
    expect(at(word(1n), word(2n) - 1)).toBe(true);
    expect(at(word(1n), word(2n) + 1)).toBe(false);
    expect(() => at(word(1n))).toThrow(/too many/);
  });

  it("agrees with integer arithmetic wherever floating point answers", () => {
    const random = new AesCtrRandom(new Uint8Array(32).fill(6));
    for (let i = 0; i < 3000; i++) {
      const sigma = 1 + random.uniformInt(2 ** (1 + random.uniformInt(24)));
      const x = random.uniformInt(6 * sigma);
      const denominator = 1 + random.uniformInt(10_000);
      const doublings = random.uniformInt(3) === 0 ? random.uniformInt(9) : 0;
      const curve = Math.exp(-((x / sigma) ** 2) / 2) * denominator * 2 ** doublings;
      if (curve > 2 ** 14) continue;
      const near = Math.max(0, Math.floor(curve) - random.uniformInt(2));
      const bits = random.uint32();
      const comparison = { whole: near, bits, numerator: 1, denominator, doublings, x, sigma };
      expect(isBelowExponential(comparison, random)).toBe(isBelowExactly(comparison, random));
    }
  });

  it("takes numerators and heights as given", () => {
    // V·5/2^7 < e^(−2): V < .1353 · 25.6.
    const tail = { whole: 0, numerator: 5, denominator: 16, doublings: 3, x: 20, sigma: 10 };
    for (const bits of [0, 2 ** 31, 2 ** 32 - 1]) {
      const expected = ((bits / 2 ** 32) * 5) / 128 < Math.exp(-2);
      expect(isBelowExactly({ ...tail, bits }, words())).toBe(expected);
      expect(isBelowExactly({ ...tail, x: 35, bits }, words())).toBe(
        ((bits / 2 ** 32) * 5) / 128 < Math.exp(-6.125),
      );
    }
    // Height 0 begins below e^0, height 1 does not.
    expect(isBelowExactly({ ...half, x: 0, bits: 2 ** 32 - 1 }, words())).toBe(true);
    expect(isBelowExactly({ ...half, x: 0, whole: 1, bits: 0 }, words())).toBe(false);
  });
});
