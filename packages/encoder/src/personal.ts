/**
 * A person's own parameters, which are trained on their device and never shared (in the spirit of FedPer, Arivazhagan et
 * al. 2019): an affine head and a low-rank adapter on the encoder's answer, u′ = u ⊙ (1 + g) + b + (u·A)·B.
 * No tensor library.
 */
import { KindredError, type PersonalOptions } from "@kindred/protocol";
import { seededRandom } from "./random.ts";

/** Personal parameters of one person; all zeros but A at the start, where u′ = u. */
export interface PersonalParameters {
  /** d, width of user vectors. */
  readonly dimension: number;
  /** Whether g and b are there. */
  readonly affine: boolean;
  /** r, rank of the adapter; 0 without one. */
  readonly rank: number;
  /** g (d), b (d), where `affine`; A (d × r) and B (r × d), row-major. */
  readonly values: Float32Array;
}

/** Where each part lies in the values. */
function partsOf({ dimension: d, affine, rank, values }: PersonalParameters) {
  const head = affine ? 2 * d : 0;
  return {
    gain: affine ? values.subarray(0, d) : undefined,
    bias: affine ? values.subarray(d, head) : undefined,
    down: values.subarray(head, head + d * rank),
    up: values.subarray(head + d * rank),
  };
}

/** The parameters that change nothing; A is drawn from a fixed seed, so that B has a gradient. */
export function neutralPersonal(
  dimension: number,
  { affine, adapterRank: rank }: Pick<PersonalOptions, "affine" | "adapterRank">,
): PersonalParameters {
  const values = new Float32Array((affine ? 2 * dimension : 0) + 2 * dimension * rank);
  const parameters = { dimension, affine, rank, values };
  const random = seededRandom(0x70657273);
  const { down } = partsOf(parameters);
  const bound = Math.sqrt(6 / (dimension + rank));
  for (let i = 0; i < down.length; i++) down[i] = (2 * random() - 1) * bound;
  return parameters;
}

/**
 * u′ for each user vector.
 * @param vectors rows × d
 * @returns rows × d
 * @throws KindredError `option-invalid` when the vectors are not rows of d entries
 */
export function personalise(vectors: Float32Array, parameters: PersonalParameters): Float32Array {
  const { dimension: d, rank } = parameters;
  if (vectors.length % d !== 0)
    throw new KindredError({
      code: "option-invalid",
      field: "vectors",
      rule: `must be rows of ${d} entries, got ${vectors.length} in all`,
      fix: "use personal parameters of the same encoder",
    });
  const { gain, bias, up } = partsOf(parameters);
  const result = vectors.slice();
  const inner = lowered(vectors, parameters);
  for (let row = 0, at = 0; at < vectors.length; row++, at += d)
    for (let j = 0; j < d; j++) {
      let value = vectors[at + j]!;
      if (gain !== undefined) value += value * gain[j]! + bias![j]!;
      for (let r = 0; r < rank; r++) value += inner[row * rank + r]! * up[r * d + j]!;
      result[at + j] = value;
    }
  return result;
}

/** u·A, rows × r */
function lowered(vectors: Float32Array, parameters: PersonalParameters): Float32Array {
  const { dimension: d, rank } = parameters;
  const { down } = partsOf(parameters);
  const inner = new Float32Array((vectors.length / d) * rank);
  for (let row = 0, at = 0; at < vectors.length; row++, at += d)
    for (let j = 0; j < d; j++)
      for (let r = 0; r < rank; r++) inner[row * rank + r]! += vectors[at + j]! * down[j * rank + r]!;
  return inner;
}

/**
 * Gradient of a loss by the personal values.
 * @param vectors u, rows × d
 * @param dPersonal gradient by u′, rows × d
 * @returns as long as `parameters.values`
 */
export function personalGradient(
  vectors: Float32Array,
  dPersonal: Float32Array,
  parameters: PersonalParameters,
): Float32Array {
  const { dimension: d, rank } = parameters;
  const gradient = new Float32Array(parameters.values.length);
  const into = partsOf({ ...parameters, values: gradient });
  const { up } = partsOf(parameters);
  const inner = lowered(vectors, parameters);
  for (let row = 0, at = 0; at < vectors.length; row++, at += d) {
    if (into.gain !== undefined)
      for (let j = 0; j < d; j++) {
        into.gain[j]! += dPersonal[at + j]! * vectors[at + j]!;
        into.bias![j]! += dPersonal[at + j]!;
      }
    for (let r = 0; r < rank; r++) {
      let dInner = 0;
      for (let j = 0; j < d; j++) {
        dInner += dPersonal[at + j]! * up[r * d + j]!;
        into.up[r * d + j]! += inner[row * rank + r]! * dPersonal[at + j]!;
      }
      for (let j = 0; j < d; j++) into.down[j * rank + r]! += vectors[at + j]! * dInner;
    }
  }
  return gradient;
}
