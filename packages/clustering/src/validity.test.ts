import { describe, expect, it } from "vitest";
import json from "../test/vectors/validity.json" with { type: "json" };
import type { Metric } from "./geometry.ts";
import { matrixFromRows } from "./matrix.ts";
import {
  calinskiHarabasz,
  daviesBouldin,
  silhouettes,
  simplifiedSilhouettes,
  withinClusterSpread,
} from "./validity.ts";

interface PerMetric {
  readonly silhouettes: number[];
  readonly simplified: number[];
  readonly distances: number[];
  readonly variances: number[];
  readonly distance: number;
  readonly variance: number;
}

interface Case extends Readonly<Record<Metric, PerMetric>> {
  readonly name: string;
  readonly points: number[][];
  readonly labels: number[];
  readonly daviesBouldin: number;
  readonly calinskiHarabasz: number;
}

const vectors = json as unknown as { readonly generator: string; readonly cases: readonly Case[] };

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(actual[i]).toBeCloseTo(value, 10);
  });
}

describe(`internal metrics (${vectors.generator})`, () => {
  describe.each(vectors.cases)("$name", (vector) => {
    const points = matrixFromRows(vector.points);
    const { labels } = vector;

    it.each(["cosine", "euclidean"] as const)("silhouettes and spread, %s", (metric) => {
      const expected = vector[metric];
      expectClose(silhouettes(points, labels, metric), expected.silhouettes);
      expectClose(simplifiedSilhouettes(points, labels, metric), expected.simplified);
      const spread = withinClusterSpread(points, labels, metric);
      expectClose(
        spread.clusters.map(({ distance }) => distance),
        expected.distances,
      );
      expectClose(
        spread.clusters.map(({ variance }) => variance),
        expected.variances,
      );
      expectClose([spread.overall.distance, spread.overall.variance], [expected.distance, expected.variance]);
    });

    it("Davies–Bouldin and Caliński–Harabasz", () => {
      expect(daviesBouldin(points, labels)).toBeCloseTo(vector.daviesBouldin, 9);
      expect(calinskiHarabasz(points, labels) / vector.calinskiHarabasz).toBeCloseTo(1, 9);
    });
  });

  const square = matrixFromRows([
    [0, 1],
    [1, 0],
    [1, 1],
    [0, 2],
  ]);
  const metrics = {
    silhouettes: (labels: number[], points = square) => silhouettes(points, labels, "cosine"),
    simplifiedSilhouettes: (labels: number[], points = square) =>
      simplifiedSilhouettes(points, labels, "euclidean"),
    daviesBouldin: (labels: number[], points = square) => daviesBouldin(points, labels),
    calinskiHarabasz: (labels: number[], points = square) => calinskiHarabasz(points, labels),
  };

  it.each(Object.entries(metrics))("%s refuses what it cannot compare", (_, measure) => {
    expect(() => measure([3, 3, 3, 3])).toThrow("4 points in 1 clusters: 2 to 3 clusters can be compared");
    expect(() => measure([0, 1, 2, 3])).toThrow("4 points in 4 clusters");
    expect(() => measure([0, 1, 1])).toThrow("3 labels do not fit 4 points");
    expect(() => measure([0, 1, 1, 0.5])).toThrow("whole number, not 0.5");
    expect(() => measure([], { rows: 0, columns: 2, data: new Float32Array() })).toThrow("no points");
    const broken = { ...square, data: Float32Array.of(0, 1, 1, 0, 1, Number.NaN, 0, 2) };
    expect(() => measure([0, 0, 1, 1], broken)).toThrow("Component 1 of a vector is not finite");
    expect(() => measure([0, 0, 1, 1], { ...square, data: new Float32Array(7) })).toThrow("holds 7 values");
  });

  it("has the spread of a single cluster and of a single point", () => {
    const { clusters, overall } = withinClusterSpread(square, [5, 5, 5, 5], "euclidean");
    expect(clusters).toEqual([{ label: 5, ...overall }]);
    expect(overall.variance).toBeCloseTo((0.25 + 1.25 + 0.25 + 1.25) / 4, 12);
    expect(withinClusterSpread(matrixFromRows([[3, 4]]), [0], "cosine").overall).toEqual({
      size: 1,
      distance: expect.closeTo(0, 12),
      variance: expect.closeTo(0, 12),
    });
  });
});
