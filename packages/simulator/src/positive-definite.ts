/**
 * The inverse of a symmetric positive definite matrix by Cholesky (Golub and Van Loan, "Matrix Computations", 4.2).
 *
 * All three passes (A = L·Lᵀ; V = L⁻ᵀ; A⁻¹ = V·Vᵀ) are written as dot products of contiguous rows, computed
 * TILE × TILE at a time so that every value that is loaded serves TILE products: about n³ multiplications in all.
 */
import { KindredError } from "@kindred/protocol";

/** Rows on either side of a tile: its 16 sums stay in registers. */
const TILE = 4;

/** A square matrix, row-major. */
export interface SquareMatrix {
  readonly size: number;
  readonly data: Float64Array;
}

/**
 * The inverse, in place of the matrix.
 *
 * @param matrix symmetric and positive definite; only its lower triangle is read, and its data are overwritten
 * @returns the same data, now the whole symmetric inverse
 * @throws {KindredError} `option-invalid` when the matrix is not positive definite to working precision
 */
export function invertPositiveDefinite(matrix: SquareMatrix): SquareMatrix {
  factorise(matrix);
  const inverseFactor = invertFactor(matrix);
  multiplyByTranspose(inverseFactor, matrix);
  return matrix;
}

/** The lower triangle becomes L with A = L·Lᵀ, tile by tile from the left. */
function factorise({ size, data }: SquareMatrix): void {
  const sums = new Float64Array(TILE * TILE);
  for (let column = 0; column < size; column += TILE) {
    const columns = Math.min(TILE, size - column);
    for (let row = column; row < size; row += TILE) {
      const rows = Math.min(TILE, size - row);
      dotTile(
        { data, size, row, rows },
        { data, size, row: column, rows: columns },
        { from: 0, to: column, sums },
      );
      for (let i = row; i < row + rows; i++)
        for (let j = column; j < Math.min(column + columns, i + 1); j++) {
          let value = data[i * size + j]! - sums[(i - row) * TILE + j - column]!;
          for (let k = column; k < j; k++) value -= data[i * size + k]! * data[j * size + k]!;
          data[i * size + j] = i === j ? pivot(value, i) : value / data[j * size + j]!;
        }
    }
  }
}

function pivot(value: number, row: number): number {
  if (value > 0) return Math.sqrt(value);
  throw new KindredError({
    code: "option-invalid",
    field: `matrix[${row}]`,
    rule: "must belong to a positive definite matrix",
    fix: "raise the regularisation",
  });
}

/** V = L⁻ᵀ: row j of V is column j of L⁻¹, which begins at its diagonal. */
function invertFactor({ size, data }: SquareMatrix): SquareMatrix {
  const inverse = { size, data: new Float64Array(size * size) };
  const sums = new Float64Array(TILE * TILE);
  for (let first = 0; first < size; first += TILE) {
    const count = Math.min(TILE, size - first);
    for (let row = first; row < size; row += TILE) {
      const rows = Math.min(TILE, size - row);
      dotTile(
        { data, size, row, rows },
        { data: inverse.data, size, row: first, rows: count },
        { from: first, to: row, sums },
      );
      for (let j = first; j < first + count; j++)
        for (let i = Math.max(row, j); i < row + rows; i++) {
          let value = (i === j ? 1 : 0) - sums[(i - row) * TILE + j - first]!;
          for (let k = row; k < i; k++) value -= data[i * size + k]! * inverse.data[j * size + k]!;
          inverse.data[j * size + i] = value / data[i * size + i]!;
        }
    }
  }
  return inverse;
}

/** target = V·Vᵀ for an upper triangular V. */
function multiplyByTranspose({ size, data }: SquareMatrix, target: SquareMatrix): void {
  const sums = new Float64Array(TILE * TILE);
  for (let row = 0; row < size; row += TILE) {
    const rows = Math.min(TILE, size - row);
    for (let column = 0; column <= row; column += TILE) {
      const columns = Math.min(TILE, size - column);
      dotTile(
        { data, size, row, rows },
        { data, size, row: column, rows: columns },
        { from: row, to: size, sums },
      );
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) {
          const value = sums[i * TILE + j]!;
          target.data[(row + i) * size + column + j] = value;
          target.data[(column + j) * size + row + i] = value;
        }
    }
  }
}

interface Rows extends SquareMatrix {
  readonly row: number;
  readonly rows: number;
}

/** sums[i, j] = Σ a[row + i, k]·b[row + j, k] over from ≤ k < to; the sums of rows that are not there are arbitrary. */
function dotTile(
  a: Rows,
  b: Rows,
  { from, to, sums }: { from: number; to: number; sums: Float64Array },
): void {
  const { data: x } = a;
  const { data: y } = b;
  const { size } = a;
  // A row that is not there is read as the last one that is, so that no branch lies in the inner loop.
  const a0 = a.row * size;
  const a1 = a0 + Math.min(1, a.rows - 1) * size;
  const a2 = a0 + Math.min(2, a.rows - 1) * size;
  const a3 = a0 + Math.min(3, a.rows - 1) * size;
  const b0 = b.row * size;
  const b1 = b0 + Math.min(1, b.rows - 1) * size;
  const b2 = b0 + Math.min(2, b.rows - 1) * size;
  const b3 = b0 + Math.min(3, b.rows - 1) * size;
  for (let half = 0; half < 2; half++) {
    const p = half === 0 ? a0 : a2;
    const q = half === 0 ? a1 : a3;
    let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let k = from; k < to; k++) {
      const u = x[p + k]!;
      const v = x[q + k]!;
      const y0 = y[b0 + k]!;
      const y1 = y[b1 + k]!;
      const y2 = y[b2 + k]!;
      const y3 = y[b3 + k]!;
      s00 += u * y0;
      s01 += u * y1;
      s02 += u * y2;
      s03 += u * y3;
      s10 += v * y0;
      s11 += v * y1;
      s12 += v * y2;
      s13 += v * y3;
    }
    sums.set([s00, s01, s02, s03, s10, s11, s12, s13], half * 2 * TILE);
  }
}
