/** The ring of integers modulo 2^bits, bits ≤ 32, and the masks over it. */
import { aesCtrKeystream } from "@kindred/privacy";
import type { CryptoSuite } from "./crypto.ts";
import { redacted } from "./secret.ts";
import { applyNoise, type NoiseTerm } from "./surplus-seeds.ts";

/** A masking or unmasking to be done: for every term, ± the keystream of its key is added to the vector. */
export interface MaskJob {
  /** Entries are integers modulo 2^bits, 1 to 32. */
  readonly bits: number;
  /** Entries of the vector. */
  readonly length: number;
  /** One-use 32-byte keys; `applyMasks` overwrites nothing, call `wipeMasks` when the job is done. */
  readonly terms: readonly { readonly key: Uint8Array; readonly sign: 1 | -1 }[];
  /** Noise to be added with the masks, where the plan has some of it removed later. */
  readonly noise?: readonly NoiseTerm[];
}

/** Bytes of keystream behind one entry modulo 2^bits: ⌈bits/8⌉. */
export function maskEntryBytes(bits: number): number {
  return Math.ceil(bits / 8);
}

/**
 * Adds the job's masks to `vector` in place, modulo 2^bits. An entry takes ⌈bits/8⌉ bytes of keystream as a
 * little-endian integer, reduced modulo 2^bits: it divides 2^(8·⌈bits/8⌉), so the mask is exactly uniform.
 * @param vector `job.length` entries below 2^bits
 * @throws RangeError if the vector's length is not the job's, or bits is not 1 to 32
 */
export function applyMasks(
  vector: Uint32Array,
  job: MaskJob,
  { addMasks, maskStream = aesCtrKeystream }: Pick<CryptoSuite, "addMasks"> & Partial<CryptoSuite>,
): void {
  if (vector.length !== job.length)
    throw new RangeError(`the vector has ${vector.length} entries, the job ${job.length}`);
  const mask = modulusMask(job.bits);
  const entries = signedView(vector);
  const bytes = maskEntryBytes(job.bits);
  // To subtract masks is to add them to the negated vector.
  negateWords(entries);
  addMasks(entries, keysOf(job, -1), bytes);
  negateWords(entries);
  addMasks(entries, keysOf(job, 1), bytes);
  // Reduction modulo 2^bits commutes with addition modulo 2^32, so it waits until all terms are in.
  reduceWords(entries, mask);
  if (job.noise !== undefined) applyNoise(vector, job.noise, { bits: job.bits, keystream: maskStream });
}

/**
 * Adds `vector` to `sum` in place, modulo 2^bits.
 * @throws RangeError if the lengths differ, or bits is not 1 to 32
 */
export function addInto(sum: Uint32Array, vector: Uint32Array, bits: number): void {
  if (sum.length !== vector.length)
    throw new RangeError(`the sum has ${sum.length} entries, the vector ${vector.length}`);
  const mask = modulusMask(bits);
  const entries = signedView(sum);
  addWords(entries, signedView(vector));
  reduceWords(entries, mask);
}

/** Overwrites the job's keys with zeros: each is good for one use. */
export function wipeMasks(job: MaskJob): void {
  for (const { key } of job.terms) key.fill(0);
  for (const { key } of job.noise ?? []) key.fill(0);
}

/** A job whose keys do not appear in JSON or in Node's `inspect` of the whole job. */
export function maskJob(job: MaskJob): MaskJob {
  const { bits, length, terms, noise } = job;
  const shown = { bits, length, terms: `[${terms.length} secret]` };
  if (noise === undefined) return redacted({ bits, length, terms }, shown);
  return redacted({ bits, length, terms, noise }, { ...shown, noise: `[${noise.length} secret]` });
}

function keysOf({ terms }: MaskJob, wanted: 1 | -1): Uint8Array[] {
  return terms.filter(({ sign }) => sign === wanted).map(({ key }) => key);
}

/** 2^bits − 1 as a 32-bit pattern. */
function modulusMask(bits: number): number {
  if (!Number.isInteger(bits) || bits < 1 || bits > 32)
    throw new RangeError(`bits must be 1 to 32, found ${bits}`);
  return (2 ** bits - 1) | 0;
}

/** Additions of signed 32-bit integers stay in integer registers, and wrapping is the same modulo 2^32. */
function signedView(vector: Uint32Array): Int32Array {
  return new Int32Array(vector.buffer, vector.byteOffset, vector.length);
}

/** Four entries a turn: half the time of the plain loop. */
function addWords(target: Int32Array, words: Int32Array): void {
  const grouped = target.length & ~3;
  for (let i = 0; i < grouped; i += 4) {
    target[i] = (target[i]! + words[i]!) | 0;
    target[i + 1] = (target[i + 1]! + words[i + 1]!) | 0;
    target[i + 2] = (target[i + 2]! + words[i + 2]!) | 0;
    target[i + 3] = (target[i + 3]! + words[i + 3]!) | 0;
  }
  for (let i = grouped; i < target.length; i++) target[i] = (target[i]! + words[i]!) | 0;
}

function negateWords(target: Int32Array): void {
  for (let i = 0; i < target.length; i++) target[i] = -target[i]! | 0;
}

function reduceWords(target: Int32Array, mask: number): void {
  for (let i = 0; i < target.length; i++) target[i]! &= mask;
}
