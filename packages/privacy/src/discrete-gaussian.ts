/**
 * Exact sampling of the discrete Gaussian over the integers, Pr[x] ∝ exp(−x²/2σ²) (Canonne, Kamath, Steinke 2020).
 *
 * Divergence from their algorithm, for speed: rejection from rectangles, as in Marsaglia and Tsang's ziggurat (2000),
 * with every decision exact. The magnitudes below X ≥ 4σ are cut into blocks of w = 2^m ≈ σ/16 … σ/32 integers, and
 * each block into rectangles of height 1/H that reach above exp(−x²/2σ²). All rectangles have the same area, so that
 * 14 random bits choose one and m more bits an integer in it. Most lie wholly under the curve and are accepted as they
 * are; in the few on its border a uniform height is compared with the exponential, exactly
 * (exponential-comparison.ts). The tail beyond X is covered by blocks of 8w integers whose heights halve, chosen by
 * coin flips. A sample takes little more than three bytes up to σ = 2^14, and four beyond.
 *
 * Nothing depends on how a platform rounds exp: rectangles are called inside or outside with a margin, and what is
 * within the margin is decided by integers. The same bytes give the same samples everywhere.
 */

import { type ExponentialComparison, isBelowExponential } from "./exponential-comparison.ts";
import { type RandomBytes, type UniformRandom, uniformRandom } from "./random.ts";
import { demandInteger } from "./refusal.ts";

/** Largest σ: squares stay exact in a double, and 32-bit output holds 128 deviations. */
export const MAXIMUM_DEVIATION = 2 ** 24;

const MAXIMUM_OUTPUT = 2 ** 31 - 1;

const INDEX_BITS = 14;
const RECTANGLES = 2 ** INDEX_BITS;

/** Kinds of rectangle, above the eight bits of the block's number. */
const INSIDE = 0;
const BORDER = 1 << 8;
const TAIL = 2 << 8;
const UNUSED = 3 << 8;

/** Relative margin by which a rectangle must be inside the curve, or a block's rectangles reach above it. */
const MARGIN = 1e-9;

/** A tail block holds 2^3 blocks' integers: from 4σ on its e^(−4·8/32) is below the halving of its height. */
const TAIL_WIDTH_BITS = 3;

interface Rectangles {
  readonly sigma: number;
  /** m: a block holds 2^m integers. */
  readonly widthBits: number;
  /** H: rectangles have height 1/H. */
  readonly perUnit: number;
  /** By index: the kind and the block. */
  readonly kinds: Uint16Array;
  /** Index of each block's lowest rectangle. */
  readonly first: Uint16Array;
  /** X: where the tail begins. */
  readonly tailFrom: number;
  /** Rectangles whose area the tail blocks share. */
  readonly tailRectangles: number;
}

function curve(x: number, sigma: number): number {
  const ratio = x / sigma;
  return Math.exp((-ratio * ratio) / 2);
}

/** Rectangles per block, and for the tail, when heights are 1/H. */
function rectanglesNeeded(options: { sigma: number; width: number; blocks: number; perUnit: number }): {
  counts: number[];
  tail: number;
  total: number;
} {
  const { sigma, width, blocks, perUnit } = options;
  const counts = Array.from({ length: blocks }, (_, block) =>
    Math.ceil(perUnit * curve(block * width, sigma) * (1 + MARGIN)),
  );
  // The first tail block has half of the tail's area over 2^3 blocks' width: n/(16H) ≥ curve(X).
  const tail = Math.ceil(2 ** (TAIL_WIDTH_BITS + 1) * perUnit * curve(blocks * width, sigma) * (1 + MARGIN));
  return { counts, tail, total: counts.reduce((sum, count) => sum + count, tail) };
}

function layOut(sigma: number): Rectangles {
  const widthBits = Math.max(0, Math.floor(Math.log2(sigma)) - 4);
  const width = 2 ** widthBits;
  const blocks = Math.ceil((4 * sigma) / width);
  const shape = { sigma, width, blocks };
  // As many rectangles per unit of height as fit: the more, the fewer of them are on the border.
  let perUnit = 1;
  for (let step = RECTANGLES; step >= 1; step /= 2)
    if (rectanglesNeeded({ ...shape, perUnit: perUnit + step }).total <= RECTANGLES) perUnit += step;
  const { counts, tail } = rectanglesNeeded({ ...shape, perUnit });
  const kinds = new Uint16Array(RECTANGLES).fill(UNUSED);
  const first = new Uint16Array(blocks);
  let index = 0;
  for (const [block, count] of counts.entries()) {
    first[block] = index;
    const inside = perUnit * curve((block + 1) * width - 1, sigma) * (1 - MARGIN);
    for (let j = 0; j < count; j++) kinds[index++] = block | (j + 1 <= inside ? INSIDE : BORDER);
  }
  kinds.fill(TAIL, index, index + tail);
  return { sigma, widthBits, perUnit, kinds, first, tailFrom: blocks * width, tailRectangles: tail };
}

