/**
 * Where each weight of the encoder lies in the one flat vector that is shared, and where each trained weight
 * lies in the delta that a client sends. Free of any tensor library, so that a coordinator can use it.
 */
import {
  ENCODER_INPUTS,
  type EncoderInput,
  type EncoderShape,
  KindredError,
  type TrainingOptions,
} from "@kindred/protocol";
import { adaptedMatrices, blockTensors, type DeclaredTensor } from "./block-layout.ts";
import { seededRandom } from "./random.ts";
import { constant, uniform, xavier } from "./start.ts";

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

type Trainable = Pick<TrainingOptions, "trainable" | "adapterRank" | "ratings" | "interests">;

const HEAD = new Set([
  "output.gain",
  "output.bias",
  "item.projection",
  "item.delta",
  "item.bias",
  "rating.mean",
  "rating.item",
  "interest.matrix",
  "interest.bias",
]);

/** What the encoder reads of an interaction besides its item; everything unless the plan says otherwise. */
export function encoderInputs({ inputs }: EncoderShape): readonly EncoderInput[] {
  return ENCODER_INPUTS.filter((input) => inputs === undefined || inputs.includes(input));
}

const INPUT_ROWS: Record<EncoderInput, number> = {
  action: ACTIONS.length,
  gap: GAP_BUCKETS,
  rating: RATING_BUCKETS,
};

/** Where the mean of all ratings begins, as a share of the best one: people rate what they like. */
const USUAL_RATING = 0.7;

/** Name of an adapted matrix in block `layer`. */
function inBlock<T extends { readonly name: string }>(layer: number, declared: readonly T[]): T[] {
  return declared.map((one) => ({ ...one, name: `layer${layer}.${one.name}` }));
}

/** Matrices of the whole encoder that carry a low-rank adapter when `trainable` is `adapters`. */
export function encoderAdapters(shape: EncoderShape): { name: string; inputs: number; outputs: number }[] {
  return Array.from({ length: shape.layers }, (_, layer) => inBlock(layer, adaptedMatrices(shape))).flat();
}

/** All shared tensors, in the order of the flat vector. */
function declaredTensors(shape: EncoderShape, itemCount: number, training?: Trainable): DeclaredTensor[] {
  const { dimension: d, itemDeltaRank: rank } = shape;
  const zero = constant(0);
  return [
    ...encoderInputs(shape).map((input) => ({
      name: `input.${input}`,
      shape: [INPUT_ROWS[input], d],
      start: uniform(0.05),
    })),
    ...Array.from({ length: shape.layers }, (_, layer) => inBlock(layer, blockTensors(shape))).flat(),
    { name: "output.gain", shape: [d], start: constant(1) },
    { name: "output.bias", shape: [d], start: zero },
    { name: "item.projection", shape: [d, d], start: xavier({ gain: 0, diagonal: 1 }) },
    ...(rank > 0 ? [{ name: "item.delta", shape: [rank, itemCount], start: zero }] : []),
    { name: "item.bias", shape: [itemCount], start: zero },
    ...(training?.ratings === undefined
      ? []
      : [
          { name: "rating.mean", shape: [1], start: constant(USUAL_RATING) },
          { name: "rating.item", shape: [itemCount], start: zero },
        ]),
    ...(training?.interests === undefined
      ? []
      : [
          { name: "interest.matrix", shape: [d, training.interests.groups], start: zero },
          { name: "interest.bias", shape: [training.interests.groups], start: zero },
        ]),
    ...(training?.trainable === "adapters" ? adapterTensors(shape, training.adapterRank) : []),
  ];
}

function adapterTensors(shape: EncoderShape, rank: number): DeclaredTensor[] {
  return encoderAdapters(shape).flatMap(({ name, inputs, outputs }) => [
    { name: `${name}.adapterA`, shape: [inputs, rank], start: xavier({ gain: 1 }) },
    { name: `${name}.adapterB`, shape: [rank, outputs], start: constant(0) },
  ]);
}

/**
 * Layout of all shared weights.
 *
 * The low-rank adapters A (inputs × rank) and B (rank × outputs) of Hu et al. 2021 are part of it exactly when
 * `training.trainable` is `adapters`, the rating head when there is `training.ratings`, and the next-interest head when
 * there is `training.interests`; without `training` the layout is that of `full` without either head.
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
  let offset = 0;
  const tensors = declaredTensors(shape, itemCount, training).map(({ name, shape: dimensions }) => {
    const length = dimensions.reduce((product, size) => product * size, 1);
    offset += length;
    return { name, shape: dimensions, offset: offset - length, length };
  });
  return { tensors, length: offset };
}

/**
 * The trained subset of a layout.
 *
 * `full`: every tensor. `adapters`: the adapters and everything of `head`. `head`: the output normalisation,
 * the item tensors, the rating head and the next-interest head.
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

/**
 * Initial weights, equal bit for bit on every platform.
 *
 * The start is residual-dominant, so that the untrained encoder already answers with a recency-weighted mean of the public
 * text vectors of what a person touched last, and training improves on that; see `block-layout.ts` for each
 * architecture. Gains are 1, item deltas and item biases 0.
 *
 * @param training needed when the layout has adapters: A uniform, B zero
 */
export function initialWeights(shape: EncoderShape, itemCount: number, training?: Trainable): Float32Array {
  const { tensors, length } = encoderLayout(shape, itemCount, training);
  const weights = new Float32Array(length);
  declaredTensors(shape, itemCount, training).forEach(({ start }, index) => {
    const { offset, length: size, shape: dimensions } = tensors[index]!;
    const [rows = 1, columns = 1] = dimensions;
    const random = seededRandom(shape.seed + Math.imul(index + 1, 0x9e3779b1));
    start(weights.subarray(offset, offset + size), { rows, columns, random });
  });
  return weights;
}
