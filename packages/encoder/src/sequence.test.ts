import { describe, expect, it } from "vitest";
import { GAP_BUCKETS } from "./layout.ts";
import { gapBucket, lastWindow, packWindows, trainingWindows } from "./sequence.ts";

const sequence = (length: number) => ({
  items: Array.from({ length }, (_, index) => index),
  actions: Array.from({ length }, () => 1),
  times: Array.from({ length }, (_, index) => index * 5_000),
});

describe("gapBucket", () => {
  it("grows with the gap and stays within the table", () => {
    const buckets = [undefined, -5, 0, 999, 1e3, 5e4, 5e5, 3e6, 2e7, 8e7, 2e8, 6e8, 2e9, 3e9, 1e15].map(
      gapBucket,
    );
    expect(buckets).toEqual([0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11]);
    expect(Math.max(...buckets)).toBe(GAP_BUCKETS - 1);
  });
});

describe("trainingWindows", () => {
  it.each([
    [2, 0],
    [8, 0],
    [9, 3],
    [23, 0],
    [23, 6],
  ])("covers each of the transitions of %i interactions once at shift %i", (length, shift) => {
    const windows = trainingWindows(sequence(length), 7, shift);
    const covered = windows.flatMap(({ start, end }) =>
      Array.from({ length: end - start }, (_, index) => start + index),
    );
    expect(covered.sort((a, b) => a - b)).toEqual(Array.from({ length: length - 1 }, (_, index) => index));
    for (const { start, end } of windows) expect(end - start).toBeLessThanOrEqual(7);
  });
});

describe("packWindows", () => {
  it("lays windows one behind the other with the item that follows as target", () => {
    const person = { ...sequence(5), ratings: [Number.NaN, 0, 0.5, 0.9, 1] };
    const batch = packWindows([lastWindow(person, 3), ...trainingWindows(person, 10)]);
    expect(Array.from(batch.starts)).toEqual([0, 3, 7]);
    expect(Array.from(batch.items)).toEqual([2, 3, 4, 0, 1, 2, 3]);
    expect(Array.from(batch.targets)).toEqual([3, 4, -1, 1, 2, 3, 4]);
    expect(Array.from(batch.gaps)).toEqual([2, 2, 2, 0, 2, 2, 2]);
    expect(Array.from(batch.ratings)).toEqual([3, 5, 5, 0, 1, 3, 5]);
  });
});
