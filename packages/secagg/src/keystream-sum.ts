/** The portable sum of masks: keystream in blocks, its entries unpacked a word at a time. */
import type { AddMasks, MaskStream } from "./crypto.ts";

/** Keystream bytes asked for at a time: few calls, and block and target stay in a core's second-level cache. */
const BLOCK_BYTES = 64 * 1024;

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** `CryptoSuite.addMasks` over any AES-256-CTR. */
export function addKeystreams(maskStream: (key: Uint8Array) => MaskStream): AddMasks {
  return (target, keys, entryBytes) => {
    for (const key of keys) addKeystream(target, maskStream(key), entryBytes);
  };
}

/**
 * Adds one mask to `target` modulo 2^32; the low 8·`bytes` bits are right, those above carry what was left over.
 * @param bytes of keystream an entry, 1 to 4
 */
function addKeystream(target: Int32Array, stream: MaskStream, bytes: number): void {
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

/** The whole words of `bytes`. */
function littleEndianWords(bytes: Uint8Array): Int32Array {
  const count = bytes.length >> 2;
  if (LITTLE_ENDIAN && bytes.byteOffset % 4 === 0)
    return new Int32Array(bytes.buffer, bytes.byteOffset, count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Int32Array.from({ length: count }, (_, i) => view.getInt32(4 * i, true));
}
