import { describe, expect, it } from "vitest";
import { diversified } from "./diversity.ts";

/** Items 0 and 1 alike, 2 across, 3 opposite. */
const units = { rows: 4, columns: 2, data: Float32Array.of(1, 0, 1, 0, 0, 1, -1, 0) };
const scores = Float32Array.of(10, 9, 8, 0);
const list = (diversity: number, count = 3) => diversified([0, 1, 2, 3], { scores, units, count, diversity });

describe("a diverse list", () => {
  it("is as ranked where no diversity is asked for", () => {
    expect(list(0)).toEqual([0, 1, 2]);
  });

  it("takes what is like the rest later, the more so the more diversity is asked for", () => {
    // After 0 at λ = .3: item 1 has .7·.9 − .3·1 = .33, item 2 .7·.8 − 0 = .56, item 3 0 + .3 = .3.
    expect(list(0.3)).toEqual([0, 2, 1]);
    expect(list(1)).toEqual([0, 3, 2]);
  });

  it("holds every item once, and no more than there are", () => {
    expect(list(0.5, 9)).toHaveLength(4);
    expect(new Set(list(0.5, 9)).size).toBe(4);
    expect(diversified([], { scores, units, count: 3, diversity: 0.5 })).toEqual([]);
  });
});
