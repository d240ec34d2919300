/**
 * A sorted list that is never altered: an insertion or a removal makes a new list that shares all but one of its blocks with
 * the old one, so it copies some hundred references, however long the list is.
 */

/** Items in order, none of the blocks empty. */
export type SortedBlocks<T> = readonly (readonly T[])[];

/** Items of a block, at most. With a hundred blocks a list has some ten thousand items. */
const MOST_ITEMS = 128;

interface Place {
  readonly block: number;
  readonly position: number;
}

/** The item with this key, if there is one. */
export function findSorted<T>(
  blocks: SortedBlocks<T>,
  key: string,
  keyOf: (item: T) => string,
): T | undefined {
  const { block, position } = placeOf(blocks, key, keyOf);
  const item = blocks[block]?.[position];
  return item !== undefined && keyOf(item) === key ? item : undefined;
}

/** The list with one item more. @param keyOf differs from item to item */
export function insertSorted<T>(
  blocks: SortedBlocks<T>,
  item: T,
  keyOf: (item: T) => string,
): SortedBlocks<T> {
  const { block, position } = placeOf(blocks, keyOf(item), keyOf);
  const items = (blocks[block] ?? []).slice();
  items.splice(position, 0, item);
  const half = items.length >>> 1;
  return items.length <= MOST_ITEMS
    ? withBlock(blocks, block, [items])
    : withBlock(blocks, block, [items.slice(0, half), items.slice(half)]);
}

/** The list without the item that has this key; the same list if there is none. */
export function removeSorted<T>(
  blocks: SortedBlocks<T>,
  key: string,
  keyOf: (item: T) => string,
): SortedBlocks<T> {
  if (findSorted(blocks, key, keyOf) === undefined) return blocks;
  const { block } = placeOf(blocks, key, keyOf);
  const rest = blocks[block]!.filter((item) => keyOf(item) !== key);
  return withBlock(blocks, block, rest.length === 0 ? [] : [rest]);
}

function withBlock<T>(
  blocks: SortedBlocks<T>,
  block: number,
  replacements: readonly (readonly T[])[],
): SortedBlocks<T> {
  const copy = blocks.slice();
  copy.splice(block, 1, ...replacements);
  return copy;
}

/** Where an item with this key is, or would be put: in the last block that does not begin behind it. */
function placeOf<T>(blocks: SortedBlocks<T>, key: string, keyOf: (item: T) => string): Place {
  const behind = lowerBound(blocks, (items) => keyOf(items[0]!) <= key);
  const block = Math.max(behind - 1, 0);
  return { block, position: lowerBound(blocks[block] ?? [], (item) => keyOf(item) < key) };
}

/** First position of which `isBefore` does not hold; it holds of the positions before it. */
function lowerBound<T>(items: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(items[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}
