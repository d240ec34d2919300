/** Whether this device takes part, by its own record and the plan it verified. */
import { type ParticipationEntry, personalMayJoin, personalSpent } from "@kindred/privacy";
import { accepted, type Plan, type Result } from "@kindred/protocol";
import { planEpsilon } from "./resolve-plan.ts";

interface Query {
  readonly plan: Plan;
  /** 64 hexadecimal digits. */
  readonly planDigest: string;
  readonly round: number;
}

/**
 * Whether this device may take part in a round, by its own ledger.
 * @returns ε against the coordinator after this participation, `null` when noise is off, of a person all of whose devices
 *   that the plan allows took part whenever this one did; or `participation-cap`
 */
export function mayParticipate(
  entries: readonly ParticipationEntry[],
  { plan, planDigest, round }: Query,
): Result<{ readonly epsilon: number | null }> {
  const { task } = plan;
  const { maximum: cap, minimumSeparation } = plan.participation;
  const verdict = personalMayJoin({ entries, task, planDigest, round, cap, minimumSeparation });
  if (!verdict.ok) return verdict;
  const spent = planEpsilon(plan, personalSpent(entries, { task }).participations + 1);
  return accepted({ epsilon: Number.isFinite(spent) ? spent : null });
}

/** Whether no later round of the task will admit this device, so that it need not check in any more. */
export function isExhausted(entries: readonly ParticipationEntry[], query: Omit<Query, "round">): boolean {
  return !mayParticipate(entries, { ...query, round: Number.POSITIVE_INFINITY }).ok;
}
