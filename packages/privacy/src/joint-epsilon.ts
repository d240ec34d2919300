/** What several tasks cost one person together. */
import { type Mechanism, mechanismCurve } from "./calibrate.ts";
import { composeRdp, DISCRETE_RDP_ORDERS, epsilonFromRdp, rdpAt } from "./rdp.ts";
import { delta as checkedDelta, type Delta, type Epsilon } from "./units.ts";

/** One task: its mechanism, and how often a person takes part in it at most. */
export interface MechanismRun {
  readonly mechanism: Mechanism;
  readonly participations: number;
  /** Devices of one person that may each take part so often, 1 by default; see {@link coordinatorEpsilon}. */
  readonly devices?: number;
}

/**
 * ε against a coordinator that runs all of the tasks, at one δ for all together: Rényi divergences add up, order by order
 * (Mironov 2017, proposition 1), so this is less than the sum of what each costs by itself.
 *
 * @returns 0 without a participation, Infinity if a mechanism without noise takes part
 * @throws PrivacyRangeError for participations that are no whole number from 0
 */
export function jointEpsilon(
  runs: readonly MechanismRun[],
  options: { readonly delta: Delta | number },
): Epsilon {
  const delta = checkedDelta(options.delta);
  const orders = DISCRETE_RDP_ORDERS;
  const taken = runs.filter(({ participations }) => participations !== 0);
  if (taken.length === 0) return 0 as Epsilon;
  if (taken.some(({ mechanism }) => mechanism.localDeviation === 0)) return Infinity as Epsilon;
  const rdp = composeRdp(
    taken.map(({ mechanism, participations, devices = 1 }) => ({
      rdp: rdpAt(mechanismCurve(mechanism, devices), orders),
      count: participations,
    })),
  );
  return epsilonFromRdp({ orders, rdp, delta }).epsilon;
}
