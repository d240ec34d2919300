/** What one device has spent: its own record, which it consults before the coordinator's. */
import { accepted, type Plan, type Result, rejected } from "@kindred/protocol";
import { planEpsilon } from "./resolve-plan.ts";

/** One masked input that left the device. Written before it is sent. */
export interface ParticipationEntry {
  readonly task: string;
  readonly planDigest: string;
  readonly round: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** ε against the coordinator of this task after this participation; `null` when noise is off. */
  readonly epsilon: number | null;
  readonly delta: number;
}

/** Whether this device may take part in a round, by its own ledger. */
export function mayParticipate(
  entries: readonly ParticipationEntry[],
  { plan, round }: { plan: Plan; round: number },
): Result<{ readonly epsilon: number | null }> {
  const own = entries.filter((entry) => entry.task === plan.task);
  const { maximum, minimumSeparation } = plan.participation;
  if (own.length >= maximum)
    return rejected("participation-cap", "participation.maximum", {
      rule: `allows ${maximum} rounds, this device has taken part in ${own.length}`,
      fix: "nothing to do: the device keeps receiving models",
    });
  const last = own.reduce((latest, entry) => Math.max(latest, entry.round), Number.NEGATIVE_INFINITY);
  if (round - last < minimumSeparation || round <= last)
    return rejected("participation-cap", "participation.minimumSeparation", {
      rule: `asks for ${minimumSeparation} rounds between participations, the last was round ${last}`,
      fix: "wait for a later round",
    });
  const spent = planEpsilon(plan, own.length + 1);
  return accepted({ epsilon: Number.isFinite(spent) ? spent : null });
}
