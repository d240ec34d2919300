/** What a release costs, and whether the plan still allows it. */
import { delta, observerEpsilon } from "@kindred/privacy";
import { accepted, type Plan, type Result, rejected } from "@kindred/protocol";
import { planEpsilon, planMechanism } from "./resolve-plan.ts";
import type { Spent, TaskState } from "./task-state.ts";

/**
 * ε after `released` releases. Against the coordinator, who sees who takes part, it is the composition over the rounds
 * of one person, at most participation.maximum; against those who see released models only, amplification counts only
 * while every round was a Poisson sample and no cap could bind (DIFFERENTIAL_PRIVACY, "Who sees what").
 */
export function epsilonAfter(
  plan: Plan,
  { released, poisson }: { released: number; poisson: boolean },
): Spent {
  if (plan.privacy.mechanism === "none") return { coordinator: null, observer: null };
  if (released === 0) return { coordinator: 0, observer: 0 };
  const { cohort, participation } = plan;
  const coordinator = planEpsilon(plan, Math.min(released, participation.maximum));
  const amplified =
    poisson &&
    cohort.sampling === "poisson" &&
    participation.maximum >= plan.rounds &&
    participation.minimumSeparation === 1;
  if (!amplified) return { coordinator, observer: coordinator };
  const observer = observerEpsilon(planMechanism(plan.resolved.mechanism), {
    rounds: released,
    samplingRate: cohort.samplingRate,
    delta: delta(plan.privacy.delta),
    poisson: true,
  });
  return { coordinator, observer: Math.min(coordinator, observer) };
}

/** ε that the next release would bring the task to; refused with `budget-exhausted` if that exceeds the plan's promise. */
export function checkRoundBudget(state: TaskState, plan: Plan): Result<Spent> {
  const promised = epsilonAfter(plan, { released: state.released + 1, poisson: state.poisson });
  if (promised.coordinator === null || promised.coordinator <= plan.privacy.epsilon * (1 + 1e-9))
    return accepted(promised);
  return rejected("budget-exhausted", "plan.privacy.epsilon", {
    rule: `${plan.privacy.epsilon} would be overspent: the next release brings ε to ${promised.coordinator.toFixed(4)}`,
    fix: "start a task with a larger epsilon, more noise, or fewer participations",
  });
}
