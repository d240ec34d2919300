/**
 * Public random rotation: random signs, then the normalised fast Walsh–Hadamard transform.
 *
 * It spreads a vector evenly over its coordinates, so that a small modulus suffices and rounding inflates
 * the sensitivity little (Kairouz, Liu, Steinke 2021, section 4.1). It is orthogonal: norms are preserved.
 */

import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { AesCtrRandom } from "./random.ts";
import { demand, demandInteger } from "./refusal.ts";

const SIGNS = utf8ToBytes("kindred/privacy/rotation-signs/v1");

/**
 * Smallest power of two that is at least `length`.
 *
 * @throws PrivacyRangeError unless 1 ≤ length ≤ 2^30.
 */
export function paddedLength(length: number): number {
  demandInteger(length, { field: "length", from: 1, to: 2 ** 30 });
  let padded = 1;
  while (padded < length) padded *= 2;
  return padded;
}

/** Flips, in place, each coordinate whose bit of the seed's keystream is 1 (bit i: byte ⌊i/8⌋, least significant first). */
function flipSigns(vector: Float64Array, seed: Uint8Array): void {
  demand(seed.length === 32, {
    field: "seed",
    rule: `must be 32 bytes, got ${seed.length}`,
    fix: "derive the seed from the session id",
  });
  const bits = new Uint8Array(Math.ceil(vector.length / 8));
  new AesCtrRandom(hkdf(sha256, seed, undefined, SIGNS, 32)).fill(bits);
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

function demandPowerOfTwo(vector: Float64Array): void {
  demand(vector.length > 0 && paddedLength(vector.length) === vector.length, {
    field: "vector",
    rule: `length must be a power of two, got ${vector.length}`,
    fix: "pad with zeros to paddedLength(length)",
  });
}

/**
 * Rotates in place: v ← H·D·v.
 *
 * @param vector Length 2^m.
 * @param seed 32 public bytes, the same for every participant of a round.
 * @returns The same array.
 * @throws PrivacyRangeError on another length of vector or seed.
 */
export function rotate(vector: Float64Array, seed: Uint8Array): Float64Array {
  demandPowerOfTwo(vector);
  flipSigns(vector, seed);
  hadamard(vector);
  return vector;
}

/** Undoes {@link rotate} in place: v ← D·H·v. Same arguments, result and errors. */
export function unrotate(vector: Float64Array, seed: Uint8Array): Float64Array {
  demandPowerOfTwo(vector);
  hadamard(vector);
  flipSigns(vector, seed);
  return vector;
}
