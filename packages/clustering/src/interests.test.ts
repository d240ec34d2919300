import { describe, expect, it } from "vitest";
import { interestVectors } from "./interests.ts";
import { matrixFromRows, normaliseRows } from "./matrix.ts";
import { sufficientStatistics } from "./statistics.ts";

const items = matrixFromRows([
  [1, 0.1, 0],
  [0, 1, 0],
  [2, -0.2, 0],
  [0, 0, 0],
  [0, 3, 0.3],
  [1, 0, 0.1],
  [0, 0, 5],
]);

describe("several interests of a person", () => {
  it("are the groups of what they did, the heaviest first", () => {
    const { vectors, weights, members } = interestVectors(items, { maximum: 5 });
    expect(vectors.rows).toBe(3);
    expect(members).toEqual([[0, 2, 5], [1, 4], [6]]);
    expect(Array.from(weights)).toEqual([3 / 6, 2 / 6, 1 / 6]);
    expect(vectors.data[0]).toBeGreaterThan(0.99);
    expect(vectors.data[4]).toBeGreaterThan(0.98);
    expect(Array.from(vectors.data.slice(6))).toEqual([0, 0, 1]);
  });

  it("are no more than the maximum, and follow the weights", () => {
    const recency = [0, 1, 0.5, 9, 1, 0, 6];
    const { vectors, weights } = interestVectors(items, { maximum: 2, weights: recency });
    expect(Array.from(weights)).toEqual([6 / 8, 2 / 8]);
    expect(vectors.data[2]).toBe(1);
  });

  it("join at a larger distance", () => {
    expect(interestVectors(items, { maximum: 9, distance: 1.5 }).vectors.rows).toBe(1);
  });

  it("keep the contribution of one person at norm 1", () => {
    const centroids = normaliseRows(
      matrixFromRows([
        [1, 0, 0],
        [0, 1, 1],
      ]),
    );
    const { vectors, weights } = interestVectors(items, { maximum: 3 });
    const { counts, sums } = sufficientStatistics(vectors, centroids, weights);
    expect(Array.from(counts)).toEqual([expect.closeTo(0.5, 12), expect.closeTo(0.5, 12)]);
    expect(Math.hypot(...sums)).toBeLessThanOrEqual(1);
    expect(sums[0]).toBeCloseTo(0.5 * vectors.data[0]!, 6);
  });

  it("are none where nothing has a direction, and refuse what is malformed", () => {
    const nothing = interestVectors(matrixFromRows([[0, 0]]), { maximum: 3 });
    expect(nothing.vectors.rows).toBe(0);
    expect(nothing.weights).toHaveLength(0);
    expect(() => interestVectors(items, { maximum: 0 })).toThrow("number of interests");
    expect(() => interestVectors(items, { maximum: 1, distance: 0 })).toThrow("distance");
    expect(() => interestVectors(items, { maximum: 1, weights: [1] })).toThrow("1 weights do not fit");
    expect(() => interestVectors(items, { maximum: 1, weights: [1, 1, 1, -1, 1, 1, 1] })).toThrow("Weight 3");
  });
});
