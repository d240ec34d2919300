import { describe, expect, it } from "vitest";
import { itemNeighboursBaseline, popularityBaseline } from "./baselines.ts";
import type { Population } from "./population.ts";

const train: Population = {
  name: "test",
  items: [..."abcd"].map((id) => ({ id, title: id, tags: [] })),
  users: ["ab", "abc", "acaa", "d"].map((history, u) => ({
    id: `u${u}`,
    interactions: [...history].map((item, time) => ({ item, action: "view" as const, time })),
  })),
  notes: [],
};

describe("popularity", () => {
  it("counts users, not repetitions", () => {
    expect(Array.from(popularityBaseline(train))).toEqual([3, 2, 2, 1]);
  });
});

describe("item neighbours", () => {
  it("sums the cosines to the user's items", () => {
    const scores = itemNeighboursBaseline(train)(0);
    // cos(a, b) = cos(a, c) = 2/√6, cos(b, c) = 1/2.
    const expected = [2 / Math.sqrt(6), 2 / Math.sqrt(6), 2 / Math.sqrt(6) + 1 / 2, 0];
    scores.forEach((score, item) => {
      expect(score).toBeCloseTo(expected[item]!, 6);
    });
  });

  it("can be cut to the nearest neighbours of each item", () => {
    // The nearest neighbour of a is b (tie with c, lower index), of b it is a.
    const scores = itemNeighboursBaseline(train, { neighbours: 1 })(0);
    expect(Array.from(scores).map((score) => score > 0)).toEqual([true, true, false, false]);
  });
});
