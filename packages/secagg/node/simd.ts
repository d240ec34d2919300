/**
 * Adds keystream to a vector four entries an instruction, in WebAssembly (core specification 2.0, vector instructions):
 * V8 does not vectorise loops over typed arrays, and the plain loop takes as long as the AES before it.
 */

/** Functions of the module: `add1` … `add4`, by bytes of keystream an entry. */
type Add = (source: number, target: number, groups: number) => void;

/** Entries that a function handles in one turn of its loop. */
export const GROUP_ENTRIES = 16;
/** Bytes that a function may read past the end of its source. */
export const OVERREAD_BYTES = 4;

export interface SimdAdder {
  readonly memory: WebAssembly.Memory;
  /**
   * By bytes of keystream an entry, less one: adds `groups` · 16 entries at byte `source` to the 32-bit words at byte
   * `target`, modulo 2^32; `groups` at least 1. Of a sum the low 8 · bytes bits are right, as in `applyMasks`.
   */
  readonly add: readonly [Add, Add, Add, Add];
}

/** A fresh instance of the module, with a memory of its own. */
export function simdAdder(): SimdAdder {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()));
  const { memory, add1, add2, add3, add4 } = instance.exports as unknown as Record<string, Add> & {
    memory: WebAssembly.Memory;
  };
  return { memory, add: [add1!, add2!, add3!, add4!] };
}

const I32 = 0x7f;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const I32_CONST = 0x41;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const LOOP = [0x03, 0x40];
const BRANCH_IF_LOOP = [0x0d, 0x00];
const END = 0x0b;
const V128_LOAD = [0xfd, 0x00];
/** Loads 8 bytes, or 4 numbers of 2 bytes, each widened with zeros. */
const V128_LOAD8X8_U = [0xfd, 0x02];
const V128_LOAD16X4_U = [0xfd, 0x04];
const V128_STORE = [0xfd, 0x0b];
const I8X16_SHUFFLE = [0xfd, 0x0d];
const I32X4_EXTEND_LOW_I16X8_U = [0xfd, 0xa9, 0x01];
const I32X4_ADD = [0xfd, 0xae, 0x01];

/** The parameters, which the loop moves on. */
const SOURCE = 0;
const TARGET = 1;
const GROUPS = 2;

/** Where byte j of 32-bit lane i comes from: bytes 3i … 3i + 3, the last of which belongs to the next entry. */
const THREE_BYTE_LANES = Array.from({ length: 16 }, (_, lane) => 3 * (lane >> 2) + (lane & 3));

/** Pushes the four entries at SOURCE + `offset` as 32-bit lanes. */
function loadEntries(bytes: number, offset: number): number[] {
  const from = [LOCAL_GET, SOURCE];
  const at = memoryArgument(offset);
  switch (bytes) {
    case 1:
      return [...from, ...V128_LOAD8X8_U, ...at, ...I32X4_EXTEND_LOW_I16X8_U];
    case 2:
      return [...from, ...V128_LOAD16X4_U, ...at];
    case 3: {
      const load = [...from, ...V128_LOAD, ...at];
      return [...load, ...load, ...I8X16_SHUFFLE, ...THREE_BYTE_LANES];
    }
    default:
      return [...from, ...V128_LOAD, ...at];
  }
}

function addFunction(bytes: number): number[] {
  const steps = [0, 1, 2, 3].flatMap((step) => {
    const at = memoryArgument(16 * step);
    const sum = [
      LOCAL_GET,
      TARGET,
      ...V128_LOAD,
      ...at,
      ...loadEntries(bytes, 4 * bytes * step),
      ...I32X4_ADD,
    ];
    return [LOCAL_GET, TARGET, ...sum, ...V128_STORE, ...at];
  });
  const advance = (pointer: number, by: number) => [
    ...[LOCAL_GET, pointer, I32_CONST, ...signed(by), I32_ADD],
    ...[LOCAL_SET, pointer],
  ];
  const countDown = [LOCAL_GET, GROUPS, I32_CONST, 1, I32_SUB, LOCAL_TEE, GROUPS, ...BRANCH_IF_LOOP];
  const turn = [...steps, ...advance(SOURCE, GROUP_ENTRIES * bytes), ...advance(TARGET, 4 * GROUP_ENTRIES)];
  const noLocals = 0;
  return sized([noLocals, ...LOOP, ...turn, ...countDown, END, END]);
}

function moduleBytes(): Uint8Array<ArrayBuffer> {
  const section = (id: number, items: readonly number[][]): number[] => [
    id,
    ...sized([items.length, ...items.flat()]),
  ];
  const exported = (name: string, kind: number, index: number) => [
    ...sized([...name].map((letter) => letter.charCodeAt(0))),
    kind,
    index,
  ];
  const widths = [1, 2, 3, 4];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [[0x60, 3, I32, I32, I32, 0]]),
    ...section(
      3,
      widths.map(() => [0]),
    ),
    ...section(5, [[0x00, 1]]),
    ...section(7, [exported("memory", 2, 0), ...widths.map((w) => exported(`add${w}`, 0, w - 1))]),
    ...section(10, widths.map(addFunction)),
  ]);
}

/** Alignment hint 2^0, offset. */
function memoryArgument(offset: number): number[] {
  return [0, ...unsigned(offset)];
}

function sized(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Signed LEB128 of a number that is not negative. */
function signed(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(value >>> 7)];
}
