/** Populations: a public catalogue and the behaviour of its users, real or synthetic. */

import { KindredError } from "@kindred/protocol";

/** What a person did with an item. */
export type Action = "view" | "like" | "purchase" | "rate";

/** One thing one person did. */
export interface Interaction {
  /** Id of an item of the population. */
  readonly item: string;
  readonly action: Action;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  /** On the scale of the data set (its notes say which); only with the action `rate`. */
  readonly rating?: number;
}

/** A public item: what a catalogue holds of it. */
export interface PopulationItem {
  readonly id: string;
  readonly title: string;
  /** Categories, most general first. */
  readonly tags: readonly string[];
}

/** A person and what they did. */
export interface PopulationUser {
  readonly id: string;
  /** Sorted by time; ties keep the order of the input. */
  readonly interactions: readonly Interaction[];
  /** The known interest group, from 0, where there is one. */
  readonly group?: number;
}

/** A catalogue and its users. Item and user ids are unique; every interaction names an item of `items`. */
export interface Population {
  readonly name: string;
  readonly items: readonly PopulationItem[];
  readonly users: readonly PopulationUser[];
  /** What was done to the data and under which licence it stands, one sentence each. */
  readonly notes: readonly string[];
}

/** The position of each item id in `population.items`. */
export function itemIndex(population: Pick<Population, "items">): Map<string, number> {
  return new Map(population.items.map((item, index) => [item.id, index]));
}

/** The number of interactions of all users. */
export function countInteractions(population: Population): number {
  return population.users.reduce((sum, user) => sum + user.interactions.length, 0);
}

/** A copy sorted by time; interactions of equal time keep their order (the sort is stable by the language). */
export function sortedByTime(interactions: readonly Interaction[]): Interaction[] {
  return [...interactions].sort((a, b) => a.time - b.time);
}

/**
 * The k-core: users with fewer than `k` interactions and items with fewer than `k` interactions are removed, again
 * and again, until none is left. The result is unique. Users and items keep their order; items without
 * interactions leave the catalogue.
 *
 * @param k at least 1
 * @throws {KindredError} `option-invalid` when k is no such number; `dataset-invalid` when nothing remains
 */
export function kCore(population: Population, k: number): Population {
  if (!Number.isInteger(k) || k < 1) {
    throw new KindredError({
      code: "option-invalid",
      field: "kCore.k",
      rule: `must be a whole number of at least 1, not ${k}`,
      fix: "pass 5, the usual choice",
    });
  }
  let users = population.users;
  for (;;) {
    const counts = new Map<string, number>();
    for (const user of users) {
      for (const { item } of user.interactions) counts.set(item, (counts.get(item) ?? 0) + 1);
    }
    const rare = (item: string): boolean => (counts.get(item) ?? 0) < k;
    let stable = true;
    const kept: PopulationUser[] = [];
    for (const user of users) {
      const interactions = user.interactions.filter(({ item }) => !rare(item));
      if (interactions.length !== user.interactions.length || interactions.length < k) stable = false;
      if (interactions.length >= k) kept.push({ ...user, interactions });
    }
    users = kept;
    if (!stable) continue;
    if (users.length === 0) {
      throw new KindredError({
        code: "dataset-invalid",
        field: population.name,
        rule: `has no users and items with ${k} interactions each`,
        fix: "use more data or a smaller k",
      });
    }
    const result = { ...population, users, items: population.items.filter(({ id }) => counts.has(id)) };
    const note = `${k}-core: ${result.users.length} users, ${result.items.length} items, ${countInteractions(result)} interactions.`;
    return { ...result, notes: [...population.notes, note] };
  }
}
