import { describe, expect, it } from "vitest";
import { seededRandom } from "../random.ts";
import type { Sequence } from "../sequence.ts";
import { teacherSequences } from "./teacher-sequences.ts";

/** After item i come i + 1 with odds of 9 to 1, and i + 2, around a circle of items. */
const ITEMS = 12;
const teacher = {
  itemCount: ITEMS,
  scoresForMany: (sequences: readonly Sequence[]) =>
    sequences.map(({ items }) => {
      const scores = new Float32Array(ITEMS).fill(-50);
      const last = items[items.length - 1]!;
      scores[(last + 1) % ITEMS] = Math.log(9);
      scores[(last + 2) % ITEMS] = 0;
      return scores;
    }),
};
const beginnings = Array.from({ length: 300 }, (_, i) => ({
  items: [i % ITEMS, (i + 1) % ITEMS, (i + 2) % ITEMS],
  actions: [0, 1, 4],
  times: [100, 110, 150],
  ratings: [Number.NaN, 0.5, 1],
}));
const make = (temperature: number, seed = 1) =>
  teacherSequences(teacher, { beginnings, kept: 2, length: 5, temperature, random: seededRandom(seed) });

describe("a teacher's sequences", () => {
  it("begin as they are told to, and go on as the teacher expects, no item twice", async () => {
    const sequences = await make(1);
    expect(sequences).toHaveLength(300);
    let likely = 0;
    sequences.forEach(({ items, actions, times, ratings }, i) => {
      const list = Array.from(items);
      expect(list.slice(0, 2)).toEqual(beginnings[i]!.items.slice(0, 2));
      expect(new Set(list).size).toBe(5);
      expect(actions).toEqual([0, 1, 4, 0, 1]);
      expect(times).toEqual([100, 110, 150, 160, 170]);
      expect(ratings).toEqual([Number.NaN, 0.5, 1, Number.NaN, 0.5]);
      for (let at = 2; at < 5; at++) {
        const step = (list[at]! - list[at - 1]! + ITEMS) % ITEMS;
        expect([1, 2]).toContain(step);
        if (step === 1) likely++;
      }
    });
    // 900 draws of probability .9: five standard errors are .05.
    expect(Math.abs(likely / 900 - 0.9)).toBeLessThan(0.05);
    expect(await make(1)).toEqual(sequences);
    expect(await make(1, 2)).not.toEqual(sequences);
  });

  it("are the teacher's first choices when it is cold", async () => {
    for (const { items } of await make(0.01)) expect(items[4]).toBe((items[0]! + 4) % ITEMS);
  });

  it("cannot be longer than the catalogue", async () => {
    const options = { beginnings, kept: 2, temperature: 1, random: seededRandom(1) };
    await expect(teacherSequences(teacher, { ...options, length: 13 })).rejects.toThrow(
      "at most the 12 items",
    );
    await expect(teacherSequences(teacher, { ...options, length: 2 })).rejects.toThrow("above 2");
  });
});
