import fc from "fast-check";
import { describe, expect, it } from "vitest";
import vectors from "../test/vectors/metrics.json" with { type: "json" };
import {
  adjustedMutualInformation,
  adjustedRandIndex,
  fowlkesMallowsIndex,
  purity,
  vMeasure,
} from "./agreement.ts";

describe(`agreement of labellings (${vectors.generator})`, () => {
  it.each(vectors.cases)("$name", ({ a, b, ...expected }) => {
    expect(adjustedRandIndex(a, b)).toBeCloseTo(expected.ari, 12);
    expect(adjustedMutualInformation(a, b)).toBeCloseTo(expected.ami, 10);
    expect(fowlkesMallowsIndex(a, b)).toBeCloseTo(expected.fmi, 12);
    expect(purity(a, b)).toBeCloseTo(expected.purity, 12);
    const measured = vMeasure(a, b);
    expect(measured.homogeneity).toBeCloseTo(expected.homogeneity, 10);
    expect(measured.completeness).toBeCloseTo(expected.completeness, 10);
    expect(measured.vMeasure).toBeCloseTo(expected.vMeasure, 10);
  });

  it("is symmetric, at most 1, and blind to the names of the labels", () => {
    const labels = fc.array(fc.tuple(fc.nat(4), fc.nat(6)), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(labels, (both) => {
        const a = both.map(([label]) => label);
        const b = both.map(([, label]) => label);
        const renamed = b.map((label) => 100 - 7 * label);
        for (const measure of [adjustedRandIndex, adjustedMutualInformation]) {
          const value = measure(a, b);
          expect(value).toBeLessThanOrEqual(1 + 1e-9);
          expect(measure(b, a)).toBeCloseTo(value, 9);
          expect(measure(a, renamed)).toBeCloseTo(value, 9);
          expect(measure(a, a)).toBeCloseTo(1, 9);
        }
      }),
    );
  });

  it("refuses labellings of different or no points", () => {
    expect(() => adjustedRandIndex([1, 2], [1])).toThrow("2 labels do not fit 1 labels");
    for (const measure of [adjustedMutualInformation, fowlkesMallowsIndex, purity, vMeasure]) {
      expect(() => measure([], [])).toThrow("no labels");
      expect(() => measure([1], [1, 2])).toThrow(RangeError);
    }
  });
});
