/** Item vectors from weights and text features. Free of any tensor library, so that a coordinator can use it. */
import type { EncoderShape, TrainingOptions } from "@kindred/protocol";
import { encoderLayout } from "./layout.ts";
import { seededRandom } from "./random.ts";

/**
 * What one unit of a weight of `item.delta` moves the item vector by. Optimisers such as Adam move every weight at the same
 * pace; an item is seen far more rarely than a layer, so its delta is given the longer stride.
 */
const DELTA_SCALE = 3;

/** The frozen public basis B of the item deltas, rank × d: uniform entries, rows scaled to `DELTA_SCALE`. */
export function deltaBasis({ seed, itemDeltaRank, dimension }: EncoderShape): Float32Array {
  const random = seededRandom(seed ^ 0x62617369);
  const basis = Float32Array.from({ length: itemDeltaRank * dimension }, () => 2 * random() - 1);
  for (let start = 0; start < basis.length; start += dimension) {
    const row = basis.subarray(start, start + dimension);
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    for (let j = 0; j < dimension; j++) row[j] = (row[j]! * DELTA_SCALE) / norm;
  }
  return basis;
}

/**
 * e = f·W + a·B for every item, row-major items × d: what `InterestEncoder.itemVectors` computes, to float32 precision.
 *
 * @param weights all shared weights in the order of the encoder's layout
 * @param options.features public text vectors, items × d, see `itemFeatures`
 */
export function itemVectors(
  weights: Float32Array,
  options: {
    readonly features: Float32Array;
    readonly shape: EncoderShape;
    readonly training: TrainingOptions;
  },
): Float32Array {
  const { features, shape, training } = options;
  const { dimension: d, itemDeltaRank: rank } = shape;
  const items = features.length / d;
  const { tensors } = encoderLayout(shape, items, training);
  const view = (name: string): Float32Array => {
    const { offset, length } = tensors.find((tensor) => tensor.name === name)!;
    return weights.subarray(offset, offset + length);
  };
  const projection = view("item.projection");
  const delta = rank > 0 ? view("item.delta") : new Float32Array();
  const basis = deltaBasis(shape);
  const vectors = new Float32Array(items * d);
  const row = new Float64Array(d);
  for (let item = 0; item < items; item++) {
    row.fill(0);
    for (let i = 0; i < d; i++) {
      const f = features[item * d + i]!;
      if (f !== 0) for (let j = 0; j < d; j++) row[j]! += f * projection[i * d + j]!;
    }
    for (let r = 0; r < rank; r++) {
      const a = delta[r * items + item]!;
      if (a !== 0) for (let j = 0; j < d; j++) row[j]! += a * basis[r * d + j]!;
    }
    vectors.set(row, item * d);
  }
  return vectors;
}
