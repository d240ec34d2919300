/** Items that training never sees: a split for the question what a new item is worth to the people it would suit. */
import { publicRandom } from "@kindred/clustering";
import { KindredError } from "@kindred/protocol";
import { itemIndex, type Population } from "./population.ts";
import type { Split } from "./split.ts";

/** A split whose training part holds no interaction with some of the items. */
export interface UnseenItemsSplit extends Split {
  /** Positions, in `train.items`, of the items that are hidden. */
  readonly hidden: ReadonlySet<number>;
}

/**
 * Hides items drawn uniformly: their interactions leave `train`, the items stay in the catalogue. The test is the same,
 * but for people who have nothing left to go by; it holds hidden and other items, to be told apart by `hidden`. An
 * item that a person had before it was hidden is ranked for them as any other.
 *
 * @param options.share of the items, above 0 and below 1
 * @param options.seed integer in [0, 2⁵³)
 * @throws {KindredError} `option-invalid` when the share is not one
 */
export function hideItems(
  { train, test }: Split,
  { share, seed }: { readonly share: number; readonly seed: number },
): UnseenItemsSplit {
  if (!(share > 0 && share < 1))
    throw new KindredError({
      code: "option-invalid",
      field: "share",
      rule: `must lie between 0 and 1, not ${share}`,
      fix: "pass 0.1",
    });
  const random = publicRandom(seed);
  const hidden = new Set(train.items.flatMap((_, position) => (random() < share ? [position] : [])));
  const index = itemIndex(train);
  const users = train.users.map((user) => ({
    ...user,
    interactions: user.interactions.filter(({ item }) => !hidden.has(index.get(item)!)),
  }));
  const reduced: Population = { ...train, users };
  return {
    train: reduced,
    test: test.filter(({ userIndex }) => users[userIndex]!.interactions.length > 0),
    hidden,
  };
}
