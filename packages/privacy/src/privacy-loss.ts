/**
 * Privacy loss distributions (PLD) on a grid: what they are, δ(ε), ε(δ), and the power of the best test.
 *
 * The loss of an outcome x is ln(P(x)/Q(x)) for x ~ P; δ(ε) = E[(1 − e^(ε − loss))⁺]. A distribution here is
 * *pessimistic*: its δ(ε) is at least the mechanism's at every real ε, and composition preserves that (Zhu, Dong,
 * Wang 2022, "Optimal Accounting of Differential Privacy via Characteristic Function", Theorem 10). Discretisation
 * connects the dots (Doroshenko, Ghazi, Kamath, Kumar, Manurangsi 2022): an outcome between two grid points is shared
 * between them so that its mass under P and under Q stays what it was, which interpolates δ linearly in e^ε, from
 * above. Shares are computed as positive numbers, none as the difference of two larger ones.
 *
 * Direction of every rounding: up. Truncated tails and the rounding error of the Fourier transform (a bound, not an
 * estimate) are added to the mass at infinite loss; sums are widened by their own rounding error. An ε or δ is
 * therefore never too small, up to the last places of exp and log.
 */

import { demand } from "./refusal.ts";
import type { Delta, Epsilon } from "./units.ts";

/** Default distance between two grid points, in nats. */
export const LOSS_STEP = 1e-4;

/** Most grid points of one distribution. A wider support is put on a coarser grid: the step is doubled until it fits. */
export const MAXIMUM_GRID = 2 ** 20;

const UNIT_ROUNDING = 2 ** -53;

/** The loss of one ordered pair (P, Q), as masses under P on multiples of `step`. */
export interface PrivacyLoss {
  /** Distance between two grid points, in nats. */
  readonly step: number;
  /** The loss of masses[i] is (lowest + i)·step. */
  readonly lowest: number;
  readonly masses: Float64Array;
  /** Mass whose loss is infinite, or larger than the grid holds; it counts fully towards every δ. */
  readonly infinity: number;
}

/** Both directions of add/remove adjacency; a guarantee is the worse of the two. */
export interface PrivacyLossPair {
  /** P: with the person, Q: without. */
  readonly remove: PrivacyLoss;
  /** P: without the person, Q: with. The same object where the mechanism is symmetric. */
  readonly add: PrivacyLoss;
}

/** Outcomes are handed over one at a time: loss in nats, and mass under P. */
export type LossConsumer = (loss: number, mass: number) => void;

/**
 * Puts outcomes on the grid by connecting the dots.
 *
 * @param options.from Least loss of the grid, `to` the largest; outcomes below go up to the least, outcomes above
 *   to infinity.
 * @param options.infinity Mass of the outcomes that are not handed over.
 * @param options.outcomes Hands over every other outcome.
 */
export function discretise(options: {
  readonly step: number;
  readonly from: number;
  readonly to: number;
  readonly infinity: number;
  readonly outcomes: (consume: LossConsumer) => void;
}): PrivacyLoss {
  const { step, from, to } = options;
  const lowest = Math.floor(from / step);
  const highest = Math.max(lowest, Math.ceil(to / step));
  const masses = new Float64Array(highest - lowest + 1);
  const last = masses.length - 1;
  const whole = -Math.expm1(-step);
  let infinity = options.infinity;
  options.outcomes((loss, mass) => {
    const cell = Math.floor(loss / step);
    const i = cell - lowest;
    if (i < 0) masses[0] = masses[0]! + mass;
    else if (i >= last) {
      if (loss <= highest * step) masses[last] = masses[last]! + mass;
      else infinity += mass;
    } else {
      const upper = Math.min(1, -Math.expm1(cell * step - loss) / whole);
      masses[i] = masses[i]! + mass * (1 - upper);
      masses[i + 1] = masses[i + 1]! + mass * upper;
    }
  });
  return { step, lowest, masses, infinity };
}

/** The least step of `step`·2^k whose grid holds losses over a range of `width` nats. */
export function fittingStep(step: number, width: number): number {
  demand(step > 0 && step < Infinity, {
    field: "step",
    rule: `must be a finite number above 0, got ${step}`,
    fix: "use LOSS_STEP",
  });
  let fitting = step;
  while (width / fitting + 2 > MAXIMUM_GRID) fitting *= 2;
  return fitting;
}

