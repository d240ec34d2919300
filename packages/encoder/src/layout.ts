/**
 * Where each weight of the encoder lies in the one flat vector that is shared, and where each trained weight
 * lies in the delta that a client sends. Free of any tensor library, so that a coordinator can use it.
 */
import { type EncoderShape, KindredError, type TrainingOptions } from "@kindred/protocol";
import { seededRandom } from "./random.ts";

/** Actions of an interaction, in the order of the rows of `input.action`. */
export const ACTIONS = ["view", "like", "dislike", "purchase", "rate", "share"] as const;
export type Action = (typeof ACTIONS)[number];

/** Rows of `input.gap`: no previous interaction, then the buckets of `GAP_BOUNDARIES_MS`. */
export const GAP_BUCKETS = 12;
/** Rows of `input.rating`: no rating, then five equal parts of [0, 1]. */
export const RATING_BUCKETS = 6;

/** One named tensor inside a flat vector. */
export interface LayoutTensor {
  readonly name: string;
  /** Row-major. */
  readonly shape: readonly number[];
  /** First entry in the flat vector of all weights. */
  readonly offset: number;
  /** Product of `shape`. */
  readonly length: number;
}

/** All shared weights as one flat Float32Array of `length` entries, without gaps, in this order. */
export interface Layout {
  readonly tensors: readonly LayoutTensor[];
  readonly length: number;
}

export interface TrainableTensor extends LayoutTensor {
  /** First entry in the flat delta. */
  readonly deltaOffset: number;
}

/** The tensors that are trained; a delta is a flat Float32Array of `length` entries. */
export interface TrainableLayout {
  readonly tensors: readonly TrainableTensor[];
  readonly length: number;
}

type Trainable = Pick<TrainingOptions, "trainable" | "adapterRank">;

/** Matrices of one layer that carry a low-rank adapter when `trainable` is `adapters`. */
export const ADAPTED_MATRICES = [
  "attention.query",
  "attention.key",
  "attention.value",
  "attention.output",
  "feedForward.up",
  "feedForward.down",
] as const;

const HEAD = new Set(["output.gain", "output.bias", "item.projection", "item.delta", "item.bias"]);

/** Shape of one adapted matrix, [inputs, outputs]. */
function matrixShape(matrix: (typeof ADAPTED_MATRICES)[number], shape: EncoderShape): [number, number] {
  const { dimension: d, feedForward: f } = shape;
  if (matrix === "feedForward.up") return [d, f];
  if (matrix === "feedForward.down") return [f, d];
  return [d, d];
}

/**
 * Layout of all shared weights.
 *
 * The low-rank adapters A (inputs × rank) and B (rank × outputs) of Hu et al. 2021 are part of it exactly when
 * `training.trainable` is `adapters`; without `training` the layout is that of `full`.
 *
 * @throws KindredError `option-invalid` when itemCount is not an integer of at least 2
 */
export function encoderLayout(shape: EncoderShape, itemCount: number, training?: Trainable): Layout {
  if (!Number.isInteger(itemCount) || itemCount < 2)
    throw new KindredError({
      code: "option-invalid",
      field: "itemCount",
      rule: `must be an integer of at least 2, got ${itemCount}`,
      fix: "pass the number of items of the catalogue",
    });
  const { dimension: d, heads, feedForward: f, sequenceLength, itemDeltaRank } = shape;
  const tensors: LayoutTensor[] = [];
  let offset = 0;
  const add = (name: string, ...dimensions: number[]): void => {
    const length = dimensions.reduce((product, size) => product * size, 1);
    tensors.push({ name, shape: dimensions, offset, length });
    offset += length;
  };
  add("input.action", ACTIONS.length, d);
  add("input.gap", GAP_BUCKETS, d);
  add("input.rating", RATING_BUCKETS, d);
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = `layer${layer}`;
    add(`${at}.attentionNorm.gain`, d);
    add(`${at}.attentionNorm.bias`, d);
    add(`${at}.attention.query`, d, d);
    add(`${at}.attention.key`, d, d);
    add(`${at}.attention.value`, d, d);
    add(`${at}.attention.distance`, heads, sequenceLength);
    add(`${at}.attention.output`, d, d);
    add(`${at}.feedForwardNorm.gain`, d);
    add(`${at}.feedForwardNorm.bias`, d);
    add(`${at}.feedForward.up`, d, f);
    add(`${at}.feedForward.upBias`, f);
    add(`${at}.feedForward.down`, f, d);
    add(`${at}.feedForward.downBias`, d);
  }
  add("output.gain", d);
  add("output.bias", d);
  add("item.projection", d, d);
  if (itemDeltaRank > 0) add("item.delta", itemDeltaRank, itemCount);
  add("item.bias", itemCount);
  if (training?.trainable === "adapters")
    for (let layer = 0; layer < shape.layers; layer++)
      for (const matrix of ADAPTED_MATRICES) {
        const [inputs, outputs] = matrixShape(matrix, shape);
        add(`layer${layer}.${matrix}.adapterA`, inputs, training.adapterRank);
        add(`layer${layer}.${matrix}.adapterB`, training.adapterRank, outputs);
      }
  return { tensors, length: offset };
}

