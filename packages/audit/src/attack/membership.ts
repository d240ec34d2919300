/** Membership inference as functions of scores: who was in the training data? */
import { fitNormal, logDensity } from "./normal.ts";
import type { Scores } from "./two-worlds.ts";

/** Scores by loss alone (Yeom et al. 2018): the lower a person's loss, the surer they took part. */
export function lossThresholdScores(losses: readonly number[]): number[] {
  return losses.map((loss) => -loss);
}

/** A person's statistic on the model attacked, and on shadow models of which is known whether the person took part. */
export interface ShadowedStatistic {
  readonly observed: number;
  /** At least two each. */
  readonly inside: readonly number[];
  readonly outside: readonly number[];
}

/**
 * The likelihood-ratio attack (Carlini et al. 2022, "Membership Inference Attacks From First Principles"): ln of how
 * much likelier the statistic is under the shadow models with the person than under those without, both fitted by a normal
 * distribution.
 */
export function likelihoodRatioScores(people: readonly ShadowedStatistic[]): number[] {
  return people.map(
    ({ observed, inside, outside }) =>
      logDensity(observed, fitNormal(inside)) - logDensity(observed, fitNormal(outside)),
  );
}

/** A point of a receiver operating characteristic. */
export interface RocPoint {
  readonly falsePositiveRate: number;
  readonly truePositiveRate: number;
}

/** The curve over all thresholds, from (0, 0) to (1, 1); equal scores are one threshold. */
export function rocCurve({ present, absent }: Scores): RocPoint[] {
  const all = [
    ...present.map((score) => ({ score, present: true })),
    ...absent.map((score) => ({ score, present: false })),
  ].sort((a, b) => b.score - a.score);
  const points: RocPoint[] = [{ falsePositiveRate: 0, truePositiveRate: 0 }];
  let [hits, alarms] = [0, 0];
  for (const [i, one] of all.entries()) {
    if (one.present) hits++;
    else alarms++;
    if (all[i + 1]?.score === one.score) continue;
    points.push({ falsePositiveRate: alarms / absent.length, truePositiveRate: hits / present.length });
  }
  return points;
}

/** The largest TPR at a false-positive rate of at most `falsePositiveRate`. */
export function truePositiveRateAt(curve: readonly RocPoint[], falsePositiveRate: number): number {
  return curve.reduce(
    (best, point) =>
      point.falsePositiveRate <= falsePositiveRate ? Math.max(best, point.truePositiveRate) : best,
    0,
  );
}

/** Area under the curve, by trapezoids; 0.5 is a coin. */
export function areaUnder(curve: readonly RocPoint[]): number {
  let area = 0;
  for (let i = 1; i < curve.length; i++) {
    const [a, b] = [curve[i - 1]!, curve[i]!];
    area += ((b.falsePositiveRate - a.falsePositiveRate) * (a.truePositiveRate + b.truePositiveRate)) / 2;
  }
  return area;
}

/** What (ε, δ)-DP allows at the most: TPR ≤ e^ε·FPR + δ, and the same of the negatives. */
export function largestTruePositiveRate(
  falsePositiveRate: number,
  { epsilon, delta }: { epsilon: number; delta: number },
): number {
  return Math.min(
    1,
    Math.exp(epsilon) * falsePositiveRate + delta,
    1 - Math.exp(-epsilon) * (1 - delta - falsePositiveRate),
  );
}