/** Layouts that are kept: a plan has one σ, and one for each component of surplus noise. */
const KEPT_LAYOUTS = 20;

const layouts = new Map<number, Rectangles>();

function rectanglesFor(sigma: number): Rectangles {
  const known = layouts.get(sigma);
  if (known !== undefined) return known;
  const layout = layOut(sigma);
  if (layouts.size === KEPT_LAYOUTS) layouts.delete(layouts.keys().next().value!);
  layouts.set(sigma, layout);
  return layout;
}

/** Whether an integer in a rectangle on the border, at a uniform height within it, is under the curve. */
function acceptsBorder(
  x: number,
  at: { index: number; block: number },
  layout: Rectangles,
  random: UniformRandom,
) {
  const { sigma, perUnit, first } = layout;
  return isBelowExponential(
    {
      whole: at.index - first[at.block]!,
      bits: random.uint32(),
      numerator: 1,
      denominator: perUnit,
      doublings: 0,
      x,
      sigma,
    },
    random,
  );
}

/** A magnitude beyond the blocks; −1 where it is rejected. */
function sampleTail(layout: Rectangles, random: UniformRandom): number {
  const { sigma, widthBits, perUnit, tailFrom, tailRectangles } = layout;
  let block = 0;
  while (random.uniformInt(2) === 1) block++;
  const width = 2 ** (widthBits + TAIL_WIDTH_BITS);
  const x = tailFrom + block * width + random.uniformInt(width);
  // Beyond 127 deviations: probability under e^−8000, and never to be wrapped silently.
  if (x > MAXIMUM_OUTPUT) throw new RangeError("discrete Gaussian sample exceeds 32 bits");
  const comparison: ExponentialComparison = {
    whole: 0,
    bits: random.uint32(),
    numerator: tailRectangles,
    denominator: perUnit,
    doublings: TAIL_WIDTH_BITS + 1 + block,
    x,
    sigma,
  };
  return isBelowExponential(comparison, random) ? x : -1;
}

/**
 * Independent samples of the discrete Gaussian N_ℤ(0, σ²), Pr[x] ∝ exp(−x²/2σ²).
 *
 * The running time of a sample depends on the rectangles that were rejected, not on any input.
 *
 * @param options.sigma Integer deviation, 1 ≤ σ ≤ 2^24.
 * @param options.length Number of samples.
 * @returns `length` signed integers.
 * @throws PrivacyRangeError on a σ that is not an integer or would overflow exact arithmetic.
 */
export function sampleDiscreteGaussian(options: {
  readonly sigma: number;
  readonly length: number;
  readonly random: RandomBytes;
}): Int32Array {
  const { sigma, length } = options;
  demandInteger(sigma, { field: "sigma", from: 1, to: MAXIMUM_DEVIATION });
  demandInteger(length, { field: "length", from: 0, to: 2 ** 31 });
  const random = uniformRandom(options.random);
  const layout = rectanglesFor(sigma);
  const { kinds, widthBits } = layout;
  const mask = 2 ** widthBits - 1;
  // Index, sign and offset are disjoint bits of a word; only above σ = 2^21 the offset takes another one.
  const bits = INDEX_BITS + 1 + widthBits;
  const samples = new Int32Array(length);
  for (let i = 0; i < length; ) {
    const word = bits <= 24 ? random.uint24() : random.uint32();
    const index = word & (RECTANGLES - 1);
    const rectangle = kinds[index]!;
    const negative = (word & RECTANGLES) !== 0;
    const block = rectangle & 0xff;
    const kind = rectangle & ~0xff;
    if (kind === UNUSED) continue;
    let x: number;
    if (kind === TAIL) {
      x = sampleTail(layout, random);
      if (x < 0) continue;
    } else {
      const offset = (bits <= 32 ? word >>> (INDEX_BITS + 1) : random.uint32()) & mask;
      x = (block << widthBits) | offset;
      if (kind === BORDER && !acceptsBorder(x, { index, block }, layout, random)) continue;
    }
    // Zero has one sign only.
    if (negative && x === 0) continue;
    samples[i++] = negative ? -x : x;
  }
  return samples;
}