/**
 * The trained subset of a layout.
 *
 * `full`: every tensor. `adapters`: the adapters and everything of `head`. `head`: the output normalisation
 * and the item tensors.
 *
 * @throws KindredError `option-invalid` when the layout has no adapters but `trainable` asks for them
 */
export function trainableLayout(layout: Layout, training: Trainable): TrainableLayout {
  const { trainable } = training;
  const isAdapter = (name: string): boolean => /\.adapter[AB]$/.test(name);
  if (trainable === "adapters" && !layout.tensors.some(({ name }) => isAdapter(name)))
    throw new KindredError({
      code: "option-invalid",
      field: "layout",
      rule: "has no adapters although training.trainable is adapters",
      fix: "build the layout with the same training options",
    });
  let deltaOffset = 0;
  const tensors: TrainableTensor[] = [];
  for (const tensor of layout.tensors) {
    const { name, length } = tensor;
    const trained = trainable === "full" || HEAD.has(name) || (trainable === "adapters" && isAdapter(name));
    if (!trained) continue;
    tensors.push({ ...tensor, deltaOffset });
    deltaOffset += length;
  }
  return { tensors, length: deltaOffset };
}

/**
 * weights + delta on the trained subset, as a new vector.
 *
 * @param weights flat vector of all weights
 * @param delta flat vector of `subset.length` entries
 * @throws KindredError `model-invalid` when a length does not fit
 */
export function applyDelta(
  weights: Float32Array,
  delta: ArrayLike<number>,
  subset: TrainableLayout,
): Float32Array {
  if (delta.length !== subset.length)
    throw new KindredError({
      code: "model-invalid",
      field: "delta",
      rule: `must have ${subset.length} entries, got ${delta.length}`,
      fix: "use the delta of the same encoder shape, catalogue and training options",
    });
  const result = weights.slice();
  for (const { offset, deltaOffset, length } of subset.tensors) {
    if (offset + length > weights.length)
      throw new KindredError({
        code: "model-invalid",
        field: "weights",
        rule: `must have at least ${offset + length} entries, got ${weights.length}`,
        fix: "use the weights of the same encoder shape, catalogue and training options",
      });
    for (let i = 0; i < length; i++) result[offset + i]! += delta[deltaOffset + i]!;
  }
  return result;
}

/** Half-life, in interactions, of the recency prior of each attention head at the start. */
const HALF_LIVES = [2, 8, 4, 16];

/**
 * Initial weights, equal bit for bit on every platform: they use only integer arithmetic, sums and products.
 *
 * The start is residual-dominant (after Zhang et al. 2019, "Fixup"): value and output matrices begin near a scaled
 * identity, queries and keys near zero, and the distance bias falls linearly (Press et al. 2022, "ALiBi"), so
 * that the untrained encoder already answers with a recency-weighted mean of the public text vectors of what a
 * person touched last, and training improves on that. Gains are 1, item deltas and item biases 0.
 *
 * @param training needed when the layout has adapters: A uniform, B zero
 */
export function initialWeights(shape: EncoderShape, itemCount: number, training?: Trainable): Float32Array {
  const layout = encoderLayout(shape, itemCount, training);
  const weights = new Float32Array(layout.length);
  layout.tensors.forEach((tensor, index) => {
    const random = seededRandom(shape.seed + Math.imul(index + 1, 0x9e3779b1));
    fillInitial(weights.subarray(tensor.offset, tensor.offset + tensor.length), tensor, random);
  });
  return weights;
}

function fillInitial(view: Float32Array, tensor: LayoutTensor, random: () => number): void {
  const [rows = 1, columns = 1] = tensor.shape;
  const uniform = (bound: number): void => {
    for (let i = 0; i < view.length; i++) view[i] = (2 * random() - 1) * bound;
  };
  const xavier = (gain: number): void => uniform(gain * Math.sqrt(6 / (rows + columns)));
  const diagonal = (value: number): void => {
    for (let i = 0; i < rows; i++) view[i * columns + i]! += value;
  };
  const part = tensor.name.replace(/^layer\d+\./, "");
  if (part.endsWith(".gain")) view.fill(1);
  else if (part === "attention.distance")
    for (let head = 0; head < rows; head++)
      for (let distance = 0; distance < columns; distance++)
        view[head * columns + distance] = (-Math.LN2 * distance) / HALF_LIVES[head % HALF_LIVES.length]!;
  else if (part === "attention.query" || part === "attention.key" || part === "feedForward.up") xavier(1);
  else if (part === "attention.value" || part === "attention.output") {
    xavier(0.1);
    diagonal(0.6);
  } else if (part === "feedForward.down") xavier(0.1);
  else if (part === "item.projection") diagonal(1);
  else if (part.startsWith("input.")) uniform(0.05);
  else if (part.endsWith(".adapterA")) xavier(1);
}
