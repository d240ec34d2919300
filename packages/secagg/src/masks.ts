/** The ring of integers modulo 2^bits, bits ≤ 32, and the masks over it. */
import type { MaskStream } from "./crypto.ts";

/** A masking or unmasking to be done: for every term, ± the keystream of its key is added to the vector. */
export interface MaskJob {
  /** Entries are integers modulo 2^bits, 1 to 32. */
  readonly bits: number;
  /** Entries of the vector. */
  readonly length: number;
  /** One-use 32-byte keys; `applyMasks` overwrites nothing, call `wipeMasks` when the job is done. */
  readonly terms: readonly { readonly key: Uint8Array; readonly sign: 1 | -1 }[];
}

/** Keystream bytes asked for at a time: few calls, and block and target stay in a core's second-level cache. */
const BLOCK_BYTES = 64 * 1024;

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

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
  maskStream: (key: Uint8Array) => MaskStream,
): void {
  if (vector.length !== job.length)
    throw new RangeError(`the vector has ${vector.length} entries, the job ${job.length}`);
  const mask = modulusMask(job.bits);
  const entries = signedView(vector);
  const bytes = maskEntryBytes(job.bits);
  // To subtract masks is to add them to the negated vector: one kind of loop does for both signs.
  negateWords(entries);
  for (const { key, sign } of job.terms) if (sign === -1) addMask(entries, maskStream(key), bytes);
  negateWords(entries);
  for (const { key, sign } of job.terms) if (sign === 1) addMask(entries, maskStream(key), bytes);
  // Reduction modulo 2^bits commutes with addition modulo 2^32, so it waits until all terms are in.
  reduceWords(entries, mask);
}

/**
 * Adds one mask to `target` modulo 2^32; the low 8·`bytes` bits are right, those above carry what was left over.
 * @param bytes of keystream an entry, 1 to 4
 */
function addMask(target: Int32Array, stream: MaskStream, bytes: number): void {
  const add = ADD_ENTRIES[bytes - 1]!;
  // Whole AES blocks and whole groups of four entries.
  const blockEntries = 16 * Math.floor(BLOCK_BYTES / (16 * bytes));
  for (let offset = 0; offset < target.length; offset += blockEntries) {
    const part = target.subarray(offset, offset + blockEntries);
    const block = stream.next(bytes * part.length);
    const grouped = part.length & ~3;
    add(part, littleEndianWords(block), grouped);
    for (let i = grouped; i < part.length; i++) {
      let entry = 0;
      for (let j = bytes - 1; j >= 0; j--) entry = (entry << 8) | block[i * bytes + j]!;
      part[i] = (part[i]! + entry) | 0;
    }
  }
}

/**
 * By bytes of an entry: adds the entries that a run of little-endian words holds, four at a time. Bits that belong to
 * a neighbour are let into the high end of an entry's sum: they cannot move down into the bits that count.
 */
const ADD_ENTRIES = [
  (target: Int32Array, words: Int32Array, count: number): void => {
    for (let i = 0, w = 0; i < count; i += 4, w++) {
      const word = words[w]!;
      target[i] = (target[i]! + word) | 0;
      target[i + 1] = (target[i + 1]! + (word >>> 8)) | 0;
      target[i + 2] = (target[i + 2]! + (word >>> 16)) | 0;
      target[i + 3] = (target[i + 3]! + (word >>> 24)) | 0;
    }
  },
  (target: Int32Array, words: Int32Array, count: number): void => {
    for (let i = 0, w = 0; i < count; i += 4, w += 2) {
      const first = words[w]!;
      const second = words[w + 1]!;
      target[i] = (target[i]! + first) | 0;
      target[i + 1] = (target[i + 1]! + (first >>> 16)) | 0;
      target[i + 2] = (target[i + 2]! + second) | 0;
      target[i + 3] = (target[i + 3]! + (second >>> 16)) | 0;
    }
  },
  (target: Int32Array, words: Int32Array, count: number): void => {
    for (let i = 0, w = 0; i < count; i += 4, w += 3) {
      const first = words[w]!;
      const second = words[w + 1]!;
      const third = words[w + 2]!;
      target[i] = (target[i]! + first) | 0;
      target[i + 1] = (target[i + 1]! + ((first >>> 24) | (second << 8))) | 0;
      target[i + 2] = (target[i + 2]! + ((second >>> 16) | (third << 16))) | 0;
      target[i + 3] = (target[i + 3]! + (third >>> 8)) | 0;
    }
  },
  (target: Int32Array, words: Int32Array, count: number): void => {
    for (let i = 0; i < count; i += 4) {
      target[i] = (target[i]! + words[i]!) | 0;
      target[i + 1] = (target[i + 1]! + words[i + 1]!) | 0;
      target[i + 2] = (target[i + 2]! + words[i + 2]!) | 0;
      target[i + 3] = (target[i + 3]! + words[i + 3]!) | 0;
    }
  },
] as const;

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
}

/** A job whose keys do not appear in JSON or in Node's `inspect` of the whole job. */
export function maskJob(job: MaskJob): MaskJob {
  const redacted = (): object => ({
    bits: job.bits,
    length: job.length,
    terms: `[${job.terms.length} secret]`,
  });
  // Not enumerable, so a structured clone of the job to a worker leaves the methods out and keeps the data.
  return Object.defineProperties(
    { ...job },
    { toJSON: { value: redacted }, [Symbol.for("nodejs.util.inspect.custom")]: { value: redacted } },
  );
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

function addWords(target: Int32Array, words: Int32Array): void {
  const grouped = target.length & ~3;
  ADD_ENTRIES[3](target, words, grouped);
  for (let i = grouped; i < target.length; i++) target[i] = (target[i]! + words[i]!) | 0;
}

function negateWords(target: Int32Array): void {
  for (let i = 0; i < target.length; i++) target[i] = -target[i]! | 0;
}

function reduceWords(target: Int32Array, mask: number): void {
  for (let i = 0; i < target.length; i++) target[i]! &= mask;
}

/** The whole words of `bytes`. */
function littleEndianWords(bytes: Uint8Array): Int32Array {
  const count = bytes.length >> 2;
  if (LITTLE_ENDIAN && bytes.byteOffset % 4 === 0)
    return new Int32Array(bytes.buffer, bytes.byteOffset, count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Int32Array.from({ length: count }, (_, i) => view.getInt32(4 * i, true));
}
