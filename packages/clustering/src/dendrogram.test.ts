import { describe, expect, it } from "vitest";
import json from "../test/vectors/dendrogram.json" with { type: "json" };
import { adjustedRandIndex } from "./agreement.ts";
import {
  agglomerate,
  clusterLayers,
  cutByCount,
  cutByHeight,
  type Linkage,
  largestGap,
  layerCentroids,
} from "./dendrogram.ts";
import { type Matrix, matrixFromRows } from "./matrix.ts";
import { publicRandom } from "./random.ts";

interface Case {
  readonly name: string;
  readonly linkage: Linkage;
  readonly points: number[][];
  readonly weights: number[];
  readonly merges: [number, number, number, number][];
  readonly weightedHeights: number[];
  readonly weightedSizes: number[];
  readonly count: number;
  readonly labelsByCount: number[];
  readonly height: number;
  readonly labelsByHeight: number[];
}

const vectors = json as unknown as { readonly generator: string; readonly cases: readonly Case[] };

/** `groups` groups of `each` directions at angles that differ between groups by far more than within. */
function fans(groups: number, each: number): Matrix {
  const random = publicRandom(4);
  return matrixFromRows(
    Array.from({ length: groups * each }, (_, i) => {
      const angle = (2 * Math.PI * Math.floor(i / each)) / groups + 0.1 * random();
      return [Math.cos(angle), Math.sin(angle)];
    }),
  );
}

describe(`agglomerative clustering (${vectors.generator})`, () => {
  it.each(vectors.cases)("$name", (vector) => {
    const points = matrixFromRows(vector.points);
    const tree = agglomerate(points, { linkage: vector.linkage });
    expect(tree.merges.map(({ left, right, leaves }) => [left, right, leaves])).toEqual(
      vector.merges.map(([left, right, , leaves]) => [left, right, leaves]),
    );
    tree.merges.forEach(({ height }, m) => {
      expect(height).toBeCloseTo(vector.merges[m]![2], 10);
    });
    expect(adjustedRandIndex(cutByCount(tree, vector.count), vector.labelsByCount)).toBe(1);
    expect(adjustedRandIndex(cutByHeight(tree, vector.height + 1e-9), vector.labelsByHeight)).toBe(1);

    const weighted = agglomerate(points, { linkage: vector.linkage, weights: vector.weights });
    weighted.merges.forEach(({ height, weight }, m) => {
      expect(height).toBeCloseTo(vector.weightedHeights[m]!, 10);
      expect(weight).toBe(vector.weightedSizes[m]!);
    });
  });

  it("has a tree for a single point", () => {
    const tree = agglomerate(matrixFromRows([[2, 1]]), { linkage: "average" });
    expect(tree).toEqual({ leaves: 1, merges: [] });
    expect(Array.from(cutByCount(tree, 1))).toEqual([0]);
  });

  it("merges equal directions at height zero", () => {
    const points = matrixFromRows([
      [1, 1],
      [0, 3],
      [2, 2],
    ]);
    for (const linkage of ["ward", "average", "complete"] as const) {
      const [first] = agglomerate(points, { linkage }).merges;
      expect(first).toMatchObject({ left: 0, right: 2, leaves: 2, height: expect.closeTo(0, 7) });
    }
  });

  it("refuses points without direction and weights that are no weights", () => {
    const points = matrixFromRows([
      [1, 0],
      [0, 0],
    ]);
    expect(() => agglomerate(points, { linkage: "ward" })).toThrow("Point 1 has no direction");
    const fine = fans(2, 2);
    for (const weights of [[1, 1, 0, 1], [1, 1, Number.NaN, 1], [1]])
      expect(() => agglomerate(fine, { linkage: "ward", weights })).toThrow(RangeError);
    expect(() => agglomerate({ rows: 0, columns: 2, data: new Float32Array() }, { linkage: "ward" })).toThrow(
      "at least one point",
    );
  });

  it("refuses cuts that do not exist", () => {
    const tree = agglomerate(fans(2, 2), { linkage: "ward" });
    expect(() => cutByCount(tree, 5)).toThrow("no cut into 5 clusters");
    expect(() => cutByCount(tree, 0)).toThrow("no cut");
    expect(() => cutByHeight(tree, Number.NaN)).toThrow("height");
    expect(() => largestGap(tree, { minimum: 1, maximum: 3 })).toThrow(RangeError);
    expect(() => largestGap(tree, { minimum: 2, maximum: 5 })).toThrow("no cluster counts");
  });
});

describe("layers", () => {
  it.each(["ward", "average", "complete"] as const)("finds the planted number by the gap, %s", (linkage) => {
    const tree = agglomerate(fans(5, 6), { linkage });
    const { count, from, to } = largestGap(tree, { minimum: 4, maximum: 30 });
    expect(count).toBe(5);
    expect(cutByHeight(tree, (from + to) / 2)).toEqual(cutByCount(tree, 5));
    expect(Array.from(cutByCount(tree, 5))).toEqual(Array.from({ length: 30 }, (_, i) => Math.floor(i / 6)));
  });

  it("nest: every cluster lies in its parent, and the weights add up", () => {
    const points = fans(4, 8);
    const weights = Array.from({ length: 32 }, (_, i) => 1 + (i % 5));
    const { layers } = clusterLayers(points, {
      linkage: "average",
      weights,
      counts: [2, { minimum: 3, maximum: 12 }, 100],
    });
    expect(layers.map(({ centroids }) => centroids.rows)).toEqual([2, 4, 32]);
    expect(layers[0]!.parents).toEqual([]);
    layers.slice(1).forEach((layer, l) => {
      const coarser = layers[l]!;
      layer.labels.forEach((label, point) => {
        expect(layer.parents[label]).toBe(coarser.labels[point]);
      });
      const gathered = new Float64Array(coarser.weights.length);
      layer.weights.forEach((weight, c) => {
        gathered[layer.parents[c]!]! += weight;
      });
      expect(gathered).toEqual(coarser.weights);
    });
    expect(layers[2]!.weights).toEqual(Float64Array.from(weights));
    for (const { labels, centroids, weights: own } of layers)
      expect(layerCentroids(points, { labels, weights })).toEqual({ centroids, weights: own });
    for (let c = 0; c < 4; c++) {
      const [x, y] = layers[1]!.centroids.data.subarray(2 * c, 2 * c + 2);
      expect(Math.hypot(x!, y!)).toBeCloseTo(1, 6);
      expect(Math.atan2(y!, x!)).toBeCloseTo(
        Math.atan2(Math.sin((Math.PI * c) / 2 + 0.05), Math.cos((Math.PI * c) / 2 + 0.05)),
        1,
      );
    }
  });

  it("refuses labels of other points", () => {
    expect(() => layerCentroids(fans(2, 2), { labels: [0, 0, 1] })).toThrow("3 labels do not fit 4 points");
  });

  it("refuses a layer coarser than the one before", () => {
    expect(() => clusterLayers(fans(4, 2), { linkage: "ward", counts: [4, 2] })).toThrow(
      "2 clusters cannot lie within one of 4",
    );
  });
});
