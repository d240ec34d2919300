/**
 * Rényi differential privacy (RDP) accounting.
 *
 * Sources: Mironov 2017 (RDP); Mironov, Talwar, Zhang 2019 (sampled Gaussian); Zhu, Wang 2019 (general
 * Poisson subsampling); Canonne, Kamath, Steinke 2020 (conversion to (ε, δ)); Kairouz, Liu, Steinke 2021
 * (distributed discrete Gaussian); Agarwal, Kairouz, Liu 2021 (Skellam). Adjacency: add or remove one person.
 * A sampling rate is the probability with which Poisson sampling takes each person, unseen by the adversary.
 */

import { logAdd, logBinomials, logErfc, logSubtract } from "./log-space.ts";
import { demand, demandInteger } from "./refusal.ts";
import type { Delta, Epsilon } from "./units.ts";

/** Orders for continuous mechanisms: 1.1 … 10.9 by 0.1, 11 … 63, 128, 256, 512, 1024. */
export const RDP_ORDERS: readonly number[] = [
  ...Array.from({ length: 99 }, (_, i) => (i + 11) / 10),
  ...Array.from({ length: 53 }, (_, i) => i + 11),
  ...[128, 256, 512, 1024],
];

/** Orders for discrete mechanisms: integers 2 … 128, 256. */
export const DISCRETE_RDP_ORDERS: readonly number[] = [...Array.from({ length: 127 }, (_, i) => i + 2), 256];

const SERIES_TERMS = 1000;
const NEGLIGIBLE = -40;

/** RDP as a function of the order α > 1. */
export type RdpCurve = (alpha: number) => number;

function demandOrder(alpha: number): void {
  demand(alpha > 1 && alpha < Infinity, {
    field: "alpha",
    rule: `must be a finite order above 1, got ${alpha}`,
    fix: "use RDP_ORDERS",
  });
}

function demandPositive(value: number, field: string): void {
  demand(value > 0 && value < Infinity, {
    field,
    rule: `must be a finite number above 0, got ${value}`,
    fix: "give a positive number",
  });
}

function demandRate(samplingRate: number): void {
  demand(samplingRate >= 0 && samplingRate <= 1, {
    field: "samplingRate",
    rule: `must be from 0 to 1, got ${samplingRate}`,
    fix: "give the probability with which each person is sampled",
  });
}

/**
 * RDP of the Gaussian mechanism: α/2z².
 *
 * @param options.noiseMultiplier z = deviation / L2 sensitivity.
 */
export function rdpGaussian(options: { readonly noiseMultiplier: number; readonly alpha: number }): number {
  const { noiseMultiplier, alpha } = options;
  demandOrder(alpha);
  demandPositive(noiseMultiplier, "noiseMultiplier");
  return alpha / (2 * noiseMultiplier ** 2);
}

/**
 * RDP of one step of the Poisson-subsampled Gaussian (Mironov, Talwar, Zhang 2019, section 3.3).
 *
 * Integer α: ln Σ C(α,i)(1−q)^(α−i)qⁱe^((i²−i)/2z²) / (α−1). Fractional α: two alternating series over the
 * half-lines on either side of z²·ln(1/q − 1) + 1/2.
 *
 * @param options.binomialSigns For fractional α: "keep" the signs of C(α,i), or "drop" them for a slightly
 *   larger, always conservative value. Default "keep".
 */
export function rdpSubsampledGaussian(options: {
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
  readonly alpha: number;
  readonly binomialSigns?: "keep" | "drop";
}): number {
  const { samplingRate: q, noiseMultiplier: z, alpha, binomialSigns = "keep" } = options;
  demandOrder(alpha);
  demandRate(q);
  demandPositive(z, "noiseMultiplier");
  if (q === 0) return 0;
  if (q === 1) return rdpGaussian({ noiseMultiplier: z, alpha });
  const logMoment = Number.isInteger(alpha)
    ? integerMoment(q, z, alpha)
    : (fractionalMoment({ q, z, alpha, keepSigns: binomialSigns === "keep" }) ??
      interpolatedMoment(q, z, alpha));
  // Sampling never costs privacy: the Rényi divergence is quasi-convex.
  return Math.min(rdpGaussian({ noiseMultiplier: z, alpha }), Math.max(0, logMoment / (alpha - 1)));
}

