/** From tokens to rows: the item's vector, plus embeddings of action, time gap and rating where the plan has them. */
import type { EncoderShape } from "@kindred/protocol";
import { encoderInputs } from "./layout.ts";
import { addTo, type MatrixProducts } from "./products.ts";
import type { TokenBatch } from "./sequence.ts";
import type { EncoderWeights } from "./weights.ts";

/** Everything about an encoder that does not change with its weights. */
export interface EncoderConstants {
  readonly shape: EncoderShape;
  readonly itemCount: number;
  /** items × d, rows of norm 1 */
  readonly features: Float32Array;
  /** rank × d, frozen and public, see `deltaBasis` */
  readonly basis: Float32Array;
}

/** The bucket of each token, by input. */
const bucketsOf = ({ actions, gaps, ratings }: TokenBatch) => ({
  action: actions,
  gap: gaps,
  rating: ratings,
});

/**
 * √d · (f·W + a·B) + action + gap + rating, with f the item's text vector and a its learned delta.
 *
 * @returns `x`, rows × d, and `text`, the rows f
 */
export function embed(
  batch: TokenBatch,
  weights: EncoderWeights,
  { constants, products }: { constants: EncoderConstants; products: MatrixProducts },
): { x: Float32Array; text: Float32Array } {
  const { rows, items } = batch;
  const { shape, itemCount, features, basis } = constants;
  const { dimension: d, itemDeltaRank: rank } = shape;
  const text = new Float32Array(rows * d);
  for (let row = 0; row < rows; row++)
    text.set(features.subarray(items[row]! * d, (items[row]! + 1) * d), row * d);
  const x = products.times(text, rows, weights.forward("item.projection"));
  const delta = rank > 0 ? weights.view("item.delta") : undefined;
  const scale = Math.sqrt(d);
  for (let row = 0; row < rows; row++) {
    const at = row * d;
    for (let r = 0; r < rank; r++) {
      const a = delta![r * itemCount + items[row]!]!;
      if (a !== 0) for (let j = 0; j < d; j++) x[at + j]! += a * basis[r * d + j]!;
    }
    for (let j = 0; j < d; j++) x[at + j]! *= scale;
  }
  const buckets = bucketsOf(batch);
  for (const input of encoderInputs(shape)) {
    const table = weights.view(`input.${input}`);
    for (let row = 0; row < rows; row++) {
      const from = buckets[input][row]! * d;
      for (let j = 0; j < d; j++) x[row * d + j]! += table[from + j]!;
    }
  }
  return { x, text };
}

/** Adds the gradient of {@link embed}'s weights; `dx` is used up. */
export function embedBackward(
  dx: Float32Array,
  { batch, text }: { batch: TokenBatch; text: Float32Array },
  {
    constants,
    products,
    gradient,
  }: {
    constants: EncoderConstants;
    products: MatrixProducts;
    gradient: (name: string) => Float32Array;
  },
): void {
  const { shape, itemCount, basis } = constants;
  const { dimension: d, itemDeltaRank: rank } = shape;
  const { rows, items } = batch;
  const buckets = bucketsOf(batch);
  for (const input of encoderInputs(shape)) {
    const table = gradient(`input.${input}`);
    for (let row = 0; row < rows; row++) {
      const to = buckets[input][row]! * d;
      for (let j = 0; j < d; j++) table[to + j]! += dx[row * d + j]!;
    }
  }
  const scale = Math.sqrt(d);
  for (let i = 0; i < dx.length; i++) dx[i]! *= scale;
  const delta = rank > 0 ? gradient("item.delta") : undefined;
  for (let row = 0; row < rows; row++)
    for (let r = 0; r < rank; r++) {
      let dot = 0;
      for (let j = 0; j < d; j++) dot += dx[row * d + j]! * basis[r * d + j]!;
      delta![r * itemCount + items[row]!]! += dot;
    }
  addTo(gradient("item.projection"), products.transposedTimes(text, dx, { rows, aColumns: d, bColumns: d }));
}
