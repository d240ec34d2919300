import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matrixFromRows } from "./matrix.ts";
import { nearestItems, topIndices } from "./nearest.ts";

describe("top indices", () => {
  it("are those of a stable sort", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5, max: 5 })), fc.nat(12), (values, count) => {
        const sorted = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
        expect(topIndices(values, count)).toEqual(sorted.slice(0, count));
      }),
    );
  });
});

describe("nearest items", () => {
  it("are ranked by the cosine, for each centroid", () => {
    const units = matrixFromRows([
      [1, 0],
      [0.6, 0.8],
      [0, 1],
      [-1, 0],
    ]);
    const centroids = matrixFromRows([
      [1, 0],
      [0, 1],
    ]);
    expect(nearestItems(units, centroids, 2)).toEqual([
      [0, 1],
      [2, 1],
    ]);
    expect(nearestItems(units, centroids, 9)[0]).toEqual([0, 1, 2, 3]);
    expect(() => nearestItems(units, matrixFromRows([[1]]), 1)).toThrow("dimension 2");
  });
});
