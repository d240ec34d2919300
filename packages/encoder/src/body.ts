/** The encoder's body: token embedding, the architecture's blocks, and a last normalisation. */
import type { EncoderShape } from "@kindred/protocol";
import {
  type Backward,
  type Block,
  type GradientSink,
  type LastRows,
  lastRows,
  normaliseAs,
  normaliseAsBackward,
} from "./block.ts";
import { type EncoderConstants, embed, embedBackward } from "./embedding.ts";
import { gruBlock } from "./gru.ts";
import { drop, multiply } from "./layers.ts";
import type { MatrixProducts } from "./products.ts";
import type { TokenBatch } from "./sequence.ts";
import { transformerBlock, transformerLast } from "./transformer.ts";
import type { EncoderWeights } from "./weights.ts";

const BLOCKS: Record<EncoderShape["architecture"], Block> = { transformer: transformerBlock, gru: gruBlock };

/** Of a recurrent block the last row needs all others. */
const LAST: Partial<Record<EncoderShape["architecture"], LastRows>> = { transformer: transformerLast };

/** User vectors after each token, and the way back. */
export interface BodyPass {
  /** rows × d */
  readonly vectors: Float32Array;
  /**
   * Adds the gradient of all body weights to the sink.
   * @param dVectors gradient of the loss by the user vectors, rows × d
   */
  readonly backward: (dVectors: Float32Array, sink: GradientSink) => void;
}

/** @param options.random drawn for dropout; without it nothing is dropped */
export function runBody(
  batch: TokenBatch,
  weights: EncoderWeights,
  options: {
    readonly constants: EncoderConstants;
    readonly products: MatrixProducts;
    readonly random?: (() => number) | undefined;
  },
): BodyPass {
  const { constants, products, random } = options;
  const { shape } = constants;
  const { x, text } = embed(batch, weights, { constants, products });
  const inputMask = drop(x, shape.dropout, random);
  const run = { shape, weights, products, starts: batch.starts, random };
  const block = BLOCKS[shape.architecture];
  const backwards: Backward[] = [];
  for (let layer = 0; layer < shape.layers; layer++) backwards.unshift(block(x, `layer${layer}`, run));
  const output = normaliseAs("output", x, weights);
  return {
    vectors: output.output,
    backward: (dVectors, sink) => {
      const dx = new Float32Array(dVectors.length);
      normaliseAsBackward("output", { dy: dVectors, dx, cache: output }, { ...sink, weights });
      for (const backward of backwards) backward(dx, sink);
      multiply(dx, inputMask);
      embedBackward(dx, { batch, text }, { constants, products, gradient: sink.gradient });
    },
  };
}

/**
 * The user vectors of {@link runBody} after the last token of each window, without dropout, for less work.
 * @returns windows × d
 */
export function runBodyLast(
  batch: TokenBatch,
  weights: EncoderWeights,
  { constants, products }: { readonly constants: EncoderConstants; readonly products: MatrixProducts },
): Float32Array {
  const { shape } = constants;
  const { starts } = batch;
  const { x } = embed(batch, weights, { constants, products });
  const run = { shape, weights, products, starts };
  const block = BLOCKS[shape.architecture];
  const last = LAST[shape.architecture];
  const whole = last === undefined ? shape.layers : shape.layers - 1;
  for (let layer = 0; layer < whole; layer++) block(x, `layer${layer}`, { ...run, random: undefined });
  const rows = last?.(x, `layer${whole}`, run) ?? lastRows(x, { starts, dimension: shape.dimension });
  return normaliseAs("output", rows, weights).output;
}
