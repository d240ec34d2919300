/** What one person adds to a signal: counts, before clipping. They leave the device only masked, within the sum. */

/**
 * Windowed transitions: for each interaction and each of the `window` before it, one in the entry (earlier item, later
 * item), where both are counted. An item after itself does not count. The block's clip norm bounds the result later.
 * @param items a person's items, oldest first
 * @param options.counted the H items between which transitions are counted, as `countedItems` gives them
 * @returns H × H, row by row
 */
export function transitionCounts(
  items: ArrayLike<number>,
  { counted, window }: { readonly counted: ArrayLike<number>; readonly window: number },
): Float64Array {
  const places = new Map(Array.from(counted, (item, place) => [item, place]));
  const sequence = Array.from(items, (item) => places.get(item));
  const block = new Float64Array(counted.length ** 2);
  for (const [later, to] of sequence.entries()) {
    if (to === undefined) continue;
    for (const from of sequence.slice(Math.max(0, later - window), later))
      if (from !== undefined && from !== to) block[from * counted.length + to]! += 1;
  }
  return block;
}

/**
 * Popularity: one in the first row for each item of the person, and in the rows of the fine clusters their shares in the
 * person.
 * @param items a person's items; repeated ones count once
 * @param options.rows 1, or 1 + the plan's fine clusters
 * @param options.shares of the fine clusters in the person, by row after the first
 * @returns rows × itemCount, row by row
 */
export function popularityCounts(
  items: ArrayLike<number>,
  {
    itemCount,
    rows,
    shares,
  }: { readonly itemCount: number; readonly rows: number; readonly shares: ArrayLike<number> },
): Float64Array {
  const block = new Float64Array(rows * itemCount);
  for (const item of new Set(Array.from(items))) {
    block[item] = 1;
    for (let row = 1; row < rows && row <= shares.length; row++)
      block[row * itemCount + item] = shares[row - 1]!;
  }
  return block;
}
