/** The assignment problem: pair rows with columns at the least total cost. */

/**
 * Solves it by shortest augmenting paths (Kuhn 1955, Munkres 1957; in the form of Jonker & Volgenant 1987). With n rows
 * and m columns min(n, m) pairs are made. Time O(min² · max).
 *
 * @param cost n × m, row-major, finite
 * @returns length n: the column of each row, or −1
 * @throws {RangeError} when the shape does not fit or a cost is not finite
 */
export function optimalAssignment(
  cost: Float64Array,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): Int32Array {
  if (cost.length !== rows * columns)
    throw new RangeError(`${cost.length} costs do not fit ${rows} × ${columns}.`);
  if (!cost.every(Number.isFinite)) throw new RangeError("A cost is not finite.");
  if (rows > columns) {
    const transposed = Float64Array.from(cost, (_, i) => cost[(i % rows) * columns + Math.floor(i / rows)]!);
    const rowOfColumn = optimalAssignment(transposed, { rows: columns, columns: rows });
    const result = new Int32Array(rows).fill(-1);
    for (const [column, row] of rowOfColumn.entries()) if (row >= 0) result[row] = column;
    return result;
  }
  // Potentials u of the rows and v of the columns keep every reduced cost at 0 or more; row 0 and column 0 stand for
  // "none".
  const u = new Float64Array(rows + 1);
  const v = new Float64Array(columns + 1);
  const rowOf = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    const cameFrom = new Int32Array(columns + 1);
    const slack = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY);
    const visited = new Uint8Array(columns + 1);
    rowOf[0] = row;
    let column = 0;
    while (rowOf[column] !== 0) {
      visited[column] = 1;
      const at = rowOf[column]!;
      let step = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let j = 1; j <= columns; j++) {
        if (visited[j] === 1) continue;
        const reduced = cost[(at - 1) * columns + j - 1]! - u[at]! - v[j]!;
        if (reduced < slack[j]!) {
          slack[j] = reduced;
          cameFrom[j] = column;
        }
        if (slack[j]! < step) {
          step = slack[j]!;
          next = j;
        }
      }
      for (let j = 0; j <= columns; j++) {
        if (visited[j] === 1) {
          u[rowOf[j]!]! += step;
          v[j]! -= step;
        } else slack[j]! -= step;
      }
      column = next;
    }
    for (; column !== 0; column = cameFrom[column]!) rowOf[column] = rowOf[cameFrom[column]!]!;
  }
  const result = new Int32Array(rows).fill(-1);
  for (let j = 1; j <= columns; j++) if (rowOf[j] !== 0) result[rowOf[j]! - 1] = j - 1;
  return result;
}
