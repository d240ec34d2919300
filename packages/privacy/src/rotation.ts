/**
 * Public random rotation of a vector of any length: random signs and normalised fast Walsh–Hadamard transforms.
 *
 * It spreads a vector evenly over its coordinates, so that a small modulus suffices (Suresh, Yu, Kumar, McMahan 2017,
 * "Distributed Mean Estimation with Limited Communication", section 3; Kairouz, Liu, Steinke 2021, section 4, on
 * flattening). It is orthogonal: norms are preserved.
 *
 * A Walsh–Hadamard transform needs a power of two, and padding to the next one nearly doubles an upload at worst. So
 * two transforms overlap. With D = 2^k the largest power of two of at most l entries: w = v with H·S₁ applied to its
 * first D entries, then y = w with H·S₂ applied to its last D, S₁ and S₂ independent random signs. Where l = D one
 * transform is all. Each step is orthogonal, and exactly l entries come out.
 *
 * **Flattening.** Every entry y_i is sub-Gaussian with proxy ‖v‖²/D, D > l/2: as 2D > l, an entry that the second
 * transform leaves alone comes from the first. An entry out of a transform is Σ_j ±x_j/√D over the D entries x that it
 * mixes, with independent signs, and E exp(t·Σ_j ±x_j/√D) ≤ exp(t²‖x‖²/2D) (Hoeffding's lemma for each sign); x is part
 * of v or, given S₁, of w, so ‖x‖ ≤ ‖v‖. Hence P(|y_i| ≥ t‖v‖/√D) ≤ 2·exp(−t²/2), and by the union bound no entry
 * exceeds ‖v‖·√(2·ln(2l/p)/D) but with probability p. With padding to 2D the proxy would be ‖v‖²/2D at up to twice the
 * entries: less than half a bit per entry is the price of not sending those. Fourier or cosine transforms of length l
 * flatten to proxies of 2‖v‖²/l ≥ ‖v‖²/D, no better, and round differently where engines differ in their sines.
 *
 * No guarantee of privacy rests on flattening: it bounds how likely a sum leaves the modulus.
 */

import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { AesCtrRandom } from "./random.ts";
import { demand, demandInteger } from "./refusal.ts";

const FIRST_SIGNS = utf8ToBytes("kindred/privacy/rotation-signs/v1");
const SECOND_SIGNS = utf8ToBytes("kindred/privacy/rotation-signs/2/v1");

/** Most entries of a vector. */
const MAXIMUM_LENGTH = 2 ** 30;

/**
 * D, how many entries each entry of a rotated vector is mixed from: the largest power of two of at most `length`.
 *
 * @throws PrivacyRangeError unless 1 ≤ length ≤ 2^30.
 */
export function mixingWidth(length: number): number {
  demandInteger(length, { field: "length", from: 1, to: MAXIMUM_LENGTH });
  let width = 1;
  while (2 * width <= length) width *= 2;
  return width;
}

/**
 * Smallest power of two that is at least `length`: what plans padded to whose mechanism names no rotation.
 *
 * @throws PrivacyRangeError unless 1 ≤ length ≤ 2^30.
 */
export function paddedLength(length: number): number {
  const width = mixingWidth(length);
  return width === length ? width : 2 * width;
}

/** Flips, in place, each coordinate whose bit of the seed's keystream is 1 (bit i: byte ⌊i/8⌋, least significant first). */
function flipSigns(vector: Float64Array, seed: Uint8Array, label: Uint8Array): void {
  demand(seed.length === 32, {
    field: "seed",
    rule: `must be 32 bytes, got ${seed.length}`,
    fix: "derive the seed from the session id",
  });
  const bits = new Uint8Array(Math.ceil(vector.length / 8));
  new AesCtrRandom(hkdf(sha256, seed, undefined, label, 32)).fill(bits);
  for (let i = 0; i < vector.length; i++) {
    if ((bits[i >> 3]! >> (i & 7)) & 1) vector[i] = -vector[i]!;
  }
}

/** Normalised Walsh–Hadamard transform in place, O(n log n); it is its own inverse. */
function hadamard(vector: Float64Array): void {
  const n = vector.length;
  for (let half = 1; half < n; half *= 2) {
    for (let block = 0; block < n; block += 2 * half) {
      for (let i = block; i < block + half; i++) {
        const a = vector[i]!;
        const b = vector[i + half]!;
        vector[i] = a + b;
        vector[i + half] = a - b;
      }
    }
  }
  const normalise = 1 / Math.sqrt(n);
  for (let i = 0; i < n; i++) vector[i] = vector[i]! * normalise;
}

/** The parts of a vector that are mixed, in order, each with the label of its signs; views of the vector itself. */
function mixedParts(vector: Float64Array): { readonly part: Float64Array; readonly label: Uint8Array }[] {
  const width = mixingWidth(vector.length);
  const first = { part: vector.subarray(0, width), label: FIRST_SIGNS };
  if (width === vector.length) return [first];
  return [first, { part: vector.subarray(vector.length - width), label: SECOND_SIGNS }];
}

/**
 * Rotates in place: signs and transform of the first D entries, then of the last D.
 *
 * @param vector Any length from 1 to 2^30.
 * @param seed 32 public bytes, the same for every participant of a round.
 * @returns The same array.
 * @throws PrivacyRangeError on another length of vector or seed.
 */
export function rotate(vector: Float64Array, seed: Uint8Array): Float64Array {
  for (const { part, label } of mixedParts(vector)) {
    flipSigns(part, seed, label);
    hadamard(part);
  }
  return vector;
}

/** Undoes {@link rotate} in place: transforms and signs in the opposite order. Same arguments, result and errors. */
export function unrotate(vector: Float64Array, seed: Uint8Array): Float64Array {
  for (const { part, label } of mixedParts(vector).reverse()) {
    hadamard(part);
    flipSigns(part, seed, label);
  }
  return vector;
}
