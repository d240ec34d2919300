/** Synthetic populations with known interest groups and a known order in what people do. */

import { type PublicRandom, publicRandom } from "@kindred/clustering";
import { KindredError } from "@kindred/protocol";
import type { Interaction, Population, PopulationItem, PopulationUser } from "./population.ts";
import { FORMATS, THEMES } from "./synthetic-words.ts";

/** Items of a series, to be read in order. */
const SERIES_LENGTH = 6;

/** Chance that a user goes on to the next part of the series they are in. */
const CONTINUE = 0.65;

/** Chance that an event has nothing to do with the user's interests: any item, by popularity. */
const NOISE = 0.05;

/** Share of newly begun series that come from the second interest, at the start and at the end of a history. */
const SECOND_INTEREST = { start: 0.05, end: 0.3 };

/** 1 January 2025, UTC. */
const EPOCH = Date.UTC(2025, 0, 1);

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** What a synthetic population is made of. */
export interface SyntheticOptions {
  /** Number of users, ≥ 1. */
  readonly users: number;
  /** Number of items, at least 2 per group. */
  readonly items: number;
  /** Number of interest groups, from 1 to 24. */
  readonly groups: number;
  /** Integer in [0, 2⁵³). */
  readonly seed: number;
  /** Mean number of events per user, ≥ 3; a user has from half to one and a half times as many. */
  readonly eventsPerUser: number;
}

/** An ordered chain of items, as indices. */
type Series = readonly number[];

interface Group {
  readonly series: readonly Series[];
  /** Zipf's law: the r-th series is begun with probability ∝ 1 / r. */
  readonly cumulative: readonly number[];
}

/**
 * Makes a population of which everything is known. Deterministic in its options.
 *
 * - *Items* belong to one interest group (their first tag), have a subject (second tag) and a form, and readable
 *   titles such as "Sourdough workshop, part 3", so that text features carry information. They come in series of
 *   up to six parts.
 * - *Users* belong to a main group (`group`, equally many users in each) and have a second interest that grows
 *   from 5 to 30 % of the series they begin (drift); 5 % of the events are noise over all items.
 * - *Order*: with probability .65 the next event is the next part of the current series; otherwise a series is
 *   begun at its first part, by Zipf's law within the group. A model that reads sequences can therefore beat
 *   popularity by far; one that knows only a person's group, by less.
 * - No user meets an item twice; when a user has exhausted what is above, the event is drawn from all items left.
 * - *Times* start in 2025: sessions of some minutes between events, some days between sessions. Most events are
 *   views, one in five a like.
 *
 * @throws {KindredError} `option-invalid` naming the option, its rule and the fix
 */
export function syntheticPopulation(options: SyntheticOptions): Population {
  checkOptions(options);
  const random = publicRandom(options.seed);
  const { items, groups } = makeItems(options);
  const users = Array.from({ length: options.users }, (_, u): PopulationUser => {
    const group = u % options.groups;
    return {
      id: `user-${u + 1}`,
      group,
      interactions: makeHistory({ group, groups, items, events: options.eventsPerUser, random }),
    };
  });
  const { eventsPerUser, seed } = options;
  return {
    name: "synthetic",
    items,
    users,
    notes: [
      `Synthetic: ${options.users} users in ${options.groups} known interest groups, ${options.items} items, about ${eventsPerUser} events each, seed ${seed}.`,
    ],
  };
}

function checkOptions({ users, items, groups, eventsPerUser }: SyntheticOptions): void {
  const whole = (field: string, value: number, [minimum, maximum]: readonly [number, number]): void => {
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
    throw new KindredError({
      code: "option-invalid",
      field: `synthetic.${field}`,
      rule: `must be a whole number from ${minimum} to ${maximum}, not ${value}`,
      fix: `choose ${field} within these bounds`,
    });
  };
  whole("users", users, [1, 10_000_000]);
  whole("groups", groups, [1, THEMES.length]);
  whole("items", items, [2 * groups, 1_000_000]);
  // Half again as many events as the mean must still find a new item each time.
  whole("eventsPerUser", eventsPerUser, [3, Math.max(3, Math.floor(items / 2))]);
}

