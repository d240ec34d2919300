/** Privacy losses of the mechanisms that Kindred uses or is compared with. */

import { logErfc } from "./log-space.ts";
import {
  discretise,
  fittingStep,
  LOSS_STEP,
  type LossConsumer,
  type PrivacyLoss,
  type PrivacyLossPair,
  truePositiveRate,
} from "./privacy-loss.ts";
import { type DistributedDiscreteGaussian, summedNoise } from "./rdp.ts";
import { demand, demandInteger } from "./refusal.ts";
import type { Delta, Epsilon } from "./units.ts";

/** Deviations of the noise that are integrated or summed; 1.2e−19 lies beyond, on either side. */
const REACH = 9;
const BEYOND_REACH = 2e-19;

/** Gauss–Legendre quadrature with five nodes on [−1, 1] (Abramowitz and Stegun, table 25.4). */
const QUADRATURE: readonly { readonly node: number; readonly weight: number }[] = [
  { node: -0.906179845938664, weight: 0.23692688505618908 },
  { node: -0.5384693101056831, weight: 0.47862867049936647 },
  { node: 0, weight: 0.5688888888888889 },
  { node: 0.5384693101056831, weight: 0.47862867049936647 },
  { node: 0.906179845938664, weight: 0.23692688505618908 },
];

function demandPositive(value: number, field: string): void {
  demand(value > 0 && value < Infinity, {
    field,
    rule: `must be a finite number above 0, got ${value}`,
    fix: "give a positive number",
  });
}

/** What is missing from mass 1 is charged to infinity: it is the error of the quadrature. */
function completed(loss: PrivacyLoss): PrivacyLoss {
  const total = loss.masses.reduce((sum, mass) => sum + mass, loss.infinity);
  return { ...loss, infinity: loss.infinity + Math.abs(1 - total) };
}

/** ln(1 − q + q·eᵗ), without overflow. */
function logMixture(q: number, t: number): number {
  if (q === 1) return t;
  return t > 1 ? t + Math.log(q + (1 - q) * Math.exp(-t)) : Math.log1p(q * Math.expm1(t));
}

/** The t with ln(1 − q + q·eᵗ) = ε; −∞ where no t is low enough. */
function inverseLogMixture(q: number, epsilon: number): number {
  if (q === 1) return epsilon;
  return epsilon > 1
    ? epsilon - Math.log(q) + Math.log1p((q - 1) * Math.exp(-epsilon))
    : Math.log1p(Math.max(-1, Math.expm1(epsilon) / q));
}

/**
 * Privacy loss of one release with Gaussian noise, the person being in it with probability q (Poisson sampling,
 * unseen by the adversary). Removal compares (1−q)·N(0,z²) + q·N(1,z²) with N(0,z²), addition the other way round.
 *
 * The densities are integrated by Gauss–Legendre quadrature over panels of at most z/8 within which the loss stays
 * between two grid points.
 *
 * @param options.noiseMultiplier z = deviation / L2 sensitivity.
 * @param options.samplingRate q, 0 < q ≤ 1; default 1, and then both directions are the same.
 * @param options.step Grid in nats; default {@link LOSS_STEP}, doubled until the support fits.
 * @throws PrivacyRangeError on a value out of range.
 */
export function gaussianPrivacyLoss(options: {
  readonly noiseMultiplier: number;
  readonly samplingRate?: number;
  readonly step?: number;
}): PrivacyLossPair {
  const { noiseMultiplier: z, samplingRate: q = 1, step: finest = LOSS_STEP } = options;
  demandPositive(z, "noiseMultiplier");
  demand(q > 0 && q <= 1, {
    field: "samplingRate",
    rule: `must be above 0 and at most 1, got ${q}`,
    fix: "give the probability with which each person is sampled",
  });
  const lossAt = (x: number): number => logMixture(q, (2 * x - 1) / (2 * z * z));
  const from = -REACH * z;
  const to = 1 + REACH * z;
  const [least, most] = [lossAt(from), lossAt(to)];
  const step = fittingStep(finest, most - least);

  /** Hands over loss and share of each of the two densities at every node. */
  const integrate = (visit: (at: { loss: number; without: number; with: number }) => void): void => {
    const widest = z / 8;
    let cell = Math.floor(least / step);
    for (let left = from; left < to; ) {
      let border = left;
      while (border <= left) {
        cell++;
        border = 0.5 + z * z * inverseLogMixture(q, cell * step);
      }
      for (const end = Math.min(border, to); left < end; ) {
        const right = Math.min(end, left + widest);
        const half = (right - left) / 2;
        for (const { node, weight } of QUADRATURE) {
          const x = left + half * (1 + node);
          const share = (half * weight) / (z * Math.sqrt(2 * Math.PI));
          visit({
            loss: lossAt(x),
            without: share * Math.exp((-x * x) / (2 * z * z)),
            with: share * Math.exp((-(x - 1) * (x - 1)) / (2 * z * z)),
          });
        }
        left = right;
      }
    }
  };
  const oneWay = (
    range: { from: number; to: number },
    outcomes: (consume: LossConsumer) => void,
  ): PrivacyLoss => completed(discretise({ ...range, step, infinity: BEYOND_REACH, outcomes }));
  const remove = oneWay({ from: least, to: most }, (consume) =>
    integrate((at) => consume(at.loss, (1 - q) * at.without + q * at.with)),
  );
  if (q === 1) return { remove, add: remove };
  const add = oneWay({ from: -most, to: -least }, (consume) =>
    integrate((at) => consume(-at.loss, at.without)),
  );
  return { remove, add };
}

