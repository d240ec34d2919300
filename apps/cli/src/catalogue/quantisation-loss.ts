/** What eight bits cost: how far rows turn, and how many of their nearest neighbours stay. */
import { dequantiseRows, quantiseRows } from "@kindred/protocol";

export interface QuantisationLoss {
  /** 1 − cosine between a row and what it is restored as. */
  readonly mean: number;
  readonly largest: number;
  /** Share of a row's ten nearest others that are so after quantisation too, over at most 500 rows. */
  readonly neighboursKept: number;
}

const NEIGHBOURS = 10;
const LOOKED_AT = 500;

/** @param rows row-major, at least two rows */
export function quantisationLoss(rows: Float32Array, columns: number): QuantisationLoss {
  const restored = dequantiseRows(quantiseRows(rows, columns));
  const count = rows.length / columns;
  let sum = 0;
  let largest = 0;
  for (let row = 0; row < count; row++) {
    const lost = 1 - cosine(rows, restored, { a: row, b: row, columns });
    sum += lost;
    largest = Math.max(largest, lost);
  }
  const looked = Math.min(LOOKED_AT, count);
  let kept = 0;
  let all = 0;
  for (let i = 0; i < looked; i++) {
    const row = Math.floor((i * count) / looked);
    const before = nearest(rows, { row, columns });
    const after = new Set(nearest(restored, { row, columns }));
    kept += before.filter((other) => after.has(other)).length;
    all += before.length;
  }
  return { mean: sum / count, largest, neighboursKept: kept / all };
}

function cosine(
  left: Float32Array,
  right: Float32Array,
  { a, b, columns }: { a: number; b: number; columns: number },
): number {
  let dot = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let i = 0; i < columns; i++) {
    const x = left[a * columns + i]!;
    const y = right[b * columns + i]!;
    dot += x * y;
    squaresA += x * x;
    squaresB += y * y;
  }
  return dot === 0 ? 0 : dot / Math.sqrt(squaresA * squaresB);
}

function nearest(rows: Float32Array, { row, columns }: { row: number; columns: number }): number[] {
  const others = Array.from({ length: rows.length / columns }, (_, other) => other).filter(
    (other) => other !== row,
  );
  const scores = new Map(others.map((other) => [other, cosine(rows, rows, { a: row, b: other, columns })]));
  return others.sort((a, b) => scores.get(b)! - scores.get(a)! || a - b).slice(0, NEIGHBOURS);
}
