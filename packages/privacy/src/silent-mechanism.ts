/** The mechanism of a plan without privacy. */
import { MAXIMUM_SCALE, type Mechanism } from "./calibrate.ts";
import { fewestBits, scaleFor } from "./modulus.ts";
import { isFrugal } from "./modulus-cost.ts";
import { ROUNDING_BETA, roundedSensitivity } from "./quantise.ts";
import { demand, demandInteger } from "./refusal.ts";
import type { NoiseMultiplier } from "./units.ts";

/**
 * Rounding only, no noise.
 *
 * With a given modulus the scale s = (2^(b−1) − 1)/n − 1 makes overflow impossible: a coordinate of a vector of L2 norm ≤ 1
 * rounds to less than s + 1 in size, and n·(s + 1) < 2^(b−1). A modulus that is left out is the least that costs next to
 * nothing ({@link isFrugal}); entries of rotated sums are then far smaller than the norm, and the scale as large as
 * {@link scaleFor} allows.
 *
 * @throws PrivacyRangeError when the modulus leaves less than one quantised unit for the clip norm.
 */
export function mechanismWithoutNoise(input: {
  readonly cohortMaximum: number;
  readonly length: number;
  readonly modulusBits?: number | undefined;
}): Mechanism {
  const { cohortMaximum: cohort, length: dimension } = input;
  demandInteger(cohort, { field: "cohortMaximum", from: 1, to: 2 ** 24 });
  demandInteger(dimension, { field: "length", from: 1, to: 2 ** 30 });
  const whole = (modulusBits: number): number => (2 ** (modulusBits - 1) - 1) / cohort - 1;
  if (input.modulusBits !== undefined) {
    const { modulusBits } = input;
    demandInteger(modulusBits, { field: "modulusBits", from: 8, to: 32 });
    return silentMechanism({ scale: whole(modulusBits), modulusBits, dimension, cohort });
  }
  return fewestBits({
    build: (modulusBits) => {
      const likely = scaleFor({ modulusBits, cohort, dimension, localDeviation: 0 });
      return silentMechanism({ scale: Math.max(whole(modulusBits), likely), modulusBits, dimension, cohort });
    },
    fits: (mechanism) => isFrugal(mechanism, cohort),
  });
}

function silentMechanism(shape: {
  readonly scale: number;
  readonly modulusBits: number;
  readonly dimension: number;
  readonly cohort: number;
}): Mechanism {
  const { modulusBits, dimension } = shape;
  const scale = Math.min(MAXIMUM_SCALE, shape.scale);
  demand(scale >= 1, {
    field: "modulusBits",
    rule: `${modulusBits} bits cannot hold the sum of ${shape.cohort} vectors without overflow`,
    fix: "raise modulusBits or lower cohortMaximum",
  });
  return {
    rotation: "overlapped-hadamard",
    paddedLength: dimension,
    modulusBits,
    scale,
    localDeviation: 0,
    honest: 1,
    sensitivity: roundedSensitivity({ scaledNorm: scale, dimension, beta: ROUNDING_BETA }),
    beta: ROUNDING_BETA,
    noiseMultiplier: 0 as NoiseMultiplier,
  };
}
