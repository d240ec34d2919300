/** Weights of a person's items by how long ago they were, in interactions. */
import { KindredError } from "@kindred/protocol";

/**
 * 2^(−k / halfLife) for the item of the k-th interaction from the end, k = 0 for the last one. An item that occurs
 * several times has the weight of its latest occurrence.
 *
 * @param items oldest first
 * @param halfLife in interactions, above 0; absent: every item weighs 1
 * @throws {KindredError} `option-invalid` when the half-life is not above 0
 */
export function recencyWeights(items: ArrayLike<number>, halfLife?: number): Map<number, number> {
  if (halfLife !== undefined && !(halfLife > 0))
    throw new KindredError({
      code: "option-invalid",
      field: "halfLife",
      rule: `must be above 0 interactions, not ${halfLife}`,
      fix: "pass 5, or leave it out",
    });
  const weights = new Map<number, number>();
  for (let k = 0; k < items.length; k++) {
    const item = items[items.length - 1 - k]!;
    if (!weights.has(item)) weights.set(item, halfLife === undefined ? 1 : 2 ** (-k / halfLife));
  }
  return weights;
}
