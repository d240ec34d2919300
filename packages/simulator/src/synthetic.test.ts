import { adjustedRandIndex } from "@kindred/clustering";
import { rankingMetrics } from "@kindred/encoder";
import { describe, expect, it } from "vitest";
import { itemNeighboursBaseline, popularityBaseline } from "./baselines.ts";
import { itemIndex, kCore } from "./population.ts";
import { rankHeldOut } from "./ranking.ts";
import { leaveLastOut } from "./split.ts";
import { syntheticPopulation } from "./synthetic.ts";
import { THEMES } from "./synthetic-words.ts";

const options = { users: 400, items: 360, groups: 6, seed: 3, eventsPerUser: 30 };
const population = syntheticPopulation(options);
const index = itemIndex(population);

describe("synthetic population", () => {
  it("is deterministic in its options", () => {
    expect(syntheticPopulation(options)).toEqual(population);
    expect(syntheticPopulation({ ...options, seed: 4 }).users).not.toEqual(population.users);
  });

  it("has the size that was asked for", () => {
    expect(population.users).toHaveLength(400);
    expect(population.items).toHaveLength(360);
    const lengths = population.users.map(({ interactions }) => interactions.length);
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(15);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(45);
    expect(lengths.reduce((sum, length) => sum + length, 0) / 400).toBeCloseTo(30, -0.5);
  });

  it("has unique ids and titles, and tags that begin with the group's theme", () => {
    expect(index.size).toBe(360);
    expect(new Set(population.items.map(({ title }) => title)).size).toBe(360);
    expect(population.items[0]).toEqual({
      id: "cooking-1",
      title: "Sourdough workshop, part 1",
      tags: ["cooking", "sourdough"],
    });
    expect(new Set(population.items.map(({ tags }) => tags[0]))).toEqual(
      new Set(THEMES.slice(0, 6).map(({ tag }) => tag)),
    );
    const large = syntheticPopulation({ ...options, users: 1, items: 3000 });
    expect(new Set(large.items.map(({ title }) => title)).size).toBe(3000);
    expect(new Set(THEMES.flatMap(({ subjects }) => subjects)).size).toBe(THEMES.length * 8);
  });

  it("gives every user new items in order of time", () => {
    for (const { interactions } of population.users) {
      expect(new Set(interactions.map(({ item }) => item)).size).toBe(interactions.length);
      expect(interactions.every(({ time }, i) => i === 0 || time > interactions[i - 1]!.time)).toBe(true);
      expect(interactions.every(({ item }) => index.has(item))).toBe(true);
    }
  });

  it("shows the known group in what people do, and drift towards a second interest", () => {
    const mainShare = (part: "early" | "late") => {
      let main = 0;
      let total = 0;
      for (const { group, interactions } of population.users) {
        const half = Math.floor(interactions.length / 2);
        for (const { item } of part === "early" ? interactions.slice(0, half) : interactions.slice(half)) {
          if (population.items[index.get(item)!]!.tags[0] === THEMES[group!]!.tag) main++;
          total++;
        }
      }
      return main / total;
    };
    expect(mainShare("early")).toBeGreaterThan(0.8);
    expect(mainShare("late")).toBeLessThan(mainShare("early") - 0.05);
    const favourite = population.users.map(({ interactions }) => {
      const counts = new Array<number>(6).fill(0);
      for (const { item } of interactions) {
        const group = THEMES.findIndex(({ tag }) => tag === population.items[index.get(item)!]!.tags[0]);
        counts[group] = counts[group]! + 1;
      }
      return counts.indexOf(Math.max(...counts));
    });
    const known = population.users.map(({ group }) => group!);
    expect(adjustedRandIndex(known, favourite)).toBeGreaterThan(0.9);
  });

  it("has a skewed popularity", () => {
    const counts = Array.from(popularityBaseline(population)).sort((a, b) => b - a);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const head = counts.slice(0, 36).reduce((sum, count) => sum + count, 0);
    // The most popular tenth of the items; without skew it would hold a tenth of the events.
    expect(head / total).toBeGreaterThan(0.2);
  });

  it("rewards knowing the group over popularity, and knowing the order over both", () => {
    const split = leaveLastOut(population);
    const popularity = popularityBaseline(split.train);
    const ndcg = (score: (user: number) => Float32Array) => rankingMetrics(rankHeldOut(split, score)).ndcg10;
    // First-order transitions counted in training, popularity to break ties.
    const size = population.items.length;
    const transitions = new Float32Array(size * size);
    for (const { interactions } of split.train.users) {
      for (let i = 1; i < interactions.length; i++) {
        const cell = index.get(interactions[i - 1]!.item)! * size + index.get(interactions[i]!.item)!;
        transitions[cell] = transitions[cell]! + 1;
      }
    }
    const markov = (user: number) => {
      const last = index.get(split.train.users[user]!.interactions.at(-1)!.item)!;
      return popularity.map((count, item) => transitions[last * size + item]! + 1e-4 * count);
    };
    const byPopularity = ndcg(() => popularity);
    const byNeighbours = ndcg(itemNeighboursBaseline(split.train));
    const byOrder = ndcg(markov);
    expect(byNeighbours).toBeGreaterThan(3 * byPopularity);
    expect(byOrder).toBeGreaterThan(1.5 * byNeighbours);
    expect(byOrder).toBeLessThan(0.75);
  });

  it("survives being reduced to its 5-core", () => {
    expect(kCore(population, 5).users.length).toBe(400);
  });

  it("refuses impossible options", () => {
    const refuse = (change: Partial<typeof options>) => () => syntheticPopulation({ ...options, ...change });
    expect(refuse({ users: 0 })).toThrow("synthetic.users");
    expect(refuse({ groups: 25 })).toThrow("synthetic.groups must be a whole number from 1 to 24, not 25");
    expect(refuse({ items: 11 })).toThrow("synthetic.items must be a whole number from 12");
    expect(refuse({ eventsPerUser: 181 })).toThrow("synthetic.eventsPerUser");
    expect(refuse({ seed: -1 })).toThrow("seed");
    expect(
      syntheticPopulation({ users: 3, items: 6, groups: 1, seed: 0, eventsPerUser: 3 }).users,
    ).toHaveLength(3);
  });
});
