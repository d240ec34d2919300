import { leaveLastOut, type Population } from "@kindred/simulator";
import { describe, expect, it } from "vitest";
import type { RowMeasurement } from "./result.ts";
import { spread, summarise } from "./summary.ts";

const population: Population = {
  name: "test",
  items: Array.from({ length: 12 }, (_, i) => ({ id: `${i}`, title: `${i}`, tags: [] })),
  // Ten events and four, of which the last is tested.
  users: [10, 4].map((count, user) => ({
    id: `u${user}`,
    interactions: Array.from({ length: count }, (_, time) => ({ item: `${time}`, action: "view", time })),
  })),
  notes: [],
};

function measurement(ranks: readonly number[], hr10: number): RowMeasurement {
  return {
    quality: { hr10, ndcg10: 0.5, mrr: 0.5, coverage: 1, novelty: 1, diversity: 1 },
    ranks,
    settings: "",
    curve: [],
    federated: null,
    clusters: null,
    nextInterest: null,
    unseen: null,
    seconds: 2,
  };
}

describe("the table of a data set", () => {
  const split = leaveLastOut(population);
  const table = summarise(
    { population, split },
    {
      rows: [
        { row: { id: "base", name: "base", against: null }, measurements: [measurement([3, 3], 0.2)] },
        {
          row: { id: "own", name: "own", against: "base" },
          measurements: [measurement([1, 3], 0.2), measurement([1, 1], 0.4)],
        },
        { row: { id: "unfinished", name: "unfinished", against: null }, measurements: [] },
      ],
      missing: [],
    },
  );

  it("has a mean and a sample deviation over seeds", () => {
    expect(table.rows.map(({ id }) => id)).toEqual(["base", "own"]);
    const { hr10 } = table.rows[1]!.columns;
    expect(hr10.mean).toBeCloseTo(0.3, 12);
    expect(hr10.deviation).toBeCloseTo(Math.sqrt(0.02), 12);
    expect(spread([4]).deviation).toBeNull();
    expect(table.rows[1]!.seconds).toBe(4);
  });

  it("knows the people with few events", () => {
    expect(table.fewEvents).toBe(1);
    // The second person: rank 3 counts 1/2, rank 1 counts 1.
    expect(table.rows[0]!.fewEvents!.mean).toBe(0.5);
    expect(table.rows[1]!.fewEvents!.mean).toBe(0.75);
  });

  it("compares each person's mean gain with the other row's", () => {
    expect(table.rows[0]!.comparison).toBeNull();
    const { difference, share, low, high } = table.rows[1]!.comparison!;
    // Gains (1, .75) against (.5, .5).
    expect(difference).toBeCloseTo(0.375, 12);
    expect(share).toBeCloseTo(1.75, 12);
    expect([low, high]).toEqual([0.25, 0.5]);
  });
});
