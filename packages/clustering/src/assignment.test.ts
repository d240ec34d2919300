import fc from "fast-check";
import { describe, expect, it } from "vitest";
import vectors from "../test/vectors/assignment.json" with { type: "json" };
import { optimalAssignment } from "./assignment.ts";

function total(cost: ArrayLike<number>, columns: number, assigned: Int32Array): number {
  return assigned.reduce((sum, column, row) => (column < 0 ? sum : sum + cost[row * columns + column]!), 0);
}

describe(`optimal assignment (${vectors.generator})`, () => {
  it.each(vectors.cases)("$name", ({ rows, columns, cost, ...expected }) => {
    const assigned = optimalAssignment(Float64Array.from(cost), { rows, columns });
    expect(total(cost, columns, assigned)).toBeCloseTo(expected.total, 10);
    if (expected.unique) expect(Array.from(assigned)).toEqual(expected.assignment);
  });

  it("is never dearer than any permutation, and one to one", () => {
    const square = fc.integer({ min: 1, max: 5 }).chain((n) =>
      fc.tuple(
        fc.array(fc.integer({ min: -9, max: 9 }), { minLength: n * n, maxLength: n * n }),
        fc.shuffledSubarray(
          Array.from({ length: n }, (_, i) => i),
          { minLength: n, maxLength: n },
        ),
      ),
    );
    fc.assert(
      fc.property(square, ([cost, permutation]) => {
        const n = permutation.length;
        const assigned = optimalAssignment(Float64Array.from(cost), { rows: n, columns: n });
        expect(new Set(assigned).size).toBe(n);
        expect(total(cost, n, assigned)).toBeLessThanOrEqual(total(cost, n, Int32Array.from(permutation)));
      }),
    );
  });

  it("pairs nothing with nothing, and refuses what does not fit", () => {
    expect(Array.from(optimalAssignment(new Float64Array(), { rows: 2, columns: 0 }))).toEqual([-1, -1]);
    expect(Array.from(optimalAssignment(new Float64Array(), { rows: 0, columns: 2 }))).toEqual([]);
    expect(() => optimalAssignment(new Float64Array(3), { rows: 2, columns: 2 })).toThrow("3 costs");
    expect(() => optimalAssignment(Float64Array.of(Number.NaN), { rows: 1, columns: 1 })).toThrow(
      "not finite",
    );
  });
});