function integerMoment(q: number, z: number, alpha: number): number {
  const binomials = logBinomials(alpha);
  let sum = -Infinity;
  for (let i = 0; i <= alpha; i++) {
    const weight = binomials[i]! + i * Math.log(q) + (alpha - i) * Math.log1p(-q);
    sum = logAdd(sum, weight + (i * i - i) / (2 * z * z));
  }
  return sum;
}

/** Upper bound for fractional α: the log-moment is convex in α, 0 at α = 1, and cheap at integers. */
function interpolatedMoment(q: number, z: number, alpha: number): number {
  const below = Math.floor(alpha);
  const share = alpha - below;
  const floor = below === 1 ? 0 : integerMoment(q, z, below);
  return (1 - share) * floor + share * integerMoment(q, z, below + 1);
}

/**
 * The log-moment by the two series, to a double or, where they converge slowly (q and α near 1/2 and 1), an
 * upper bound: beyond α the terms alternate and shrink, so that stopping at a positive one never
 * undershoots. Undefined where unsigned terms converge slowly.
 */
function fractionalMoment(options: {
  q: number;
  z: number;
  alpha: number;
  keepSigns: boolean;
}): number | undefined {
  const { q, z, alpha, keepSigns } = options;
  const border = z * z * Math.log(1 / q - 1) + 0.5;
  const logTail = (x: number): number => Math.log(0.5) + logErfc(x / (Math.SQRT2 * z));
  let positive = -Infinity;
  let negative = -Infinity;
  let logCoefficient = 0;
  let sign = 1;
  for (let i = 0; i < SERIES_TERMS + 2; i++) {
    const j = alpha - i;
    const below = i * Math.log(q) + j * Math.log1p(-q) + (i * i - i) / (2 * z * z) + logTail(i - border);
    const above = j * Math.log(q) + i * Math.log1p(-q) + (j * j - j) / (2 * z * z) + logTail(border - j);
    const term = logCoefficient + logAdd(below, above);
    if (sign > 0 || !keepSigns) positive = logAdd(positive, term);
    else negative = logAdd(negative, term);
    // The moment is at least 1: terms under e^−40 no longer change a double.
    const alternating = keepSigns && sign > 0 && i >= SERIES_TERMS;
    if (i > alpha && (term < NEGLIGIBLE || alternating)) return logSubtract(positive, negative);
    logCoefficient += Math.log(Math.abs(alpha - i) / (i + 1));
    if (alpha < i) sign = -sign;
  }
  return undefined;
}

/**
 * τ = 10·Σ_{k=1}^{h−1} exp(−2π²σ²·k/(k+1)): how far the sum of h discrete Gaussians of integer-unit deviation
 * σ is from one discrete Gaussian (Kairouz, Liu, Steinke 2021, Theorem 1). 0 for h = 1.
 */
export function aggregationDivergence(sigma: number, honest: number): number {
  let sum = 0;
  for (let k = 1; k < honest; k++) sum += Math.exp((-2 * Math.PI ** 2 * sigma ** 2 * k) / (k + 1));
  return 10 * sum;
}

/**
 * The same where each participant's noise is itself the sum of discrete Gaussians of several deviations, the least of
 * them c: 10(N − 1)·exp(−π²c²) for N summands. Each step of the sum, from variance A by b², costs at most
 * 10·exp(−2π²/(1/A + 1/b²)) (the proof of Theorem 1, which nowhere needs equal deviations), and A, b² ≥ c².
 */
function componentDivergence(components: readonly number[], honest: number): number {
  const least = Math.min(...components);
  return 10 * (honest * components.length - 1) * Math.exp(-(Math.PI ** 2) * least ** 2);
}

/** Variance of each participant's own noise, and how far the sum of h is from one discrete Gaussian. */
export function summedNoise({ sigma, honest }: Pick<DistributedDiscreteGaussian, "sigma" | "honest">): {
  variance: number;
  divergence: number;
} {
  if (typeof sigma === "number") {
    demandPositive(sigma, "sigma");
    return { variance: sigma * sigma, divergence: aggregationDivergence(sigma, honest) };
  }
  for (const component of sigma) demandPositive(component, "sigma");
  if (sigma.length === 1) return summedNoise({ sigma: sigma[0]!, honest });
  const variance = sigma.reduce((sum, component) => sum + component * component, 0);
  return { variance, divergence: componentDivergence(sigma, honest) };
}

