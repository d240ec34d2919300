/** By what tests tell devices apart: the delta that the stub trains from each person's items. */
import { stubDelta } from "../../packages/client/test/stub-encoder.ts";

/** Items in the catalogue. */
export const ITEMS = 40;

/** Person `index` likes three items in a row. */
export function itemsOf(index: number): number[] {
  return [0, 1, 2].map((i) => (index + i) % ITEMS);
}

/** The value of every entry of the delta that person `index` trains with the stub. */
export function stubMark(index: number): number {
  return Math.fround(stubDelta({ items: itemsOf(index) }));
}
