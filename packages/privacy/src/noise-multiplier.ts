/** From (ε, δ) to the noise multiplier of a Gaussian mechanism, by either accountant. */

import type { Accountant } from "./calibrate.ts";
import { epsilonOf } from "./privacy-loss.ts";
import { composePrivacyLoss } from "./privacy-loss-composition.ts";
import { gaussianEpsilon, gaussianPrivacyLoss } from "./privacy-loss-mechanisms.ts";
import { composeRdp, epsilonFromRdp, RDP_ORDERS, rdpAt, rdpSubsampledGaussian } from "./rdp.ts";
import { demand, demandInteger } from "./refusal.ts";
import type { NoiseMultiplier } from "./units.ts";
import { delta as checkedDelta, epsilon as checkedEpsilon, type Delta, type Epsilon } from "./units.ts";

/** A Gaussian mechanism that is run several times on Poisson samples, unseen by the adversary. */
export interface GaussianRun {
  /** q; 1, the default, samples nobody out. */
  readonly samplingRate?: number;
  readonly steps: number;
  readonly delta: Delta;
  readonly accountant: Accountant;
}

/**
 * ε of a Gaussian mechanism with the given noise.
 *
 * @throws PrivacyRangeError on a value out of range.
 */
export function gaussianRunEpsilon(run: GaussianRun & { readonly noiseMultiplier: number }): Epsilon {
  const { noiseMultiplier, samplingRate = 1, steps, accountant } = run;
  demandInteger(steps, { field: "steps", from: 1, to: 2 ** 24 });
  const delta = checkedDelta(run.delta);
  if (accountant === "rdp") {
    const rdp = rdpAt((alpha) => rdpSubsampledGaussian({ samplingRate, noiseMultiplier, alpha }), RDP_ORDERS);
    return epsilonFromRdp({ orders: RDP_ORDERS, rdp: composeRdp([{ rdp, count: steps }]), delta }).epsilon;
  }
  if (samplingRate === 1)
    return gaussianEpsilon({ noiseMultiplier: noiseMultiplier / Math.sqrt(steps), delta });
  const loss = gaussianPrivacyLoss({ noiseMultiplier, samplingRate });
  return epsilonOf(composePrivacyLoss([{ loss, times: steps }]), delta);
}

/** Noise multipliers that are searched. */
const RANGE = { least: 2 ** -6, most: 2 ** 24 };

/**
 * The least noise multiplier that keeps a run within (ε, δ), by bisection on its logarithm.
 *
 * @param run.tolerance Relative; the result meets ε and is at most so much above the least that does. Default 1e−6.
 * @throws PrivacyRangeError on a value out of range, or when no multiplier up to 2^24 reaches ε.
 */
export function calibrateNoiseMultiplier(
  run: GaussianRun & { readonly epsilon: number; readonly tolerance?: number },
): NoiseMultiplier {
  const { tolerance = 1e-6 } = run;
  const epsilon = checkedEpsilon(run.epsilon);
  const holds = (noiseMultiplier: number): boolean =>
    gaussianRunEpsilon({ ...run, noiseMultiplier }) <= epsilon;
  let enough = 1;
  while (!holds(enough)) {
    enough *= 2;
    demand(enough <= RANGE.most, {
      field: "epsilon",
      rule: `no noise multiplier up to ${RANGE.most} keeps ${run.steps} steps within ε = ${epsilon}`,
      fix: "raise epsilon or delta, or lower steps",
    });
  }
  let tooLittle = enough / 2;
  while (tooLittle > RANGE.least && holds(tooLittle)) {
    enough = tooLittle;
    tooLittle /= 2;
  }
  while (enough - tooLittle > enough * tolerance) {
    const middle = Math.sqrt(enough * tooLittle);
    if (holds(middle)) enough = middle;
    else tooLittle = middle;
  }
  return enough as NoiseMultiplier;
}
