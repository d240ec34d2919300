/** Pieces of the WebAssembly binary format (core specification 2.0, chapters 5.3 to 5.5) for modules made at run time. */

const I32 = 0x7f;
const V128 = 0x7b;
export const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
export const I32_CONST = 0x41;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const END = 0x0b;
export const V128_LOAD = [0xfd, 0x00];
/** Loads 8 bytes, or 4 numbers of 2 bytes, each widened with zeros. */
export const V128_LOAD8X8_U = [0xfd, 0x02];
export const V128_LOAD16X4_U = [0xfd, 0x04];
export const V128_STORE = [0xfd, 0x0b];
export const V128_CONST = [0xfd, 0x0c];
export const I8X16_SHUFFLE = [0xfd, 0x0d];
export const I32X4_EXTEND_LOW_I16X8_U = [0xfd, 0xa9, 0x01];
export const I32X4_SHR_U = [0xfd, 0xad, 0x01];
export const I32X4_ADD = [0xfd, 0xae, 0x01];
export const I32X4_MUL = [0xfd, 0xb5, 0x01];

const LOOP = [0x03, 0x40];
const BRANCH_IF_LOOP = [0x0d, 0x00];

/** A function of three i32 without a result: source, target, and the number of turns of its loop, at least 1. */
export type PointerLoop = (source: number, target: number, turns: number) => void;
export const SOURCE = 0;
export const TARGET = 1;
const TURNS = 2;
const VECTOR = 3;

/** Pushes the vector on top of the stack once more: to shuffle it with itself takes one instruction, and another load none. */
export const DUPLICATE_VECTOR = [LOCAL_TEE, VECTOR, LOCAL_GET, VECTOR];

/** The body of a `PointerLoop`: `turn`, after which both pointers move on. */
export function pointerLoop(
  turn: readonly number[],
  { source, target }: { source: number; target: number },
): number[] {
  const advance = (pointer: number, by: number) => [
    ...[LOCAL_GET, pointer, I32_CONST, ...signed(by), I32_ADD],
    ...[LOCAL_SET, pointer],
  ];
  const countDown = [LOCAL_GET, TURNS, I32_CONST, 1, I32_SUB, LOCAL_TEE, TURNS, ...BRANCH_IF_LOOP];
  const locals = [1, 1, V128];
  return sized([
    ...locals,
    ...LOOP,
    ...turn,
    ...advance(SOURCE, source),
    ...advance(TARGET, target),
    ...countDown,
    END,
    END,
  ]);
}

/** A fresh instance of a module of `PointerLoop`s, with a memory of its own of one page. */
export function instantiate(bodies: readonly number[][]): {
  readonly memory: WebAssembly.Memory;
  readonly loops: readonly PointerLoop[];
} {
  const section = (id: number, items: readonly number[][]): number[] => [
    id,
    ...sized([items.length, ...items.flat()]),
  ];
  const exported = (name: string, kind: number, index: number) => [
    ...sized([...name].map((letter) => letter.charCodeAt(0))),
    kind,
    index,
  ];
  const bytes = Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [[0x60, 3, I32, I32, I32, 0]]),
    ...section(
      3,
      bodies.map(() => [0]),
    ),
    ...section(5, [[0x00, 1]]),
    ...section(7, [exported("memory", 2, 0), ...bodies.map((_, i) => exported(`loop${i}`, 0, i))]),
    ...section(10, bodies),
  ]);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  return {
    memory: exports["memory"] as WebAssembly.Memory,
    loops: bodies.map((_, i) => exports[`loop${i}`] as PointerLoop),
  };
}

/** Alignment hint 2^0, offset. */
export function memoryArgument(offset: number): number[] {
  return [0, ...unsigned(offset)];
}

/** Four 32-bit lanes, little-endian. */
export function lanes(values: readonly [number, number, number, number]): number[] {
  return values.flatMap((value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff));
}

function sized(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Signed LEB128 of a number that is not negative. */
export function signed(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(value >>> 7)];
}
