import fc from "fast-check";
import { expect, test } from "vitest";
import { findSorted, insertSorted, removeSorted, type SortedBlocks } from "./sorted-blocks.ts";

const itself = (item: string): string => item;

test("is the sorted list of what was put in and not taken out, and leaves the lists before it alone", () => {
  const change = fc.record({ key: fc.nat(700).map(String), isRemoval: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 900, size: "max" }), (changes) => {
      const expected = new Set<string>();
      let blocks: SortedBlocks<string> = [];
      for (const { key, isRemoval } of changes) {
        const before = blocks;
        const content = before.flat();
        const present = expected.has(key);
        expect(findSorted(blocks, key, itself)).toBe(present ? key : undefined);
        if (isRemoval) {
          blocks = removeSorted(blocks, key, itself);
          expected.delete(key);
        } else if (!present) {
          blocks = insertSorted(blocks, key, itself);
          expected.add(key);
        }
        expect(before.flat()).toEqual(content);
      }
      expect(blocks.flat()).toEqual([...expected].sort());
      expect(blocks.every(({ length }) => length > 0)).toBe(true);
    }),
    { seed: 7, numRuns: 10 },
  );
});

test("an insertion into a long list shares nearly all of it", () => {
  let blocks: SortedBlocks<string> = [];
  for (let i = 0; i < 5000; i++) blocks = insertSorted(blocks, String((i * 2_654_435_761) % 2 ** 32), itself);
  const more = insertSorted(blocks, "5", itself);
  expect(more.flat()).toHaveLength(5001);
  expect(more.filter((block) => !blocks.includes(block)).length).toBeLessThanOrEqual(2);
  expect(Math.max(...more.map(({ length }) => length))).toBeLessThanOrEqual(128);
});
