/**
 * The distinguishing game: runs with a person and runs without, an attacker who says which is which, and the ε that
 * this success rules out from below. (Jagielski, Ullman, Oprea 2020; Nasr et al. 2021.)
 */
import { delta as checkedDelta, gaussianEpsilon } from "@kindred/privacy";
import { binomialMasses, clopperPearson } from "./binomial.ts";
import { fitNormal, normalQuantile } from "./normal.ts";

/** Outcomes of an attacker's guesses. */
export interface GuessCounts {
  /** Runs with the person that the attacker calls so, out of `positives`. */
  readonly truePositives: number;
  readonly positives: number;
  /** Runs without the person that the attacker calls runs with, out of `negatives`. */
  readonly falsePositives: number;
  readonly negatives: number;
}

/** With what confidence. */
export interface Confidence {
  readonly delta: number;
  /** Probability that the bound is wrong; 0.05 is 95 %. */
  readonly alpha: number;
}

interface Rates {
  readonly truePositiveLow: number;
  readonly falsePositiveUp: number;
}

function rates({ truePositives, positives, falsePositives, negatives }: GuessCounts, alpha: number): Rates {
  return {
    truePositiveLow: clopperPearson(truePositives, { trials: positives, alpha }).lower,
    falsePositiveUp: clopperPearson(falsePositives, { trials: negatives, alpha }).upper,
  };
}

/**
 * Lower bound of ε: ln((TPR − δ)/FPR), and the same of the true and false negatives, with Clopper–Pearson bounds of α/2
 * on each rate. Both forms rest on the same two bounds, so taking the larger costs no confidence.
 * @returns at least 0
 */
export function epsilonLowerBound(counts: GuessCounts, { delta, alpha }: Confidence): number {
  const { truePositiveLow, falsePositiveUp } = rates(counts, alpha);
  const ratio = Math.max(
    (truePositiveLow - delta) / falsePositiveUp,
    (1 - falsePositiveUp - delta) / (1 - truePositiveLow),
  );
  return ratio > 1 ? Math.log(ratio) : 0;
}

/**
 * Lower bound of ε for a mechanism whose trade-off curve is that of a Gaussian, as it is by design here: the rates bound
 * µ = Φ⁻¹(TPR) − Φ⁻¹(FPR) from below, and µ gives ε at any δ. Far tighter than {@link epsilonLowerBound} at a small δ, but
 * it relies on the shape of the noise. (Nasr et al. 2023, "Tight Auditing of Differentially Private Machine Learning".)
 * @returns at least 0
 */
export function gaussianEpsilonLowerBound(counts: GuessCounts, { delta, alpha }: Confidence): number {
  const { truePositiveLow, falsePositiveUp } = rates(counts, alpha);
  const mu = normalQuantile(truePositiveLow) - normalQuantile(falsePositiveUp);
  if (!(mu > 0)) return 0;
  return gaussianEpsilon({ noiseMultiplier: 1 / mu, delta: checkedDelta(delta) });
}

/** The largest {@link epsilonLowerBound} that so many runs of each world can give. */
export function lowerBoundCeiling(runs: number, confidence: Confidence): number {
  return epsilonLowerBound(
    { truePositives: runs, positives: runs, falsePositives: 0, negatives: runs },
    confidence,
  );
}

/** Scores of runs; the attacker says "with" above a threshold. */
export interface Scores {
  readonly present: readonly number[];
  readonly absent: readonly number[];
}

/** Guesses at a threshold. */
export function guessesAt({ present, absent }: Scores, threshold: number): GuessCounts {
  const above = (values: readonly number[]): number => values.filter((value) => value > threshold).length;
  return {
    truePositives: above(present),
    positives: present.length,
    falsePositives: above(absent),
    negatives: absent.length,
  };
}

/**
 * The threshold with the largest bound on scores that are used for nothing else; to be judged on others.
 * @throws RangeError without scores
 */
export function chooseThreshold(scores: Scores, bound: (counts: GuessCounts) => number): number {
  const all = [...scores.present, ...scores.absent].sort((a, b) => a - b);
  if (all.length === 0) throw new RangeError("scores must not be empty");
  // At most 200 candidates: finer thresholds differ by less than what the scores can tell.
  const step = Math.max(1, Math.floor(all.length / 200));
  let best = { threshold: all[all.length >> 1]!, bound: -1 };
  for (let i = 0; i + 1 < all.length; i += step) {
    const threshold = (all[i]! + all[i + 1]!) / 2;
    const value = bound(guessesAt(scores, threshold));
    if (value > best.bound) best = { threshold, bound: value };
  }
  return best.threshold;
}

/**
 * The threshold half-way between the worlds' mean scores, where equally wide normal distributions are told apart best.
 * It depends on the scores far less than {@link chooseThreshold}, which is drawn to lucky extremes.
 */
export function middleThreshold({ present, absent }: Scores): number {
  return (fitNormal(present).mean + fitNormal(absent).mean) / 2;
}

/**
 * Probability that a bound exceeds a claimed ε, when the attacker's true rates are known: the power of an audit.
 * Exact: the sum over all outcomes of two binomials.
 */
export function detectionPower(
  {
    truePositiveRate,
    falsePositiveRate,
    runs,
  }: { truePositiveRate: number; falsePositiveRate: number; runs: number },
  { claimed, bound }: { claimed: number; bound: (counts: GuessCounts) => number },
): number {
  const hits = binomialMasses(runs, truePositiveRate);
  const alarms = binomialMasses(runs, falsePositiveRate);
  const exceeds = (truePositives: number, falsePositives: number): boolean =>
    bound({ truePositives, positives: runs, falsePositives, negatives: runs }) > claimed;
  // More alarms never raise the bound, so a bisection finds the most that is still detected.
  let power = 0;
  for (let hit = Math.floor(runs / 2); hit <= runs; hit++) {
    if (hits[hit]! < 1e-12) continue;
    let [detected, not] = [-1, Math.ceil(runs / 2)];
    while (not - detected > 1) {
      const middle = (detected + not) >> 1;
      if (exceeds(hit, middle)) detected = middle;
      else not = middle;
    }
    for (let alarm = 0; alarm <= detected; alarm++) power += hits[hit]! * alarms[alarm]!;
  }
  return power;
}
