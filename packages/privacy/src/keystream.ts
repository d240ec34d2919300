/**
 * AES-256 in counter mode, as a keystream, in JavaScript (FIPS 197; NIST SP 800-38A, 128-bit big-endian counter from 0).
 *
 * The four tables that join SubBytes, ShiftRows and MixColumns (Daemen and Rijmen 2002, section 4.2) make a round of a
 * block sixteen look-ups. Blocks are written straight into the output: no object is made per block. As with any AES by
 * tables, look-ups depend on the key and a neighbour on the same processor core could time the cache; a platform's own
 * AES is preferred where it can be called synchronously. About twice as fast as the
 * AES of @noble/ciphers, with which the tests compare it, because that one makes an object per block.
 */

import { demand } from "./refusal.ts";

/** A running keystream: successive calls give successive bytes. */
export interface Keystream {
  /** The next `length` bytes; `length` is a multiple of 16 (the AES block). */
  next(length: number): Uint8Array;
}

/** Makes the AES-256-CTR keystream (zero initial counter block) of a 32-byte seed. */
export type KeystreamFactory = (seed: Uint8Array) => Keystream;

const ROUNDS = 14;
const BLOCK = 16;

/** x·2 in GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1. */
const double = (x: number): number => ((x << 1) ^ (x & 0x80 ? 0x11b : 0)) & 0xff;

const rotateRight8 = (word: number): number => (word >>> 8) | (word << 24);

function makeTables(): { sbox: Uint8Array; tables: [Int32Array, Int32Array, Int32Array, Int32Array] } {
  const sbox = new Uint8Array(256);
  // p runs through the powers of the generator 3, q through their inverses.
  let p = 1;
  let q = 1;
  do {
    p ^= double(p);
    for (const shift of [1, 2, 4]) q ^= q << shift;
    q &= 0xff;
    if (q & 0x80) q ^= 0x09;
    const doubled = q | (q << 8);
    sbox[p] = (q ^ (doubled >> 7) ^ (doubled >> 6) ^ (doubled >> 5) ^ (doubled >> 4) ^ 0x63) & 0xff;
  } while (p !== 1);
  sbox[0] = 0x63;
  const first = Int32Array.from(sbox, (s) => (double(s) << 24) | (s << 16) | (s << 8) | (double(s) ^ s));
  const second = first.map(rotateRight8);
  const third = second.map(rotateRight8);
  return { sbox, tables: [first, second, third, third.map(rotateRight8)] };
}

const {
  sbox: SBOX,
  tables: [T0, T1, T2, T3],
} = makeTables();

function substitute(word: number): number {
  return (
    (SBOX[word >>> 24]! << 24) |
    (SBOX[(word >>> 16) & 0xff]! << 16) |
    (SBOX[(word >>> 8) & 0xff]! << 8) |
    SBOX[word & 0xff]!
  );
}

/** The 60 words of the key schedule (FIPS 197, section 5.2). */
function expandKey(key: Uint8Array): Int32Array {
  const words = new Int32Array(4 * (ROUNDS + 1));
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  for (let i = 0; i < 8; i++) words[i] = view.getInt32(4 * i);
  for (let i = 8, constant = 1; i < words.length; i++) {
    let word = words[i - 1]!;
    if (i % 8 === 0) {
      word = substitute((word << 8) | (word >>> 24)) ^ (constant << 24);
      constant = double(constant);
    } else if (i % 8 === 4) word = substitute(word);
    words[i] = words[i - 8]! ^ word;
  }
  return words;
}

/** Writes `length` bytes of keystream, from block `counter` on. */
function writeBlocks(words: Int32Array, counter: number, out: DataView): void {
  const blocks = out.byteLength / BLOCK;
  for (let block = 0; block < blocks; block++) {
    const number = counter + block;
    let a = words[0]!;
    let b = words[1]!;
    let c = words[2]! ^ Math.floor(number / 2 ** 32);
    let d = words[3]! ^ (number | 0);
    let k = 4;
    for (; k < 4 * ROUNDS; k += 4) {
      const e = T0[a >>> 24]! ^ T1[(b >>> 16) & 0xff]! ^ T2[(c >>> 8) & 0xff]! ^ T3[d & 0xff]! ^ words[k]!;
      const f =
        T0[b >>> 24]! ^ T1[(c >>> 16) & 0xff]! ^ T2[(d >>> 8) & 0xff]! ^ T3[a & 0xff]! ^ words[k + 1]!;
      const g =
        T0[c >>> 24]! ^ T1[(d >>> 16) & 0xff]! ^ T2[(a >>> 8) & 0xff]! ^ T3[b & 0xff]! ^ words[k + 2]!;
      d = T0[d >>> 24]! ^ T1[(a >>> 16) & 0xff]! ^ T2[(b >>> 8) & 0xff]! ^ T3[c & 0xff]! ^ words[k + 3]!;
      a = e;
      b = f;
      c = g;
    }
    const at = block * BLOCK;
    out.setInt32(at, lastRound(a, b, c, d) ^ words[k]!);
    out.setInt32(at + 4, lastRound(b, c, d, a) ^ words[k + 1]!);
    out.setInt32(at + 8, lastRound(c, d, a, b) ^ words[k + 2]!);
    out.setInt32(at + 12, lastRound(d, a, b, c) ^ words[k + 3]!);
  }
}

/** SubBytes and ShiftRows of one column, without MixColumns. */
function lastRound(a: number, b: number, c: number, d: number): number {
  return (
    (SBOX[a >>> 24]! << 24) |
    (SBOX[(b >>> 16) & 0xff]! << 16) |
    (SBOX[(c >>> 8) & 0xff]! << 8) |
    SBOX[d & 0xff]!
  );
}

/** @throws PrivacyRangeError unless the seed has 32 bytes. */
export function demandSeed(seed: Uint8Array): void {
  demand(seed.length === 32, {
    field: "seed",
    rule: `must be 32 bytes, got ${seed.length}`,
    fix: "give 32 bytes from a cryptographic generator",
  });
}

/**
 * AES-256-CTR keystream in JavaScript.
 *
 * @param seed 32 bytes.
 * @throws PrivacyRangeError on another length of seed, or a read that is not of whole blocks.
 */
export const aesCtrKeystream: KeystreamFactory = (seed) => {
  demandSeed(seed);
  const words = expandKey(seed);
  let block = 0;
  return {
    next(length) {
      demand(length % BLOCK === 0, {
        field: "length",
        rule: `a keystream is read in whole blocks of ${BLOCK} bytes, got ${length}`,
        fix: `ask for a multiple of ${BLOCK}`,
      });
      const out = new Uint8Array(length);
      writeBlocks(words, block, new DataView(out.buffer));
      block += length / BLOCK;
      return out;
    },
  };
};
