/**
 * Weights as devices download them: magnitude pruning, and 8 bits per weight that is left.
 *
 * Packing is exact for what {@link compressWeights} gives: scales have 17 significant bits, so that every code · scale is a
 * float32 and is found again bit for bit. A round starts from these weights on every device; what compression took away is
 * known to the server only (see `computeRelease` of @kindred/engine).
 */
import { z } from "zod";
import { KindredError } from "./errors.ts";
import { areFiniteFloats, bytesFloat, floatBytes } from "./float-bytes.ts";
import { dequantiseRows, quantiseRows } from "./quantised-rows.ts";

/** Weights that share a scale; the last block may be shorter. */
const BLOCK = 64;

/** How a plan lets devices download models. */
export const downloadSchema = z.strictObject({
  /** Eight bits per weight, with a scale per 64. */
  precision: z.literal("int8").default("int8"),
  /** Share of the weights that are 0 at least: those of the smallest magnitude. */
  sparsity: z.number().min(0).max(0.99).default(0),
});
export type DownloadOptions = z.infer<typeof downloadSchema>;

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, { message: "must be bytes" });

/** Form of packed weights in a model file. */
export const packedWeightsSchema = z.strictObject({
  /** Number of weights. */
  length: z.number().int().min(1).max(100_000_000),
  /** Little-endian float32, one per block of 64. */
  scales: bytes,
  /** One bit per weight, least significant first: whether it has a code. The others are 0. */
  present: bytes,
  /** One signed byte per weight that is present, in order. */
  codes: bytes,
});
export type PackedWeights = z.infer<typeof packedWeightsSchema>;

/**
 * The weights that devices get: the smallest magnitudes set to 0 (of equal ones the last), the others rounded to 255 levels per
 * block of 64.
 * @throws KindredError `option-invalid` for a weight that is not finite, or so near the largest float32 that its level is not
 */
export function compressWeights(weights: Float32Array, { sparsity }: DownloadOptions): Float32Array {
  const pruned = weights.slice();
  const order = Uint32Array.from(weights, (_, i) => i).sort(
    (a, b) => Math.abs(weights[a]!) - Math.abs(weights[b]!) || b - a,
  );
  for (const i of order.subarray(0, Math.floor(sparsity * weights.length))) pruned[i] = 0;
  const compressed = dequantiseRows(quantiseRows(inBlocks(pruned), BLOCK)).slice(0, weights.length);
  // Scales are rounded up: the level of a block's largest weight lies a little beyond it.
  if (!compressed.every(Number.isFinite))
    throw new KindredError({
      code: "option-invalid",
      field: "weights",
      rule: "must be finite after compression",
      fix: "pass weights well below the largest float32, 3.4e38",
    });
  return compressed;
}

function inBlocks(weights: Float32Array): Float32Array {
  const blocks = new Float32Array(Math.ceil(weights.length / BLOCK) * BLOCK);
  blocks.set(weights);
  return blocks;
}

/**
 * Packs weights.
 * @throws KindredError `option-invalid` unless they are as {@link compressWeights} gives them: nothing is lost here
 */
export function packWeights(weights: Float32Array): PackedWeights {
  const quantised = quantiseRows(inBlocks(weights), BLOCK);
  const restored = dequantiseRows(quantised);
  if (weights.some((weight, i) => weight !== restored[i]))
    throw new KindredError({
      code: "option-invalid",
      field: "weights",
      rule: "must be compressed before they are packed",
      fix: "pass what compressWeights gives",
    });
  const present = new Uint8Array(Math.ceil(weights.length / 8));
  const codes: number[] = [];
  for (let i = 0; i < weights.length; i++) {
    const code = quantised.codes[i]!;
    if (code === 0) continue;
    present[i >> 3]! |= 1 << (i & 7);
    codes.push(code);
  }
  return {
    length: weights.length,
    scales: floatBytes(quantised.scales),
    present,
    codes: new Uint8Array(Int8Array.from(codes).buffer),
  };
}

/** @returns the weights, or why the parts do not fit together */
export function unpackWeights({ length, scales, present, codes }: PackedWeights): Float32Array | string {
  const blocks = Math.ceil(length / BLOCK);
  if (!areFiniteFloats(scales) || scales.length !== 4 * blocks) return `must have ${blocks} finite scales`;
  if (present.length !== Math.ceil(length / 8)) return `must have a bit for each of ${length} weights`;
  const scale = bytesFloat(scales);
  const weights = new Float32Array(length);
  let next = 0;
  for (let i = 0; i < 8 * present.length; i++) {
    if (((present[i >> 3]! >> (i & 7)) & 1) === 0) continue;
    if (i >= length || next >= codes.length) return "must have a code for each weight that is present";
    const code = (codes[next++]! << 24) >> 24;
    weights[i] = code * scale[Math.floor(i / BLOCK)]!;
    // The largest scale times the largest code is beyond float32.
    if (!Number.isFinite(weights[i]!)) return "must be finite";
  }
  return next === codes.length ? weights : "must have a code for each weight that is present";
}
