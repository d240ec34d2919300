/** How much more noise the sum of a round holds than its guarantee counts on, drawn and measured, by noise design. */
import {
  AesCtrRandom,
  calibrateMechanism,
  delta,
  epsilon,
  guaranteedVariance,
  noiseLevel,
  noiseLevels,
  noiseOvershoot,
  sampleDiscreteGaussian,
} from "@kindred/privacy";

/** One number of survivors. */
export interface Overshoot {
  readonly survivors: number;
  /** Deviation of the noise in the sum over the deviation that the guarantee counts on: drawn. */
  readonly measured: number;
  /** The same as a formula. */
  readonly expected: number;
}

/** Noise designs of plans. */
export type NoiseDesign = "worst-case" | "add-then-remove";

/** A cohort of 100, of whom 72 must survive and 5 may collude. */
export const OVERSHOOT_COHORT = { maximum: 100, minSurvivors: 72, corruption: 0.05 };

const MEASURED_AT = [72, 86, 100];
const LEVELS = 4;

/**
 * Draws the noise that is left in a round's sum.
 * @param entries coordinates of the sum that are drawn; the measured ratio is off by about 1/√(2·entries)
 */
export function measureOvershoot(design: NoiseDesign, entries: number): Overshoot[] {
  const { maximum, minSurvivors, corruption } = OVERSHOOT_COHORT;
  const mechanism = calibrateMechanism({
    epsilon: epsilon(4),
    delta: delta(1e-6),
    participations: 4,
    cohortMaximum: maximum,
    minSurvivors,
    corruption,
    length: 65_536,
    modulusBits: 20,
    surplusLevels: design === "worst-case" ? 0 : LEVELS,
  });
  const random = new AesCtrRandom(new Uint8Array(32).fill(7));
  const guaranteed = Math.sqrt(guaranteedVariance(mechanism));
  return MEASURED_AT.map((survivors) => {
    const { components } = noiseLevels(mechanism)[noiseLevel(mechanism.surplus, survivors)]!;
    const sum = new Float64Array(entries);
    for (let member = 0; member < survivors; member++)
      for (const sigma of components) {
        const noise = sampleDiscreteGaussian({ sigma, length: entries, random });
        for (let i = 0; i < entries; i++) sum[i]! += noise[i]!;
      }
    const squares = sum.reduce((total, x) => total + x * x, 0);
    return {
      survivors,
      measured: Math.sqrt(squares / entries) / guaranteed,
      expected: noiseOvershoot(mechanism, { survivors }),
    };
  });
}
