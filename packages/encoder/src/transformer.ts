/** The encoder's body: token embedding and pre-norm causal transformer (Vaswani et al. 2017; Kang and McAuley 2018). */
import type { EncoderShape } from "@kindred/protocol";
import {
  attend,
  attendBackward,
  drop,
  multiply,
  type Normalised,
  normalise,
  normaliseBackward,
} from "./layers.ts";
import { addColumnSums, addTo, type MatrixProducts } from "./products.ts";
import type { TokenBatch } from "./sequence.ts";
import type { EncoderWeights } from "./weights.ts";

interface LayerCache {
  readonly attentionNorm: Normalised;
  readonly qkv: Float32Array;
  readonly probabilities: Float32Array;
  readonly attended: Float32Array;
  readonly attentionMask: Float32Array | undefined;
  readonly feedForwardNorm: Normalised;
  readonly hidden: Float32Array;
  readonly activated: Float32Array;
  readonly feedForwardMask: Float32Array | undefined;
}

/** What the backward pass needs of a forward pass. */
export interface BodyCache {
  readonly batch: TokenBatch;
  readonly text: Float32Array;
  readonly inputMask: Float32Array | undefined;
  readonly layers: LayerCache[];
  readonly output: Normalised;
}

/** Everything about an encoder that does not change with its weights. */
export interface EncoderConstants {
  readonly shape: EncoderShape;
  readonly itemCount: number;
  /** items × d, rows of norm 1 */
  readonly features: Float32Array;
  /** rank × d, frozen and public, see `deltaBasis` */
  readonly basis: Float32Array;
}

const attentionInputs = (at: string): [string, string, string] => [
  `${at}.attention.query`,
  `${at}.attention.key`,
  `${at}.attention.value`,
];

/**
 * User vectors after each token.
 *
 * @param random drawn for dropout; without it nothing is dropped
 * @returns `output.output` in the cache: rows × d
 */
export function bodyForward(
  batch: TokenBatch,
  weights: EncoderWeights,
  {
    constants,
    products,
    random,
  }: { constants: EncoderConstants; products: MatrixProducts; random?: (() => number) | undefined },
): BodyCache {
  const { shape } = constants;
  const { dimension: d, heads, dropout } = shape;
  const { rows, starts } = batch;
  const { x, text } = embed(batch, weights, { constants, products });
  const inputMask = drop(x, dropout, random);
  const layers: LayerCache[] = [];
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = `layer${layer}`;
    const attentionNorm = normalise(
      x,
      weights.view(`${at}.attentionNorm.gain`),
      weights.view(`${at}.attentionNorm.bias`),
    );
    const qkv = products.times(attentionNorm.output, rows, weights.forward(...attentionInputs(at)));
    const { output: attended, probabilities } = attend(qkv, weights.view(`${at}.attention.distance`), {
      starts,
      heads,
      dimension: d,
    });
    const attention = products.times(attended, rows, weights.forward(`${at}.attention.output`));
    const attentionMask = drop(attention, dropout, random);
    addTo(x, attention);

    const feedForwardNorm = normalise(
      x,
      weights.view(`${at}.feedForwardNorm.gain`),
      weights.view(`${at}.feedForwardNorm.bias`),
    );
    const hidden = products.times(feedForwardNorm.output, rows, weights.forward(`${at}.feedForward.up`));
    addRow(hidden, weights.view(`${at}.feedForward.upBias`));
    const activated = silu(hidden);
    const fed = products.times(activated, rows, weights.forward(`${at}.feedForward.down`));
    addRow(fed, weights.view(`${at}.feedForward.downBias`));
    const feedForwardMask = drop(fed, dropout, random);
    addTo(x, fed);
    layers.push({
      attentionNorm,
      qkv,
      probabilities,
      attended,
      attentionMask,
      feedForwardNorm,
      hidden,
      activated,
      feedForwardMask,
    });
  }
  const output = normalise(x, weights.view("output.gain"), weights.view("output.bias"));
  return { batch, text, inputMask, layers, output };
}

/** √d · (f·W + a·B) + action + gap + rating, with f the item's text vector and a its learned delta. */
function embed(
  { rows, items, actions, gaps, ratings }: TokenBatch,
  weights: EncoderWeights,
  { constants, products }: { constants: EncoderConstants; products: MatrixProducts },
): { x: Float32Array; text: Float32Array } {
  const { shape, itemCount, features, basis } = constants;
  const { dimension: d, itemDeltaRank: rank } = shape;
  const text = new Float32Array(rows * d);
  for (let row = 0; row < rows; row++)
    text.set(features.subarray(items[row]! * d, (items[row]! + 1) * d), row * d);
  const x = products.times(text, rows, weights.forward("item.projection"));
  const delta = rank > 0 ? weights.view("item.delta") : undefined;
  const action = weights.view("input.action");
  const gap = weights.view("input.gap");
  const rating = weights.view("input.rating");
  const scale = Math.sqrt(d);
  for (let row = 0; row < rows; row++) {
    const at = row * d;
    for (let r = 0; r < rank; r++) {
      const a = delta![r * itemCount + items[row]!]!;
      if (a !== 0) for (let j = 0; j < d; j++) x[at + j]! += a * basis[r * d + j]!;
    }
    const actionRow = actions[row]! * d;
    const gapRow = gaps[row]! * d;
    const ratingRow = ratings[row]! * d;
    for (let j = 0; j < d; j++)
      x[at + j] = scale * x[at + j]! + action[actionRow + j]! + gap[gapRow + j]! + rating[ratingRow + j]!;
  }
  return { x, text };
}

