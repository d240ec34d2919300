/** The running sum of masked inputs as they arrive: bit-packed entries are unpacked and added in one pass. */
import { packedLength, unpackBits } from "@kindred/protocol";
import { addInto } from "../src/masks.ts";
import {
  DUPLICATE_VECTOR,
  I8X16_SHUFFLE,
  I32_CONST,
  I32X4_ADD,
  I32X4_MUL,
  I32X4_SHR_U,
  instantiate,
  LOCAL_GET,
  lanes,
  memoryArgument,
  type PointerLoop,
  pointerLoop,
  SOURCE,
  signed,
  TARGET,
  V128_CONST,
  V128_LOAD,
  V128_STORE,
} from "./wasm.ts";

/** Eight entries of b bits are b bytes, so the positions of entries within bytes repeat. */
const GROUP_ENTRIES = 8;
/** Up to so many bits an entry lies within the four bytes from its first one on, wherever in that byte it begins. */
const MAX_SIMD_BITS = 25;
/** Bytes of a vector register: the last group is read beyond its end. */
const REGISTER_BYTES = 16;
const PAGE_BYTES = 64 * 1024;

/** What becomes of packed vectors. */
interface Adder {
  add(packed: Uint8Array): void;
  total(): Uint32Array;
}

/** A sum modulo 2^bits of vectors in the form of `packBits`; memory of one vector, however many are added. */
export class PackedSum {
  readonly #bits: number;
  readonly #length: number;
  readonly #adder: Adder;

  /**
   * @param shape entries of the vectors, and their bits
   * @throws RangeError if bits is not 1 to 32
   */
  constructor(shape: { readonly bits: number; readonly length: number }) {
    const { bits, length } = shape;
    if (!Number.isInteger(bits) || bits < 1 || bits > 32)
      throw new RangeError(`bits must be an integer from 1 to 32, found ${bits}`);
    this.#bits = bits;
    this.#length = length;
    this.#adder = bits <= MAX_SIMD_BITS ? simdAdder(shape) : plainAdder(shape);
  }

  /**
   * Adds a vector.
   * @param packed well-formed (`checkPacked`)
   * @throws RangeError if it has another length than vectors of this shape
   */
  add(packed: Uint8Array): void {
    const expected = packedLength(this.#length, this.#bits);
    if (packed.length !== expected)
      throw new RangeError(`a packed vector must have ${expected} bytes, found ${packed.length}`);
    this.#adder.add(packed);
  }

  /** A copy of the sum so far: `length` entries below 2^bits. */
  total(): Uint32Array {
    return this.#adder.total();
  }
}

function plainAdder(shape: { bits: number; length: number }): Adder {
  const sum = new Uint32Array(shape.length);
  return {
    add(packed) {
      const unpacked = unpackBits(packed, shape);
      if (!unpacked.ok) throw new RangeError(`a packed vector ${unpacked.rejection.rule}`);
      addInto(sum, unpacked.value, shape.bits);
    },
    total: () => sum.slice(),
  };
}

/** The module's memory holds the vector that is being added, some bytes that stay zero, and the sum. */
function simdAdder({ bits, length }: { bits: number; length: number }): Adder {
  const { memory, loops } = moduleOf(bits);
  const groups = Math.ceil(length / GROUP_ENTRIES);
  const sourceBytes = REGISTER_BYTES * Math.ceil((bits * groups) / REGISTER_BYTES + 2);
  const needed = sourceBytes + 4 * GROUP_ENTRIES * groups;
  memory.grow(Math.ceil(needed / PAGE_BYTES));
  const source = new Uint8Array(memory.buffer, 0, sourceBytes);
  const sum = new Uint32Array(memory.buffer, sourceBytes, length);
  const mask = 0xffffffff >>> (32 - bits);
  return {
    add(packed) {
      source.set(packed);
      if (groups > 0) loops[0]!(0, sourceBytes, groups);
    },
    total: () => sum.map((entry) => entry & mask),
  };
}

function moduleOf(bits: number): { memory: WebAssembly.Memory; loops: readonly PointerLoop[] } {
  const turn = [0, 4].flatMap((first) => {
    const at = memoryArgument(4 * first);
    const sum = [LOCAL_GET, TARGET, ...V128_LOAD, ...at, ...unpackFour(bits, first), ...I32X4_ADD];
    return [LOCAL_GET, TARGET, ...sum, ...V128_STORE, ...at];
  });
  return instantiate([pointerLoop(turn, { source: bits, target: 4 * GROUP_ENTRIES })]);
}

/**
 * Pushes entries `first` … `first` + 3 of a group: the four bytes that hold an entry go to its lane, a product with a
 * power of two moves the entry to the lane's top and its upper neighbour out, a shift brings it down again.
 */
function unpackFour(bits: number, first: number): number[] {
  const base = (first * bits) >> 3;
  const positions = [0, 1, 2, 3].map((lane) => (first + lane) * bits - 8 * base);
  const bytes = positions.flatMap((position) => [0, 1, 2, 3].map((byte) => (position >> 3) + byte));
  const factors = positions.map((position) => 2 ** (32 - bits - (position & 7))) as [
    number,
    number,
    number,
    number,
  ];
  const load = [LOCAL_GET, SOURCE, ...V128_LOAD, ...memoryArgument(base)];
  return [
    ...load,
    ...DUPLICATE_VECTOR,
    ...I8X16_SHUFFLE,
    ...bytes,
    ...V128_CONST,
    ...lanes(factors),
    ...I32X4_MUL,
    I32_CONST,
    ...signed(32 - bits),
    ...I32X4_SHR_U,
  ];
}
