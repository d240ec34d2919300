/** The k largest of many values in one pass, in the memory of the result. */

/** Places of values and the values themselves, of equal length k. */
interface Kept {
  readonly items: Int32Array;
  readonly shares: Float32Array;
}

/**
 * Fills `items` and `shares` with the largest of all values, largest first, the earlier first among equals: a heap of k whose
 * root is the least of those kept, sorted at the end (Williams 1964). O(n log k).
 *
 * @param all finite values, at least as many as are kept
 */
export function keepLargest(all: Float32Array, kept: Kept): void {
  const { items, shares } = kept;
  const top = items.length;
  for (let item = 0; item < top; item++) {
    items[item] = item;
    shares[item] = all[item]!;
  }
  for (let root = (top >> 1) - 1; root >= 0; root--) sink(kept, root, top);
  for (let item = top; item < all.length; item++) {
    if (all[item]! <= shares[0]!) continue;
    items[0] = item;
    shares[0] = all[item]!;
    sink(kept, 0, top);
  }
  for (let end = top - 1; end > 0; end--) {
    swap(kept, 0, end);
    sink(kept, 0, end);
  }
}

/** Moves the value at `root` down the heap of the first `size`, until it comes after both below it. */
function sink(kept: Kept, root: number, size: number): void {
  for (let at = root, child = 2 * at + 1; child < size; at = child, child = 2 * at + 1) {
    if (child + 1 < size && isLess(kept, child + 1, child)) child++;
    if (!isLess(kept, child, at)) return;
    swap(kept, child, at);
  }
}

/** Of equal values, the later is less. */
function isLess({ items, shares }: Kept, a: number, b: number): boolean {
  return shares[a]! < shares[b]! || (shares[a] === shares[b] && items[a]! > items[b]!);
}

function swap({ items, shares }: Kept, a: number, b: number): void {
  [items[a], items[b]] = [items[b]!, items[a]!];
  [shares[a], shares[b]] = [shares[b]!, shares[a]!];
}
