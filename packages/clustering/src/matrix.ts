/**
 * Row-major matrices and the geometry of this package.
 *
 * Everything here lives on the unit sphere: points are L2-normalised, centroids are L2-normalised sums, and
 * nearness is the cosine, i.e. the inner product (spherical k-means: Dhillon & Modha, "Concept decompositions
 * for large sparse text data using clustering", Machine Learning 42, 2001).
 */

/** A dense row-major matrix: row `r` is `data[r * columns .. (r + 1) * columns)`; `data.length = rows * columns`. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

/** A vector of any float precision. */
export type Vector = Float32Array | Float64Array;

/**
 * Builds a matrix from rows of equal length.
 *
 * @param rows at least one row, all of the same length ≥ 1; values are copied
 * @throws {RangeError} when there is no row or the lengths differ
 */
export function matrixFromRows(rows: readonly ArrayLike<number>[]): Matrix {
  const columns = rows[0]?.length ?? 0;
  if (columns === 0) throw new RangeError("A matrix needs at least one row of at least one column.");
  const data = new Float32Array(rows.length * columns);
  rows.forEach((row, r) => {
    if (row.length !== columns)
      throw new RangeError(`Row ${r} has ${row.length} columns where row 0 has ${columns}.`);
    data.set(row, r * columns);
  });
  return { rows: rows.length, columns, data };
}

/** A view (not a copy) of one row. @throws {RangeError} when `row` is outside the matrix */
export function rowOf(matrix: Matrix, row: number): Float32Array {
  if (!(row >= 0 && row < matrix.rows))
    throw new RangeError(`Row ${row} is outside a matrix of ${matrix.rows} rows.`);
  return matrix.data.subarray(row * matrix.columns, (row + 1) * matrix.columns);
}

/**
 * A copy whose rows all have L2 norm 1 (to float32 precision). A zero row has no direction and stays zero.
 *
 * @throws {RangeError} when a value is not finite
 */
export function normaliseRows(matrix: Matrix): Matrix {
  const data = new Float32Array(matrix.data.length);
  for (let r = 0; r < matrix.rows; r++) data.set(normalised(rowOf(matrix, r)), r * matrix.columns);
  return { rows: matrix.rows, columns: matrix.columns, data };
}

/**
 * The unit vector in the direction of `vector` in float64; all zeros when `vector` is zero.
 *
 * @throws {RangeError} when a value is not finite
 */
export function normalised(vector: Vector): Float64Array {
  // Dividing by the largest magnitude first keeps the squares of very small and very large values in range.
  let largest = 0;
  for (let i = 0; i < vector.length; i++) {
    const magnitude = Math.abs(vector[i]!);
    if (!Number.isFinite(magnitude)) throw new RangeError(`Component ${i} of a vector is not finite.`);
    if (magnitude > largest) largest = magnitude;
  }
  const unit = new Float64Array(vector.length);
  if (largest === 0) return unit;
  let squares = 0;
  for (let i = 0; i < vector.length; i++) {
    const scaled = vector[i]! / largest;
    unit[i] = scaled;
    squares += scaled * scaled;
  }
  const norm = Math.sqrt(squares);
  for (let i = 0; i < unit.length; i++) unit[i] = unit[i]! / norm;
  return unit;
}

/** Refuses a point whose dimension is not that of the centroids, and an empty set of centroids. */
export function checkShapes(point: { readonly length: number }, centroids: Matrix): void {
  if (centroids.rows < 1) throw new RangeError("At least one centroid is needed.");
  if (centroids.data.length !== centroids.rows * centroids.columns) {
    throw new RangeError(
      `A matrix of ${centroids.rows} × ${centroids.columns} holds ${centroids.data.length} values.`,
    );
  }
  if (point.length !== centroids.columns) {
    throw new RangeError(
      `A point of dimension ${point.length} meets centroids of dimension ${centroids.columns}.`,
    );
  }
}
