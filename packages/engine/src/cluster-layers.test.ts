import { describesDiversely, matrixFromRows } from "@kindred/clustering";
import { describe, expect, it } from "vitest";
import { diverseLayers } from "./cluster-layers.ts";

/** Eight clusters along a circle: four pairs, two pairs near each other on either side. */
const ANGLES = [0, 0.1, 0.5, 0.6, 2, 2.1, 2.5, 2.6];
const centroids = matrixFromRows(ANGLES.map((angle) => [Math.cos(angle), Math.sin(angle)]));
const weights = ANGLES.map(() => 1);
const RANGES = [
  { minimum: 2, maximum: 2 },
  { minimum: 4, maximum: 4 },
];
/** Whether a centroid is about as far round as this angle. */
const isAt = (centroid: Float32Array, angle: number): boolean =>
  Math.abs(Math.atan2(centroid[1]!, centroid[0]!) - angle) < 0.01;

function layersWhere(isDiverse: (centroid: Float32Array, clusters: number) => boolean, ranges = RANGES) {
  const { layers, changes } = diverseLayers(centroids, { weights, ranges, isDiverse });
  return {
    labels: layers.map((layer) => [...layer.labels]),
    rows: layers.map((layer) => layer.centroids.rows),
    changes,
  };
}

describe("layers above the clusters", () => {
  it("are the cuts of the tree where every cluster passes", () => {
    expect(layersWhere(() => true)).toEqual({
      labels: [
        [0, 0, 0, 0, 1, 1, 1, 1],
        [0, 0, 1, 1, 2, 2, 3, 3],
      ],
      rows: [2, 4],
      changes: [],
    });
  });

  it("merge a cluster that fails with its sibling, and leave the others as they are", () => {
    expect(layersWhere((centroid) => !isAt(centroid, 0.05))).toEqual({
      labels: [
        [0, 0, 0, 0, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 2, 2],
      ],
      rows: [2, 3],
      changes: [{ kind: "merged", reason: "not-diverse", count: 1 }],
    });
  });

  it("are left out where nothing but one cluster would pass, with the finer layers kept", () => {
    expect(layersWhere((centroid, clusters) => clusters > 2 || !isAt(centroid, 2.3))).toEqual({
      labels: [[0, 0, 1, 1, 2, 2, 3, 3]],
      rows: [4],
      changes: [{ kind: "suppressed", reason: "not-diverse", count: 2 }],
    });
  });

  it("stay nested, and are left out where the finer layer has become the same", () => {
    const two = layersWhere((centroid) => !isAt(centroid, 0.05) && !isAt(centroid, 2.05));
    expect(two).toEqual({
      labels: [[0, 0, 0, 0, 1, 1, 1, 1]],
      rows: [2],
      changes: [{ kind: "merged", reason: "not-diverse", count: 2 }],
    });
    // The finer layer's cluster of one side is there before the coarser layer's cut of the other side.
    const ranges = [
      { minimum: 3, maximum: 3 },
      { minimum: 6, maximum: 6 },
    ];
    const lopsided = layersWhere(
      (centroid, clusters) => clusters < 4 || isAt(centroid, 0.3) || centroid[0]! < 0,
      ranges,
    );
    const [coarse, fine] = lopsided.labels;
    for (const [i, label] of fine!.entries())
      for (const [j, other] of fine!.entries()) if (label === other) expect(coarse![i]).toBe(coarse![j]);
  });

  it("judge by the rule that clusters are judged by: no layer's cluster is described by one sensitive tag", () => {
    const items = ANGLES.flatMap((angle, cluster) =>
      Array.from({ length: 4 }, (_, i) => ({
        tags: [cluster === 0 ? "health" : `other ${cluster}`],
        row: [Math.cos(angle + i * 0.001), Math.sin(angle + i * 0.001)],
      })),
    );
    const catalogue = { items, units: matrixFromRows(items.map(({ row }) => row)) };
    const isDiverse = describesDiversely(catalogue, { sensitive: ["health"], diversity: 3 });
    expect(layersWhere(isDiverse)).toMatchObject({
      labels: [
        [0, 0, 0, 0, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 2, 2],
      ],
      changes: [{ kind: "merged", reason: "not-diverse", count: 1 }],
    });
  });
});
