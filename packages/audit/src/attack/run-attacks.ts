/** Runs every attack against the mechanism of a plan, step by step, so that the caller can show how far it is. */
import type { KeystreamFactory } from "@kindred/privacy";
import type { PlanInput } from "@kindred/protocol";
import type { CryptoSuite } from "@kindred/secagg";
import { EpsilonAccounts } from "../verify/proven-epsilon.ts";
import type { ProvenEpsilon } from "../verify/task-account.ts";
import { federatedCanaryEstimate } from "./federated-canary.ts";
import {
  attackPlan,
  Chance,
  contributionOf,
  cosine,
  type MechanismUnderAttack,
  matchedFilter,
  randomDirection,
  releaseOf,
} from "./mechanism-under-attack.ts";
import {
  areaUnder,
  largestTruePositiveRate,
  likelihoodRatioScores,
  type RocPoint,
  rocCurve,
  truePositiveRateAt,
} from "./membership.ts";
import { guessExtremes, type OneRunGuesses, oneRunEpsilon } from "./one-run.ts";
import { attemptReconstruction, type Reconstruction } from "./reconstruction.ts";
import {
  type Confidence,
  chooseThreshold,
  epsilonLowerBound,
  type GuessCounts,
  gaussianEpsilonLowerBound,
  guessesAt,
  lowerBoundCeiling,
  middleThreshold,
  type Scores,
} from "./two-worlds.ts";

/** Trainable weights of the plans under attack, a short and a long vector. */
const SHORT_MODEL = 40;
const LONG_MODEL = 960;

/** Canaries of the estimate. */
const FEDERATED_CANARIES = 64;

/** Three lower bounds share the probability of being wrong. */
const BOUNDS = 3;

/** Points of a curve that are kept. */
const ROC_POINTS = 200;

export interface AttackOptions {
  /** The task under attack, as its operator wrote it; it must have noise. */
  readonly plan: PlanInput;
  /** 1: the noise as promised; 0: none; 0.5: half the deviation. */
  readonly deviationShare: number;
  /** Runs of each world; half of them choose the threshold. */
  readonly runs: number;
  /** Canaries of the one-run audit, at most 960. */
  readonly canaries: number;
  /** Probability that any of the lower bounds is wrong. */
  readonly alpha: number;
  readonly seed: string;
  readonly suite: Pick<CryptoSuite, "addMasks">;
  readonly keystream?: KeystreamFactory;
  /** Whether time is up: what was measured until then is reported. */
  readonly expired: () => boolean;
}

/** How far the attacks are. */
export interface AttackProgress {
  readonly attack: "reconstruction" | "one run" | "federated canaries" | "two worlds";
  /** 0 to 1. */
  readonly fraction: number;
}

/** A true-positive rate at a false-positive rate, and the most that (ε, δ)-DP allows. */
export interface RatePoint extends RocPoint {
  readonly allowed: number;
}

export interface AttackReport {
  readonly seed: string;
  readonly deviationShare: number;
  readonly alpha: number;
  /** What the mechanism is proven to cost one person. */
  readonly proven: ProvenEpsilon;
  readonly delta: number;
  readonly participations: number;
  /** z of the sum, with the noise that is promised. */
  readonly noiseMultiplier: number;
  readonly twoWorlds: {
    /** Runs of each world that were judged; 0 when time was up before. */
    readonly runs: number;
    readonly guesses: GuessCounts;
    /** Whatever the mechanism, with so many runs. */
    readonly lowerBound: number;
    readonly ceiling: number;
    /** For noise of Gaussian shape. */
    readonly gaussianLowerBound: number;
  };
  /** Membership inference by likelihood ratio on the runs that were judged. */
  readonly membership: {
    readonly curve: readonly RocPoint[];
    readonly area: number;
    readonly rates: readonly RatePoint[];
  };
  readonly oneRun: OneRunGuesses & { readonly lowerBound: number; readonly ceiling: number };
  /** An estimate, not a bound. */
  readonly federatedCanaries: { readonly canaries: number; readonly estimate: number };
  readonly reconstruction: Reconstruction;
  /** The largest of the lower bounds. */
  readonly lowerBound: number;
  /** Whether the attacks contradict the proven ε at confidence 1 − α. */
  readonly contradicted: boolean;
  /** Whether time was up before all runs were made. */
  readonly timeUp: boolean;
}

/**
 * @returns by steps: {@link AttackProgress} after each, the report at the end
 * @throws RangeError for a plan without noise
 */
