import { describe, expect, it } from "vitest";
import { logAdd, logBinomials, logErfc, logSubtract } from "./log-space.ts";

describe("logErfc", () => {
  // Abramowitz and Stegun, tables 7.1 and 7.3, and 50-digit arithmetic.
  it.each([
    [0, 1],
    [0.5, 0.4795001221869535],
    [1, 0.15729920705028513],
    [2, 0.004677734981047266],
    [3, 2.209049699858544e-5],
    [5, 1.5374597944280349e-12],
    [10, 2.088487583762545e-45],
    [-1, 1.8427007929497148],
    [-3, 1.9999779095030015],
  ])("erfc(%d) = %d", (x, expected) => {
    expect(Math.exp(logErfc(x)) / expected).toBeCloseTo(1, 12);
  });

  it("is continuous where series and continued fraction meet, and goes on where erfc underflows", () => {
    const slope = (-2 / Math.sqrt(Math.PI)) * Math.exp(-4 - logErfc(2));
    expect((logErfc(2) - logErfc(2 - 1e-7)) / 1e-7).toBeCloseTo(slope, 4);
    // erfc(x) ≈ e^(−x²)/(x√π)·(1 − 1/2x²)
    expect(logErfc(100)).toBeCloseTo(-1e4 - Math.log(100 * Math.sqrt(Math.PI)) + Math.log1p(-1 / 2e4), 7);
  });
});

describe("logAdd, logSubtract and logBinomials", () => {
  it("adds and subtracts far beyond the range of exp", () => {
    expect(logAdd(1000, 1000)).toBeCloseTo(1000 + Math.LN2, 12);
    expect(logAdd(-Infinity, -Infinity)).toBe(-Infinity);
    expect(logAdd(-Infinity, 3)).toBe(3);
    expect(logSubtract(1000 + Math.LN2, 1000)).toBeCloseTo(1000, 10);
    expect(logSubtract(5, 5)).toBe(-Infinity);
    expect(logSubtract(5, -Infinity)).toBe(5);
  });

  it("gives Pascal's triangle", () => {
    const row = Array.from(logBinomials(6), (x) => Math.round(Math.exp(x)));
    expect(row).toEqual([1, 6, 15, 20, 15, 6, 1]);
    expect(logBinomials(1000)[500]).toBeCloseTo(689.4672615678, 8);
  });
});
