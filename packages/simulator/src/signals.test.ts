import { describe, expect, it } from "vitest";
import { simulateSignals } from "./signals.ts";

const sequences = [{ items: [0, 1, 2] }, { items: [1, 2] }, { items: [3, 1, 1] }];
const base = { sequences, itemCount: 4, seed: 1 };

describe("simulated signals", () => {
  it("are the sums over everybody where nobody is clipped", () => {
    const { popularity, transitions } = simulateSignals(base);
    expect([...popularity!.entries]).toEqual([0, 1, 2, 3]);
    expect([...popularity!.counts]).toEqual([1, 3, 2, 1]);
    expect([...transitions!.entries]).toEqual([1, 2, 6, 13]);
    expect([...transitions!.counts]).toEqual([1, 1, 2, 2]);
  });

  it("are between the most popular items where fewer are counted", () => {
    const { transitions } = simulateSignals({ ...base, items: 2 });
    expect([...transitions!.items]).toEqual([1, 2]);
    expect([...transitions!.entries]).toEqual([1]);
    expect([...transitions!.counts]).toEqual([2]);
  });

  it("bound what one person adds", () => {
    const { popularity } = simulateSignals({ ...base, sequences: [{ items: [0, 1, 2, 3] }], clip: 1 });
    expect([...popularity!.counts]).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  it("keep what stands out of the noise", () => {
    const many = Array.from({ length: 400 }, (_, i) => ({ items: [i % 2, 2] }));
    const { popularity } = simulateSignals({ sequences: many, itemCount: 50, noise: 0.005, seed: 3 });
    expect(popularity!.deviation).toBeCloseTo(10, 9);
    expect([...popularity!.entries]).toEqual(expect.arrayContaining([0, 1, 2]));
    expect(popularity!.entries.length).toBeLessThan(10);
    expect(Math.abs(popularity!.counts[2]! - 400)).toBeLessThan(50);
  });
});