export function* runAttacks(options: AttackOptions): Generator<AttackProgress, AttackReport> {
  const { deviationShare, seed } = options;
  const chance = new Chance(seed, options.keystream);
  const members = 2 + Math.max(options.canaries, FEDERATED_CANARIES);
  const short = {
    plan: attackPlan(options.plan, { modelLength: SHORT_MODEL, members: 3 }),
    deviationShare,
  };
  const long = { plan: attackPlan(options.plan, { modelLength: LONG_MODEL, members }), deviationShare };
  const { participation, privacy } = short.plan;
  const participations = participation.maximum;
  const proven = new EpsilonAccounts(short.plan).after(participations);
  if (proven === null)
    throw new RangeError("plan.privacy.mechanism must not be none: there is no claim to test");
  const confidence = { delta: privacy.delta, alpha: options.alpha / BOUNDS };

  const reconstruction = attemptReconstruction(long, { chance, suite: options.suite });
  yield { attack: "reconstruction", fraction: 1 };
  const oneRun = yield* runOneRun(long, { chance, canaries: options.canaries, confidence });
  const federatedCanaries = yield* runFederatedCanaries(long, { chance, delta: privacy.delta });
  const scores = yield* runTwoWorlds(short, { chance, runs: options.runs, expired: options.expired });

  const selected = half(scores, 0);
  const judged = half(scores, 1);
  const runs = judged.present.length;
  const twoWorlds = runs === 0 ? NOTHING_JUDGED : judgeTwoWorlds(judged, { selected, confidence });
  const lowerBound = Math.max(twoWorlds.lowerBound, twoWorlds.gaussianLowerBound, oneRun.lowerBound);
  return {
    seed,
    deviationShare,
    alpha: options.alpha,
    proven,
    delta: privacy.delta,
    participations,
    noiseMultiplier: short.plan.resolved.mechanism.noiseMultiplier,
    twoWorlds,
    membership: membershipOf(selected, judged, { epsilon: proven.rdp, delta: privacy.delta }),
    oneRun,
    federatedCanaries,
    reconstruction,
    lowerBound,
    contradicted: lowerBound > Math.min(proven.rdp, proven.pld),
    timeUp: scores.present.length < options.runs,
  };
}

interface AttackContext {
  readonly chance: Chance;
}

function* runOneRun(
  mechanism: MechanismUnderAttack,
  { chance, canaries: count, confidence }: AttackContext & { canaries: number; confidence: Confidence },
): Generator<AttackProgress, AttackReport["oneRun"]> {
  const { plan } = mechanism;
  const { clip } = plan.resolved.blocks[0]!;
  const coins = chance.stream("one run coins");
  const included = Array.from({ length: count }, () => coins.uniformInt(2) === 1);
  // Each canary is one coordinate of the model at the clip norm: no canary hides another.
  const canaries = included.flatMap((isIn, i) => {
    if (!isIn) return [];
    const canary = contributionOf(plan, (length) => new Float64Array(length));
    (canary.model as Float64Array)[i] = clip;
    return [canary];
  });
  const scores = new Array<number>(count).fill(0);
  let done = 0;
  for (let round = 1; round <= plan.participation.maximum; round++) {
    const { model } = releaseOf(canaries, { mechanism, chance, name: `one run ${round}` });
    for (let i = 0; i < count; i++) scores[i]! += model[i]!;
    yield { attack: "one run", fraction: ++done / plan.participation.maximum };
  }
  // Committed on beforehand, and corrected for: the best of four.
  const shares = [0.1, 0.25, 0.5, 0.8];
  const alpha = confidence.alpha / shares.length;
  const bound = (guesses: OneRunGuesses): number =>
    oneRunEpsilon(guesses, { delta: confidence.delta, alpha });
  const tried = shares.map((share) =>
    guessExtremes(scores, included, Math.max(2, Math.round(share * count))),
  );
  const best = tried.reduce((a, b) => (bound(b) > bound(a) ? b : a));
  const ceilings = tried.map(({ canaries: m, guesses }) => bound({ canaries: m, guesses, correct: guesses }));
  return { ...best, lowerBound: bound(best), ceiling: Math.max(...ceilings) };
}

