/** EASE: a linear item-to-item model in closed form, the strongest simple baseline without order. */
import { KindredError } from "@kindred/protocol";
import type { Population } from "./population.ts";
import { invertPositiveDefinite } from "./positive-definite.ts";
import { seenItems } from "./ranking.ts";
import { recencyWeights } from "./recency.ts";
import { userItems } from "./sequences.ts";

/** A fitted model. */
export interface EaseModel {
  /**
   * The scores of all items for a user by position in `train.users`.
   *
   * @param halfLife interactions after which an older one counts half as much; absent: all count alike
   */
  readonly scores: (userIndex: number, halfLife?: number) => Float32Array;
}

/** (w·P)ⱼ and Pⱼⱼ of P = (XᵀX + λI)⁻¹. */
interface InverseGram {
  readonly times: (weights: ReadonlyMap<number, number>) => Float64Array;
  readonly diagonal: Float64Array;
}

/**
 * Embarrassingly shallow autoencoder (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019): the item
 * weights B with zero diagonal that minimise ‖X − XB‖² + λ‖B‖², which are Bᵢⱼ = −Pᵢⱼ / Pⱼⱼ with P = (XᵀX + λI)⁻¹
 * (eq. 8). With fewer users than items the inverse is taken on their side, by Woodbury's identity
 * P = (I − Xᵀ(XXᵀ + λI)⁻¹X) / λ, which gives the same scores. Time O(min(users, items)³).
 *
 * @param train binary: repetitions count once
 * @param regularisation λ, above 0
 * @throws {KindredError} `option-invalid` when λ is not above 0
 */
export function easeBaseline(train: Population, regularisation: number): EaseModel {
  if (!(regularisation > 0 && Number.isFinite(regularisation)))
    throw new KindredError({
      code: "option-invalid",
      field: "regularisation",
      rule: `must be above 0, not ${regularisation}`,
      fix: "pass 150, or choose one on the validation split",
    });
  const histories = seenItems(train).map((seen) => Int32Array.from(seen));
  const ordered = userItems(train);
  const size = train.items.length;
  const side = { histories, items: size, regularisation };
  const gram = size <= histories.length ? byItems(side) : byUsers(side);
  return {
    scores: (userIndex, halfLife) => {
      const weights = recencyWeights(ordered[userIndex] ?? [], halfLife);
      const product = gram.times(weights);
      const scores = new Float32Array(size);
      for (let j = 0; j < size; j++) scores[j] = -product[j]! / gram.diagonal[j]!;
      for (const [item, weight] of weights) scores[item]! += weight;
      return scores;
    },
  };
}

interface Side {
  /** Distinct items of each user. */
  readonly histories: readonly Int32Array[];
  readonly items: number;
  readonly regularisation: number;
}

function byItems({ histories, items, regularisation }: Side): InverseGram {
  const gram = cooccurrences(histories, items);
  for (let i = 0; i < items; i++) gram[i * items + i]! += regularisation;
  const { data } = invertPositiveDefinite({ size: items, data: gram });
  return {
    diagonal: Float64Array.from({ length: items }, (_, i) => data[i * items + i]!),
    times: (weights) => {
      const product = new Float64Array(items);
      for (const [item, weight] of weights)
        for (let j = 0; j < items; j++) product[j]! += weight * data[item * items + j]!;
      return product;
    },
  };
}

function byUsers({ histories, items, regularisation }: Side): InverseGram {
  const users = histories.length;
  const usersOf = transposed(histories, items);
  const gram = cooccurrences(usersOf, users);
  for (let u = 0; u < users; u++) gram[u * users + u]! += regularisation;
  const { data } = invertPositiveDefinite({ size: users, data: gram });
  const diagonal = Float64Array.from(usersOf, (own) => {
    let inner = 0;
    for (const u of own) for (const v of own) inner += data[u * users + v]!;
    return (1 - inner) / regularisation;
  });
  return {
    diagonal,
    times: (weights) => {
      const common = new Float64Array(users);
      for (const [item, weight] of weights) for (const u of usersOf[item]!) common[u]! += weight;
      const coefficients = new Float64Array(users);
      for (let v = 0; v < users; v++) {
        const factor = common[v]! / regularisation;
        if (factor !== 0) for (let u = 0; u < users; u++) coefficients[u]! += factor * data[v * users + u]!;
      }
      const product = new Float64Array(items);
      histories.forEach((history, u) => {
        for (const item of history) product[item]! -= coefficients[u]!;
      });
      for (const [item, weight] of weights) product[item]! += weight / regularisation;
      return product;
    },
  };
}

/** How many lists each pair of members has in common, size × size, row-major. */
function cooccurrences(lists: readonly Int32Array[], size: number): Float64Array {
  const counts = new Float64Array(size * size);
  for (const list of lists) for (const a of list) for (const b of list) counts[a * size + b]! += 1;
  return counts;
}

/** The users of each item. */
function transposed(histories: readonly Int32Array[], items: number): Int32Array[] {
  const users: number[][] = Array.from({ length: items }, () => []);
  histories.forEach((history, user) => {
    for (const item of history) users[item]!.push(user);
  });
  return users.map((own) => Int32Array.from(own));
}