/**
 * Adds the gradient of all body weights to `gradient` (a vector of the full layout).
 *
 * @param dOutput gradient of the loss by the user vectors, rows × d
 * @param matrices whether the layers' matrices are trained; without, their gradients stay 0
 */
export function bodyBackward(
  dOutput: Float32Array,
  { batch, text, inputMask, layers, output }: BodyCache,
  context: {
    constants: EncoderConstants;
    products: MatrixProducts;
    weights: EncoderWeights;
    gradient: (name: string) => Float32Array;
    matrices: boolean;
  },
): void {
  const { constants, products, weights, gradient, matrices } = context;
  const { shape } = constants;
  const { dimension: d, feedForward: f, heads } = shape;
  const { rows, starts } = batch;
  const dx = new Float32Array(rows * d);
  const normBackward = (dy: Float32Array, cache: Normalised, name: string): void =>
    normaliseBackward(dy, cache, {
      gain: weights.view(`${name}.gain`),
      dGain: gradient(`${name}.gain`),
      dBias: gradient(`${name}.bias`),
      dx,
    });
  const addMatrixGradient = (names: string[], a: Float32Array, b: Float32Array): void => {
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
  };

  normBackward(dOutput, output, "output");
  for (let layer = shape.layers - 1; layer >= 0; layer--) {
    const at = `layer${layer}`;
    const cache = layers[layer]!;

    const dFed = dx.slice();
    multiply(dFed, cache.feedForwardMask);
    addColumnSums(gradient(`${at}.feedForward.downBias`), dFed);
    addMatrixGradient([`${at}.feedForward.down`], cache.activated, dFed);
    const dHidden = products.times(dFed, rows, weights.backward(`${at}.feedForward.down`));
    siluBackward(dHidden, cache.hidden);
    addColumnSums(gradient(`${at}.feedForward.upBias`).subarray(0, f), dHidden);
    addMatrixGradient([`${at}.feedForward.up`], cache.feedForwardNorm.output, dHidden);
    const dFedNorm = products.times(dHidden, rows, weights.backward(`${at}.feedForward.up`));
    normBackward(dFedNorm, cache.feedForwardNorm, `${at}.feedForwardNorm`);

    const dAttention = dx.slice();
    multiply(dAttention, cache.attentionMask);
    addMatrixGradient([`${at}.attention.output`], cache.attended, dAttention);
    const dAttended = products.times(dAttention, rows, weights.backward(`${at}.attention.output`));
    const dqkv = attendBackward(
      dAttended,
      {
        qkv: cache.qkv,
        probabilities: cache.probabilities,
        dDistance: gradient(`${at}.attention.distance`),
      },
      { starts, heads, dimension: d },
    );
    addMatrixGradient(attentionInputs(at), cache.attentionNorm.output, dqkv);
    const dAttentionNorm = products.times(dqkv, rows, weights.backward(...attentionInputs(at)));
    normBackward(dAttentionNorm, cache.attentionNorm, `${at}.attentionNorm`);
  }
  multiply(dx, inputMask);
  embedBackward(dx, { batch, text }, context);
}

function embedBackward(
  dx: Float32Array,
  { batch, text }: { batch: TokenBatch; text: Float32Array },
  context: {
    constants: EncoderConstants;
    products: MatrixProducts;
    gradient: (name: string) => Float32Array;
  },
): void {
  const { constants, products, gradient } = context;
  const { shape, itemCount, basis } = constants;
  const { dimension: d, itemDeltaRank: rank } = shape;
  const { rows, items, actions, gaps, ratings } = batch;
  const action = gradient("input.action");
  const gap = gradient("input.gap");
  const rating = gradient("input.rating");
  const delta = rank > 0 ? gradient("item.delta") : undefined;
  const scale = Math.sqrt(d);
  for (let row = 0; row < rows; row++) {
    const at = row * d;
    const actionRow = actions[row]! * d;
    const gapRow = gaps[row]! * d;
    const ratingRow = ratings[row]! * d;
    for (let j = 0; j < d; j++) {
      const g = dx[at + j]!;
      action[actionRow + j]! += g;
      gap[gapRow + j]! += g;
      rating[ratingRow + j]! += g;
      dx[at + j] = g * scale;
    }
    for (let r = 0; r < rank; r++) {
      let dot = 0;
      for (let j = 0; j < d; j++) dot += dx[at + j]! * basis[r * d + j]!;
      delta![r * itemCount + items[row]!]! += dot;
    }
  }
  addTo(gradient("item.projection"), products.transposedTimes(text, dx, { rows, aColumns: d, bColumns: d }));
}

/** Adds one row to every row. */
function addRow(values: Float32Array, row: Float32Array): void {
  for (let start = 0; start < values.length; start += row.length)
    for (let j = 0; j < row.length; j++) values[start + j]! += row[j]!;
}

/** x·σ(x) (Elfwing et al. 2018). */
function silu(x: Float32Array): Float32Array {
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) y[i] = x[i]! / (1 + Math.exp(-x[i]!));
  return y;
}

/** dy *= silu'(x) */
function siluBackward(dy: Float32Array, x: Float32Array): void {
  for (let i = 0; i < x.length; i++) {
    const sigmoid = 1 / (1 + Math.exp(-x[i]!));
    dy[i]! *= sigmoid * (1 + x[i]! * (1 - sigmoid));
  }
}
