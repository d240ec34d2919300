import { matrixFromRows } from "@kindred/clustering";
import { parsePlanInput } from "@kindred/protocol";
import { expect, it } from "vitest";
import { describeClusters } from "./cluster-description.ts";
import { publicClusters } from "./index.ts";

/** Three directions whose items have the same tags, so that all three clusters want the same pair. */
const DIRECTIONS = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];
const TAGS = [
  ["action", "space", "robots"],
  ["action", "space", "robots"],
  ["action", "space"],
];
const items = {
  items: DIRECTIONS.flatMap(() => TAGS.map((tags) => ({ tags }))),
  units: matrixFromRows(DIRECTIONS.flatMap((direction) => TAGS.map(() => direction))),
};

it("a cluster keeps its name against younger ones, wherever its row is", () => {
  const { clustering: options } = parsePlanInput({
    task: "x",
    clustering: { clusters: 3, microClusters: 0, layers: [] },
  });
  const parent = publicClusters({ options, seed: 1, cells: 3, items });
  const { ids: first, names } = parent.clustering.layers.at(-1)!;
  const expected = new Map(first.map((id, row) => [id, names[row]]));
  expect(new Set(names.map((tags) => tags.slice(0, 2).sort().join())).size).toBe(3);
  for (const order of [
    [2, 1, 0],
    [1, 2, 0],
    [0, 2, 1],
  ]) {
    const rows = order.map((row) => [...parent.centroids.subarray(3 * row, 3 * row + 3)]);
    const { layers } = describeClusters({
      centroids: matrixFromRows(rows),
      sizes: [1 / 3, 1 / 3, 1 / 3],
      options,
      items,
      parent,
    });
    const { ids, names: now } = layers.at(-1)!;
    expect(ids).toEqual(order.map((row) => first[row]));
    for (const [row, id] of ids.entries()) expect(now[row]).toEqual(expected.get(id));
  }
});
