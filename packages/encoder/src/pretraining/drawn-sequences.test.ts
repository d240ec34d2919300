import { describe, expect, it } from "vitest";
import { seededRandom } from "../random.ts";
import { drawnSequences, type Foresight, foresightTeacher } from "./drawn-sequences.ts";
import { softTargets } from "./soft-targets.ts";

const ITEMS = 6;
/** Begins anywhere; after item i comes i + 1 three times out of four, anything else otherwise. */
const circle: Foresight = (items) => {
  const last = items.at(-1);
  return Float32Array.from({ length: ITEMS }, (_, item) =>
    Math.log(last === undefined ? 1 / ITEMS : item === (last + 1) % ITEMS ? 0.75 : 0.05),
  );
};
const draw = (seed: number, count = 400) =>
  drawnSequences(circle, { count, length: 4, random: seededRandom(seed) });

describe("drawn sequences", () => {
  it("have two items or more, none twice, and are those of their seed", async () => {
    const sequences = await draw(1);
    expect(sequences).toHaveLength(400);
    for (const { items, actions, times, ratings } of sequences) {
      expect(items.length).toBeGreaterThanOrEqual(2);
      expect(items.length).toBeLessThanOrEqual(4);
      expect(new Set(Array.from(items)).size).toBe(items.length);
      expect([actions.length, times.length, ratings!.length]).toEqual(new Array(3).fill(items.length));
    }
    expect(await draw(1)).toEqual(sequences);
    expect(await draw(2)).not.toEqual(sequences);
  });

  it("follow what is foreseen", async () => {
    const steps = (await draw(1)).map(({ items }) => (items[1]! - items[0]! + ITEMS) % ITEMS);
    // The first item does not come again, so .75 of .95; three deviations of 400 draws are .06.
    const onwards = steps.filter((step) => step === 1).length / steps.length;
    expect(Math.abs(onwards - 0.75 / 0.95)).toBeLessThan(0.06);
  });

  it("are no longer than there are items, and leave alone what is foreseen", async () => {
    const scores = Float32Array.of(-100, -101, -102);
    const sequences = await drawnSequences(() => scores, { count: 50, length: 20, random: seededRandom(1) });
    for (const { items } of sequences) expect(new Set(Array.from(items)).size).toBe(items.length);
    expect(Math.max(...sequences.map(({ items }) => items.length))).toBe(3);
    expect([...scores]).toEqual([-100, -101, -102]);
  });

  it("tell how far they are", async () => {
    const told: number[] = [];
    const random = seededRandom(1);
    await drawnSequences(circle, {
      ...{ count: 64, length: 2, random },
      progress: (fraction) => void told.push(fraction),
    });
    expect(told).toEqual([0.5, 1, 1]);
  });
});

describe("what is foreseen as a teacher", () => {
  it("expects along a sequence what is foreseen after each of its items, and none of them again", async () => {
    const sequence = { items: [4, 5, 1], actions: [0, 0, 0], times: [0, 1, 2] };
    const teacher = foresightTeacher(circle, { itemCount: ITEMS, sequenceLength: 8 });
    const targets = await softTargets([teacher], { sequences: [sequence], top: 1, temperature: 1 });
    const { items, shares } = targets.get(sequence)!;
    expect([...items]).toEqual([5, 0]);
    expect(shares[0]).toBeCloseTo(0.75 / 0.95, 5);
    // After 4 and 5 both are left out.
    expect(shares[1]).toBeCloseTo(0.75 / 0.9, 5);
  });
});
