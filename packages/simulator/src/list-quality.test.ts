import { describe, expect, it } from "vitest";
import { listQuality, rankAndList } from "./list-quality.ts";
import type { Population } from "./population.ts";
import { leaveLastOut } from "./split.ts";

const population: Population = {
  name: "test",
  items: Array.from({ length: 13 }, (_, i) => ({ id: `${i}`, title: `${i}`, tags: [] })),
  users: [
    { id: "u0", interactions: [0, 1, 2].map((item, time) => ({ item: `${item}`, action: "view", time })) },
    { id: "u1", interactions: [0, 3].map((item, time) => ({ item: `${item}`, action: "view", time })) },
  ],
  notes: [],
};

describe("lists", () => {
  it("hold the ten best unseen items, and the rank is that of the held-out one", () => {
    const split = leaveLastOut(population);
    const scores = Float32Array.from({ length: 13 }, (_, i) => 13 - i);
    const { ranks, lists } = rankAndList(split, () => scores);
    expect(ranks).toEqual([1, 3]);
    expect(lists[0]).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(lists[1]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(scores[0]).toBe(13);
  });
});

describe("their quality", () => {
  const { train } = leaveLastOut(population);
  const vectors = new Float32Array(13 * 2);
  for (let i = 0; i < 13; i++) vectors[2 * i + (i % 2)] = 1;

  it("counts the catalogue, the rarity and the distances", () => {
    // Item 0 has both people (0 bits), item 1 one of two (1 bit), item 5 none and counts as one (1 bit).
    const quality = listQuality(
      [
        [0, 1],
        [1, 5],
      ],
      { train, vectors },
    );
    expect(quality.coverage).toBeCloseTo(3 / 13, 12);
    expect(quality.novelty).toBeCloseTo((0.5 + 1) / 2, 12);
    // 0 and 1 are orthogonal, 1 and 5 parallel.
    expect(quality.diversity).toBeCloseTo(0.5, 12);
  });

  it("is zero where a list has a single item", () => {
    expect(listQuality([[3]], { train, vectors }).diversity).toBe(0);
  });
});