function makeItems(options: SyntheticOptions): { items: PopulationItem[]; groups: Group[] } {
  const items: PopulationItem[] = [];
  const groups = Array.from({ length: options.groups }, (_, g): Group => {
    const size =
      Math.floor(((g + 1) * options.items) / options.groups) -
      Math.floor((g * options.items) / options.groups);
    const { tag, subjects } = THEMES[g]!;
    const series: number[][] = [];
    for (let made = 0; made < size; made++) {
      const s = Math.floor(made / SERIES_LENGTH);
      const part = (made % SERIES_LENGTH) + 1;
      const combination = s % (subjects.length * FORMATS.length);
      const subject = subjects[combination % subjects.length]!;
      // Stepping the form with the round of subjects makes all 64 combinations come before any repeats.
      const format = FORMATS[(combination + Math.floor(combination / subjects.length)) % FORMATS.length]!;
      const season = Math.floor(s / (subjects.length * FORMATS.length)) + 1;
      const name = `${subject[0]!.toUpperCase()}${subject.slice(1)} ${format}`;
      series[s] ??= [];
      series[s].push(items.length);
      items.push({
        id: `${tag}-${made + 1}`,
        title: season > 1 ? `${name}, season ${season}, part ${part}` : `${name}, part ${part}`,
        tags: [tag, subject],
      });
    }
    let total = 0;
    const cumulative = series.map((_, rank) => {
      total += 1 / (rank + 1);
      return total;
    });
    return { series, cumulative };
  });
  return { items, groups };
}

function makeHistory(options: {
  readonly group: number;
  readonly groups: readonly Group[];
  readonly items: readonly PopulationItem[];
  readonly events: number;
  readonly random: PublicRandom;
}): Interaction[] {
  const { group, groups, items, random } = options;
  const events = Math.max(3, Math.round(options.events * (0.5 + random())));
  const second = (group + 1 + Math.floor(random() * Math.max(1, groups.length - 1))) % groups.length;
  const seen = new Set<number>();
  const interactions: Interaction[] = [];
  let current: { series: Series; part: number } | undefined;
  let time = EPOCH + Math.floor(random() * 30 * DAY);

  while (interactions.length < events && seen.size < items.length) {
    const progress = interactions.length / events;
    const share = SECOND_INTEREST.start + (SECOND_INTEREST.end - SECOND_INTEREST.start) * progress;
    let item: number | undefined;
    if (random() < NOISE) {
      item = popularPart(groups[Math.floor(random() * groups.length)]!, random);
    } else {
      const goOn = current && current.part + 1 < current.series.length && random() < CONTINUE;
      current =
        current && goOn
          ? { series: current.series, part: current.part + 1 }
          : { series: begin(groups[random() < share ? second : group]!, { random, seen }), part: 0 };
      item = current.series[current.part]!;
    }
    if (seen.has(item)) item = anyUnseen({ size: items.length, seen, random });
    seen.add(item);
    interactions.push({
      item: items[item]!.id,
      action: random() < 0.2 ? "like" : "view",
      time,
    });
    time +=
      random() < 0.3 ? Math.floor((0.5 + 4 * random()) * DAY) : Math.floor((1 + 20 * random()) * MINUTE);
  }
  return interactions;
}

/** A series drawn by Zipf's law whose first part is new to the user; after twelve attempts, any series. */
function begin(group: Group, { random, seen }: { random: PublicRandom; seen: ReadonlySet<number> }): Series {
  let series = zipf(group, random);
  for (let attempt = 0; attempt < 12 && seen.has(series[0]!); attempt++) series = zipf(group, random);
  return series;
}

function zipf(group: Group, random: PublicRandom): Series {
  const mark = random() * group.cumulative.at(-1)!;
  return group.series[group.cumulative.findIndex((bound) => mark < bound)] ?? group.series.at(-1)!;
}

function popularPart(group: Group, random: PublicRandom): number {
  const series = zipf(group, random);
  return series[Math.floor(random() * series.length)]!;
}

/** A uniform item that the user has not met; there must be one. */
function anyUnseen(options: { size: number; seen: ReadonlySet<number>; random: PublicRandom }): number {
  let item = Math.floor(options.random() * options.size);
  while (options.seen.has(item)) item = (item + 1) % options.size;
  return item;
}
