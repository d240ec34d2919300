/**
 * The personal ledger: what one device has spent, for which task. It refuses on its own, whatever a
 * coordinator says.
 *
 * A device appends an entry before its masked input leaves, and never removes one: a round that fails
 * afterwards counts, because the coordinator may have kept the input.
 */

import { type Rejection, rejected } from "@kindred/protocol";

/** One masked input of this device. */
export interface ParticipationEntry {
  readonly task: string;
  /** 64 hexadecimal digits. */
  readonly planDigest: string;
  readonly round: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Cumulative ε of this device against the coordinator of the task after the round; null = no guarantee. */
  readonly epsilon: number | null;
  readonly delta: number;
  /** Cumulative ε against those who see released models, should this round be published; null = no guarantee. */
  readonly observer?: number | null;
  /** Model that the input was computed from, 64 hexadecimal digits. */
  readonly modelHash?: string;
  /** What the plan allows each device. */
  readonly limits?: {
    /** Limit of ε; null for a plan without noise. */
    readonly epsilon: number | null;
    readonly participations: number;
    readonly minimumSeparation: number;
  };
}

/** What became of a round that this device sent its input in, as the coordinator told. */
export interface RoundOutcome {
  readonly task: string;
  readonly round: number;
  /** Milliseconds since the epoch, when this device heard of it. */
  readonly time: number;
  readonly outcome: "published" | "failed";
  /** The released model; null where there is none. */
  readonly modelHash: string | null;
}

/** What a device has spent on a task. */
export interface PersonalSpending {
  /** Entries, each a masked input: two for the same round are two sums that it may be in. */
  readonly participations: number;
  /** Latest round of them; undefined when there is none. */
  readonly lastRound: number | undefined;
  /** Largest cumulative ε recorded; 0 before the first round; null once a round had no guarantee. */
  readonly epsilon: number | null;
}

/** Folds the entries of one task. */
export function personalSpent(
  entries: readonly Pick<ParticipationEntry, "task" | "round" | "epsilon">[],
  { task }: { readonly task: string },
): PersonalSpending {
  let participations = 0;
  let lastRound: number | undefined;
  let epsilon: number | null = 0;
  for (const entry of entries) {
    if (entry.task !== task) continue;
    participations++;
    lastRound = Math.max(lastRound ?? entry.round, entry.round);
    epsilon = entry.epsilon === null || epsilon === null ? null : Math.max(epsilon, entry.epsilon);
  }
  return { participations, lastRound, epsilon };
}

/** Why a device stays out of a round. */
export type PersonalRefusal =
  /** It spent under another plan of the same task: what both cost together nobody has promised. */
  | "plan-changed"
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
 * @param query.planDigest Digest of the plan that the round runs under.
 * @param query.round Number of the round; Infinity asks about all that are to come.
 * @param query.cap P: participations in this task at most.
 * @param query.minimumSeparation Least difference between the rounds of two participations; 1 allows every round.
 * @param query.epsilonAfter Cumulative ε of this device if it takes part; null = no guarantee.
 * @param query.epsilonLimit The largest ε this device accepts; omit to accept whatever the plan says.
 */
export function personalMayJoin(query: {
  readonly entries: readonly ParticipationEntry[];
  readonly task: string;
  readonly planDigest: string;
  readonly round: number;
  readonly cap: number;
  readonly minimumSeparation: number;
  readonly epsilonAfter?: number | null;
  readonly epsilonLimit?: number;
}): PersonalVerdict {
  const { entries, task, planDigest, round, cap, minimumSeparation } = query;
  const { epsilonAfter = null, epsilonLimit } = query;
  const own = entries.filter((entry) => entry.task === task);
  const { participations, lastRound } = personalSpent(own, { task });
  if (own.some((entry) => entry.planDigest !== planDigest))
    return refuse("plan-changed", "planDigest", {
      rule: "must be that of the plan under which this device took part in the task before",
      fix: "start a new task instead of changing the plan of one",
    });
  if (own.some((entry) => entry.round === round))
    return refuse("already-contributed", "round", {
      rule: `this device has already contributed to round ${round}`,
      fix: "wait for the next round",
    });
  if (!(participations < cap))
    return refuse("cap-reached", "participations", {
      rule: `this device has taken part ${participations} times, the cap is ${cap}`,
      fix: "none for this task: the cap is what keeps the promised ε",
    });
  if (lastRound !== undefined && !(round - lastRound >= minimumSeparation))
    return refuse("too-soon", "round", {
      rule: `must be at least ${minimumSeparation} after round ${lastRound}, got ${round}`,
      fix: `come back in round ${lastRound + minimumSeparation}`,
    });
  if (epsilonLimit === undefined) return { ok: true };
  if (epsilonAfter === null)
    return refuse("no-guarantee", "epsilonAfter", {
      rule: `must be a finite ε, as this device accepts at most ${epsilonLimit}`,
      fix: "ask the operator for a plan with noise",
    });
  if (!(epsilonAfter <= epsilonLimit))
    return refuse("over-budget", "epsilonAfter", {
      rule: `must be at most ${epsilonLimit}, got ${epsilonAfter}`,
      fix: "ask the operator for a plan with a smaller ε",
    });
  return { ok: true };
}

function refuse(
  reason: PersonalRefusal,
  field: string,
  why: { readonly rule: string; readonly fix: string },
): PersonalVerdict {
  const floor = reason === "no-guarantee" || reason === "over-budget";
  return { reason, ...rejected(floor ? "privacy-floor" : "participation-cap", field, why) };
}
