/** Which items lie nearest to what: ranking without sorting everything. */

import { checkShapes, type Matrix } from "./matrix.ts";

/** Indices of the `count` largest values, largest first; the lower index wins a tie. One pass over the values. */
export function topIndices(values: ArrayLike<number>, count: number): number[] {
  const top: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (top.length === count && !(value > values[top[count - 1]!]!)) continue;
    let low = 0;
    let high = top.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[top[middle]!]! >= value) low = middle + 1;
      else high = middle;
    }
    top.splice(low, 0, i);
    if (top.length > count) top.pop();
  }
  return top;
}

/**
 * Indices of the items nearest to each centroid by cosine, nearest first.
 *
 * @param units items × d, rows of norm 1
 * @param centroids k × d, rows of norm 1
 * @param count items per centroid at the most, ≥ 0
 * @throws {RangeError} on a mismatch of shapes
 */
export function nearestItems(units: Matrix, centroids: Matrix, count: number): number[][] {
  checkShapes({ length: units.columns }, centroids);
  const { columns } = centroids;
  return Array.from({ length: centroids.rows }, (_, cluster) => {
    const cosines = Float64Array.from({ length: units.rows }, (_, item) => {
      let sum = 0;
      for (let i = 0; i < columns; i++)
        sum += units.data[item * columns + i]! * centroids.data[cluster * columns + i]!;
      return sum;
    });
    return topIndices(cosines, count);
  });
}
