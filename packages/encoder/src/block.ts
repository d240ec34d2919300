/**
 * What an architecture is to the rest of the encoder: a residual block over packed sequences, with its gradient by hand.
 * Its tensors are declared in `block-layout.ts`, which needs no tensor library.
 */
import type { EncoderShape } from "@kindred/protocol";
import { type Normalised, normalise, normaliseBackward } from "./layers.ts";
import type { MatrixProducts } from "./products.ts";
import type { EncoderWeights } from "./weights.ts";

/** What a block computes with. */
export interface BlockRun {
  readonly shape: EncoderShape;
  readonly weights: EncoderWeights;
  readonly products: MatrixProducts;
  /** Window w owns rows starts[w] … starts[w + 1] − 1; no window sees another. */
  readonly starts: Int32Array;
  /** Drawn for dropout; without it nothing is dropped. */
  readonly random: (() => number) | undefined;
}

/** Where gradients of weights go. */
export interface GradientSink {
  /** Gradient of a tensor, to be added to. */
  readonly gradient: (name: string) => Float32Array;
  /** Whether the blocks' matrices are trained; without, their gradients stay 0. */
  readonly matrices: boolean;
}

/** From the gradient by a block's output to that by its input, in place; the weights' is added to the sink. */
export type Backward = (dx: Float32Array, sink: GradientSink) => void;

/**
 * Replaces x (rows × d) by x + f(x), where row i of f(x) depends on the rows of the same window up to i only.
 *
 * @param at prefix of the names of the block's tensors, such as `layer0`
 */
export type Block = (x: Float32Array, at: string, run: BlockRun) => Backward;

/**
 * What the block makes of the last row of each window, without the other rows of its result: x is left as it is.
 * @returns windows × d
 */
export type LastRows = (x: Float32Array, at: string, run: Omit<BlockRun, "random">) => Float32Array;

/** The last row of each window, windows × d. */
export function lastRows(
  x: Float32Array,
  { starts, dimension }: { readonly starts: Int32Array; readonly dimension: number },
): Float32Array {
  const rows = new Float32Array((starts.length - 1) * dimension);
  for (let window = 0; window + 1 < starts.length; window++) {
    const end = starts[window + 1]! * dimension;
    rows.set(x.subarray(end - dimension, end), window * dimension);
  }
  return rows;
}

/** Layer normalisation with the gain and bias of that name. */
export function normaliseAs(name: string, x: Float32Array, weights: EncoderWeights): Normalised {
  return normalise(x, weights.view(`${name}.gain`), weights.view(`${name}.bias`));
}

/** Gradient of {@link normaliseAs}, added to `dx` and the sink. */
export function normaliseAsBackward(
  name: string,
  { dy, dx, cache }: { dy: Float32Array; dx: Float32Array; cache: Normalised },
  { weights, gradient }: { weights: EncoderWeights } & Pick<GradientSink, "gradient">,
): void {
  normaliseBackward(dy, cache, {
    gain: weights.view(`${name}.gain`),
    dGain: gradient(`${name}.gain`),
    dBias: gradient(`${name}.bias`),
    dx,
  });
}

/** Adds aᵀ·b, the gradient of matrices that lie side by side, to each of them. */
export function addMatrixGradient(
  names: readonly string[],
  { a, b, rows }: { a: Float32Array; b: Float32Array; rows: number },
  { gradient, matrices, products }: GradientSink & Pick<BlockRun, "products">,
): void {
  if (!matrices) return;
  const aColumns = a.length / rows;
  const bColumns = b.length / rows;
  const product = products.transposedTimes(a, b, { rows, aColumns, bColumns });
  const width = bColumns / names.length;
  names.forEach((name, block) => {
    const target = gradient(name);
    for (let i = 0; i < aColumns; i++)
      for (let j = 0; j < width; j++) target[i * width + j]! += product[i * bColumns + block * width + j]!;
  });
}