/**
 * Privacy loss of one release of an integer of sensitivity Δ with one-dimensional discrete Gaussian noise. Every
 * outcome is an integer, so that nothing is integrated; both directions are the same.
 *
 * @param options.sigma σ of Pr[x] ∝ exp(−x²/2σ²), in integer units.
 * @param options.sensitivity Δ, a positive integer; default 1.
 * @throws PrivacyRangeError on a value out of range.
 */
export function discreteGaussianPrivacyLoss(options: {
  readonly sigma: number;
  readonly sensitivity?: number;
  readonly step?: number;
}): PrivacyLossPair {
  const { sigma, sensitivity = 1, step: finest = LOSS_STEP } = options;
  demandPositive(sigma, "sigma");
  demandInteger(sensitivity, { field: "sensitivity", from: 1, to: 2 ** 24 });
  const reach = Math.ceil(REACH * sigma) + 1;
  const weight = (x: number): number => Math.exp((-x * x) / (2 * sigma * sigma));
  let total = 1;
  for (let x = reach; x > 0; x--) total += 2 * weight(x);
  // x ~ P is the noise; its loss against a value that is Δ away.
  const lossAt = (x: number): number => (sensitivity * (2 * x + sensitivity)) / (2 * sigma * sigma);
  const [from, to] = [lossAt(-reach), lossAt(reach)];
  const remove = completed(
    discretise({
      step: fittingStep(finest, to - from),
      from,
      to,
      infinity: BEYOND_REACH,
      outcomes: (consume) => {
        for (let x = -reach; x <= reach; x++) consume(lossAt(x), weight(x) / total);
      },
    }),
  );
  return { remove, add: remove };
}

/**
 * δ(ε) of the Gaussian mechanism in closed form: Φ(μ/2 − ε/μ) − e^ε·Φ(−μ/2 − ε/μ) with μ = 1/z (Balle, Wang 2018,
 * Theorem 8). T releases with multiplier z are one with z/√T.
 */
export function gaussianDelta(options: {
  readonly noiseMultiplier: number;
  readonly epsilon: number;
}): number {
  const { noiseMultiplier: z, epsilon } = options;
  demandPositive(z, "noiseMultiplier");
  const logTail = (x: number): number => Math.log(0.5) + logErfc(x / Math.SQRT2);
  const above = logTail(epsilon * z - 1 / (2 * z));
  const below = epsilon + logTail(epsilon * z + 1 / (2 * z));
  return above <= below ? 0 : Math.exp(above) * -Math.expm1(below - above);
}

/**
 * ε(δ) of the Gaussian mechanism: the least ε ≥ 0 with {@link gaussianDelta} ≤ δ, by bisection, rounded up by at most
 * 1e−12 of itself. It needs no grid, and is what {@link gaussianPrivacyLoss} approaches from above.
 */
export function gaussianEpsilon(options: {
  readonly noiseMultiplier: number;
  readonly delta: Delta;
}): Epsilon {
  const { noiseMultiplier, delta } = options;
  const holds = (epsilon: number): boolean => gaussianDelta({ noiseMultiplier, epsilon }) <= delta;
  if (holds(0)) return 0 as Epsilon;
  let enough = 1;
  while (!holds(enough)) enough *= 2;
  let tooLittle = enough === 1 ? 0 : enough / 2;
  while (enough - tooLittle > enough * 1e-12) {
    const middle = (enough + tooLittle) / 2;
    if (holds(middle)) enough = middle;
    else tooLittle = middle;
  }
  return enough as Epsilon;
}

