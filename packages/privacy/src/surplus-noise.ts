/**
 * Add-then-remove noise: what members add in components, and which of them go once the survivors are known.
 *
 * Jiang, Wang, Chen, "Efficient Federated Learning with Distributed Differential Privacy" (Dordis, EuroSys 2024,
 * section 4, XNoise). Noise that is sized for the fewest survivors is too much whenever more survive. So a member adds
 * a component that always stays, of deviation σ, and components 0 … L − 1 of deviations s_j, of which component j is taken
 * out of the sum once at least m_{j+1} members survive, with those before it. What stays of each member at level l (l
 * components gone) has the variance v_l = σ² + Σ_{j≥l} s_j², and h_l·v_l is never less than the plan's promise
 * needs, h_l = m_l − ⌊γn⌋ being the honest survivors that are certain then. Divergences: levels are a few counts of
 * survivors and not every possible number of dropouts, so that the noise exceeds the need by at most one step; the
 * deviations are integers, rounded up, for the exact sampler.
 */

import { demand, demandInteger } from "./refusal.ts";

/** One component that can be removed. */
export interface SurplusComponent {
  /** m_{j+1}: it is removed when so many survive. */
  readonly survivors: number;
  /** h_{j+1}: honest members that are certain among so many. */
  readonly honest: number;
  /** s_j, integer deviation in quantised units. */
  readonly deviation: number;
}

/** The noise of a mechanism at one level. */
export interface NoiseLevel {
  /** Honest survivors whose noise is counted on. */
  readonly honest: number;
  /** Deviations of the components that each of them has in the sum, largest first. */
  readonly components: readonly number[];
}

/** What the levels of a mechanism follow from. */
export interface LevelledNoise {
  /** Deviation of the component that always stays. */
  readonly localDeviation: number;
  /** Honest survivors that are certain at level 0. */
  readonly honest: number;
  /** Absent where every member's noise stays. */
  readonly surplus?: readonly SurplusComponent[] | undefined;
}

/** Most components that can be removed. */
export const MAXIMUM_SURPLUS = 16;

/** The level of a round: how many components are removed when so many survive. */
export function noiseLevel(
  surplus: readonly Pick<SurplusComponent, "survivors">[] | undefined,
  survivors: number,
): number {
  return surplus?.filter((component) => survivors >= component.survivors).length ?? 0;
}

/** Every level, from that of the fewest survivors on. */
export function noiseLevels({ localDeviation, honest, surplus = [] }: LevelledNoise): NoiseLevel[] {
  const deviations = surplus.map(({ deviation }) => deviation);
  return [honest, ...surplus.map((component) => component.honest)].map((certain, level) => ({
    honest: certain,
    components: [localDeviation, ...deviations.slice(level)].sort((a, b) => b - a),
  }));
}

/** Σ of the squares. */
export function varianceOf(deviations: readonly number[]): number {
  return deviations.reduce((sum, deviation) => sum + deviation * deviation, 0);
}

/**
 * Variance of the noise in the sum of a round, all survivors having added theirs.
 * @param options.kept members whose surplus could not be removed
 */
export function sumVariance(
  noise: LevelledNoise,
  { survivors, kept = 0 }: { survivors: number; kept?: number },
): number {
  const level = noiseLevel(noise.surplus, survivors);
  const removed = noise.surplus?.slice(0, level).map(({ deviation }) => deviation) ?? [];
  const { components } = noiseLevels(noise)[level]!;
  return survivors * varianceOf(components) + kept * varianceOf(removed);
}

/** Deviation of the noise of the sum, at the number of survivors up to `cohortMaximum` at which it is largest, over √cohortMaximum. */
export function largestLocalDeviation(noise: LevelledNoise, cohortMaximum: number): number {
  if (noise.surplus === undefined) return noise.localDeviation;
  const ends = [...noise.surplus.map(({ survivors }) => survivors - 1), cohortMaximum];
  const variances = ends.map((survivors) => sumVariance(noise, { survivors }));
  return Math.sqrt(Math.max(...variances) / cohortMaximum);
}

/** The variance that is certain from honest members, at the level where it is least. */
export function guaranteedVariance(noise: LevelledNoise): number {
  return Math.min(...noiseLevels(noise).map(({ honest, components }) => honest * varianceOf(components)));
}

/** Deviation of a round's noise over the deviation that the guarantee counts on: 1 is no more noise than needed. */
export function noiseOvershoot(
  noise: LevelledNoise,
  round: { readonly survivors: number; readonly kept?: number },
): number {
  return Math.sqrt(sumVariance(noise, round) / guaranteedVariance(noise));
}

/**
 * Splits noise that is sized for the fewest survivors into levels.
 *
 * The counts of survivors are spread so that each is the same factor above the one before, up to the whole cohort.
 * @param options.levels L ≥ 1 wanted; fewer where the counts would repeat
 * @param options.minimumDeviation least deviation of a component, for sums of discrete Gaussians to be as good as one
 * @throws PrivacyRangeError on a number of levels out of range
 */
export function splitNoise(
  { localDeviation, honest }: { readonly localDeviation: number; readonly honest: number },
  options: {
    readonly minSurvivors: number;
    readonly cohortMaximum: number;
    readonly levels: number;
    readonly minimumDeviation: number;
  },
): { readonly localDeviation: number; readonly surplus: readonly SurplusComponent[] } {
  const { minSurvivors, cohortMaximum, levels, minimumDeviation } = options;
  demandInteger(levels, { field: "levels", from: 1, to: MAXIMUM_SURPLUS });
  demand(localDeviation >= minimumDeviation, {
    field: "localDeviation",
    rule: `must be at least ${minimumDeviation}, got ${localDeviation}`,
    fix: "raise modulusBits or lower cohortMaximum",
  });
  const corrupted = minSurvivors - honest;
  const needed = honest * localDeviation * localDeviation;
  const step = (cohortMaximum / minSurvivors) ** (1 / levels);
  const counts = Array.from({ length: levels }, (_, i) => Math.round(minSurvivors * step ** (i + 1)));
  const rising = [...new Set(counts)].filter((count) => count > minSurvivors);
  const least = (count: number, variance: number): number =>
    Math.max(minimumDeviation, Math.ceil(Math.sqrt(needed / (count - corrupted) - variance)));
  // From the highest level down: each adds what the one below it needs beyond what stays.
  const staying = least(rising.at(-1) ?? minSurvivors, 0);
  let variance = staying * staying;
  const surplus: SurplusComponent[] = [];
  for (let j = rising.length - 1; j >= 0; j--) {
    const survivors = rising[j]!;
    const before = rising[j - 1] ?? minSurvivors;
    const missing = needed / (before - corrupted) - variance;
    const deviation = missing <= 0 ? minimumDeviation : least(before, variance);
    surplus.unshift({ survivors, honest: survivors - corrupted, deviation });
    variance += deviation * deviation;
  }
  return { localDeviation: staying, surplus };
}
