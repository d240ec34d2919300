/**
 * From a plan's privacy target to the numbers every participant uses, and back to the ε they guarantee.
 *
 * The release is the distributed discrete Gaussian (Kairouz, Liu, Steinke 2021): each survivor adds an
 * integer discrete Gaussian of deviation σ; only the noise of the h = minSurvivors − ⌊γ·cohortMaximum⌋
 * honest survivors that are certain is counted on. With surplus noise (surplus-noise.ts) that holds at every level, and
 * every ε here is that of the level at which it is largest.
 */

import { MAXIMUM_DEVIATION } from "./discrete-gaussian.ts";
import { fewestBits, scaleFor } from "./modulus.ts";
import { isFrugal } from "./modulus-cost.ts";
import {
  distributedDiscreteGaussianEpsilon,
  distributedDiscreteGaussianTruePositiveRate,
  type RepeatedDiscreteGaussian,
} from "./privacy-loss-mechanisms.ts";
import { integerL1Bound, ROUNDING_BETA, roundedSensitivity } from "./quantise.ts";
import {
  composeRdp,
  DISCRETE_RDP_ORDERS,
  distributedDiscreteGaussianCurve,
  epsilonFromRdp,
  type RdpCurve,
  rdpAt,
  rdpSubsampledGeneral,
} from "./rdp.ts";
import { demand, demandInteger, PrivacyRangeError } from "./refusal.ts";
import {
  guaranteedVariance,
  type NoiseLevel,
  noiseLevels,
  type SurplusComponent,
  splitNoise,
  varianceOf,
} from "./surplus-noise.ts";
import {
  delta as checkedDelta,
  epsilon as checkedEpsilon,
  type Delta,
  type Epsilon,
  type NoiseMultiplier,
} from "./units.ts";

/** Below this integer deviation the sum of discrete Gaussians is no longer close to a discrete Gaussian. */
export const MINIMUM_DEVIATION = 4;

/** Rounding may at most double the sensitivity; beyond that the noise pays for rounding, not for privacy. */
const MAXIMUM_INFLATION = 2;

/** Scaled coordinates stay within 30 bits and a sign. */
export const MAXIMUM_SCALE = 2 ** 30;

/** How privacy is accounted: Rényi divergences, or privacy loss distributions. */
export type Accountant = "rdp" | "pld";

/** What a plan says about privacy, and the size of what it releases. */
export interface MechanismInput {
  /** Largest ε against the coordinator after all of a person's participations. */
  readonly epsilon: Epsilon;
  readonly delta: Delta;
  /** P: how often one device takes part at most. */
  readonly participations: number;
  /** c: devices of one person, each of which takes part so often at most; see {@link coordinatorEpsilon}. Default 1. */
  readonly devices?: number;
  /** n: participants of one round at most. */
  readonly cohortMaximum: number;
  /** Survivors without whom a round fails. */
  readonly minSurvivors: number;
  /** γ: share of the cohort, 0 ≤ γ < 1, that may collude with the coordinator. */
  readonly corruption: number;
  /** Length of the joint vector. */
  readonly length: number;
  /** b: sums are modulo 2^b. Left out, the fewest that cost next to nothing ({@link isFrugal}). */
  readonly modulusBits?: number | undefined;
  /** L: components of surplus noise that can be removed; left out or 0, all noise stays. */
  readonly surplusLevels?: number;
  /** Which bound is to stay within ε; default "rdp", by which devices check plans. */
  readonly accountant?: Accountant;
}

