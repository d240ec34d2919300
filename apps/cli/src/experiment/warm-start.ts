/**
 * What a federated row starts from: an encoder that was taught by released signals, before its first round.
 *
 * With noise there are two tasks, whose ε together is the row's. In the first a person's popularity and transitions are
 * counted once each, over as many rounds as it takes to ask everybody, and the sums carried on. In the second the encoder is
 * trained. Both bear the noise of the same cohort.
 */
import { type InterestEncoder, seededRandom } from "@kindred/encoder";
import { blockDeviation, planMechanism, resolvePlan } from "@kindred/engine";
import { epsilonFromZcdp, jointEpsilon, type Mechanism } from "@kindred/privacy";
import { KindredError, type Plan, type PlanInput, parsePlanInput } from "@kindred/protocol";
import { simulateSignals } from "@kindred/simulator";
import { learnFromSignals, signalForesight } from "../model/signal-lessons.ts";
import { DELTA, type Noise } from "./noise.ts";
import type { Population } from "./result.ts";
import type { RowContext } from "./rows.ts";

/** How rows are warmed up; tried out on the second-last items of movietweetings (docs/quality.md), not tuned. */
export const WARM_START = {
  /** H, most popular items between which transitions are counted: 2.4 MB for a device in each of its two rounds. */
  items: 1000,
  /** Share of the promise's ρ (zero-concentrated privacy) that the signals take. */
  share: 0.5,
  /** Epochs over the drawn sequences at the most. */
  epochs: 4,
} as const;

/** How often a person takes part in the task that counts: once for each signal. */
const COUNTED = 2;

/** The two tasks of a row with noise. */
export interface SplitPromise {
  /** ε of the task that trains. */
  readonly training: number;
  /** ε of the task that counts. */
  readonly signals: number;
  /** ν of its sums over all rounds: deviation of the noise on the mean over everybody, over the clip norm. */
  readonly noise: number;
}

/**
 * Splits a row's ε: the task that counts has a fixed share of its ρ, and the task that trains what is left of ε by the accountant
 * that plans promise by.
 *
 * @param options.trainingMechanism that of the task that trains, at an ε of its own
 */
export function splitPromise(
  { people, cohort, epsilon }: Noise,
  {
    itemCount,
    participations,
    trainingMechanism,
  }: {
    readonly itemCount: number;
    readonly participations: number;
    readonly trainingMechanism: (epsilon: number) => Mechanism;
  },
): SplitPromise {
  const signals = epsilonFromZcdp({ rho: WARM_START.share * rhoOf(epsilon), delta: DELTA });
  const rounds = countingRounds({ people, cohort });
  const resolved = resolvedSignals({ epsilon: signals, cohort, rounds, itemCount });
  const [block] = resolved.signals!.transitions!;
  const mechanism = planMechanism(resolved.mechanism);
  const ofMean = blockDeviation(resolved.mechanism, { block: block!, survivors: cohort });
  const together = (training: number): number =>
    jointEpsilon(
      [
        { mechanism, participations: COUNTED },
        { mechanism: trainingMechanism(training), participations },
      ],
      { delta: DELTA },
    );
  return {
    signals,
    // No more than nine tenths are the signals': below that bound there may be no mechanism at all.
    training: largest(together, { most: epsilon, from: epsilon / 10 }),
    noise: ofMean / block!.clip / Math.sqrt(rounds),
  };
}

/**
 * Bytes that a device sends in the task that counts, masked vectors only.
 *
 * @param options.split of a row with noise; without, the cohort is the people of a thousand
 */
export function signalsUpload({
  itemCount,
  noise,
  split,
}: {
  readonly itemCount: number;
  readonly noise: Noise | null;
  readonly split: SplitPromise | undefined;
}): number {
  const { people, cohort } = noise ?? { people: 1000, cohort: 1000 };
  const rounds = countingRounds({ people, cohort });
  const { mechanism } = resolvedSignals({ epsilon: split?.signals ?? null, cohort, rounds, itemCount });
  return COUNTED * Math.ceil((mechanism.paddedLength * mechanism.modulusBits) / 8);
}

/** Rounds that it takes to ask everybody once. */
function countingRounds({ people, cohort }: Population): number {
  return Math.max(1, Math.floor(people / cohort));
}

/** What the task that counts resolves to, without noise where `epsilon` is null. */
export function resolvedSignals(options: Parameters<typeof signalsPlan>[0]): Plan["resolved"] {
  const { resolved } = resolvePlan(signalsPlan(options), {
    ...{ coordinatorKey: "0".repeat(64), catalogueHash: "0".repeat(64) },
    ...{ itemCount: options.itemCount, modelLength: 1 },
  });
  return resolved;
}

/** The plan of the task that counts: every person once for popularity and once for transitions. */
function signalsPlan(options: {
  /** Without noise where it is null. */
  readonly epsilon: number | null;
  readonly cohort: number;
  readonly rounds: number;
  readonly itemCount: number;
}): PlanInput {
  const { epsilon, cohort, rounds, itemCount } = options;
  const from = (first: number) => Array.from({ length: rounds }, (_, i) => first + i);
  return parsePlanInput({
    task: "experiment-signals",
    rounds: 2 * rounds,
    cohort: {
      minimum: Math.ceil(cohort * 0.9),
      target: cohort,
      maximum: Math.ceil(cohort * 1.1),
      minSurvivors: Math.ceil(cohort * 0.8),
    },
    // So far apart that nobody is counted twice by one signal.
    participation: { maximum: COUNTED, minimumSeparation: rounds },
    privacy: {
      mechanism: epsilon === null ? "none" : "distributed-discrete-gaussian",
      epsilon: epsilon ?? 8,
      delta: DELTA,
    },
    signals: {
      popularity: { rounds: from(1), carry: 1 },
      transitions: { rounds: from(1 + rounds), items: Math.min(WARM_START.items, itemCount), carry: 1 },
    },
  });
}

/** Teaches the encoder what the signals of the row's people foresee, with the noise of the task that counts. */
export async function warmUp(
  encoder: InterestEncoder,
  {
    data,
    seed,
    noise,
    drawn,
    progress,
  }: Pick<RowContext, "data" | "seed" | "progress"> & {
    readonly noise: number;
    readonly drawn: number;
  },
): Promise<void> {
  const itemCount = data.population.items.length;
  const { sequences } = data;
  const signals = simulateSignals({ sequences, itemCount, items: WARM_START.items, noise, seed });
  const foresight = signalForesight(signals, itemCount)!;
  await learnFromSignals(encoder, {
    ...{ foresight, count: drawn },
    material: { epochs: WARM_START.epochs, random: seededRandom(seed) },
    progress: (_, fraction) => void progress(fraction),
  });
}

/** ρ of an ε at the experiment's δ. */
function rhoOf(epsilon: number): number {
  return largest((rho) => epsilonFromZcdp({ rho, delta: DELTA }), { most: epsilon, from: 1e-6 });
}

/**
 * The largest argument, up to `most`, of an increasing function whose value is at most that too; by halving.
 * @throws KindredError `option-invalid` where not even `from` is small enough
 */
function largest(of: (value: number) => number, { most, from }: { most: number; from: number }): number {
  let [low, high] = [from, most];
  if (of(low) > most)
    throw new KindredError({
      code: "option-invalid",
      field: "--epsilons",
      rule: `must leave something for two tasks, found ${most}`,
      fix: "raise it, or pass --start nothing",
    });
  for (let step = 0; step < 30; step++) {
    const middle = (low + high) / 2;
    if (of(middle) <= most) low = middle;
    else high = middle;
  }
  return low;
}
