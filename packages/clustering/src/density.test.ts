import { describe, expect, it } from "vitest";
import json from "../test/vectors/density.json" with { type: "json" };
import { coreDistances, dbscan, kneeRadius, OUTLIER } from "./density.ts";
import type { Metric } from "./geometry.ts";
import { matrixFromRows } from "./matrix.ts";

interface Case {
  readonly name: string;
  readonly metric: Metric;
  readonly points: number[][];
  readonly weights: number[];
  readonly minWeight: number;
  readonly coreDistances: (number | null)[];
  readonly knee: number;
  readonly radius: number;
  readonly labels: number[];
  readonly core: number[];
}

const vectors = json as unknown as { readonly generator: string; readonly cases: readonly Case[] };

describe(`density clustering (${vectors.generator})`, () => {
  it.each(vectors.cases)("$name", ({ metric, weights, minWeight, radius, ...expected }) => {
    const points = matrixFromRows(expected.points);
    const found = dbscan(points, { metric, weights, minWeight, radius });
    expect(Array.from(found.labels)).toEqual(expected.labels);
    expect(found.core).toEqual(expected.core);
    expect(found.clusters).toBe(Math.max(...expected.labels) + 1);
    expect(found.outliers).toEqual(expected.labels.flatMap((label, i) => (label === OUTLIER ? [i] : [])));
    coreDistances(points, { metric, weights, minWeight }).forEach((value, i) => {
      expect(value).toBeCloseTo(expected.coreDistances[i] ?? Number.POSITIVE_INFINITY, 10);
    });
    expect(kneeRadius(points, { metric, weights, minWeight })).toBeCloseTo(expected.knee, 10);
  });

  const fan = (angles: number[]) => matrixFromRows(angles.map((angle) => [Math.cos(angle), Math.sin(angle)]));

  it("chooses the radius at the knee, and names the outliers", () => {
    const points = fan([0, 0.01, 0.02, 0.03, 0.04, 1, 1.01, 1.02, 1.03, 1.04, 2.5]);
    const found = dbscan(points, { metric: "cosine", minWeight: 3 });
    expect(Array.from(found.labels)).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, OUTLIER]);
    expect(found.outliers).toEqual([10]);
    expect(found.radius).toBe(kneeRadius(points, { metric: "cosine", minWeight: 3 }));
  });

  it("lets a heavy centroid be a cluster by itself and a negative count speak against its surroundings", () => {
    const points = fan([0, 0.01, 1, 2, 2.01]);
    const weights = [30, 30, 80, 70, -20];
    const { labels } = dbscan(points, { metric: "cosine", weights, minWeight: 60, radius: 0.01 });
    expect(Array.from(labels)).toEqual([0, 0, 1, OUTLIER, OUTLIER]);
  });

  it("takes coinciding points together", () => {
    const points = fan([0.3, 0.3, 0.3, 0.3]);
    for (const metric of ["cosine", "euclidean"] as const) {
      const { clusters, outliers } = dbscan(points, { metric, minWeight: 4 });
      expect([clusters, outliers]).toEqual([1, []]);
    }
  });

  it("refuses what has no meaning", () => {
    const points = fan([0, 1]);
    const base = { metric: "cosine", minWeight: 1 } as const;
    expect(() => dbscan(points, { ...base, minWeight: 0 })).toThrow("least weight");
    expect(() => dbscan(points, { ...base, radius: 0 })).toThrow("radius");
    expect(() => dbscan(points, { ...base, radius: Number.NaN })).toThrow("radius");
    expect(() => dbscan(points, { ...base, weights: [1] })).toThrow("1 weights do not fit 2 points");
    expect(() => dbscan(points, { ...base, weights: [1, Number.NaN] })).toThrow("Weight 1");
    expect(() => dbscan(points, { ...base, minWeight: 3 })).toThrow("No radius gathers");
    expect(dbscan(points, { ...base, minWeight: 3, radius: 2 })).toMatchObject({
      clusters: 0,
      outliers: [0, 1],
    });
  });
});
