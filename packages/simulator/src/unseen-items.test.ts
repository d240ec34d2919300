import { describe, expect, it } from "vitest";
import type { Population } from "./population.ts";
import { leaveLastOut } from "./split.ts";
import { hideItems } from "./unseen-items.ts";

const population: Population = {
  name: "test",
  items: Array.from({ length: 200 }, (_, i) => ({ id: `${i}`, title: `${i}`, tags: [] })),
  users: Array.from({ length: 50 }, (_, user) => ({
    id: `u${user}`,
    interactions: Array.from({ length: user === 0 ? 2 : 8 }, (_, time) => ({
      item: `${(user * 7 + time * 13) % 200}`,
      action: "view" as const,
      time,
    })),
  })),
  notes: [],
};
const split = leaveLastOut(population);

describe("hidden items", () => {
  const { train, test, hidden } = hideItems(split, { share: 0.3, seed: 2 });

  it("are about their share, and are nowhere in training", () => {
    // Binomial(200, .3): mean 60, deviation 6.5.
    expect(hidden.size).toBeGreaterThan(40);
    expect(hidden.size).toBeLessThan(80);
    for (const { interactions } of train.users)
      for (const { item } of interactions) expect(hidden.has(Number(item))).toBe(false);
    expect(train.items).toEqual(population.items);
  });

  it("stay in the test, and nothing else is lost", () => {
    const count = (users: Population["users"]) =>
      users.flatMap(({ interactions }) => interactions).filter(({ item }) => !hidden.has(Number(item)))
        .length;
    expect(count(train.users)).toBe(count(split.train.users));
    expect(test.some(({ itemIndex }) => hidden.has(itemIndex))).toBe(true);
    expect(test.every((held) => split.test.includes(held))).toBe(true);
  });

  it("are the same for a seed, and take people out who have nothing left", () => {
    expect(hideItems(split, { share: 0.3, seed: 2 }).hidden).toEqual(hidden);
    expect(hideItems(split, { share: 0.3, seed: 3 }).hidden).not.toEqual(hidden);
    const most = hideItems(split, { share: 0.95, seed: 1 });
    for (const { userIndex } of most.test)
      expect(most.train.users[userIndex]!.interactions.length).toBeGreaterThan(0);
    expect(most.test.length).toBeLessThan(split.test.length);
  });

  it("refuse a share that is none", () => {
    expect(() => hideItems(split, { share: 1, seed: 1 })).toThrow("must lie between 0 and 1");
  });
});
