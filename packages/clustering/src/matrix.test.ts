import { describe, expect, it } from "vitest";
import { matrixFromRows, normaliseRows, rowOf } from "./matrix.ts";

describe("matrix", () => {
  it("is row-major and copies its rows", () => {
    const row = [1, 2];
    const matrix = matrixFromRows([row, [3, 4], [5, 6]]);
    row[0] = 9;
    expect(matrix).toEqual({ rows: 3, columns: 2, data: Float32Array.of(1, 2, 3, 4, 5, 6) });
    expect(rowOf(matrix, 1)).toEqual(Float32Array.of(3, 4));
  });

  it("refuses ragged, missing and outside rows", () => {
    expect(() => matrixFromRows([[1], [1, 2]])).toThrow("Row 1 has 2 columns where row 0 has 1");
    expect(() => matrixFromRows([])).toThrow("at least one row");
    expect(() => rowOf(matrixFromRows([[1]]), 1)).toThrow("outside");
  });

  it("normalises rows of any magnitude and leaves a zero row at zero", () => {
    const unit = normaliseRows(
      matrixFromRows([
        [3, 4],
        [0, 0],
        [3e-30, 4e-30],
        [-3e30, 4e30],
      ]),
    );
    const expected = [0.6, 0.8, 0, 0, 0.6, 0.8, -0.6, 0.8];
    unit.data.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
  });

  it("refuses values that are not finite", () => {
    expect(() => normaliseRows(matrixFromRows([[1, Number.POSITIVE_INFINITY]]))).toThrow("not finite");
  });
});
