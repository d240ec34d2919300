import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Matrix, matrixFromRows, normaliseRows } from "./matrix.ts";
import { centroidsFromAggregate, sufficientStatistics } from "./statistics.ts";

const axes = matrixFromRows([
  [1, 0],
  [0, 1],
]);

function norm(vector: Float64Array): number {
  return Math.hypot(...vector);
}

describe("sufficient statistics of one user", () => {
  it("splits one unit of weight over the user's vectors", () => {
    const vectors = matrixFromRows([
      [5, 0],
      [0.6, 0.8],
      [0, 2],
      [0, 1],
    ]);
    const { counts, sums } = sufficientStatistics(vectors, axes);
    expect(Array.from(counts)).toEqual([0.25, 0.75]);
    const expected = [0.25, 0, 0.15, 0.7];
    sums.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
  });

  it("leaves out vectors without direction", () => {
    const { counts } = sufficientStatistics(
      matrixFromRows([
        [0, 0],
        [0, 3],
      ]),
      axes,
    );
    expect(Array.from(counts)).toEqual([0, 1]);
    const nothing = sufficientStatistics(matrixFromRows([[0, 0]]), axes);
    expect(Array.from(nothing.counts)).toEqual([0, 0]);
    expect(Array.from(nothing.sums)).toEqual([0, 0, 0, 0]);
  });

  it("splits it by the weights, when these are given", () => {
    const vectors = matrixFromRows([
      [5, 0],
      [0, 2],
      [0, 0],
    ]);
    const { counts, sums } = sufficientStatistics(vectors, axes, [1, 3, 9]);
    expect(Array.from(counts)).toEqual([0.25, 0.75]);
    expect(Array.from(sums)).toEqual([0.25, 0, 0, 0.75]);
    expect(Array.from(sufficientStatistics(vectors, axes, [0, 0, 1]).counts)).toEqual([0, 0]);
    expect(() => sufficientStatistics(vectors, axes, [1, 2])).toThrow("2 weights do not fit 3 vectors");
    expect(() => sufficientStatistics(vectors, axes, [1, Number.NaN, 1])).toThrow("Weight 1");
    expect(() => sufficientStatistics(vectors, axes, [1, 1, -1])).toThrow("Weight 2");
  });

  it("never exceeds norm 1, however many and however long the vectors", () => {
    const component = fc.float({ noNaN: true, noDefaultInfinity: true });
    const shape = fc
      .record({
        d: fc.integer({ min: 1, max: 6 }),
        k: fc.integer({ min: 1, max: 5 }),
        m: fc.integer({ min: 1, max: 8 }),
      })
      .chain(({ d, k, m }) => {
        const rows = (count: number) =>
          fc.array(fc.array(component, { minLength: d, maxLength: d }), {
            minLength: count,
            maxLength: count,
          });
        return fc.record({ vectors: rows(m), centroids: rows(k) });
      });
    fc.assert(
      fc.property(shape, ({ vectors, centroids }) => {
        const matrix: Matrix = matrixFromRows(vectors);
        const { counts, sums } = sufficientStatistics(matrix, normaliseRows(matrixFromRows(centroids)));
        const total = counts.reduce((sum, count) => sum + count, 0);
        const directed = vectors.some((row) => row.some((value) => Math.fround(value) !== 0));
        expect(total).toBeCloseTo(directed ? 1 : 0, 12);
        expect(norm(counts)).toBeLessThanOrEqual(1 + 1e-12);
        expect(norm(sums)).toBeLessThanOrEqual(1 + 1e-12);
      }),
      { numRuns: 500 },
    );
  });

  it("reaches the bound with one vector, so that the stated sensitivity is tight", () => {
    const { counts, sums } = sufficientStatistics(matrixFromRows([[3, 4]]), axes);
    expect(norm(counts)).toBe(1);
    expect(norm(sums)).toBeCloseTo(1, 12);
  });

  it("refuses another dimension and values that are not finite", () => {
    expect(() => sufficientStatistics(matrixFromRows([[1, 2, 3]]), axes)).toThrow("dimension 3");
    expect(() => sufficientStatistics(matrixFromRows([[1, Number.NaN]]), axes)).toThrow("not finite");
  });
});

describe("centroids from an aggregate", () => {
  const previous = matrixFromRows([
    [1, 0],
    [0, 1],
    [-1, 0],
    [0, -1],
  ]);

  it("takes directions of the sums and keeps what it cannot move", () => {
    const { centroids, suppressed } = centroidsFromAggregate({
      counts: Float64Array.of(40, 9.9, 10, 500),
      sums: Float64Array.of(30, 40, 7, 7, 0, 0, Number.NaN, 1),
      previous,
      floor: 10,
    });
    expect(suppressed).toEqual([1, 2, 3]);
    expect(Array.from(centroids.data)).toEqual([Math.fround(0.6), Math.fround(0.8), 0, 1, -1, 0, 0, -1]);
  });

  it("releases a cluster exactly at the floor and keeps one whose count is not a number or negative", () => {
    const { suppressed } = centroidsFromAggregate({
      counts: Float64Array.of(0, Number.NaN, -3, 1),
      sums: Float64Array.of(1, 1, 1, 1, 1, 1, 1, 1),
      previous,
      floor: 0,
    });
    expect(suppressed).toEqual([1, 2]);
  });

  it("does not touch the previous centroids", () => {
    const before = Float32Array.from(previous.data);
    centroidsFromAggregate({
      counts: new Float64Array(4).fill(9),
      sums: new Float64Array(8).fill(1),
      previous,
      floor: 1,
    });
    expect(previous.data).toEqual(before);
  });

  it("refuses shapes that do not fit and a floor below zero", () => {
    const counts = new Float64Array(4);
    const sums = new Float64Array(8);
    expect(() => centroidsFromAggregate({ counts, sums: new Float64Array(7), previous, floor: 1 })).toThrow(
      "do not fit 4 × 2",
    );
    expect(() => centroidsFromAggregate({ counts, sums, previous, floor: -1 })).toThrow("floor");
    expect(() => centroidsFromAggregate({ counts, sums, previous, floor: Number.NaN })).toThrow("floor");
  });
});
