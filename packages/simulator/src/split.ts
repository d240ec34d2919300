/** Splits for evaluation, and samples of users. */

import { publicRandom } from "@kindred/clustering";
import { KindredError } from "@kindred/protocol";
import { itemIndex, type Population, type PopulationUser } from "./population.ts";

/** An interaction to be predicted from a user's earlier ones. */
export interface HeldOut {
  /** The user's id. */
  readonly user: string;
  /** The item's id. */
  readonly item: string;
  /** Position in `train.users` (and in the population that was split: the order is the same). */
  readonly userIndex: number;
  /** Position in `train.items`. */
  readonly itemIndex: number;
}

/** What may be learned from, and what is to be predicted. */
export interface Split {
  /** All users and all items; each user without the interaction held out. */
  readonly train: Population;
  readonly test: readonly HeldOut[];
}

/** A leave-last-out split with the split for choosing hyper-parameters inside it. */
export interface LeaveLastOut extends Split {
  /** The same split of `train`: the second-last interaction is to be predicted from those before it. */
  readonly validation: Split;
}

/**
 * Leave-last-out: each user's last interaction is the test, everything before it may be used. Hyper-parameters are
 * chosen on `validation` (second-last item from the ones before it) and never on `test`.
 *
 * A user with a single interaction stays whole and is not tested. A user whose last item already occurs earlier
 * loses it from `train` but is not tested either, since seen items are not ranked.
 */
export function leaveLastOut(population: Population): LeaveLastOut {
  const outer = holdOutLast(population);
  return { ...outer, validation: holdOutLast(outer.train) };
}

function holdOutLast(population: Population): Split {
  const index = itemIndex(population);
  const test: HeldOut[] = [];
  const users = population.users.map((user, userIndex): PopulationUser => {
    if (user.interactions.length < 2) return user;
    const interactions = user.interactions.slice(0, -1);
    const last = user.interactions[interactions.length]!;
    if (!interactions.some(({ item }) => item === last.item)) {
      test.push({ user: user.id, item: last.item, userIndex, itemIndex: index.get(last.item)! });
    }
    return { ...user, interactions };
  });
  return { train: { ...population, users }, test };
}

/**
 * A uniform sample of users without replacement, in their original order. The catalogue stays whole.
 *
 * @param count from 1 to the number of users
 * @param seed integer in [0, 2⁵³)
 * @throws {KindredError} `option-invalid` when there are not that many users
 */
export function sampleUsers(population: Population, count: number, seed: number): Population {
  const size = population.users.length;
  if (!Number.isInteger(count) || count < 1 || count > size) {
    throw new KindredError({
      code: "option-invalid",
      field: "users",
      rule: `must be a whole number from 1 to the ${size} users of ${population.name}, not ${count}`,
      fix: `ask for at most ${size} users`,
    });
  }
  if (count === size) return population;
  const random = publicRandom(seed);
  const order = population.users.map((_, index) => index);
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (size - i));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const chosen = new Set(order.slice(0, count));
  return {
    ...population,
    users: population.users.filter((_, index) => chosen.has(index)),
    notes: [...population.notes, `A sample of ${count} of ${size} users, seed ${seed}.`],
  };
}
