import { describe, expect, it } from "vitest";
import type { Population } from "./population.ts";
import { leaveLastOut, sampleUsers } from "./split.ts";

function population(histories: readonly string[]): Population {
  return {
    name: "test",
    items: [..."abcde"].map((id) => ({ id, title: id, tags: [] })),
    users: histories.map((history, u) => ({
      id: `u${u}`,
      group: u % 2,
      interactions: [...history].map((item, time) => ({ item, action: "view" as const, time })),
    })),
    notes: [],
  };
}

function histories(p: Population): string[] {
  return p.users.map(({ interactions }) => interactions.map(({ item }) => item).join(""));
}

describe("leave-last-out", () => {
  const split = leaveLastOut(population(["abcd", "ca", "e", "abca"]));

  it("holds out the last interaction, and for validation the one before", () => {
    expect(histories(split.train)).toEqual(["abc", "c", "e", "abc"]);
    expect(split.test).toEqual([
      { user: "u0", item: "d", userIndex: 0, itemIndex: 3 },
      { user: "u1", item: "a", userIndex: 1, itemIndex: 0 },
    ]);
    expect(histories(split.validation.train)).toEqual(["ab", "c", "e", "ab"]);
    expect(split.validation.test).toEqual([
      { user: "u0", item: "c", userIndex: 0, itemIndex: 2 },
      { user: "u3", item: "c", userIndex: 3, itemIndex: 2 },
    ]);
  });

  it("keeps users, groups and catalogue", () => {
    expect(split.train.users.map(({ id, group }) => [id, group])).toEqual([
      ["u0", 0],
      ["u1", 1],
      ["u2", 0],
      ["u3", 1],
    ]);
    expect(split.validation.train.items).toHaveLength(5);
  });
});

describe("a sample of users", () => {
  const all = population(Array.from({ length: 40 }, () => "abc"));

  it("is deterministic, without replacement and in the original order", () => {
    const ids = (seed: number) => sampleUsers(all, 12, seed).users.map(({ id }) => Number(id.slice(1)));
    expect(ids(1)).toEqual(ids(1));
    expect(ids(1)).not.toEqual(ids(2));
    expect(new Set(ids(1)).size).toBe(12);
    expect(ids(1)).toEqual([...ids(1)].sort((a, b) => a - b));
    expect(sampleUsers(all, 12, 1).notes).toEqual(["A sample of 12 of 40 users, seed 1."]);
  });

  it("reaches every user equally often", () => {
    const counts = new Array<number>(40).fill(0);
    for (let seed = 0; seed < 1000; seed++) {
      for (const { id } of sampleUsers(all, 10, seed).users) {
        const user = Number(id.slice(1));
        counts[user] = counts[user]! + 1;
      }
    }
    // Binomial(1000, 1/4): mean 250, deviation 13.7; five deviations over 40 users.
    expect(Math.min(...counts)).toBeGreaterThan(180);
    expect(Math.max(...counts)).toBeLessThan(320);
  });

  it("refuses more users than there are, and none", () => {
    expect(() => sampleUsers(all, 41, 1)).toThrow(
      "from 1 to the 40 users of test, not 41; ask for at most 40",
    );
    expect(() => sampleUsers(all, 0, 1)).toThrow("option-invalid");
    expect(sampleUsers(all, 40, 1)).toBe(all);
  });
});
