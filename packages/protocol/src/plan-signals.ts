/**
 * The section `signals` of a plan: collaborative signals that some rounds collect in place of a model update.
 *
 * Every round of a task has the same mechanism and length of vector, whatever it carries, so that what a round costs and
 * how large it is do not depend on it. A round that collects a signal carries the signal's block in place of the model
 * and the clusters; the model passes through it unchanged.
 */
import { z } from "zod";

/** A matrix over items that one kind of round collects. */
export const SIGNALS = ["transitions", "popularity"] as const;
export type SignalName = (typeof SIGNALS)[number];

const count = z.number().int().min(1);

const collected = {
  /**
   * Rounds that collect it, by number. A round that fails hands its duty to the next one, unless that has the same duty
   * itself: where sums are carried on, name spare rounds.
   */
  rounds: z.array(count.max(100_000)).min(1).max(1_024),
  /** C, L2 bound of one person's counts. */
  clip: z.number().gt(1e-9).max(1e9).default(5),
  /** Deviations of its noise by which a released count must stand out. */
  significance: z.number().min(0).max(10).default(2),
  /**
   * Share of the counts so far that stays when a further round adds its own, as long as both count the same: 1 adds all
   * rounds up, by which noise grows with the root of their number only. 0 unless it is named: the newest stands for all.
   */
  carry: z.number().min(0).max(1).optional(),
};

const transitionsSchema = z.strictObject({
  ...collected,
  /** 1 unless the operator says otherwise, or 2 where popularity is collected too. */
  rounds: collected.rounds.default([1]),
  /**
   * H: transitions are counted between the H most popular items, by the popularity that an earlier round released; all
   * items where the catalogue has no more. Left out: as many as the vector of a training round has room for, so
   * that the signal makes no round larger.
   */
  items: z.number().int().min(2).max(8192).optional(),
  /** w: an interaction is counted after each of the w before it. */
  window: count.max(50).default(5),
});

const popularitySchema = z.strictObject({ ...collected, rounds: collected.rounds.default([1]) });

export const signalsSchema = z.strictObject({
  /** Items × items, or H × H: how often the second was interacted with within `window` steps after the first. */
  transitions: transitionsSchema.optional(),
  /**
   * (1 + clusters) × items: people who interacted with the item; the first row is everybody's, the others those of the
   * people whose nearest fine cluster it is. Only the first where all would make a round larger.
   */
  popularity: popularitySchema.optional(),
});
export type SignalsOptions = z.infer<typeof signalsSchema>;

/** One block of the joint vector of a round that collects a signal, in order: the signal, and what all rounds carry. */
export const signalBlockSchema = z.strictObject({
  name: z.enum([...SIGNALS, "evaluation", "clipping"]),
  length: count,
  /** C_i, L2 bound of the block's values. */
  clip: z.number().positive().finite(),
  /** a_i, with Σ a_i² = 1. */
  weight: z.number().positive().max(1),
});
export type SignalBlock = z.infer<typeof signalBlockSchema>;

/** The blocks of the rounds that collect each signal. */
export const resolvedSignalsSchema = z.strictObject({
  transitions: z.array(signalBlockSchema).min(2).max(3).optional(),
  popularity: z.array(signalBlockSchema).min(2).max(3).optional(),
});

/** A contradiction within the section, or between it and the number of rounds. */
export function signalContradictions({
  rounds,
  signals,
}: {
  readonly rounds: number;
  readonly signals?: SignalsOptions | undefined;
}): { path: (string | number)[]; rule: string; fix: string }[] {
  if (signals === undefined) return [];
  const found: ReturnType<typeof signalContradictions> = [];
  const taken = new Map<number, SignalName>();
  for (const name of SIGNALS) {
    for (const [i, round] of (signals[name]?.rounds ?? []).entries()) {
      const path = ["signals", name, "rounds", i];
      const other = taken.get(round);
      taken.set(round, name);
      if (round > rounds)
        found.push({
          path,
          rule: `must not exceed rounds (${rounds})`,
          fix: "raise rounds, or name an earlier one",
        });
      else if (other !== undefined)
        found.push({
          path,
          rule: `must differ from the others: round ${round} collects ${other}`,
          fix: "name another round",
        });
    }
  }
  if (signals.transitions === undefined && signals.popularity === undefined)
    found.push({
      path: ["signals"],
      rule: "must name a signal",
      fix: "add transitions or popularity, or leave signals out",
    });
  return found;
}