/** What the RDP of a sum of discrete Gaussians depends on; all in quantised units. */
export interface DistributedDiscreteGaussian {
  /** L2 sensitivity Δ₂ after rounding. */
  readonly l2: number;
  /** L1 sensitivity Δ₁ after rounding. */
  readonly l1: number;
  /** Deviation of each honest participant's own noise, or those of the independent components that it is the sum of. */
  readonly sigma: number | readonly number[];
  /** h: honest survivors whose noise is in the sum. */
  readonly honest: number;
  /** d, the length of the vector. */
  readonly dimension: number;
}

/**
 * RDP curve of the sum of h discrete Gaussians (Kairouz, Liu, Steinke 2021, Proposition 14):
 * min{ α/2·l₂² + τd, α/2·(l₂² + 2l₁τ + τ²d), α/2·(l₂ + √d·τ)² } with l = Δ/(√h·σ).
 */
export function distributedDiscreteGaussianCurve(mechanism: DistributedDiscreteGaussian): RdpCurve {
  const { sigma, honest, dimension } = mechanism;
  demandPositive(mechanism.l2, "l2");
  demandPositive(mechanism.l1, "l1");
  demandInteger(honest, { field: "honest", from: 1, to: 2 ** 24 });
  demandInteger(dimension, { field: "dimension", from: 1, to: 2 ** 30 });
  const { variance, divergence: tau } = summedNoise({ sigma, honest });
  const deviation = Math.sqrt(honest) * Math.sqrt(variance);
  const l2 = mechanism.l2 / deviation;
  const l1 = mechanism.l1 / deviation;
  return (alpha) => {
    demandOrder(alpha);
    return Math.min(
      (alpha / 2) * l2 ** 2 + tau * dimension,
      (alpha / 2) * (l2 ** 2 + 2 * l1 * tau + tau ** 2 * dimension),
      (alpha / 2) * (l2 + Math.sqrt(dimension) * tau) ** 2,
    );
  };
}

/** One value of {@link distributedDiscreteGaussianCurve}. */
export function rdpDistributedDiscreteGaussian(
  options: DistributedDiscreteGaussian & { readonly alpha: number },
): number {
  return distributedDiscreteGaussianCurve(options)(options.alpha);
}

/**
 * RDP of the Skellam mechanism, for comparison (Agarwal, Kairouz, Liu 2021, Theorem 3.5):
 * αΔ₂²/2μ + min{ ((2α−1)sΔ₂² + 6Δ₁)/4s³μ², 3Δ₁/2sμ }, integer α.
 *
 * @param options.l2 Δ₂ and `l1` Δ₁ in unscaled units.
 * @param options.variance μ: variance (not deviation) of the noise of the sum, unscaled.
 * @param options.scale s: quantised units per unscaled unit.
 */
export function rdpSkellam(options: {
  readonly l2: number;
  readonly l1: number;
  readonly variance: number;
  readonly scale: number;
  readonly alpha: number;
}): number {
  const { l2, l1, variance, scale, alpha } = options;
  demandInteger(alpha, { field: "alpha", from: 2, to: 2 ** 20 });
  for (const field of ["l2", "l1", "variance", "scale"] as const) demandPositive(options[field], field);
  const correction = ((2 * alpha - 1) * scale * l2 ** 2 + 6 * l1) / (4 * scale ** 3 * variance ** 2);
  return (alpha * l2 ** 2) / (2 * variance) + Math.min(correction, (3 * l1) / (2 * scale * variance));
}

/**
 * RDP of any mechanism under Poisson subsampling (Zhu, Wang 2019, Theorem 5), integer α:
 * ln{ (1−q)^(α−1)(αq−q+1) + C(α,2)q²(1−q)^(α−2)e^ε(2) + 3Σ_{l≥3} C(α,l)(1−q)^(α−l)q^l e^((l−1)ε(l)) } / (α−1),
 * and never more than the unsampled value.
 *
 * @param options.curve RDP of the mechanism without sampling, read at the integers 2 … α.
 */
