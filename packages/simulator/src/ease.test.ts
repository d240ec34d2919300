import { describe, expect, it } from "vitest";
import { easeBaseline } from "./ease.ts";
import type { Population } from "./population.ts";

function population(histories: readonly string[], items = "abc"): Population {
  return {
    name: "test",
    items: [...items].map((id) => ({ id, title: id, tags: [] })),
    users: histories.map((history, u) => ({
      id: `u${u}`,
      interactions: [...history].map((item, time) => ({ item, action: "view" as const, time })),
    })),
    notes: [],
  };
}

describe("EASE", () => {
  it("is the ridge regression of each item on the others", () => {
    // Users ab, ab, b: column b on column a has Bab = 2 / (2 + λ), column a on column b Bba = 2 / (3 + λ).
    const { scores } = easeBaseline(population(["ab", "ab", "b"], "ab"), 1);
    expect(scores(2)[0]).toBeCloseTo(2 / 4, 6);
    expect(scores(0)[0]).toBeCloseTo(2 / 4, 6);
    expect(scores(0)[1]).toBeCloseTo(2 / 3, 6);
  });

  it("gives the same by users and by items", () => {
    const histories = ["abd", "bc", "acde", "aeb"];
    const byUsers = easeBaseline(population(histories, "abcde"), 0.7);
    // People without interactions add nothing to the Gram matrix, but make the side of the items the smaller one.
    const byItems = easeBaseline(population([...histories, "", ""], "abcde"), 0.7);
    for (let user = 0; user < 4; user++)
      for (const halfLife of [undefined, 1.5]) {
        const expected = byItems.scores(user, halfLife);
        byUsers.scores(user, halfLife).forEach((score, item) => {
          expect(score).toBeCloseTo(expected[item]!, 6);
        });
      }
  });

  it("weighs items by how recent they are", () => {
    const { scores } = easeBaseline(population(["abc", "ac", "bc", "ab"]), 1);
    const all = scores(3);
    const recent = scores(3, 1);
    // a and b lead to c alike; a is one interaction older and counts half.
    expect(recent[2]! / all[2]!).toBeCloseTo(0.75, 6);
  });

  it("refuses a regularisation of zero", () => {
    expect(() => easeBaseline(population(["ab"]), 0)).toThrow("must be above 0");
  });
});