/** The mechanism of a plan: everything a participant and an auditor need. */
export interface Mechanism {
  /** How vectors are rotated (rotation.ts). Absent in plans from before it was named, which pad to a power of two. */
  readonly rotation?: "overlapped-hadamard" | undefined;
  /** d, entries of every vector: the joint vector of the longest round; up to a power of two where `rotation` is absent. */
  readonly paddedLength: number;
  readonly modulusBits: number;
  /** s: quantised units per unit of the joint vector (whose L2 norm is at most 1). */
  readonly scale: number;
  /** σ: integer deviation of the noise of each participant that stays, in quantised units; 0 means no noise. */
  readonly localDeviation: number;
  /** h: honest survivors that are certain. */
  readonly honest: number;
  /** Noise that each participant adds besides and that is removed when more survive; absent in the other design. */
  readonly surplus?: readonly SurplusComponent[] | undefined;
  /** Δ₂ and Δ₁ after rounding, in quantised units; Δ₂ is the bound of the conditional rounding. */
  readonly sensitivity: { readonly l2: number; readonly l1: number };
  /** β of the conditional rounding. */
  readonly beta: number;
  /** z = √h·σ/s: deviation of the guaranteed noise of the sum, relative to the joint clip norm 1. */
  readonly noiseMultiplier: NoiseMultiplier;
}

/**
 * The least noise whose P-fold composition stays within (ε, δ) against the coordinator.
 *
 * Bisection on z; the scale follows from z and the modulus. The scale is then lowered until √h·σ/s = z with σ
 * an integer, so that no noise is added beyond what the target needs; ε is computed from h, σ and the rounded
 * sensitivity, never from z.
 *
 * @throws PrivacyRangeError naming the field, when too few survivors are honest or the modulus is too small
 *   for the noise, the cohort or the length.
 */
export function calibrateMechanism({ modulusBits, ...input }: MechanismInput): Mechanism {
  const build = (bits: number): Mechanism => calibrateWithin({ ...input, modulusBits: bits });
  if (modulusBits !== undefined) return build(modulusBits);
  return fewestBits({ build, fits: (mechanism) => isFrugal(mechanism, input.cohortMaximum) });
}

/** A mechanism's input with its modulus. */
type BoundedInput = MechanismInput & { readonly modulusBits: number };

function calibrateWithin(input: BoundedInput): Mechanism {
  const { participations, devices = 1, modulusBits, accountant = "rdp" } = input;
  const epsilon = checkedEpsilon(input.epsilon);
  const delta = checkedDelta(input.delta);
  demandInteger(participations, { field: "participations", from: 1, to: 2 ** 24 });
  demandInteger(input.length, { field: "length", from: 1, to: 2 ** 30 });
  const shape = { dimension: input.length, honest: guaranteedHonest(input) };
  const build = (z: number): Mechanism => mechanismAt(z, { ...input, ...shape });
  const holds = (mechanism: Mechanism): boolean =>
    mechanism.localDeviation >= 1 &&
    coordinatorEpsilon(mechanism, { participations, devices, delta, accountant }) <= epsilon;

  let enough = 1;
  while (!holds(build(enough))) {
    enough *= 2;
    // In the limit the scale shrinks as 1/z and rounding alone decides ε: more noise no longer helps.
    if (enough > 2 ** 40) {
      throw new PrivacyRangeError({
        field: "modulusBits",
        rule: `no noise within ${modulusBits} bits reaches ε = ${epsilon} over ${participations} participations${devices === 1 ? "" : ` of ${devices} devices`}`,
        fix: "raise modulusBits, epsilon or minSurvivors, or lower participations or devices",
      });
    }
  }
  let tooLittle = enough / 2;
  while (holds(build(tooLittle)) && tooLittle > 2 ** -40) {
    enough = tooLittle;
    tooLittle /= 2;
  }
  while (enough - tooLittle > enough * 1e-9) {
    const middle = (enough + tooLittle) / 2;
    if (holds(build(middle))) enough = middle;
    else tooLittle = middle;
  }
  return checkedMechanism(build(enough));
}

