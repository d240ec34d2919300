import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rankingMetrics, rankOf } from "./ranking.ts";

describe("rank of the held-out item", () => {
  const scores = Float32Array.of(5, 1, 4, 3, 2);

  it("counts better items that are not seen", () => {
    expect(rankOf({ scores, target: 3, seen: new Set() })).toBe(3);
    expect(rankOf({ scores, target: 3, seen: new Set([0]) })).toBe(2);
    expect(rankOf({ scores, target: 3, seen: Uint8Array.of(1, 0, 1, 0, 1) })).toBe(1);
  });

  it("breaks ties against us: a constant scorer comes last", () => {
    expect(rankOf({ scores: new Float32Array(100), target: 0, seen: new Set([7]) })).toBe(99);
    expect(rankOf({ scores: Float32Array.of(1, 1, 0), target: 1, seen: new Set() })).toBe(2);
    const worst = new Float32Array(4).fill(Number.NEGATIVE_INFINITY);
    expect(rankOf({ scores: worst, target: 2, seen: new Set() })).toBe(4);
  });

  it("agrees with sorting", () => {
    const setting = fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.boolean()), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(setting, fc.nat(), (entries, pick) => {
        const target = pick % entries.length;
        const seen = new Set(entries.flatMap(([, known], item) => (known && item !== target ? [item] : [])));
        const order = entries
          .map(([score], item) => ({ score, item }))
          .filter(({ item }) => !seen.has(item))
          .sort((a, b) => b.score - a.score || Number(a.item === target) - Number(b.item === target));
        const found = rankOf({ scores: Float32Array.from(entries, ([score]) => score), target, seen });
        expect(found).toBe(1 + order.findIndex(({ item }) => item === target));
      }),
    );
  });

  it("refuses scores that are not numbers, also of the target", () => {
    const broken = Float32Array.of(1, Number.NaN, 3);
    expect(() => rankOf({ scores: broken, target: 0, seen: new Set() })).toThrow(
      "score of item 1 is not a number",
    );
    expect(() => rankOf({ scores: broken, target: 1, seen: new Set() })).toThrow(
      "score of item 1 is not a number",
    );
    expect(rankOf({ scores: broken, target: 0, seen: new Set([1]) })).toBe(2);
  });

  it("refuses a target that is seen or outside, and a mask of another length", () => {
    expect(() => rankOf({ scores, target: 0, seen: new Set([0]) })).toThrow("already seen");
    expect(() => rankOf({ scores, target: 5, seen: new Set() })).toThrow("outside a catalogue of 5");
    expect(() => rankOf({ scores, target: 0, seen: new Uint8Array(4) })).toThrow("mask of 4");
  });
});

describe("ranking metrics", () => {
  it("are the means of the textbook definitions", () => {
    const metrics = rankingMetrics([1, 3, 10, 11]);
    expect(metrics.n).toBe(4);
    expect(metrics.hr10).toBe(0.75);
    expect(metrics.ndcg10).toBeCloseTo((1 + 1 / 2 + 1 / Math.log2(11)) / 4, 12);
    expect(metrics.mrr).toBeCloseTo((1 + 1 / 3 + 1 / 10 + 1 / 11) / 4, 12);
  });

  it("refuse no ranks and ranks that are none", () => {
    expect(() => rankingMetrics([])).toThrow("at least one rank");
    expect(() => rankingMetrics([0])).toThrow("starts at 1");
    expect(() => rankingMetrics([1.5])).toThrow("starts at 1");
  });
});
