/**
 * Matrices as 8-bit integers with one float32 scale per row: value = code · scale. A scale has 17 significant bits and a code
 * 7, so the product is a float32 exactly: every device restores the same bits, and quantising them again changes nothing.
 */
import { KindredError } from "./errors.ts";

/** Low bits of a float32's 24 that a scale does without, so that 127 · scale is a float32 too. */
const SPARE_BITS = 7;

/** Largest code; −128 is not used, so that the range is symmetric. */
const LARGEST_CODE = 127;

/** Row-major rows × columns. */
export interface QuantisedRows {
  readonly columns: number;
  /** One per row, finite and not negative; 0 for a row of zeros. */
  readonly scales: Float32Array;
  /** rows × columns, −127 … 127. */
  readonly codes: Int8Array;
}

/**
 * Rounds each row to the nearest of 255 levels between ± its largest magnitude: an error of at most half a scale.
 *
 * @param values row-major, a whole number of rows
 * @throws KindredError `option-invalid` for a length that is no multiple of `columns`, or a value that is not finite
 */
export function quantiseRows(values: Float32Array, columns: number): QuantisedRows {
  const refuse = (rule: string): never => {
    throw new KindredError({ code: "option-invalid", field: "values", rule, fix: "pass finite whole rows" });
  };
  if (!Number.isInteger(columns) || columns < 1 || values.length % columns !== 0)
    refuse(`must be rows of ${columns} values, found ${values.length} values`);
  const rows = values.length / columns;
  const scales = new Float32Array(rows);
  const codes = new Int8Array(values.length);
  for (let row = 0; row < rows; row++) {
    let largest = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      const magnitude = Math.abs(values[i]!);
      if (!(magnitude < Number.POSITIVE_INFINITY)) refuse(`must be finite, but entry ${i} is not`);
      if (magnitude > largest) largest = magnitude;
    }
    const scale = shortened(largest / LARGEST_CODE);
    scales[row] = scale;
    if (scale === 0) continue;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      const code = Math.round(values[i]! / scale);
      codes[i] = Math.max(-LARGEST_CODE, Math.min(LARGEST_CODE, code));
    }
  }
  return { columns, scales, codes };
}

/** The next float32 above with `SPARE_BITS` low bits of 0; 0 for what is below all normal numbers by as many bits. */
function shortened(value: number): number {
  if (value < 2 ** -(126 - SPARE_BITS)) return 0;
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const mask = 2 ** SPARE_BITS - 1;
  view.setUint32(0, (view.getUint32(0) + mask) & ~mask);
  return view.getFloat32(0);
}

/** The values, row-major: code · scale. */
export function dequantiseRows({ columns, scales, codes }: QuantisedRows): Float32Array {
  const values = new Float32Array(codes.length);
  for (let i = 0; i < values.length; i++) values[i] = codes[i]! * scales[Math.floor(i / columns)]!;
  return values;
}