/** h = minSurvivors − ⌊γ·cohortMaximum⌋, at least 1. */
function guaranteedHonest(input: MechanismInput): number {
  const { cohortMaximum, minSurvivors, corruption } = input;
  demandInteger(cohortMaximum, { field: "cohortMaximum", from: 1, to: 2 ** 24 });
  demandInteger(minSurvivors, { field: "minSurvivors", from: 1, to: cohortMaximum });
  demand(corruption >= 0 && corruption < 1, {
    field: "corruption",
    rule: `must be at least 0 and below 1, got ${corruption}`,
    fix: "give the share of the cohort that may collude",
  });
  // The margin keeps 0.29 · 100 = 28.999… from counting one colluder too few.
  const corrupted = Math.floor(corruption * cohortMaximum + 1e-9);
  demand(minSurvivors > corrupted, {
    field: "minSurvivors",
    rule: `must exceed the ${corrupted} participants of ${cohortMaximum} who may collude, got ${minSurvivors}`,
    fix: `raise minSurvivors above ${corrupted} or lower corruption`,
  });
  return minSurvivors - corrupted;
}

function mechanismAt(z: number, shape: BoundedInput & { dimension: number; honest: number }): Mechanism {
  const { cohortMaximum, modulusBits, dimension, honest } = shape;
  const unscaled = z / Math.sqrt(honest);
  const fitting = scaleFor({
    modulusBits,
    cohort: cohortMaximum,
    dimension,
    localDeviation: unscaled,
  });
  const largest = Math.min(fitting, MAXIMUM_SCALE, MAXIMUM_DEVIATION / unscaled);
  const localDeviation = Math.floor(largest * unscaled);
  const scale = localDeviation >= 1 ? localDeviation / unscaled : largest;
  const noise = levelledNoise({ localDeviation, honest }, shape);
  return {
    rotation: "overlapped-hadamard",
    paddedLength: dimension,
    modulusBits,
    scale,
    ...noise,
    sensitivity: roundedSensitivity({ scaledNorm: scale, dimension, beta: ROUNDING_BETA }),
    beta: ROUNDING_BETA,
    noiseMultiplier: (guaranteedDeviation(noise) / scale) as NoiseMultiplier,
  };
}

function guaranteedDeviation(noise: Pick<Mechanism, "localDeviation" | "honest" | "surplus">): number {
  return noise.surplus === undefined
    ? Math.sqrt(noise.honest) * noise.localDeviation
    : Math.sqrt(guaranteedVariance(noise));
}

/** Noise for the fewest survivors, in levels where the plan has them. One that is too small is refused later. */
function levelledNoise(
  whole: { readonly localDeviation: number; readonly honest: number },
  { surplusLevels = 0, minSurvivors, cohortMaximum }: MechanismInput,
): Pick<Mechanism, "localDeviation" | "honest" | "surplus"> {
  if (surplusLevels === 0 || minSurvivors === cohortMaximum || whole.localDeviation < MINIMUM_DEVIATION)
    return whole;
  const minimumDeviation = MINIMUM_DEVIATION;
  const split = splitNoise(whole, { minSurvivors, cohortMaximum, levels: surplusLevels, minimumDeviation });
  return { ...split, honest: whole.honest };
}

function checkedMechanism(mechanism: Mechanism): Mechanism {
  const { localDeviation, scale, sensitivity, modulusBits } = mechanism;
  demand(localDeviation >= MINIMUM_DEVIATION, {
    field: "modulusBits",
    rule: `${modulusBits} bits leave a local deviation of ${localDeviation}, the least is ${MINIMUM_DEVIATION}`,
    fix: "raise modulusBits or lower cohortMaximum",
  });
  const inflation = sensitivity.l2 / scale;
  demand(inflation <= MAXIMUM_INFLATION, {
    field: "modulusBits",
    rule: `in ${modulusBits} bits rounding makes the sensitivity ${inflation.toFixed(2)} times larger, the most is ${MAXIMUM_INFLATION}`,
    fix: "raise modulusBits, or lower cohortMaximum or the length of the vector",
  });
  return mechanism;
}