/** Variance of the randomised rounding in {@link distributedDiscreteGaussianEpsilon}. */
const ROUNDING_VARIANCE = 4;

/**
 * ε(δ) of `times` releases of the sum of h discrete Gaussians, from the privacy loss of a Gaussian that dominates it.
 *
 * A continuous Gaussian N(v, t²I), v integer, followed by randomised rounding to ℤ^d (to z with probability
 * ∝ exp(−‖z − y‖²/2r²)) is N_ℤ(v, t² + r²) up to a factor e^±ξ in every probability: by Poisson summation the
 * normaliser Σ_z exp(−(z − y)²/2r²) is r√2π·(1 ± 2Σ_k e^(−2π²r²k²)) whatever y is (Peikert 2010, "An Efficient and
 * Parallel Gaussian Sampler for Lattices", Theorem 3.1). With r² = 4 that is ξ < 10⁻³³ per coordinate. The sum of h
 * discrete Gaussians of deviation σ is N_ℤ(v, hσ²) up to e^±τ per coordinate (Kairouz, Liu, Steinke 2021, Theorem 1,
 * {@link summedNoise}). Rounding is post-processing, so the release costs no more than a Gaussian of
 * variance hσ² − 4, at δ·e^(−x) and plus 2x, x = times·d·(τ + ξ). The bound holds in any dimension, for any shift
 * of norm Δ₂; it is not an approximation by the continuous Gaussian.
 *
 * @returns Infinity when hσ² ≤ 4.
 */
export function distributedDiscreteGaussianEpsilon(
  mechanism: RepeatedDiscreteGaussian & { readonly delta: Delta },
): Epsilon {
  const { noiseMultiplier, slack } = dominatingGaussian(mechanism);
  const target = mechanism.delta * Math.exp(-slack);
  if (!(noiseMultiplier > 0 && target > 0)) return Infinity as Epsilon;
  return (gaussianEpsilon({ noiseMultiplier, delta: target as Delta }) + 2 * slack) as Epsilon;
}

/**
 * Largest probability with which any test on those releases finds a person who took part, when it accuses one who did
 * not with probability `falsePositiveRate`; through the same Gaussian.
 *
 * @returns 1 when hσ² ≤ 4.
 */
export function distributedDiscreteGaussianTruePositiveRate(
  mechanism: RepeatedDiscreteGaussian & { readonly falsePositiveRate: number },
): number {
  const { noiseMultiplier, slack } = dominatingGaussian(mechanism);
  const tilt = Math.exp(slack);
  const rate = tilt * mechanism.falsePositiveRate;
  if (!(noiseMultiplier > 0 && rate < 1)) return 1;
  return Math.min(1, tilt * truePositiveRate(gaussianPrivacyLoss({ noiseMultiplier }), rate));
}

/** `times` releases of a sum of discrete Gaussians; Δ₁ does not matter here. */
export interface RepeatedDiscreteGaussian extends Omit<DistributedDiscreteGaussian, "l1"> {
  readonly times: number;
}

/** The Gaussian of {@link distributedDiscreteGaussianEpsilon}: its multiplier, 0 where there is none, and x. */
function dominatingGaussian(mechanism: RepeatedDiscreteGaussian): { noiseMultiplier: number; slack: number } {
  const { l2, sigma, honest, dimension, times } = mechanism;
  demandPositive(l2, "l2");
  demandInteger(honest, { field: "honest", from: 1, to: 2 ** 24 });
  demandInteger(dimension, { field: "dimension", from: 1, to: 2 ** 30 });
  demandInteger(times, { field: "times", from: 1, to: 2 ** 24 });
  const own = summedNoise({ sigma, honest });
  const variance = Math.max(0, honest * own.variance - ROUNDING_VARIANCE);
  // −ln(1 − η_r) + ln(1 + η_s) ≤ 5e^(−2π²r²), as η ≤ 2.1e^(−2π²r²) ≪ 1 and s ≥ r.
  const perCoordinate = own.divergence + 5 * Math.exp(-2 * Math.PI ** 2 * ROUNDING_VARIANCE);
  return { noiseMultiplier: Math.sqrt(variance / times) / l2, slack: times * dimension * perCoordinate };
}
