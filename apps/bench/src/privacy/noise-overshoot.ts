/** How much more noise the sum of a round holds than its guarantee counts on, drawn and measured. */
import { AesCtrRandom, calibrateMechanism, delta, epsilon, sampleDiscreteGaussian } from "@kindred/privacy";

/** One number of survivors. */
export interface Overshoot {
  readonly survivors: number;
  /** Deviation of the noise in the sum over √h·σ, the deviation that the guarantee counts on: drawn. */
  readonly measured: number;
  /** The same as a formula. */
  readonly expected: number;
}

const COHORT = 100;
const MINIMUM = 72;

/** A cohort of 100, of whom 72 must survive and 5 may collude. */
export const OVERSHOOT_COHORT = { maximum: COHORT, minSurvivors: MINIMUM, corruption: 0.05 };

/**
 * Noise sized for the worst case: every survivor adds its share of what the fewest honest survivors must reach.
 * @param entries coordinates of the sum that are drawn; the measured ratio is off by about 1/√(2·entries)
 */
export function worstCaseOvershoot(entries: number): Overshoot[] {
  const { localDeviation: sigma, honest } = calibrateMechanism({
    epsilon: epsilon(4),
    delta: delta(1e-6),
    participations: 4,
    cohortMaximum: COHORT,
    minSurvivors: MINIMUM,
    corruption: OVERSHOOT_COHORT.corruption,
    length: 65_536,
    modulusBits: 20,
  });
  const random = new AesCtrRandom(new Uint8Array(32).fill(7));
  const guaranteed = Math.sqrt(honest) * sigma;
  const sum = new Float64Array(entries);
  const found: Overshoot[] = [];
  for (let survivors = 1; survivors <= COHORT; survivors++) {
    const noise = sampleDiscreteGaussian({ sigma, length: entries, random });
    for (let i = 0; i < entries; i++) sum[i]! += noise[i]!;
    if (![MINIMUM, 86, COHORT].includes(survivors)) continue;
    const squares = sum.reduce((total, x) => total + x * x, 0);
    found.push({
      survivors,
      measured: Math.sqrt(squares / entries) / guaranteed,
      expected: Math.sqrt(survivors / honest),
    });
  }
  return found;
}