/** RDP of one release by order. The rounding enforces Δ₂, and Δ₁ follows from it: neither has to be taken on trust. */
export function mechanismCurve(
  { sensitivity, paddedLength, ...noise }: Mechanism,
  devices: number,
): RdpCurve {
  const l2 = devices * sensitivity.l2;
  const l1 = devices * integerL1Bound(sensitivity.l2, paddedLength);
  const curves = noiseLevels(noise).map(({ honest, components }) =>
    distributedDiscreteGaussianCurve({ l2, l1, sigma: components, honest, dimension: paddedLength }),
  );
  // A round's level is known to everybody, so it costs what its level costs, at most the most costly one.
  return (alpha) => Math.max(...curves.map((curve) => curve(alpha)));
}

function composed(curve: RdpCurve, options: { times: number; delta: Delta }): Epsilon {
  const orders = DISCRETE_RDP_ORDERS;
  const rdp = composeRdp([{ rdp: rdpAt(curve, orders), count: options.times }]);
  return epsilonFromRdp({ orders, rdp, delta: options.delta }).epsilon;
}

/**
 * ε against the coordinator, who sees who takes part: P-fold composition, no amplification by sampling.
 *
 * @param options.devices k: devices of one person that may take part, each P times. All k may be in the same rounds,
 *   where the person's vectors add up to a norm of k·Δ₂ at most; that is the worst case, and attained: with m_r
 *   devices in round r the cost grows with Σm_r² ≤ k²P, whereas devices in rounds of their own cost kP. Hence a
 *   sensitivity k times as large over P rounds, which is group privacy in its tight form for this mechanism, not
 *   composition over devices. Default 1.
 * @param options.accountant Default "rdp", the one that plans promise by; "pld" is the tighter second opinion
 *   ({@link distributedDiscreteGaussianEpsilon}). Both are upper bounds.
 * @returns 0 for no participation, Infinity when the mechanism has no noise.
 */
export function coordinatorEpsilon(
  mechanism: Mechanism,
  options: {
    readonly participations: number;
    readonly delta: Delta;
    readonly devices?: number;
    readonly accountant?: Accountant;
  },
): Epsilon {
  const { participations, delta, devices = 1, accountant = "rdp" } = options;
  demandInteger(participations, { field: "participations", from: 0, to: 2 ** 24 });
  demandInteger(devices, { field: "devices", from: 1, to: 2 ** 16 });
  if (participations === 0) return 0 as Epsilon;
  if (mechanism.localDeviation === 0) return Infinity as Epsilon;
  if (accountant === "rdp")
    return composed(mechanismCurve(mechanism, devices), {
      times: participations,
      delta: checkedDelta(delta),
    });
  const repeated = repeatedRelease(mechanism, { participations, devices });
  return distributedDiscreteGaussianEpsilon({ ...repeated, delta: checkedDelta(delta) });
}

/** At the level whose noise is least: the loss grows with nothing else. */
function repeatedRelease(
  { sensitivity, paddedLength, ...noise }: Mechanism,
  { participations, devices }: { participations: number; devices: number },
): RepeatedDiscreteGaussian {
  const l2 = devices * sensitivity.l2;
  const strength = ({ honest, components }: NoiseLevel) => honest * varianceOf(components);
  const { honest, components } = noiseLevels(noise).reduce((weakest, level) =>
    strength(level) < strength(weakest) ? level : weakest,
  );
  return { l2, sigma: components, honest, dimension: paddedLength, times: participations };
}

/**
 * The same guarantee as a probability that people can picture: of those who took part as often as they may, the share
 * that any attacker finds who accuses the share `falsePositiveRate` of those who did not.
 *
 * @param options.devices As for {@link coordinatorEpsilon}.
 * @returns From `falsePositiveRate` (nothing can be told) to 1.
 */
