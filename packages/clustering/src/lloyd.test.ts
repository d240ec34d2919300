import { describe, expect, it } from "vitest";
import { adjustedRandIndex } from "./agreement.ts";
import { lloyd } from "./lloyd.ts";
import { type Matrix, matrixFromRows, normaliseRows, rowOf } from "./matrix.ts";
import { publicRandom } from "./random.ts";
import { seedCentroids } from "./seeding.ts";
import { centroidsFromAggregate, sufficientStatistics } from "./statistics.ts";

/** Points scattered about `groups` random directions, with the group of each. */
function scattered(options: { points: number; groups: number; d: number; spread: number; seed: number }): {
  points: Matrix;
  labels: number[];
} {
  const random = publicRandom(options.seed);
  const direction = () => Array.from({ length: options.d }, () => random() + random() + random() - 1.5);
  const centres = Array.from({ length: options.groups }, direction);
  const labels = Array.from({ length: options.points }, (_, i) => i % options.groups);
  const rows = labels.map((label) => {
    const noise = direction();
    return centres[label]!.map((value, i) => value + options.spread * noise[i]!);
  });
  return { points: normaliseRows(matrixFromRows(rows)), labels };
}

describe("spherical k-means", () => {
  it("finds separated groups from seeds of the same space", () => {
    const { points, labels } = scattered({ points: 600, groups: 6, d: 16, spread: 0.4, seed: 1 });
    const centroids = seedCentroids({ items: points, clusters: 6, seed: 5, iterations: 0 });
    const result = lloyd({ points, centroids, iterations: 50 });
    expect(adjustedRandIndex(labels, result.assignments)).toBeGreaterThan(0.95);
    expect(result.iterations).toBeLessThan(50);
  });

  it("never lowers the mean similarity", () => {
    const { points } = scattered({ points: 300, groups: 5, d: 8, spread: 1.5, seed: 2 });
    const start = seedCentroids({ items: points, clusters: 7, seed: 3, iterations: 0 });
    let before = -1;
    for (let iterations = 0; iterations < 8; iterations++) {
      const { meanSimilarity } = lloyd({ points, centroids: start, iterations });
      expect(meanSimilarity).toBeGreaterThanOrEqual(before - 1e-7);
      before = meanSimilarity;
    }
    expect(before).toBeGreaterThan(lloyd({ points, centroids: start, iterations: 0 }).meanSimilarity + 0.01);
  });

  it("treats a weight as a repetition", () => {
    const { points } = scattered({ points: 40, groups: 3, d: 5, spread: 1, seed: 8 });
    const weights = Array.from({ length: 40 }, (_, i) => i % 3);
    const repeated = matrixFromRows(
      weights.flatMap((weight, r) => Array.from({ length: weight }, () => rowOf(points, r))),
    );
    const centroids = seedCentroids({ items: points, clusters: 3, seed: 1, iterations: 0 });
    const a = lloyd({ points, centroids, iterations: 3, weights });
    const b = lloyd({ points: repeated, centroids, iterations: 3 });
    a.centroids.data.forEach((value, i) => {
      expect(value).toBeCloseTo(b.centroids.data[i]!, 6);
    });
    expect(a.meanSimilarity).toBeCloseTo(b.meanSimilarity, 9);
  });

  it("keeps the centroid of an empty cluster", () => {
    const centroids = matrixFromRows([
      [1, 0],
      [-1, 0],
    ]);
    const result = lloyd({ points: matrixFromRows([[3, 4]]), centroids, iterations: 5 });
    expect(Array.from(result.centroids.data)).toEqual([Math.fround(0.6), Math.fround(0.8), -1, 0]);
  });

  it("refuses malformed arguments", () => {
    const centroids = matrixFromRows([[1, 0]]);
    const points = matrixFromRows([[1, 1]]);
    expect(() => lloyd({ points: matrixFromRows([[1]]), centroids, iterations: 1 })).toThrow("dimension 1");
    expect(() => lloyd({ points, centroids, iterations: -1 })).toThrow("Iterations");
    expect(() => lloyd({ points, centroids, iterations: 1, weights: [1, 2] })).toThrow("2 weights");
    expect(() => lloyd({ points, centroids, iterations: 1, weights: [-1] })).toThrow("Weight 0");
  });
});

describe("federated against centralised", () => {
  it("moves the centroids to the same place, to 1e−6, iteration after iteration", () => {
    const { points } = scattered({ points: 500, groups: 8, d: 12, spread: 0.8, seed: 4 });
    const start = seedCentroids({ items: points, clusters: 8, seed: 9, iterations: 0 });
    let federated = start;
    for (let iteration = 1; iteration <= 6; iteration++) {
      const counts = new Float64Array(8);
      const sums = new Float64Array(8 * 12);
      for (let user = 0; user < points.rows; user++) {
        const one = sufficientStatistics(
          { rows: 1, columns: points.columns, data: rowOf(points, user) },
          federated,
        );
        one.counts.forEach((value, i) => {
          counts[i] = counts[i]! + value;
        });
        one.sums.forEach((value, i) => {
          sums[i] = sums[i]! + value;
        });
      }
      expect(counts.reduce((sum, count) => sum + count, 0)).toBeCloseTo(500, 9);
      federated = centroidsFromAggregate({ counts, sums, previous: federated, floor: 0 }).centroids;
      const centralised = lloyd({ points, centroids: start, iterations: iteration }).centroids;
      federated.data.forEach((value, i) => {
        expect(Math.abs(value - centralised.data[i]!)).toBeLessThan(1e-6);
      });
    }
    expect(federated.data).not.toEqual(start.data);
  });
});
