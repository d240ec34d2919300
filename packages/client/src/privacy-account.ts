/** What taking part has cost a person's privacy, from this device's own records. */
import { epsilonAfter, type ParticipationEntry, type RoundOutcome } from "@kindred/engine";
import type { Plan } from "@kindred/protocol";

/** One masked input that this device sent. */
export interface PrivacyRound {
  readonly task: string;
  readonly round: number;
  /** Milliseconds since the epoch, when the participation was written down, before the input left. */
  readonly time: number;
  /** Digest of the plan that the round ran under, 64 hexadecimal digits. */
  readonly planDigest: string;
  /** Model that the input was computed from; `undefined` in records of older versions. */
  readonly modelHash: string | undefined;
  /**
   * What the coordinator said of the round. `unknown` while it goes on, or where this device was away: it counts as
   * published then. A failed one counts against the coordinator all the same: it may have kept the input.
   */
  readonly outcome: "published" | "failed" | "unknown";
  /** The model that the round released. */
  readonly released: string | undefined;
  /** Cumulative ε of the task after this round; `null` = no guarantee. */
  readonly epsilon: {
    /** Against the coordinator, who knows that this device took part. */
    readonly coordinator: number | null;
    /** Against those who see released models; `undefined` in records of older versions. */
    readonly observer: number | null | undefined;
  };
  readonly delta: number;
}

/** What one task has cost this person's privacy, and what it may still cost. */
export interface PrivacySpent {
  readonly task: string;
  /**
   * ε against the coordinator so far; `null` = no guarantee, because noise was off. Where the plan covers several devices of a
   * person, as if all of them took part whenever this one did: one that took part more often cost more, within the plan's ε.
   */
  readonly epsilon: number | null;
  /** ε against those who see released models; `undefined` where records of older versions do not tell. */
  readonly observerEpsilon: number | null | undefined;
  readonly delta: number;
  readonly participations: number;
  /** What the plan leaves; `undefined` where records of older versions do not tell. */
  readonly remaining:
    | {
        /** Rounds that this device may still take part in. */
        readonly participations: number;
        /** ε up to the plan's limit; `null` for a plan without noise. */
        readonly epsilon: number | null;
        /** Number of the first round that may come next; `undefined` when there is none. */
        readonly nextRound: number | undefined;
      }
    | undefined;
}

/** See {@link KindredClient.privacy}. */
export interface PrivacyAccount {
  /** The records as they are stored. */
  readonly entries: readonly ParticipationEntry[];
  /** Each participation, oldest first. */
  readonly rounds: readonly PrivacyRound[];
  /** By task. */
  readonly spent: readonly PrivacySpent[];
}

const sameRound = (a: { task: string; round: number }, b: { task: string; round: number }): boolean =>
  a.task === b.task && a.round === b.round;

/** Whatever was said last, but that a round is published is never taken back. */
function outcomeOf(entry: ParticipationEntry, outcomes: readonly RoundOutcome[]): RoundOutcome | undefined {
  const own = outcomes.filter((outcome) => sameRound(outcome, entry));
  return own.find(({ outcome }) => outcome === "published") ?? own.at(-1);
}

/** What the records add up to. */
export function privacyAccount(
  entries: readonly ParticipationEntry[],
  outcomes: readonly RoundOutcome[],
): PrivacyAccount {
  const rounds: PrivacyRound[] = [];
  /** ε against observers after the last round that is not known to have failed, by task. */
  const observers = new Map<string, number | null | undefined>();
  for (const entry of entries) {
    const { task, round, time, planDigest, modelHash, epsilon, delta } = entry;
    const told = outcomeOf(entry, outcomes);
    if (told?.outcome !== "failed") observers.set(task, entry.observer);
    rounds.push({
      task,
      round,
      time,
      planDigest,
      modelHash,
      outcome: told?.outcome ?? "unknown",
      released: told?.modelHash ?? undefined,
      epsilon: { coordinator: epsilon, observer: observers.has(task) ? observers.get(task) : 0 },
      delta,
    });
  }
  const tasks = [...new Set(entries.map(({ task }) => task))];
  return {
    entries: [...entries],
    rounds,
    spent: tasks.map((task) =>
      spentOn(
        entries.filter((entry) => entry.task === task),
        observers.has(task) ? observers.get(task) : 0,
      ),
    ),
  };
}

/** @param own at least one entry, all of one task */
function spentOn(
  own: readonly ParticipationEntry[],
  observerEpsilon: number | null | undefined,
): PrivacySpent {
  const { task, limits } = own.at(-1)!;
  const epsilons = own.map(({ epsilon }) => epsilon);
  const epsilon = epsilons.some((value) => value === null)
    ? null
    : Math.max(...epsilons.map((value) => value ?? 0));
  const left = limits === undefined ? 0 : Math.max(0, limits.participations - own.length);
  return {
    task,
    epsilon,
    observerEpsilon,
    delta: Math.max(...own.map(({ delta }) => delta)),
    participations: own.length,
    remaining:
      limits === undefined
        ? undefined
        : {
            participations: left,
            epsilon:
              limits.epsilon === null ? null : Math.max(0, limits.epsilon - (epsilon ?? limits.epsilon)),
            nextRound:
              left === 0 ? undefined : Math.max(...own.map(({ round }) => round)) + limits.minimumSeparation,
          },
  };
}

/** An entry with what this device's own accountant and the plan say about it. */
export function completeEntry(
  entry: ParticipationEntry,
  {
    plan,
    entries,
    outcomes,
  }: {
    readonly plan: Plan;
    readonly entries: readonly ParticipationEntry[];
    readonly outcomes: readonly RoundOutcome[];
  },
): ParticipationEntry {
  const own = entries.filter(({ task }) => task === entry.task);
  const released = own.filter((past) => outcomeOf(past, outcomes)?.outcome !== "failed").length;
  const { observer } = epsilonAfter(plan, { released: released + 1, exposed: own.length + 1 });
  const { maximum, minimumSeparation } = plan.participation;
  const limit = plan.privacy.mechanism === "none" ? null : plan.privacy.epsilon;
  return {
    ...entry,
    observer,
    limits: { epsilon: limit, participations: maximum, minimumSeparation },
  };
}
