import { describe, expect, it } from "vitest";
import { restartedTreeSensitivitySquared, treeSensitivitySquared } from "./tree-aggregation.ts";

/** Σ (participations)² over the nodes of the trees of the binary expansion of `steps`. */
function cost(days: readonly number[], steps: number): number {
  let sum = 0;
  for (let start = 0, size = 2 ** 31; size >= 1; size /= 2) {
    if ((steps & size) === 0) continue;
    for (let node = size; node >= 1; node /= 2)
      for (let at = start; at < start + size; at += node)
        sum += days.filter((day) => day >= at && day < at + node).length ** 2;
    start += size;
  }
  return sum;
}

/** The largest cost over every choice of days, by enumeration. */
function enumerated(participations: number, separation: number, steps: number): number {
  let largest = 0;
  for (let chosen = 1; chosen < 2 ** steps; chosen++) {
    const days = Array.from({ length: steps }, (_, i) => i).filter((i) => (chosen >> i) & 1);
    if (days.length > participations) continue;
    if (days.some((day, i) => i > 0 && day - days[i - 1]! <= separation)) continue;
    largest = Math.max(largest, cost(days, steps));
  }
  return largest;
}

describe("treeSensitivitySquared", () => {
  it.each([1, 2, 3, 5, 8, 11, 12])("is the worst of all placements in %d steps", (steps) => {
    for (const participations of [1, 2, 3, 7])
      for (const separation of [0, 1, 2, 4])
        expect(treeSensitivitySquared({ participations, separation, steps })).toBe(
          enumerated(participations, separation, steps),
        );
  });

  it("refuses what is no tree", () => {
    const good = { participations: 1, separation: 0, steps: 8 };
    expect(() => treeSensitivitySquared({ ...good, participations: 0 })).toThrow(/participations/);
    expect(() => treeSensitivitySquared({ ...good, separation: -1 })).toThrow(/separation/);
    expect(() => treeSensitivitySquared({ ...good, steps: 1.5 })).toThrow(/steps/);
  });
});

describe("restartedTreeSensitivitySquared", () => {
  it("is the depth of the tree, which is what one participation costs at the most", () => {
    for (const steps of [1, 2, 3, 4, 7, 8, 1600]) {
      expect(restartedTreeSensitivitySquared(steps)).toBe(Math.floor(Math.log2(steps)) + 1);
      if (steps < 12) expect(restartedTreeSensitivitySquared(steps)).toBe(enumerated(1, 0, steps));
    }
    expect(() => restartedTreeSensitivitySquared(0)).toThrow(/steps/);
  });
});
