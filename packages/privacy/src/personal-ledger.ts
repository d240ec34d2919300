/**
 * The personal ledger: what one device has spent, for which task. It refuses on its own, whatever a
 * coordinator says.
 *
 * A device appends an entry before its masked input leaves, and never removes one: a round that fails
 * afterwards counts, because the coordinator may have kept the input.
 */

import type { Rejection } from "@kindred/protocol";

/** One participation of this device. */
export interface PersonalEntry {
  readonly task: string;
  readonly round: number;
  /** ISO 8601. */
  readonly time: string;
  readonly planDigest: string;
  /** Cumulative ε of this device against the coordinator after the round; null = no guarantee. */
  readonly epsilonAfter: number | null;
}

/** What a device has spent on a task. */
export interface PersonalSpending {
  /** Distinct rounds in which it took part. */
  readonly participations: number;
  /** The latest of them; undefined when there is none. */
  readonly lastRound: number | undefined;
  /** Largest cumulative ε recorded; 0 before the first round; null once a round had no guarantee. */
  readonly epsilon: number | null;
}

/** Folds the entries of one task; entries of the same round count once. */
export function personalSpent(
  entries: readonly PersonalEntry[],
  { task }: { readonly task: string },
): PersonalSpending {
  const rounds = new Set<number>();
  let epsilon: number | null = 0;
  for (const entry of entries) {
    if (entry.task !== task) continue;
    rounds.add(entry.round);
    if (entry.epsilonAfter === null || epsilon === null) epsilon = null;
    else epsilon = Math.max(epsilon, entry.epsilonAfter);
  }
  const lastRound = [...rounds].reduce<number | undefined>(
    (last, round) => (last === undefined || round > last ? round : last),
    undefined,
  );
  return { participations: rounds.size, lastRound, epsilon };
}

/** Why a device stays out of a round. */
export type PersonalRefusal =
  /** It already sent its input in this round. */
  | "already-contributed"
  /** It took part as often as the plan, or its owner, allows. */
  | "cap-reached"
  /** Too few rounds since its last participation, or a round before it. */
  | "too-soon"
  /** The plan gives no guarantee and the device wants one. */
  | "no-guarantee"
  /** Its ε would exceed its own limit. */
  | "over-budget";

/** Whether a device may take part. */
export type PersonalVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: PersonalRefusal; readonly rejection: Rejection };

/**
 * Whether this device may take part in a round.
 *
 * @param query.cap P: participations in this task at most.
 * @param query.minimumSeparation Least difference between the rounds of two participations; 1 allows every round.
 * @param query.epsilonAfter Cumulative ε of this device if it takes part; null = no guarantee.
 * @param query.epsilonLimit The largest ε this device accepts; omit to accept whatever the plan says.
 */
export function personalMayJoin(query: {
  readonly entries: readonly PersonalEntry[];
  readonly task: string;
  readonly round: number;
  readonly cap: number;
  readonly minimumSeparation: number;
  readonly epsilonAfter?: number | null;
  readonly epsilonLimit?: number;
}): PersonalVerdict {
  const { entries, task, round, cap, minimumSeparation, epsilonAfter = null, epsilonLimit } = query;
  const { participations, lastRound } = personalSpent(entries, { task });
  if (entries.some((entry) => entry.task === task && entry.round === round)) {
    return refuse("already-contributed", {
      field: "round",
      rule: `this device has already contributed to round ${round}`,
      fix: "wait for the next round",
    });
  }
  if (!(participations < cap)) {
    return refuse("cap-reached", {
      field: "participations",
      rule: `this device has taken part ${participations} times, the cap is ${cap}`,
      fix: "none for this task: the cap is what keeps the promised ε",
    });
  }
  if (lastRound !== undefined && !(round - lastRound >= minimumSeparation)) {
    return refuse("too-soon", {
      field: "round",
      rule: `must be at least ${minimumSeparation} after round ${lastRound}, got ${round}`,
      fix: `come back in round ${lastRound + minimumSeparation}`,
    });
  }
  if (epsilonLimit === undefined) return { ok: true };
  if (epsilonAfter === null) {
    return refuse("no-guarantee", {
      field: "epsilonAfter",
      rule: `must be a finite ε, as this device accepts at most ${epsilonLimit}`,
      fix: "ask the operator for a plan with noise",
    });
  }
  if (!(epsilonAfter <= epsilonLimit)) {
    return refuse("over-budget", {
      field: "epsilonAfter",
      rule: `must be at most ${epsilonLimit}, got ${epsilonAfter}`,
      fix: "ask the operator for a plan with a smaller ε",
    });
  }
  return { ok: true };
}

function refuse(reason: PersonalRefusal, rejection: Omit<Rejection, "code">): PersonalVerdict {
  const capped = reason === "cap-reached" || reason === "too-soon" || reason === "already-contributed";
  return {
    ok: false,
    reason,
    rejection: { code: capped ? "participation-cap" : "privacy-floor", ...rejection },
  };
}