function* runFederatedCanaries(
  mechanism: MechanismUnderAttack,
  { chance, delta }: AttackContext & { delta: number },
): Generator<AttackProgress, AttackReport["federatedCanaries"]> {
  const { plan } = mechanism;
  const random = chance.stream("federated canaries");
  const { length: dimension, clip } = plan.resolved.blocks[0]!;
  const canaries = Array.from({ length: FEDERATED_CANARIES }, () => ({
    ...contributionOf(plan, (length) => new Float64Array(length)),
    model: randomDirection(dimension, { norm: clip, random }),
  }));
  const learned = new Float64Array(dimension);
  let done = 0;
  for (let round = 1; round <= plan.participation.maximum; round++) {
    const { model } = releaseOf(canaries, { mechanism, chance, name: `federated canaries ${round}` });
    for (let i = 0; i < dimension; i++) learned[i]! += model[i]!;
    yield { attack: "federated canaries", fraction: ++done / plan.participation.maximum };
  }
  const cosines = canaries.map(({ model }) => cosine(model, learned));
  return { canaries: FEDERATED_CANARIES, estimate: federatedCanaryEstimate(cosines, { dimension, delta }) };
}

function* runTwoWorlds(
  mechanism: MechanismUnderAttack,
  { chance, runs, expired }: AttackContext & { runs: number; expired: () => boolean },
): Generator<AttackProgress, Scores> {
  const { plan } = mechanism;
  const random = chance.stream("two worlds canary");
  const canary = contributionOf(plan, (length, norm) => randomDirection(length, { norm, random }));
  const present: number[] = [];
  const absent: number[] = [];
  for (let run = 0; run < runs && !expired(); run++) {
    for (const [scores, canaries, world] of [
      [present, [canary], "with"],
      [absent, [], "without"],
    ] as const) {
      let score = 0;
      for (let round = 1; round <= plan.participation.maximum; round++) {
        const name = `run ${run} ${world} ${round}`;
        score += matchedFilter(plan, releaseOf(canaries, { mechanism, chance, name }), canary);
      }
      scores.push(score);
    }
    yield { attack: "two worlds", fraction: (run + 1) / runs };
  }
  return { present, absent };
}

const NOTHING_JUDGED: AttackReport["twoWorlds"] = {
  runs: 0,
  guesses: { truePositives: 0, positives: 0, falsePositives: 0, negatives: 0 },
  lowerBound: 0,
  ceiling: 0,
  gaussianLowerBound: 0,
};

/** Thresholds come from the selected runs, guesses from the judged ones. */
function judgeTwoWorlds(
  judged: Scores,
  { selected, confidence }: { selected: Scores; confidence: Confidence },
): AttackReport["twoWorlds"] {
  const plain = (counts: GuessCounts): number => epsilonLowerBound(counts, confidence);
  const guesses = guessesAt(judged, chooseThreshold(selected, plain));
  const runs = judged.present.length;
  return {
    runs,
    guesses,
    lowerBound: plain(guesses),
    ceiling: lowerBoundCeiling(runs, confidence),
    gaussianLowerBound: gaussianEpsilonLowerBound(guessesAt(judged, middleThreshold(selected)), confidence),
  };
}

/** Every other score. */
function half({ present, absent }: Scores, parity: 0 | 1): Scores {
  const kept = (values: readonly number[]): number[] => values.filter((_, i) => i % 2 === parity);
  return { present: kept(present), absent: kept(absent) };
}

function membershipOf(
  shadows: Scores,
  judged: Scores,
  claim: { epsilon: number; delta: number },
): AttackReport["membership"] {
  // Without noise all shadows agree and no normal distribution fits; the statistic itself then separates the worlds.
  const spread = new Set([...shadows.present, ...shadows.absent]).size > 2 && shadows.present.length > 1;
  const ratios = (observed: readonly number[]): number[] =>
    spread
      ? likelihoodRatioScores(
          observed.map((value) => ({ observed: value, inside: shadows.present, outside: shadows.absent })),
        )
      : [...observed];
  const curve =
    judged.present.length === 0
      ? []
      : rocCurve({ present: ratios(judged.present), absent: ratios(judged.absent) });
  const step = Math.max(1, Math.ceil(curve.length / ROC_POINTS));
  return {
    curve: curve.filter((_, i) => i % step === 0 || i === curve.length - 1),
    area: areaUnder(curve),
    rates: [0.01, 0.001].map((falsePositiveRate) => ({
      falsePositiveRate,
      truePositiveRate: truePositiveRateAt(curve, falsePositiveRate),
      allowed: largestTruePositiveRate(falsePositiveRate, claim),
    })),
  };
}
