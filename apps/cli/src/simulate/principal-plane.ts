/** The plane in which centroids lie farthest apart, for a map: principal components by power iteration. */
import type { Matrix } from "@kindred/clustering";

const ITERATIONS = 200;

/** Coordinates of every row along the first two principal components (Pearson 1901); deterministic. */
export function principalPlane({ rows, columns, data }: Matrix): [number, number][] {
  const centred = Float64Array.from(data);
  for (let c = 0; c < columns; c++) {
    let mean = 0;
    for (let r = 0; r < rows; r++) mean += centred[r * columns + c]! / rows;
    for (let r = 0; r < rows; r++) centred[r * columns + c]! -= mean;
  }
  const first = component({ rows, columns, data: centred }, undefined);
  const second = component({ rows, columns, data: centred }, first);
  const along = (axis: Float64Array, r: number): number => {
    let dot = 0;
    for (let c = 0; c < columns; c++) dot += axis[c]! * centred[r * columns + c]!;
    return dot;
  };
  return Array.from({ length: rows }, (_, r) => [along(first, r), along(second, r)]);
}

function component(
  { rows, columns, data }: { rows: number; columns: number; data: Float64Array },
  orthogonalTo: Float64Array | undefined,
): Float64Array {
  let axis = Float64Array.from({ length: columns }, (_, c) => 1 + Math.cos(c));
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const next = new Float64Array(columns);
    for (let r = 0; r < rows; r++) {
      let dot = 0;
      for (let c = 0; c < columns; c++) dot += data[r * columns + c]! * axis[c]!;
      for (let c = 0; c < columns; c++) next[c]! += dot * data[r * columns + c]!;
    }
    if (orthogonalTo !== undefined) {
      let overlap = 0;
      for (let c = 0; c < columns; c++) overlap += next[c]! * orthogonalTo[c]!;
      for (let c = 0; c < columns; c++) next[c]! -= overlap * orthogonalTo[c]!;
    }
    const norm = Math.sqrt(next.reduce((sum, value) => sum + value * value, 0));
    if (norm < 1e-12) return next.fill(0);
    axis = next.map((value) => value / norm);
  }
  return axis;
}
