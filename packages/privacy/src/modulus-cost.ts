/** What the modulus of a mechanism costs a cohort, and whether that is next to nothing. */
import { ROUNDING_SHARE, WRAP_BOUND, wrapBound } from "./modulus.ts";
import { type LevelledNoise, largestLocalDeviation } from "./surplus-noise.ts";

/** The numbers of a `Mechanism` (calibrate.ts) that this follows from. */
interface CostedMechanism extends LevelledNoise {
  readonly paddedLength: number;
  readonly modulusBits: number;
  readonly scale: number;
  readonly sensitivity: { readonly l2: number };
}

/** What a modulus costs. */
export interface ModulusCost {
  /** Entries of a sum that wrap in a round, expected at the most ({@link wrapBound}). */
  readonly wraps: number;
  /**
   * With noise: share by which rounding makes the sensitivity, and with it the noise, larger. Without: deviation of one
   * vector's rounding over the clip norm's share of each entry, 1/√6 over s/√d, as fractions after a rotation are even.
   */
  readonly rounding: number;
}

/** What the modulus of a mechanism costs a cohort of `cohortMaximum`, in the worst case. */
export function modulusCost(mechanism: CostedMechanism, cohortMaximum: number): ModulusCost {
  const { modulusBits, scale, sensitivity, paddedLength: dimension } = mechanism;
  const localDeviation = largestLocalDeviation(mechanism, cohortMaximum);
  const silent = mechanism.localDeviation === 0;
  const cannotWrap = silent && cohortMaximum * (scale + 1) < 2 ** (modulusBits - 1);
  return {
    wraps: cannotWrap
      ? 0
      : wrapBound({ modulusBits, cohort: cohortMaximum, dimension, localDeviation, scale }),
    rounding: silent ? Math.sqrt(dimension / 6) / scale : sensitivity.l2 / scale - 1,
  };
}

/**
 * Whether a modulus costs next to nothing: at most {@link WRAP_BOUND} entries wrap, at most {@link ROUNDING_SHARE} goes to
 * rounding. The margin is for engines that round exp and log differently in the last place.
 */
export function isFrugal(mechanism: CostedMechanism, cohortMaximum: number): boolean {
  const { wraps, rounding } = modulusCost(mechanism, cohortMaximum);
  return wraps <= WRAP_BOUND * (1 + 1e-6) && rounding <= ROUNDING_SHARE * (1 + 1e-6);
}
