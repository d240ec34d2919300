import { describe, expect, it } from "vitest";
import {
  collaborativeScores,
  collaborativeTable,
  hybridScores,
  learnedHalfLife,
  popularShares,
} from "./collaborative.ts";

const ITEMS = 6;
const released = { round: 1, people: 10, deviation: 0 };

/** A signal from counts by entry. */
const sparse = (counts: Record<number, number>) => ({
  ...released,
  entries: Uint32Array.from(Object.keys(counts).map(Number)),
  counts: Float32Array.from(Object.values(counts)),
});

/** Transitions between items 4, 0 and 2 in this order: 4 → 0 three times, 0 → 4 once, 0 → 2 five times. */
const transitions = { ...sparse({ 1: 3, 3: 1, 5: 5 }), items: Uint32Array.of(4, 0, 2) };
const popularity = { ...sparse({ 0: 8, 3: 2, 6: 4, 13: 6 }), clusters: [7, 9] };

const best = (scores: Float32Array): number => scores.indexOf(Math.max(...scores));

describe("collaborative scores", () => {
  it("are there once something was released", () => {
    expect(collaborativeTable({}, ITEMS)).toBeUndefined();
  });

  it("follow the transitions, by recency and against popularity", () => {
    const table = collaborativeTable({ transitions, popularity }, ITEMS)!;
    const popular = new Float32Array(ITEMS);
    const scores = collaborativeScores(table, [4, 0], { halfLife: 2, popular });
    // From 0, the latest: 1 to item 4 and 5 to item 2; from 4, one step before: 3 to item 0, times 2^−1/2.
    // A row of sum s is weighed down by s^−3/4.
    const [fromFour, fromZero] = [3 ** -0.75 * Math.SQRT1_2, 6 ** -0.75];
    const weighted = [3 * fromFour * 13 ** -0.25, 0, 5 * fromZero * 5 ** -0.25, 0, fromZero * 5 ** -0.25, 0];
    const total = weighted.reduce((a, b) => a + b);
    for (const [item, value] of weighted.entries())
      if (value > 0)
        expect(Math.exp(scores[item]!)).toBeCloseTo((0.95 * 0.6 * value) / total + 0.05 / ITEMS, 6);
    expect(Math.exp(scores[1]!)).toBeCloseTo(0.05 / ITEMS, 6);
  });

  it("forget what is more than ten half-lives ago", () => {
    const table = collaborativeTable({ transitions, popularity }, ITEMS)!;
    const popular = popularShares(table);
    const long = [4, ...new Array(10).fill(5)] as number[];
    const forgotten = collaborativeScores(table, long, { halfLife: 1, popular });
    expect(forgotten).toEqual(collaborativeScores(table, [5], { halfLife: 1, popular }));
    expect(collaborativeScores(table, long, { halfLife: 2, popular })).not.toEqual(forgotten);
  });

  it("are popularity where no transition is known", () => {
    const table = collaborativeTable({ popularity }, ITEMS)!;
    const scores = collaborativeScores(table, [1], { halfLife: 2, popular: popularShares(table) });
    expect(Math.exp(scores[0]!)).toBeCloseTo(0.95 * 0.8 + 0.05 / ITEMS, 6);
    expect(Math.exp(scores[3]!)).toBeCloseTo(0.95 * 0.2 + 0.05 / ITEMS, 6);
  });

  it("know how often an item is followed where no popularity was released", () => {
    const table = collaborativeTable({ transitions }, ITEMS)!;
    expect([...table.popularity]).toEqual([3, 0, 5, 0, 1, 0]);
  });
});

describe("what is popular", () => {
  it("is half everybody's, half that of the person's clusters as far as they were counted", () => {
    const table = collaborativeTable({ popularity }, ITEMS)!;
    expect([...popularShares(table)]).toEqual([0.8, 0, 0, 0.2, 0, 0].map(Math.fround));
    const own = popularShares(table, new Map([[9, 1]]));
    expect(own[1]).toBeCloseTo(0.5, 6);
    expect(own[0]).toBeCloseTo(0.4, 6);
    expect(popularShares(table, new Map([[5, 1]]))).toEqual(popularShares(table));
  });

  it("is uniform where nothing stood out of the noise", () => {
    const table = collaborativeTable({ popularity: { ...popularity, ...sparse({}) } }, ITEMS)!;
    expect(popularShares(table)[2]).toBeCloseTo(1 / ITEMS, 6);
  });
});

describe("the half-life", () => {
  const all = Uint32Array.from({ length: ITEMS }, (_, item) => item);
  const table = collaborativeTable({ transitions: { ...sparse({ 1: 50, 6: 50 }), items: all } }, ITEMS)!;

  it("is the usual one of a person of whom little is known", () => {
    expect(learnedHalfLife(table, [])).toBe(2);
    expect(learnedHalfLife(table, [0, 1])).toBe(2);
  });

  it("is short where the next interaction follows from the last, long where it follows from all of the latest", () => {
    // Each item leads to the next one around a ring.
    const ring = collaborativeTable(
      { transitions: { ...sparse({ 1: 50, 8: 50, 15: 50, 22: 50, 29: 50, 30: 50 }), items: all } },
      ITEMS,
    )!;
    const walk = Array.from({ length: 40 }, (_, i) => i % ITEMS);
    expect(learnedHalfLife(ring, walk)).toBe(1);
    // Five walks around the ring woven together: every step follows from the one five before it.
    const woven = Array.from({ length: 60 }, (_, i) => (Math.floor(i / 5) + 4 - (i % 5)) % ITEMS);
    expect(learnedHalfLife(ring, woven)).toBeGreaterThan(3);
  });
});

describe("hybrid scores", () => {
  it("let an item of which nothing was released come first where the encoder is sure of it", () => {
    const table = collaborativeTable({ transitions, popularity }, ITEMS)!;
    const scores = collaborativeScores(table, [4, 0], { halfLife: 2, popular: popularShares(table) });
    const content = new Float32Array(ITEMS);
    content[5] = 12;
    expect(best(hybridScores(content, scores))).toBe(5);
  });

  it("are a weighted mean of both logarithms, whatever the encoder's scores are shifted by", () => {
    const collaborative = Float32Array.of(Math.log(0.5), Math.log(0.25), Math.log(0.25));
    const content = Float32Array.of(0, 2, 1);
    const scores = hybridScores(content, collaborative);
    const shifted = hybridScores(
      content.map((score) => score + 100),
      collaborative,
    );
    for (const item of [0, 1, 2]) expect(shifted[item]).toBeCloseTo(scores[item]!, 4);
    expect(best(scores)).toBe(1);
    const against = Float32Array.of(Math.log(0.2), Math.log(0.001), Math.log(0.799));
    expect(best(hybridScores(content, against))).toBe(2);
  });
});
