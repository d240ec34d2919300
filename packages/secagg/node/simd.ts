/**
 * Adds keystream to a vector four entries an instruction, in WebAssembly: V8 does not vectorise loops over typed
 * arrays, and the plain loop takes as long as the AES before it.
 */
import {
  DUPLICATE_VECTOR,
  I8X16_SHUFFLE,
  I32X4_ADD,
  I32X4_EXTEND_LOW_I16X8_U,
  instantiate,
  LOCAL_GET,
  memoryArgument,
  type PointerLoop,
  pointerLoop,
  SOURCE,
  TARGET,
  V128_LOAD,
  V128_LOAD8X8_U,
  V128_LOAD16X4_U,
  V128_STORE,
} from "./wasm.ts";

/** Entries that a function handles in one turn of its loop. */
export const GROUP_ENTRIES = 16;
/** Bytes that a function may read past the end of its source. */
export const OVERREAD_BYTES = 4;

export interface SimdAdder {
  readonly memory: WebAssembly.Memory;
  /**
   * By bytes of keystream an entry, less one: adds turns · 16 entries at byte `source` to the 32-bit words at byte
   * `target`, modulo 2^32. Of a sum the low 8 · bytes bits are right, as in `applyMasks`.
   */
  readonly add: readonly PointerLoop[];
}

/** A fresh instance of the module, with a memory of its own. */
export function simdAdder(): SimdAdder {
  const { memory, loops } = instantiate([1, 2, 3, 4].map(addFunction));
  return { memory, add: loops };
}

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
      return [...load, ...DUPLICATE_VECTOR, ...I8X16_SHUFFLE, ...THREE_BYTE_LANES];
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
  return pointerLoop(steps, { source: GROUP_ENTRIES * bytes, target: 4 * GROUP_ENTRIES });
}
