/**
 * Matrix products for the encoder: a tensor library does the multiplications, plain arrays hold everything else.
 *
 * On the WebAssembly backend only the unbatched product of two plain (not transposed) matrices is fast, every
 * call has a fixed cost, and the built-in gradient of `matMul` transposes. The encoder therefore computes its gradients by
 * hand, transposes on the host, and hands the library exactly those plain products.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core";
import type { TensorLibrary } from "./backend.ts";

export class MatrixProducts {
  readonly tf: TensorLibrary;

  constructor(tf: TensorLibrary) {
    this.tf = tf;
  }

  /** A matrix that stays with the library until the caller disposes of it; the values are copied. */
  matrix(values: Float32Array, rows: number, columns: number): Tensor2D {
    return this.tf.tensor2d(values, [rows, columns], "float32");
  }

  /** a·b, row-major rows × columns of b. */
  times(a: Float32Array, rows: number, b: Tensor2D): Float32Array {
    const left = this.matrix(a, rows, b.shape[0]);
    const product = this.tf.matMul(left, b);
    const values = product.dataSync() as Float32Array;
    left.dispose();
    product.dispose();
    return values;
  }

  /** aᵀ·b for a (rows × aColumns) and b (rows × bColumns): a weight matrix's gradient. */
  transposedTimes(
    a: Float32Array,
    b: Float32Array,
    { rows, aColumns, bColumns }: { rows: number; aColumns: number; bColumns: number },
  ): Float32Array {
    const right = this.matrix(b, rows, bColumns);
    const values = this.times(transpose(a, rows, aColumns), aColumns, right);
    right.dispose();
    return values;
  }
}

/** The transpose of a row-major rows × columns matrix. */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j]!;
  return result;
}

/** target += values */
export function addTo(target: Float32Array, values: ArrayLike<number>): void {
  for (let i = 0; i < target.length; i++) target[i]! += values[i]!;
}

/** Sum over the rows of a row-major rows × columns matrix, added to `target`. */
export function addColumnSums(target: Float32Array, values: Float32Array): void {
  const columns = target.length;
  for (let start = 0; start < values.length; start += columns)
    for (let j = 0; j < columns; j++) target[j]! += values[start + j]!;
}