export function planTruePositiveRate(
  mechanism: Mechanism,
  options: { readonly participations: number; readonly devices: number; readonly falsePositiveRate: number },
): number {
  const { participations, devices, falsePositiveRate } = options;
  if (mechanism.localDeviation === 0) return 1;
  const repeated = repeatedRelease(mechanism, { participations, devices });
  return distributedDiscreteGaussianTruePositiveRate({ ...repeated, falsePositiveRate });
}

/** One ε by both accountants. */
export interface AccountedEpsilon {
  /** Rényi: what plans promise, devices check and the ledger records. */
  readonly rdp: Epsilon;
  /** Privacy loss distribution: tighter, and as much of an upper bound. */
  readonly pld: Epsilon;
}

/** What a plan costs one person at the most, against everyone there is. Never to be shown by halves. */
export interface PlanGuarantees {
  /** Against the coordinator and the members who collude with it. */
  readonly coordinator: AccountedEpsilon;
  /** Against those who see released models and the public ledger only. */
  readonly observer: AccountedEpsilon;
}

/**
 * Both epsilons of a person, the unit of privacy, over all of a plan's rounds.
 *
 * Against the coordinator every participation counts, also those in rounds that fail after an input arrived. Observers
 * see releases only, so that at most min(participations, releases) of them count. No amplification by sampling is
 * claimed against either: cohort sizes are public, and the theorem wants them secret.
 *
 * @param options.participations P, the cap of one device.
 * @param options.releases Rounds that are released, failed ones left out.
 * @param options.devices Devices of one person at most; see {@link coordinatorEpsilon}.
 */
export function planGuarantees(
  mechanism: Mechanism,
  options: {
    readonly participations: number;
    readonly releases: number;
    readonly devices: number;
    readonly delta: Delta;
  },
): PlanGuarantees {
  const { participations, releases, devices, delta } = options;
  const accounted = (times: number): AccountedEpsilon => {
    const of = (accountant: Accountant) =>
      coordinatorEpsilon(mechanism, { participations: times, devices, delta, accountant });
    return { rdp: of("rdp"), pld: of("pld") };
  };
  return {
    coordinator: accounted(participations),
    observer: accounted(Math.min(participations, releases)),
  };
}

/**
 * ε against someone who sees every released model and nothing else.
 *
 * Sampling amplifies only if it really is Poisson and membership is secret; the result is then the smaller of
 * the amplified (Zhu, Wang 2019, Theorem 5) and the plain composition over all rounds. It is never to be
 * presented as the promise: that is {@link coordinatorEpsilon}.
 *
 * @param options.rounds T: released rounds.
 * @param options.samplingRate q: probability with which a person is in a round, 0 … 1.
 * @param options.poisson Whether each person is sampled independently and in secret.
 * @param options.devices As for {@link coordinatorEpsilon}; of more than one no amplification is claimed, as they may be
 *   sampled together.
 * @returns 0 for no rounds, Infinity when the mechanism has no noise.
 */
export function observerEpsilon(
  mechanism: Mechanism,
  options: {
    readonly rounds: number;
    readonly samplingRate: number;
    readonly delta: Delta;
    readonly poisson: boolean;
    readonly devices?: number;
  },
): Epsilon {
  const { rounds, samplingRate, poisson, devices = 1, delta } = options;
  const plain = coordinatorEpsilon(mechanism, { participations: rounds, devices, delta });
  if (!poisson || devices > 1 || plain === 0 || plain === Infinity) return plain;
  const curve = mechanismCurve(mechanism, 1);
  const values = new Map(Array.from({ length: 255 }, (_, i) => [i + 2, curve(i + 2)]));
  const sampled: RdpCurve = (alpha) =>
    rdpSubsampledGeneral({ samplingRate, curve: (order) => values.get(order) ?? curve(order), alpha });
  const amplified = composed(sampled, { times: rounds, delta });
  return Math.min(plain, amplified) as Epsilon;
}
