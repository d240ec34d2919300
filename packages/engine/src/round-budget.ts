/** What rounds cost, and whether the plan still allows another one. */
import { accepted, type Plan, type Result, rejected } from "@kindred/protocol";
import { planEpsilon } from "./resolve-plan.ts";
import type { Spent, TaskState } from "./task-state.ts";

/**
 * Cumulative ε of a task. Against the coordinator, who sees who takes part, it is the composition over the rounds of
 * one person, at most participation.maximum. `exposed` is the largest number of masked inputs that a device has had
 * accepted: in a failed round the coordinator may have seen the sum without anything being released.
 *
 * Against those who see released models only it is the composition over the releases. No amplification by sampling is
 * claimed, not even for Poisson samples: the theorem (Zhu & Wang 2019) wants the size of a sample to be as secret as
 * its members, but the ledger publishes cohort and survivors, and a round fails in public when the sample is too
 * small. Whoever knows the size faces a sample of fixed size, whose exact loss exceeds the theorem's: 5.07 against
 * 4.51 at ε = 8 over 5 rounds with q = 0.32, δ = 1e−6.
 * @returns ε against both; `null` = no guarantee because noise is off
 */
export function epsilonAfter(
  plan: Plan,
  { released, exposed }: { released: number; exposed: number },
): Spent {
  if (plan.privacy.mechanism === "none") return { coordinator: null, observer: null };
  const { maximum } = plan.participation;
  return {
    coordinator: planEpsilon(plan, Math.min(Math.max(released, exposed), maximum)),
    observer: planEpsilon(plan, Math.min(released, maximum)),
  };
}

/** The largest number of masked inputs accepted from one device, over all rounds of the task. */
export function mostExposed({ participations }: Pick<TaskState, "participations">): number {
  let most = 0;
  for (const { count } of participations.values()) most = Math.max(most, count);
  return most;
}

/** ε that the next round would bring the task to; refused with `budget-exhausted` if that exceeds the plan's promise. */
export function checkRoundBudget(state: TaskState, plan: Plan): Result<Spent> {
  const promised = epsilonAfter(plan, { released: state.released + 1, exposed: mostExposed(state) + 1 });
  if (promised.coordinator === null || promised.coordinator <= plan.privacy.epsilon * (1 + 1e-9))
    return accepted(promised);
  return rejected("budget-exhausted", "plan.privacy.epsilon", {
    rule: `${plan.privacy.epsilon} would be overspent: the next round brings ε to ${promised.coordinator.toFixed(4)}`,
    fix: "start a task with a larger epsilon, more noise, or fewer participations",
  });
}
