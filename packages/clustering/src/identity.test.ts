import { describe, expect, it } from "vitest";
import { randomDirections } from "../test/population.ts";
import { firstIdentities, matchClusters } from "./identity.ts";
import { type Matrix, matrixFromRows } from "./matrix.ts";

/** Directions in the plane. */
const fan = (...angles: number[]): Matrix =>
  matrixFromRows(angles.map((angle) => [Math.cos(angle), Math.sin(angle)]));

describe("identities between versions", () => {
  it("follow clusters through any order of the rows", () => {
    const centroids = randomDirections(20, 16, 1);
    const first = firstIdentities(20);
    const order = Array.from({ length: 20 }, (_, i) => (i * 7 + 3) % 20);
    const moved = matrixFromRows(
      order.map((row) =>
        Array.from(
          centroids.data.subarray(row * 16, (row + 1) * 16),
          (value, i) => value + 0.03 * Math.sin(row + i),
        ),
      ),
    );
    const matched = matchClusters({ ...first, centroids }, moved);
    expect(matched.ids).toEqual(order);
    expect(matched.events).toEqual([]);
    expect(matched.nextId).toBe(20);
    for (const similarity of matched.similarities) expect(similarity).toBeGreaterThan(0.95);
  });

  it("pair as a whole: a nearer cluster does not take away another's only partner", () => {
    // Cluster 0 lies between both new centroids; were it served first, it could leave cluster 1 only the far one.
    const matched = matchClusters({ ...firstIdentities(2), centroids: fan(0, 0.5) }, fan(0.3, -0.3), 0.9);
    expect(matched.ids).toEqual([1, 0]);
    expect(matched.events).toEqual([]);
  });

  it("record births and deaths, and never give an identity twice", () => {
    const one = matchClusters({ ids: [4, 9], nextId: 12, centroids: fan(0, 2) }, fan(2.1, 4));
    expect(one.ids).toEqual([9, 12]);
    expect(one.similarities).toEqual([expect.closeTo(Math.cos(0.1), 6), null]);
    expect(one.events).toEqual([
      { kind: "death", id: 4 },
      { kind: "birth", id: 12 },
    ]);
    const two = matchClusters({ ...one, centroids: fan(2.1, 4) }, fan(2.1, 0));
    expect(two.ids).toEqual([9, 13]);
    expect(two.events).toEqual([
      { kind: "death", id: 12 },
      { kind: "birth", id: 13 },
    ]);
  });

  it("record merges and splits", () => {
    const merged = matchClusters({ ...firstIdentities(3), centroids: fan(0, 0.4, 3) }, fan(0.15, 3));
    expect(merged.ids).toEqual([0, 2]);
    expect(merged.events).toEqual([{ kind: "merge", from: [0, 1], into: 0 }]);
    const split = matchClusters({ ...merged, centroids: fan(0.15, 3) }, fan(3, -0.2, 0.2, 0.6));
    expect(split.ids).toEqual([2, 3, 0, 4]);
    expect(split.events).toEqual([{ kind: "split", from: 0, into: [0, 3, 4] }]);
  });

  it("keep everything when nothing moves, even at the strictest threshold", () => {
    const centroids = randomDirections(8, 5, 3);
    const matched = matchClusters({ ...firstIdentities(8), centroids }, centroids, 1);
    expect(matched.ids).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(matched.events).toEqual([]);
  });

  it("go on from and to versions without clusters", () => {
    const none = { rows: 0, columns: 2, data: new Float32Array() };
    expect(matchClusters({ ids: [], nextId: 5, centroids: none }, fan(1)).events).toEqual([
      { kind: "birth", id: 5 },
    ]);
    expect(matchClusters({ ids: [3], nextId: 5, centroids: fan(1) }, none)).toEqual({
      ids: [],
      nextId: 5,
      similarities: [],
      events: [{ kind: "death", id: 3 }],
    });
  });

  it("refuse what does not fit", () => {
    const centroids = fan(0, 1);
    expect(() => matchClusters({ ids: [1], nextId: 2, centroids }, centroids)).toThrow("1 identities");
    expect(() => matchClusters({ ids: [1, 1], nextId: 2, centroids }, centroids)).toThrow("differ");
    expect(() => matchClusters({ ids: [1, 2], nextId: 2, centroids }, centroids)).toThrow("below");
    expect(() => matchClusters({ ...firstIdentities(2), centroids }, matrixFromRows([[1]]))).toThrow(
      "dimension 2",
    );
    expect(() => matchClusters({ ...firstIdentities(2), centroids }, centroids, 1.1)).toThrow("threshold");
  });
});
