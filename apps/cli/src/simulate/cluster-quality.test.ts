import { matrixFromRows } from "@kindred/clustering";
import { unnamedClustering } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { clusterQuality, layerTree } from "./cluster-quality.ts";

const people = matrixFromRows([
  [1, 0],
  [0.8, 0.6],
  [0, 1],
  [-1, 0],
]);
const model = {
  clusters: 3,
  centroids: Float32Array.of(1, 0, 0, 1, -1, 0),
  cells: new Float32Array(),
  clustering: {
    ...unnamedClustering(3),
    source: "released" as const,
    layers: [
      { ids: [0, 1], nextId: 2, names: [["east", "north", "more"], []], parents: [] },
      { ids: [5, 6, 7], nextId: 8, names: [["east"], ["north"], ["west"]], parents: [0, 0, 1] },
    ],
    regions: [0, 0, -1],
  },
};

describe("clusterQuality", () => {
  it("compares with groups, without the people who have none", () => {
    const found = clusterQuality(people, { model, groups: [4, 4, 2, -1] });
    expect(found).toMatchObject({ clusters: 3, released: true, ari: 1, ami: 1, fmi: 1 });
    expect(found.distance).toBeGreaterThan(0);
    expect(found.daviesBouldin).not.toBeNull();
    expect(clusterQuality(people, { model, groups: [-1, -1, -1, -1] })).toMatchObject({
      ari: null,
      fmi: null,
    });
  });

  it("has no separation where all people lie in one cluster", () => {
    const one = matrixFromRows([
      [1, 0],
      [1, 0.1],
    ]);
    expect(clusterQuality(one, { model, groups: [0, 0] })).toMatchObject({
      daviesBouldin: null,
      calinskiHarabasz: null,
    });
  });
});

it("layerTree counts people upward, names nodes and marks outliers", () => {
  expect(layerTree(people, model)).toEqual([
    [
      { id: 0, name: "east, north", size: 3, parent: null, outlier: false },
      { id: 1, name: "cluster 1", size: 1, parent: null, outlier: false },
    ],
    [
      { id: 5, name: "east", size: 2, parent: 0, outlier: false },
      { id: 6, name: "north", size: 1, parent: 0, outlier: false },
      { id: 7, name: "west", size: 1, parent: 1, outlier: true },
    ],
  ]);
});
