import { describe, expect, it } from "vitest";
import { seededRandom } from "../random.ts";
import { keepLargest } from "./keep-largest.ts";

const largest = (all: Float32Array, top: number) => {
  const kept = { items: new Int32Array(top), shares: new Float32Array(top) };
  keepLargest(all, kept);
  return kept;
};

describe("the largest of many values", () => {
  it.each([1, 2, 7, 64, 300])(
    "%d of 300 are those that sorting gives, the earlier first among equals",
    (top) => {
      const random = seededRandom(top);
      const all = Float32Array.from({ length: 300 }, () => Math.floor(random() * 50) / 50);
      const sorted = [...all.keys()].sort((a, b) => all[b]! - all[a]! || a - b).slice(0, top);
      const { items, shares } = largest(all, top);
      expect([...items]).toEqual(sorted);
      expect([...shares]).toEqual(sorted.map((item) => all[item]));
    },
  );

  it("are found among hundreds of thousands in the order that has each of them kept for a while", () => {
    const ascending = Float32Array.from({ length: 600_000 }, (_, i) => i);
    const { items } = largest(ascending, 300_000);
    expect([items[0], items[299_999]]).toEqual([599_999, 300_000]);
  }, 10_000);
});
