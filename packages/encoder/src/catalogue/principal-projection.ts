/** Principal components of public vectors, fitted once and applied to whatever is added later. */
import { seededRandom } from "../random.ts";

/** x ↦ (x − mean)·basis. */
export interface PrincipalProjection {
  /** Length of x. */
  readonly inputs: number;
  /** Length of the result, at most `inputs`. */
  readonly outputs: number;
  readonly mean: Float32Array;
  /** Row-major inputs × outputs, orthonormal columns, of falling variance. */
  readonly basis: Float32Array;
}

/** Passes of the subspace iteration; the spectrum of text and image vectors falls fast. */
const PASSES = 8;
/** Directions beyond those wanted, which make the wanted ones converge (Halko et al. 2011). */
const OVERSAMPLING = 8;

/**
 * The leading principal components by randomised subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4).
 *
 * @param rows row-major n × inputs, finite
 * @param options.outputs wanted components; directions without variance are filled up with any orthonormal ones
 * @param options.pass told how many of how many passes are done
 */
export function fitPrincipalProjection(
  rows: Float32Array,
  options: {
    readonly inputs: number;
    readonly outputs: number;
    readonly seed: number;
    readonly pass?: (done: number, of: number) => void;
  },
): PrincipalProjection {
  const { inputs } = options;
  const outputs = Math.min(options.outputs, inputs);
  const width = Math.min(inputs, outputs + OVERSAMPLING);
  const mean = columnMeans(rows, inputs);
  const random = seededRandom(options.seed);
  let basis = Float64Array.from({ length: inputs * width }, () => 2 * random() - 1);
  orthonormalise(basis, width);
  for (let pass = 1; pass <= PASSES; pass++) {
    basis = covarianceTimes(rows, { inputs, width, mean, basis });
    orthonormalise(basis, width, random);
    options.pass?.(pass, PASSES);
  }
  const kept = new Float32Array(inputs * outputs);
  for (let i = 0; i < inputs; i++)
    for (let j = 0; j < outputs; j++) kept[i * outputs + j] = basis[i * width + j]!;
  return { inputs, outputs, mean, basis: kept };
}

/** Row-major n × outputs. */
export function project(rows: Float32Array, projection: PrincipalProjection): Float32Array {
  const { inputs, outputs, mean, basis } = projection;
  const count = rows.length / inputs;
  const result = new Float32Array(count * outputs);
  const sum = new Float64Array(outputs);
  for (let row = 0; row < count; row++) {
    sum.fill(0);
    for (let i = 0; i < inputs; i++) {
      const x = rows[row * inputs + i]! - mean[i]!;
      if (x !== 0) for (let j = 0; j < outputs; j++) sum[j]! += x * basis[i * outputs + j]!;
    }
    result.set(sum, row * outputs);
  }
  return result;
}

function columnMeans(rows: Float32Array, inputs: number): Float32Array {
  const sums = new Float64Array(inputs);
  const count = rows.length / inputs;
  for (let at = 0; at < rows.length; at += inputs)
    for (let i = 0; i < inputs; i++) sums[i]! += rows[at + i]! / count;
  return Float32Array.from(sums);
}

/** XᵀX·basis of the centred rows X, without the covariance itself. */
function covarianceTimes(
  rows: Float32Array,
  of: { inputs: number; width: number; mean: Float32Array; basis: Float64Array },
): Float64Array<ArrayBuffer> {
  const { inputs, width, mean, basis } = of;
  const product = new Float64Array(inputs * width);
  const image = new Float64Array(width);
  const centred = new Float64Array(inputs);
  for (let at = 0; at < rows.length; at += inputs) {
    image.fill(0);
    for (let i = 0; i < inputs; i++) {
      const x = rows[at + i]! - mean[i]!;
      centred[i] = x;
      const from = i * width;
      for (let j = 0; j < width; j++) image[j]! += x * basis[from + j]!;
    }
    for (let i = 0; i < inputs; i++) {
      const x = centred[i]!;
      const from = i * width;
      for (let j = 0; j < width; j++) product[from + j]! += x * image[j]!;
    }
  }
  return product;
}

/**
 * Modified Gram–Schmidt on the columns, twice for accuracy. A column that vanishes is drawn anew where there is a
 * generator, so that the basis stays orthonormal whatever the rank.
 */
function orthonormalise(basis: Float64Array, width: number, random?: () => number): void {
  const rows = basis.length / width;
  const dot = (a: number, b: number): number => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += basis[i * width + a]! * basis[i * width + b]!;
    return sum;
  };
  for (let column = 0; column < width; column++) {
    const before = Math.sqrt(dot(column, column));
    const clear = (): number => {
      for (let twice = 0; twice < 2; twice++)
        for (let other = 0; other < column; other++) {
          const along = dot(column, other);
          for (let i = 0; i < rows; i++) basis[i * width + column]! -= along * basis[i * width + other]!;
        }
      return Math.sqrt(dot(column, column));
    };
    let norm = clear();
    while (!(norm > 1e-10 * before) || norm === 0) {
      if (random === undefined) break;
      for (let i = 0; i < rows; i++) basis[i * width + column] = 2 * random() - 1;
      norm = clear();
      if (norm > 1e-6) break;
    }
    for (let i = 0; i < rows; i++) basis[i * width + column]! /= norm;
  }
}
