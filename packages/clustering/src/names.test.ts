import { describe, expect, it } from "vitest";
import { matrixFromRows } from "./matrix.ts";
import { clusterTags } from "./names.ts";

const axes = matrixFromRows([
  [1, 0],
  [0, 1],
]);

/** Items along two axes with the tags of each. */
function catalogue(first: readonly string[][], second: readonly string[][]) {
  const units = matrixFromRows([...first.map(() => [1, 0]), ...second.map(() => [0, 1])]);
  return { units, items: [...first, ...second].map((tags) => ({ tags })) };
}

describe("cluster names", () => {
  it("prefer what sets a cluster apart to what is frequent everywhere", () => {
    const { units, items } = catalogue(
      [
        ["video", "jazz"],
        ["video", "jazz"],
        ["video", "piano"],
      ],
      [
        ["video", "chess"],
        ["video", "chess"],
        ["video", "endgame"],
      ],
    );
    expect(clusterTags(units, axes, { items })).toEqual([
      ["jazz", "video", "piano"],
      ["chess", "video", "endgame"],
    ]);
    expect(clusterTags(units, axes, { items, count: 1 })).toEqual([["jazz"], ["chess"]]);
    expect(clusterTags(units, axes, { items, count: 1, without: ["jazz", "chess"] })).toEqual([
      ["video"],
      ["video"],
    ]);
  });

  it("weigh by class-based TF-IDF", () => {
    // Seven tags in two clusters, A = 3.5. First cluster: a 3 · ln(1 + 3.5/4) = 1.89, b 1 · ln(1 + 3.5) = 1.50, c alike,
    // a tie that the alphabet decides. Second cluster: d 1 · ln(1 + 3.5) beats a 1 · ln(1 + 3.5/4).
    const { units, items } = catalogue([["c", "a"], ["a", "b", "a"], ["a"]], [["a", "d"], [], []]);
    expect(clusterTags(units, axes, { items })).toEqual([
      ["a", "b", "c"],
      ["d", "a"],
    ]);
  });

  it("do not begin with the same two tags, in whichever order, while there are others", () => {
    const { units, items } = catalogue(
      [["action", "space"], ["action", "space"], ["action"]],
      [
        ["space", "action"],
        ["space", "action"],
        ["space", "robots"],
      ],
    );
    expect(clusterTags(units, axes, { items })).toEqual([
      ["action", "space"],
      ["space", "robots", "action"],
    ]);
    const same = catalogue([["a", "b"]], [["b", "a"]]);
    expect(clusterTags(same.units, axes, { items: same.items })).toEqual([
      ["a", "b"],
      ["a", "b"],
    ]);
  });

  it("leave a contested pair to the cluster that comes first in the order, whatever its row", () => {
    const contested = [
      ["action", "space"],
      ["action", "space"],
      ["action", "robots"],
    ];
    const { units, items } = catalogue(contested, contested);
    const [elder, younger] = [
      ["action", "space", "robots"],
      ["action", "robots", "space"],
    ];
    expect(clusterTags(units, axes, { items })).toEqual([elder, younger]);
    expect(clusterTags(units, axes, { items, order: [1, 0] })).toEqual([younger, elder]);
    for (const order of [[0], [0, 0], [1, 2], [0, 1, 2]])
      expect(() => clusterTags(units, axes, { items, order })).toThrow("not one of the 2 centroids");
  });

  it("are empty where the items have no tags, and refuse items that do not fit", () => {
    const { units, items } = catalogue([[]], [["x"]]);
    expect(clusterTags(units, axes, { items })).toEqual([[], ["x"]]);
    expect(() => clusterTags(units, axes, { items: [] })).toThrow("0 items do not fit 2 item vectors");
  });

  it("take a cluster's share of a small catalogue and thirty items of a large one", () => {
    const units = matrixFromRows([
      ...Array.from({ length: 50 }, (_, i) => [Math.cos(i / 100), Math.sin(i / 100)]),
      ...Array.from({ length: 50 }, () => [0, 1]),
    ]);
    const items = Array.from({ length: 100 }, (_, i) => ({ tags: [i < 30 ? "near" : "far"] }));
    expect(clusterTags(units, axes, { items })).toEqual([["near"], ["far"]]);
  });
});