export function rdpSubsampledGeneral(options: {
  readonly samplingRate: number;
  readonly curve: RdpCurve;
  readonly alpha: number;
}): number {
  const { samplingRate: q, curve, alpha } = options;
  demandInteger(alpha, { field: "alpha", from: 2, to: 2 ** 20 });
  demandRate(q);
  if (q === 0) return 0;
  const unsampled = curve(alpha);
  if (q === 1) return unsampled;
  const binomials = logBinomials(alpha);
  const logStay = Math.log1p(-q);
  let sum = (alpha - 1) * logStay + Math.log1p((alpha - 1) * q);
  for (let l = 2; l <= alpha; l++) {
    const factor = l === 2 ? 0 : Math.log(3);
    const weight = binomials[l]! + (alpha - l) * logStay + l * Math.log(q);
    sum = logAdd(sum, factor + weight + (l - 1) * curve(l));
  }
  return Math.min(unsampled, Math.max(0, sum / (alpha - 1)));
}

/** RDP of a curve at each of `orders`. */
export function rdpAt(curve: RdpCurve, orders: readonly number[]): number[] {
  return orders.map(curve);
}

/**
 * RDP of running each mechanism `count` times, adaptively: RDP adds up, order by order.
 *
 * @throws PrivacyRangeError when the terms were computed at different numbers of orders.
 */
export function composeRdp(
  terms: readonly { readonly rdp: readonly number[]; readonly count: number }[],
): number[] {
  const length = terms[0]?.rdp.length ?? 0;
  const total = new Array<number>(length).fill(0);
  for (const [i, { rdp, count }] of terms.entries()) {
    demandInteger(count, { field: `terms[${i}].count`, from: 0, to: Number.MAX_SAFE_INTEGER });
    demandSameLength({ orders: length, rdp: rdp.length });
    if (count > 0) for (let k = 0; k < length; k++) total[k] = total[k]! + count * rdp[k]!;
  }
  return total;
}

function demandSameLength({ orders, rdp }: { orders: number; rdp: number }): void {
  demand(orders === rdp, {
    field: "rdp",
    rule: `must have one value per order, got ${rdp} for ${orders}`,
    fix: "compute all terms at the same orders",
  });
}

function epsilonAtOrder(alpha: number, rdp: number, delta: number): number {
  // δ ≤ √(1 − e^−KL), and KL ≤ RDP: below that, ε = 0 holds (Bretagnolle and Huber 1979).
  if (delta ** 2 + Math.expm1(-rdp) > 0) return 0;
  // The conversion is unstable towards α = 1.
  if (alpha <= 1.01) return Infinity;
  return Math.max(0, rdp + Math.log1p(-1 / alpha) - Math.log(delta * alpha) / (alpha - 1));
}

/**
 * Smallest ε over the orders: ε = r + ln(1 − 1/α) − ln(δα)/(α−1) (Canonne, Kamath, Steinke 2020,
 * Proposition 12), or 0 where δ² > 1 − e^−r.
 *
 * @returns The ε, Infinity when no order gives one, and the order that gives it.
 * @throws PrivacyRangeError when orders are empty or do not match the values.
 */
export function epsilonFromRdp(options: {
  readonly orders: readonly number[];
  readonly rdp: readonly number[];
  readonly delta: Delta;
}): { epsilon: Epsilon; order: number } {
  const { orders, rdp, delta } = options;
  demandSameLength({ orders: orders.length, rdp: rdp.length });
  demand(orders.length > 0, { field: "orders", rule: "must not be empty", fix: "use RDP_ORDERS" });
  let best = Infinity;
  let order = orders[0]!;
  for (const [i, alpha] of orders.entries()) {
    demandOrder(alpha);
    const candidate = epsilonAtOrder(alpha, rdp[i]!, delta);
    if (candidate < best) {
      best = candidate;
      order = alpha;
    }
  }
  return { epsilon: best as Epsilon, order };
}

/**
 * ε of ρ-zero-concentrated differential privacy (RDP ρα at every α), minimised over real α by golden section.
 *
 * @param options.rho ρ > 0.
 */
export function epsilonFromZcdp(options: { readonly rho: number; readonly delta: Delta }): Epsilon {
  const { rho, delta } = options;
  demandPositive(rho, "rho");
  // Over x = ln(α − 1): the objective falls, then rises.
  const objective = (x: number): number => epsilonAtOrder(1 + Math.exp(x), rho * (1 + Math.exp(x)), delta);
  const ratio = (Math.sqrt(5) - 1) / 2;
  let low = Math.log(0.011);
  let high = Math.log(1e9);
  for (let i = 0; i < 200; i++) {
    const left = high - ratio * (high - low);
    const right = low + ratio * (high - low);
    if (objective(left) <= objective(right)) high = right;
    else low = left;
  }
  return objective((low + high) / 2) as Epsilon;
}
