import { matrixFromRows } from "@kindred/clustering";
import { unnamedClustering } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { describeEvolution } from "./evolution.ts";

const model = {
  clusters: 3,
  centroids: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1),
  clustering: {
    ...unnamedClustering(3),
    layers: [{ ids: [7, 3, 5], nextId: 8, names: [["x"], ["y"], ["z"]], parents: [] }],
  },
};
/** Six items, two of each cluster. */
const space = {
  units: matrixFromRows([
    [1, 0, 0],
    [0.9, 0.1, 0],
    [0, 1, 0],
    [0, 0.9, 0.1],
    [0, 0, 1],
    [0.1, 0, 0.9],
  ]),
  clusterOf: Int32Array.of(0, 0, 1, 1, 2, 2),
};
const milestone = (length: number, vector: number[]) => ({
  length,
  time: length * 10,
  vector: Float32Array.from(vector),
});

function evolutionOf(items: readonly number[], vectors: readonly number[][]) {
  return describeEvolution({
    model,
    space,
    sequence: { items, times: items.map((_, i) => i * 10) },
    milestones: vectors.map((vector, i) => milestone(5 * (i + 1), vector)),
    scores: Float32Array.of(0, 0, 4, 4, 0, 0),
  });
}

/** Alternating between the two items of each cluster. */
const items = [
  ...Array.from({ length: 20 }, (_, i) => i % 2),
  ...Array.from({ length: 15 }, (_, i) => 2 + (i % 2)),
];

describe("evolution", () => {
  it("is a timeline of the leading clusters by their identities", () => {
    const { timeline } = evolutionOf(items, [
      [1, 0, 0],
      [0, 1, 0],
    ]);
    expect(timeline.map(({ time, interactions }) => [time, interactions])).toEqual([
      [50, 5],
      [100, 10],
    ]);
    expect(timeline[0]!.leading[0]).toMatchObject({ id: 7, tags: ["x"] });
    expect(timeline[1]!.leading[0]).toMatchObject({ id: 3, tags: ["y"] });
    expect(timeline[0]!.leading[0]!.share).toBeGreaterThan(0.99);
  });

  it("drifts from 0, where nothing changes, towards 1", () => {
    const same = evolutionOf(items, [
      [1, 0, 0],
      [2, 0, 0],
    ]);
    expect(same.drift).toBeCloseTo(0, 6);
    const [mild, strong] = [2, 9].map((before) =>
      evolutionOf(items, [...Array.from({ length: before }, () => [1, 0, 0]), [0, 1, 0]]),
    );
    expect(mild!.drift).toBeGreaterThan(0.5);
    expect(strong!.drift).toBeGreaterThan(mild!.drift);
    expect(strong!.drift).toBeLessThanOrEqual(1);
  });

  it("says where what is done became something else, and what it was and is", () => {
    const { changes } = evolutionOf(items, [[1, 0, 0]]);
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({
      time: 200,
      interaction: 20,
      before: [{ id: 7, tags: ["x"], share: expect.closeTo(1, 9) }],
      after: [{ id: 3, tags: ["y"], share: expect.closeTo(1, 9) }],
    });
    expect(changes[0]!.shift).toBeGreaterThan(0.8);
    expect(evolutionOf(items.slice(0, 20), [[1, 0, 0]]).changes).toEqual([]);
  });

  it("expects the next cluster with its probability", () => {
    const { next } = evolutionOf(items, [[1, 0, 0]]);
    expect(next[0]).toEqual({
      id: 3,
      tags: ["y"],
      share: expect.closeTo((2 * Math.exp(4)) / (2 * Math.exp(4) + 4), 6),
    });
    expect(next.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
  });
});
