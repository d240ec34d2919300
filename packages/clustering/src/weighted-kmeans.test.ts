import { describe, expect, it } from "vitest";
import { testPopulation } from "../test/population.ts";
import { adjustedRandIndex } from "./agreement.ts";
import { matrixFromRows } from "./matrix.ts";
import { chooseClusters, weightedKMeans } from "./weighted-kmeans.ts";

/** 120 points in 6 separate clusters, with weights. */
function separate() {
  const { people, labels } = testPopulation({
    users: 120,
    items: 1,
    clusters: 6,
    groups: 6,
    dimension: 12,
    spread: { clusters: 0, people: 0.4 },
    seed: 4,
  });
  const weights = Float64Array.from({ length: 120 }, (_, i) => 1 + (i % 7));
  return { data: { points: people, weights }, labels };
}

describe("weighted k-means", () => {
  it("finds separate clusters, the same each time", () => {
    const { data, labels } = separate();
    const found = weightedKMeans(data, { clusters: 6, seed: 1 });
    expect(adjustedRandIndex(found.assignments, labels)).toBe(1);
    expect(weightedKMeans(data, { clusters: 6, seed: 1 })).toEqual(found);
    // More clusters can only come nearer.
    expect(weightedKMeans(data, { clusters: 9, seed: 1 }).meanSimilarity).toBeGreaterThan(
      found.meanSimilarity,
    );
  });

  it("is drawn by the weights", () => {
    const points = matrixFromRows([
      [1, 0],
      [0, 1],
    ]);
    const { centroids } = weightedKMeans(
      { points, weights: Float64Array.of(3, 1) },
      { clusters: 1, seed: 0 },
    );
    expect(centroids.data[0]! / centroids.data[1]!).toBeCloseTo(3, 5);
  });

  it("takes points that coincide, even for more clusters than directions", () => {
    const points = matrixFromRows([
      [1, 0],
      [1, 0],
      [0, 1],
    ]);
    const data = { points, weights: Float64Array.of(1, 1, 1) };
    expect(weightedKMeans(data, { clusters: 3, seed: 0 }).meanSimilarity).toBeCloseTo(1, 6);
    expect(() => weightedKMeans(data, { clusters: 4, seed: 0 })).toThrow("no cut into 4 clusters");
  });
});

describe("the choice of k", () => {
  it.each(["silhouette", "gap"] as const)("finds the planted number by the %s", (criterion) => {
    const { data } = separate();
    const choice = chooseClusters(data, { minimum: 2, maximum: 12, criterion, seed: 2 });
    expect(choice.clusters).toBe(6);
    expect(choice.curve.map(({ clusters }) => clusters)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(chooseClusters(data, { minimum: 2, maximum: 12, criterion, seed: 2 })).toEqual(choice);
  });

  it("goes no further than there are points, and refuses an empty range", () => {
    const { data } = separate();
    const few = {
      points: { ...data.points, rows: 4, data: data.points.data.slice(0, 4 * 12) },
      weights: Float64Array.of(1, 1, 1, 1),
    };
    const options = { criterion: "silhouette", seed: 1 } as const;
    expect(chooseClusters(few, { ...options, minimum: 2, maximum: 99 }).curve).toHaveLength(3);
    expect(() => chooseClusters(few, { ...options, minimum: 5, maximum: 9 })).toThrow("cannot be split");
    expect(() => chooseClusters(few, { ...options, minimum: 1, maximum: 3 })).toThrow(RangeError);
  });
});
