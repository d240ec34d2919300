/** Integers modulo 2^b as a little-endian bit stream: how a masked vector crosses the wire (PROTOCOL.md §8). */
import { accepted, type Result, rejected } from "./errors.ts";

/** Largest packed vector that the protocol carries, bytes. */
export const MAX_VECTOR_BYTES = 256 * 1024 * 1024;

function requireBits(bits: number): void {
  if (!Number.isInteger(bits) || bits < 1 || bits > 32)
    throw new RangeError(`bits must be an integer from 1 to 32, found ${bits}`);
}

/** Bytes that `length` entries of `bits` bits take. */
export function packedLength(length: number, bits: number): number {
  return Math.ceil((length * bits) / 8);
}

/**
 * Packs integers modulo 2^bits into a little-endian bit stream, without padding between entries; the unused
 * high bits of the last byte are zero.
 * @param values entries below 2^bits
 * @param bits 1 to 32
 * @throws RangeError when an entry or `bits` is out of range: the caller has not reduced its vector
 */
export function packBits(values: Uint32Array, bits: number): Uint8Array {
  requireBits(bits);
  const out = new Uint8Array(packedLength(values.length, bits));
  const view = new DataView(out.buffer);
  const largest = 2 ** bits - 1;
  let word = 0; // the low `filled` bits are waiting to be written
  let filled = 0;
  let position = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value > largest) throw new RangeError(`entry ${i} must be below 2^${bits}, found ${value}`);
    word |= value << filled;
    filled += bits;
    if (filled >= 32) {
      view.setUint32(position, word, true);
      position += 4;
      filled -= 32;
      word = filled === 0 ? 0 : value >>> (bits - filled); // bits − filled < 32, as filled > 0
    }
  }
  for (; filled > 0; filled -= 8) {
    out[position++] = word;
    word >>>= 8;
  }
  return out;
}

/** The up to four bytes from `position` on as a little-endian word; what lies beyond the end counts as zero. */
function lastWord(bytes: Uint8Array, position: number): number {
  let word = 0;
  for (let i = bytes.length - 1; i >= position; i--) word = (word << 8) | bytes[i]!;
  return word;
}

/**
 * Whether bytes are what `packBits` gives for some vector: the length is right and padding bits are zero, so that a
 * vector has exactly one encoding. Every entry of `bits` bits is within the modulus.
 * @throws RangeError when `bits` is out of range
 */
export function checkPacked(
  packed: Uint8Array,
  { bits, length }: { bits: number; length: number },
): Result<Uint8Array> {
  requireBits(bits);
  const expected = packedLength(length, bits);
  if (packed.length !== expected)
    return rejected("vector-invalid", "vector", {
      rule: `must be ${expected} bytes for ${length} entries of ${bits} bits, found ${packed.length}`,
      fix: "encode the vector with the plan's length and modulus",
    });
  const padding = expected * 8 - length * bits;
  if (padding > 0 && packed[expected - 1]! >>> (8 - padding) !== 0)
    return rejected("vector-invalid", "vector", {
      rule: "must end in zero bits",
      fix: "encode the vector with packBits",
    });
  return accepted(packed);
}

/** Inverse of `packBits`; refuses what `checkPacked` refuses. @throws RangeError when `bits` is out of range */
export function unpackBits(packed: Uint8Array, shape: { bits: number; length: number }): Result<Uint32Array> {
  const checked = checkPacked(packed, shape);
  if (!checked.ok) return checked;
  const { bits, length } = shape;
  const out = new Uint32Array(length);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  const mask = 0xffffffff >>> (32 - bits);
  // While a whole word can be read at an entry's first byte, and holds all of it; the rest bit by bit of a word.
  const direct =
    bits > MAX_DIRECT_BITS ? 0 : Math.max(0, Math.min(length, directEntries(packed.length, bits)));
  for (let i = 0, bit = 0; i < direct; i++, bit += bits)
    out[i] = (view.getUint32(bit >>> 3, true) >>> (bit & 7)) & mask;
  unpackTail(out, packed, { bits, from: direct });
  return accepted(out);
}

/** An entry of so many bits lies within the 32-bit word that begins at its first byte, wherever in the byte it begins. */
const MAX_DIRECT_BITS = 25;

/** Entries, from the first on, whose word ends within `bytes` bytes. Bit positions stay below 2^32 on the way. */
function directEntries(bytes: number, bits: number): number {
  const lastBit = Math.min(8 * (bytes - 4), 2 ** 31);
  return Math.floor(lastBit / bits);
}

/** The entries from `from` on, a word at a time. */
function unpackTail(
  out: Uint32Array,
  packed: Uint8Array,
  { bits, from }: { bits: number; from: number },
): void {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  const mask = 0xffffffff >>> (32 - bits);
  const lastWhole = packed.length - 4;
  const firstBit = from * bits;
  let position = Math.floor(firstBit / 8);
  // The low `available` bits of `word` are still to be read, the others are zero.
  let available = 0;
  let word = 0;
  if (firstBit % 8 !== 0) {
    word = packed[position++]! >>> (firstBit % 8);
    available = 8 - (firstBit % 8);
  }
  for (let i = from; i < out.length; i++) {
    if (available >= bits) {
      out[i] = word & mask;
      word >>>= bits;
      available -= bits;
      continue;
    }
    const next = position <= lastWhole ? view.getUint32(position, true) : lastWord(packed, position);
    position += 4;
    out[i] = (word | (next << available)) & mask;
    const taken = bits - available;
    word = taken === 32 ? 0 : next >>> taken;
    available = 32 - taken;
  }
}
