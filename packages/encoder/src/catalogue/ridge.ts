/** Ridge regression on sparse rows: several targets at once, weighted, without ever forming a matrix of columns × columns. */

/** Sparse rows in the compressed form: row i has the entries from `starts[i]` to `starts[i + 1]`. */
export interface SparseRows {
  readonly columns: number;
  /** Of length rows + 1. */
  readonly starts: Uint32Array;
  /** Column of each entry. */
  readonly indices: Uint32Array;
  readonly values: Float64Array;
}

/** ŷ(x) = mean + x·coefficients, for each target. */
export interface RidgeFit {
  readonly targets: number;
  /** Of the targets over the rows that were fitted to. */
  readonly means: Float64Array;
  /** Row-major columns × targets. */
  readonly coefficients: Float64Array;
}

/** At which size, relative to where it began, a residual is small enough: predictions differ by less than they err. */
const TOLERANCE = 1e-3;
const MOST_STEPS = 200;

/**
 * Minimises Σᵢ ‖yᵢ − mean − xᵢ·β‖² + λ‖β‖² by conjugate gradients on (XᵀX + λI)·β = Xᵀ(y − mean), each target with steps of its
 * own (Hestenes and Stiefel 1952). A step costs two passes over the entries. Sums run in a fixed order: the same
 * input gives the same bits.
 *
 * @param rows attributes; only those of `options.fitted` are read
 * @param options.fitted positions of the rows to fit to, at least one
 * @param options.targets row-major `fitted.length` × targets
 * @param options.lambda above 0
 * @param options.start a fit with another λ to begin from; it is not changed
 */
export function fitRidge(
  rows: SparseRows,
  options: {
    readonly fitted: ArrayLike<number>;
    readonly targets: Float64Array;
    readonly lambda: number;
    readonly start?: RidgeFit;
  },
): RidgeFit {
  const { fitted, lambda, start } = options;
  const targets = options.targets.length / fitted.length;
  const means = columnMeans(options.targets, targets);
  const centred = options.targets.map((value, i) => value - means[i % targets]!);
  const coefficients = start?.coefficients.slice() ?? new Float64Array(rows.columns * targets);
  const system = (direction: Float64Array): Float64Array => {
    const result = direction.map((value) => lambda * value);
    const images = timesRows(rows, { at: fitted, coefficients: direction, targets });
    addTransposed(rows, { at: fitted, images, result, targets });
    return result;
  };

  const residual = new Float64Array(coefficients.length);
  addTransposed(rows, { at: fitted, images: centred, result: residual, targets });
  const wanted = columnDots(residual, residual, targets).map((square) => TOLERANCE ** 2 * square);
  if (start !== undefined) {
    const reached = system(coefficients);
    for (let i = 0; i < residual.length; i++) residual[i]! -= reached[i]!;
  }
  const direction = residual.slice();
  let squares = columnDots(residual, residual, targets);
  for (let step = 0; step < MOST_STEPS; step++) {
    if (squares.every((square, t) => square <= wanted[t]!)) break;
    const image = system(direction);
    const along = columnDots(direction, image, targets).map((dot, t) => (dot > 0 ? squares[t]! / dot : 0));
    for (let i = 0; i < residual.length; i++) {
      coefficients[i]! += along[i % targets]! * direction[i]!;
      residual[i]! -= along[i % targets]! * image[i]!;
    }
    const next = columnDots(residual, residual, targets);
    const turn = next.map((square, t) => (squares[t]! > 0 ? square / squares[t]! : 0));
    for (let i = 0; i < residual.length; i++)
      direction[i] = residual[i]! + turn[i % targets]! * direction[i]!;
    squares = next;
  }
  return { targets, means, coefficients };
}

/** Row-major `at.length` × targets. */
export function predictRidge(fit: RidgeFit, rows: SparseRows, at: ArrayLike<number>): Float64Array {
  const { targets, means, coefficients } = fit;
  return timesRows(rows, { at, coefficients, targets }).map((value, i) => value + means[i % targets]!);
}

function columnMeans(values: Float64Array, columns: number): Float64Array {
  const means = new Float64Array(columns);
  for (let i = 0; i < values.length; i++) means[i % columns]! += (values[i]! * columns) / values.length;
  return means;
}

function columnDots(a: Float64Array, b: Float64Array, columns: number): Float64Array {
  const dots = new Float64Array(columns);
  for (let i = 0; i < a.length; i += columns)
    for (let t = 0; t < columns; t++) dots[t]! += a[i + t]! * b[i + t]!;
  return dots;
}

/** X·coefficients for some rows, row-major `at.length` × targets. */
function timesRows(
  { starts, indices, values }: SparseRows,
  of: { readonly at: ArrayLike<number>; readonly coefficients: Float64Array; readonly targets: number },
): Float64Array {
  const { at, coefficients, targets } = of;
  const result = new Float64Array(at.length * targets);
  for (let i = 0; i < at.length; i++)
    for (let entry = starts[at[i]!]!; entry < starts[at[i]! + 1]!; entry++) {
      const value = values[entry]!;
      const from = indices[entry]! * targets;
      for (let t = 0; t < targets; t++) result[i * targets + t]! += value * coefficients[from + t]!;
    }
  return result;
}

/** result += Xᵀ·images over some rows. */
function addTransposed(
  { starts, indices, values }: SparseRows,
  of: {
    readonly at: ArrayLike<number>;
    readonly images: Float64Array;
    readonly result: Float64Array;
    readonly targets: number;
  },
): void {
  const { at, images, result, targets } = of;
  for (let i = 0; i < at.length; i++)
    for (let entry = starts[at[i]!]!; entry < starts[at[i]! + 1]!; entry++) {
      const value = values[entry]!;
      const to = indices[entry]! * targets;
      for (let t = 0; t < targets; t++) result[to + t]! += value * images[i * targets + t]!;
    }
}