/** The same loss on a coarser grid; a distribution that is there already is returned as it is. */
export function onGrid(loss: PrivacyLoss, step: number): PrivacyLoss {
  if (loss.step === step) return loss;
  const { lowest, masses } = loss;
  return discretise({
    step,
    from: lowest * loss.step,
    to: (lowest + masses.length - 1) * loss.step,
    infinity: loss.infinity,
    outcomes: (consume) => {
      for (let i = 0; i < masses.length; i++) consume((lowest + i) * loss.step, masses[i]!);
    },
  });
}

/**
 * Walks ε down the grid from the top. At each grid point ε_i the visitor sees A = infinity + Σ_{j>i} p_j and
 * R = Σ_{j>i} p_j·e^(ε_i − ε_j), so that δ(ε) = A − e^(ε − ε_i)·R for ε_i ≤ ε ≤ ε_{i+1}. A is rounded up, R down.
 *
 * @param visit Returns true to stop.
 */
function descend(
  loss: PrivacyLoss,
  visit: (point: { epsilon: number; A: number; R: number }) => boolean,
): void {
  const { step, lowest, masses, infinity } = loss;
  const shrink = Math.exp(-step);
  const wide = 1 + masses.length * UNIT_ROUNDING;
  const narrow = 1 - 4 * Math.min(masses.length, 40 / step) * UNIT_ROUNDING;
  let above = 0;
  let tilted = 0;
  for (let i = masses.length - 1; i >= -1; i--) {
    const point = { epsilon: (lowest + i) * step, A: infinity + above * wide, R: tilted * narrow };
    if (visit(point) || i < 0) return;
    above += masses[i]!;
    tilted = (tilted + masses[i]!) * shrink;
  }
}

function deltaOneWay(loss: PrivacyLoss, epsilon: number): number {
  let delta = loss.infinity;
  descend(loss, (point) => {
    const within = point.epsilon <= epsilon;
    // Below the grid every outcome counts, and e^(ε − ε_i) < 1 holds as well.
    delta = point.A - Math.exp(epsilon - point.epsilon) * point.R;
    return within;
  });
  return delta;
}

function epsilonOneWay(loss: PrivacyLoss, delta: number): number {
  if (loss.infinity > delta) return Infinity;
  let epsilon = 0;
  descend(loss, (point) => {
    if (point.epsilon >= 0 && point.A - point.R <= delta) return false;
    // δ(ε) = δ lies between this grid point and the one above.
    epsilon = Math.max(0, point.epsilon + Math.log((point.A - delta) / point.R));
    return true;
  });
  return epsilon;
}

/**
 * δ(ε) = E[(1 − e^(ε − loss))⁺], the larger of both directions.
 *
 * @param epsilon Any real number; below 0 it describes tests rather than guarantees.
 * @returns From 0 to 1, never below the mechanism's.
 */
export function deltaOf({ remove, add }: PrivacyLossPair, epsilon: number): number {
  const removed = deltaOneWay(remove, epsilon);
  const delta = add === remove ? removed : Math.max(removed, deltaOneWay(add, epsilon));
  return Math.min(1, Math.max(0, delta));
}

/**
 * Least ε ≥ 0 with δ(ε) ≤ δ in both directions.
 *
 * @returns Never below the mechanism's; Infinity where the mass at infinite loss exceeds δ.
 */
export function epsilonOf({ remove, add }: PrivacyLossPair, delta: Delta): Epsilon {
  demandProbability(delta, "delta");
  const removed = epsilonOneWay(remove, delta);
  return (add === remove ? removed : Math.max(removed, epsilonOneWay(add, delta))) as Epsilon;
}

/**
 * Largest probability with which any test that raises a false alarm with probability `falsePositiveRate` finds a
 * person who is there (or, in the other direction, their absence): min over ε of e^ε·FPR + δ(ε).
 */
export function truePositiveRate(pair: PrivacyLossPair, falsePositiveRate: number): number {
  demandProbability(falsePositiveRate, "falsePositiveRate");
  const best = (loss: PrivacyLoss): number => {
    let least = 1;
    descend(loss, ({ epsilon, A, R }) => {
      least = Math.min(least, Math.exp(epsilon) * falsePositiveRate + A - R);
      return false;
    });
    return least;
  };
  const removed = best(pair.remove);
  return pair.add === pair.remove ? removed : Math.max(removed, best(pair.add));
}

function demandProbability(value: number, field: string): void {
  demand(value > 0 && value < 1, {
    field,
    rule: `must be above 0 and below 1, got ${value}`,
    fix: "give a probability",
  });
}
