import { describe, expect, it } from "vitest";
import type { Population } from "./population.ts";
import { transitionsBaseline } from "./transitions.ts";

function population(histories: readonly string[]): Population {
  return {
    name: "test",
    items: [..."abcd"].map((id) => ({ id, title: id, tags: [] })),
    users: histories.map((history, u) => ({
      id: `u${u}`,
      interactions: [...history].map((item, time) => ({ item, action: "view" as const, time })),
    })),
    notes: [],
  };
}

const numbers = (values: Float32Array): number[] => Array.from(values);

describe("windowed transitions", () => {
  it("counts what follows within the window", () => {
    const one = transitionsBaseline(population(["abcd", "a"]), { window: 1, weighting: "uniform" });
    expect(numbers(one.scores(1))).toEqual([0, 1, 0, 0]);
    const two = transitionsBaseline(population(["abcd", "a"]), { window: 2, weighting: "uniform" });
    expect(numbers(two.scores(1))).toEqual([0, 1, 1, 0]);
  });

  it("counts the inverse distance as sequential rules do", () => {
    const rules = transitionsBaseline(population(["abcd", "a"]), {
      window: 3,
      weighting: "inverse-distance",
    });
    expect(rules.scores(1)[1]).toBe(1);
    expect(rules.scores(1)[2]).toBe(0.5);
    expect(rules.scores(1)[3]).toBeCloseTo(1 / 3, 6);
  });

  it("does not let an item follow itself", () => {
    const model = transitionsBaseline(population(["aab"]), { window: 2, weighting: "uniform" });
    expect(numbers(model.scores(0))).toEqual([0, 2, 0, 0]);
  });

  it("weighs by recency and divides by a power of the row's sum", () => {
    const model = transitionsBaseline(population(["ac", "ac", "ac", "ac", "bd", "ab"]), {
      window: 1,
      weighting: "uniform",
    });
    expect(numbers(model.scores(5, { halfLife: 1 }))).toEqual([0, 0.5, 2, 1]);
    const half = model.scores(5, { halfLife: 1, rowPower: 0.5 });
    expect(half[2]).toBeCloseTo(2 / Math.sqrt(5), 6);
    expect(model.scores(5, { halfLife: 1, rowPower: 1 })[2]).toBeCloseTo(0.4, 6);
  });

  it("refuses an empty window and a half-life of zero", () => {
    expect(() => transitionsBaseline(population(["ab"]), { window: 0, weighting: "uniform" })).toThrow(
      "must be a whole number of at least 1",
    );
    const model = transitionsBaseline(population(["ab"]), { window: 1, weighting: "uniform" });
    expect(() => model.scores(0, { halfLife: 0 })).toThrow("must be above 0 interactions");
  });
});
