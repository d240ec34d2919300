import { describe, expect, it } from "vitest";
import { solvePositive } from "../cholesky.ts";
import { seededRandom } from "../random.ts";
import { fitRidge, predictRidge, type SparseRows } from "./ridge.ts";

const ROWS = 60;
const COLUMNS = 12;
const TARGETS = 3;
const random = seededRandom(7);
const dense = Array.from({ length: ROWS }, () =>
  Array.from({ length: COLUMNS }, () => (random() < 0.4 ? 2 * random() - 1 : 0)),
);
const targets = Float64Array.from({ length: ROWS * TARGETS }, () => 4 * random() - 1);
const entries = dense.map((row) => row.flatMap((value, column) => (value === 0 ? [] : [{ column, value }])));
const sparse: SparseRows = {
  columns: COLUMNS,
  starts: Uint32Array.from([0, ...entries.map((_, i) => entries.slice(0, i + 1).flat().length)]),
  indices: Uint32Array.from(entries.flat(), ({ column }) => column),
  values: Float64Array.from(entries.flat(), ({ value }) => value),
};
const fitted = Array.from({ length: ROWS }, (_, i) => i);

/** By the normal equations and Cholesky. */
function reference(lambda: number): Float64Array[] {
  return Array.from({ length: TARGETS }, (_, t) => {
    const y = fitted.map((i) => targets[i * TARGETS + t]!);
    const mean = y.reduce((sum, value) => sum + value, 0) / ROWS;
    const products = Array.from({ length: COLUMNS }, (_, a) =>
      Array.from(
        { length: COLUMNS },
        (_, b) => dense.reduce((sum, row) => sum + row[a]! * row[b]!, 0) + (a === b ? lambda : 0),
      ),
    );
    const beta = solvePositive(
      products,
      Array.from({ length: COLUMNS }, (_, a) =>
        dense.reduce((sum, row, i) => sum + row[a]! * (y[i]! - mean), 0),
      ),
    );
    return Float64Array.from(dense, (row) => row.reduce((sum, x, a) => sum + x * beta[a]!, mean));
  });
}

describe("sparse ridge regression", () => {
  it("predicts as the normal equations do", () => {
    for (const lambda of [0.3, 3]) {
      const predicted = predictRidge(fitRidge(sparse, { fitted, targets, lambda }), sparse, fitted);
      reference(lambda).forEach((expected, t) => {
        expected.forEach((value, i) => {
          expect(predicted[i * TARGETS + t]).toBeCloseTo(value, 2);
        });
      });
    }
  });

  it("comes to the same from another fit, which stays as it was", () => {
    const start = fitRidge(sparse, { fitted, targets, lambda: 10 });
    const kept = start.coefficients.slice();
    const warm = predictRidge(fitRidge(sparse, { fitted, targets, lambda: 1, start }), sparse, fitted);
    const cold = predictRidge(fitRidge(sparse, { fitted, targets, lambda: 1 }), sparse, fitted);
    warm.forEach((value, i) => {
      expect(value).toBeCloseTo(cold[i]!, 2);
    });
    expect(start.coefficients).toEqual(kept);
  });

  it("fits only to the rows that are named", () => {
    const half = fitted.filter((i) => i % 2 === 0);
    const own = Float64Array.from(half.flatMap((i) => [...targets.subarray(i * TARGETS, (i + 1) * TARGETS)]));
    const { means } = fitRidge(sparse, { fitted: half, targets: own, lambda: 1 });
    const first = half.reduce((sum, i) => sum + targets[i * TARGETS]!, 0) / half.length;
    expect(means[0]).toBeCloseTo(first, 12);
  });

  it("predicts a constant target as it is", () => {
    const constant = new Float64Array(ROWS).fill(2.5);
    const fit = fitRidge(sparse, { fitted, targets: constant, lambda: 1 });
    for (const value of predictRidge(fit, sparse, fitted)) expect(value).toBeCloseTo(2.5, 12);
  });
});
