/** ε of a plan's mechanism, computed from its integers by two accountants that share no code beyond the sensitivity. */
import { accountDevices, planEpsilon, planMechanism } from "@kindred/engine";
import { coordinatorEpsilon, delta } from "@kindred/privacy";
import type { Plan } from "@kindred/protocol";
import type { ProvenEpsilon } from "./task-account.ts";

/** Relative difference that floating point of different engines may cause. */
const ROUNDING = 1e-9;

/** Computes ε by the number of participations, once for each. */
export class EpsilonAccounts {
  readonly #plan: Plan;
  readonly #known = new Map<number, ProvenEpsilon | null>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /**
   * ε of a person who took part in as many of `rounds` as the plan lets them, with as many devices as it lets them.
   * @returns null where the plan has no noise and so no guarantee
   */
  after(rounds: number): ProvenEpsilon | null {
    const times = Math.min(rounds, this.#plan.participation.maximum);
    let proven = this.#known.get(times);
    if (proven === undefined) {
      proven = this.#compute(times);
      this.#known.set(times, proven);
    }
    return proven;
  }

  #compute(times: number): ProvenEpsilon | null {
    const { privacy, resolved } = this.#plan;
    if (privacy.mechanism === "none") return null;
    if (times === 0) return { rdp: 0, pld: 0 };
    const mechanism = planMechanism(resolved.mechanism);
    const question = {
      participations: times,
      devices: accountDevices(this.#plan),
      delta: delta(privacy.delta),
      accountant: "pld",
    } as const;
    return { rdp: planEpsilon(this.#plan, times), pld: coordinatorEpsilon(mechanism, question) };
  }
}

/** Whether a claimed ε is at least what one of the two accountants proves; both are upper bounds, so one is enough. */
export function covers(claimed: number | null, proven: ProvenEpsilon | null): boolean {
  if (claimed === null) return true; // claims no guarantee at all
  return proven !== null && claimed >= Math.min(proven.rdp, proven.pld) * (1 - ROUNDING);
}
