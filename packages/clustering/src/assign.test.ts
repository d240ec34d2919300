import { describe, expect, it } from "vitest";
import { assign, meanSimplifiedSilhouette, simplifiedSilhouette, softMembership } from "./assign.ts";
import { matrixFromRows } from "./matrix.ts";

const axes = matrixFromRows([
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
]);

describe("assign", () => {
  it("returns the two nearest centroids by cosine, whatever the length of the point", () => {
    expect(assign(Float32Array.of(4, 3, 0), axes)).toEqual({
      cluster: 0,
      similarity: expect.closeTo(0.8, 12),
      second: 1,
      secondSimilarity: expect.closeTo(0.6, 12),
    });
    expect(assign(Float64Array.of(-0.1, 0.5, 2), axes)).toMatchObject({ cluster: 2, second: 1 });
  });

  it("finds the second nearest when it comes after the nearest and before it", () => {
    expect(assign(Float32Array.of(3, 1, 2), axes)).toMatchObject({ cluster: 0, second: 2 });
    expect(assign(Float32Array.of(2, 1, 3), axes)).toMatchObject({ cluster: 2, second: 0 });
    expect(assign(Float32Array.of(-3, -1, -2), axes)).toMatchObject({ cluster: 1, second: 2 });
  });

  it("gives a tie to the lowest index and marks a missing second centroid", () => {
    expect(assign(Float32Array.of(1, 1, 1), axes)).toMatchObject({ cluster: 0, second: 1 });
    expect(assign(Float32Array.of(-2, 0), matrixFromRows([[1, 0]]))).toEqual({
      cluster: 0,
      similarity: -1,
      second: -1,
      secondSimilarity: -1,
    });
  });

  it("puts a point without direction in cluster 0 with similarity 0", () => {
    expect(assign(new Float32Array(3), axes)).toMatchObject({ cluster: 0, similarity: 0 });
  });

  it("refuses another dimension, values that are not finite, and no centroid", () => {
    expect(() => assign(new Float32Array(2), axes)).toThrow("dimension 2 meets centroids of dimension 3");
    expect(() => assign(Float32Array.of(1, Number.NaN, 0), axes)).toThrow("Component 1");
    expect(() => assign(new Float32Array(3), { rows: 0, columns: 3, data: new Float32Array() })).toThrow(
      "At least one centroid",
    );
    expect(() => assign(new Float32Array(3), { rows: 2, columns: 3, data: new Float32Array(5) })).toThrow(
      "holds 5 values",
    );
  });
});

describe("soft membership", () => {
  it("is the softmax of the cosines over the temperature", () => {
    const membership = softMembership(Float32Array.of(4, 3, 0), axes, 0.5);
    const terms = [0.8, 0.6, 0].map((cosine) => Math.exp(cosine / 0.5));
    const total = terms.reduce((sum, term) => sum + term, 0);
    terms.forEach((term, c) => {
      expect(membership[c]).toBeCloseTo(term / total, 12);
    });
  });

  it("goes from all for the nearest to all alike", () => {
    const point = Float32Array.of(4, 3, 0);
    expect(Array.from(softMembership(point, axes, 1e-300))).toEqual([1, 0, 0]);
    for (const even of [softMembership(point, axes, 1e9), softMembership(new Float32Array(3), axes, 0.1)])
      for (const share of even) expect(share).toBeCloseTo(1 / 3, 8);
  });

  it("refuses a temperature that is none", () => {
    for (const temperature of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => softMembership(new Float32Array(3), axes, temperature)).toThrow("temperature");
    expect(() => softMembership(new Float32Array(2), axes, 1)).toThrow("dimension 2");
  });
});

describe("simplified silhouette", () => {
  it("is (b − a) / max(a, b) of the cosine distances", () => {
    // Distances .2 and .4 to the two nearest centroids.
    expect(simplifiedSilhouette(Float32Array.of(4, 3, 0), axes)).toBeCloseTo(0.5, 12);
    expect(simplifiedSilhouette(Float32Array.of(0, 9, 0), axes)).toBe(1);
    expect(simplifiedSilhouette(Float32Array.of(1, 1, 0), axes)).toBeCloseTo(0, 12);
  });

  it("is 0 where it is not defined", () => {
    expect(simplifiedSilhouette(Float32Array.of(1, 0), matrixFromRows([[1, 0]]))).toBe(0);
    expect(simplifiedSilhouette(new Float32Array(3), axes)).toBe(0);
    const twins = matrixFromRows([
      [1, 0],
      [1, 0],
    ]);
    expect(simplifiedSilhouette(Float32Array.of(1, 0), twins)).toBe(0);
  });

  it("averages over points", () => {
    const points = matrixFromRows([
      [4, 3, 0],
      [0, 9, 0],
    ]);
    expect(meanSimplifiedSilhouette(points, axes)).toBeCloseTo(0.75, 12);
    expect(() => meanSimplifiedSilhouette({ rows: 0, columns: 3, data: new Float32Array() }, axes)).toThrow(
      "no points",
    );
  });
});
