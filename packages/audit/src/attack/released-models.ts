/**
 * Membership inference on what is published: who was among the people whom a released encoder and released centroids
 * were trained on? The attacker has trained shadow models of the same kind, of which it knows who was in
 * (Shokri et al. 2017; Carlini et al. 2022, "Membership Inference Attacks From First Principles").
 */
import {
  areaUnder,
  likelihoodRatioScores,
  lossThresholdScores,
  type RocPoint,
  rocCurve,
  truePositiveRateAt,
} from "./membership.ts";
import { guessExtremes, type OneRunGuesses, oneRunEpsilon } from "./one-run.ts";

/** What an attacker computes of a person and one model. */
export interface PersonStatistics {
  /** Mean next-item loss of the person's sequence under the released encoder, nats. */
  readonly loss: number;
  /** How far the encoder moved in the direction of the person's own update. */
  readonly direction: number;
  /** How much nearer the released centroids came to the person's vector. */
  readonly nearness: number;
}

/** A trained model: of each person whether they were in, by a coin of their own, and what an attacker sees. */
export interface ShadowModel {
  readonly included: readonly boolean[];
  readonly statistics: readonly PersonStatistics[];
}

export type ReleasedAttack = "loss threshold" | "LiRA on loss" | "LiRA on updates" | "LiRA on centroids";

/** How well one attack tells members from others. */
export interface ReleasedAttackResult {
  readonly attack: ReleasedAttack;
  /** Over all models, each attacked with the help of all others. */
  readonly curve: readonly RocPoint[];
  readonly area: number;
  /** Members found where one in a hundred others is accused. */
  readonly rateAtOnePercent: number;
  /** Guesses on the first model, which alone gives a bound: its coins are independent of all else. */
  readonly guesses: OneRunGuesses;
  /** Lower bound of ε from them. */
  readonly lowerBound: number;
}

/** Shadow models that tell anything: each person is then in and out at least twice almost surely. */
export const LEAST_SHADOWS = 8;

/** Shares of people that the attacker commits on; the best is corrected for. */
const COMMITTED = [0.25, 0.5, 0.8];

/** Points of a curve that are kept. */
const ROC_POINTS = 200;

const RATIOS: readonly (readonly [ReleasedAttack, (statistics: PersonStatistics) => number])[] = [
  ["LiRA on loss", ({ loss }) => loss],
  ["LiRA on updates", ({ direction }) => direction],
  ["LiRA on centroids", ({ nearness }) => nearness],
];

/**
 * Attacks every model with the help of the others.
 * @param options.alpha probability that any of the bounds is wrong
 * @throws RangeError for fewer than {@link LEAST_SHADOWS} models
 */
export function attackReleasedModels(
  models: readonly ShadowModel[],
  { delta, alpha }: { readonly delta: number; readonly alpha: number },
): ReleasedAttackResult[] {
  if (models.length < LEAST_SHADOWS)
    throw new RangeError(`models must be at least ${LEAST_SHADOWS}, found ${models.length}`);
  const attacks = RATIOS.length + 1;
  const confidence = { delta, alpha: alpha / attacks / COMMITTED.length };
  const byLoss = models.map(({ statistics }) => lossThresholdScores(statistics.map(({ loss }) => loss)));
  return [
    judge("loss threshold", { models, scores: byLoss, confidence }),
    ...RATIOS.map(([attack, statistic]) =>
      judge(attack, { models, scores: ratioScores(models, statistic), confidence }),
    ),
  ];
}

/** Of each model and person: how much likelier their statistic is among the other models that had them in. */
function ratioScores(
  models: readonly ShadowModel[],
  statistic: (statistics: PersonStatistics) => number,
): number[][] {
  return models.map((target) => {
    const others = models.filter((model) => model !== target);
    return target.statistics.map((own, person) => {
      const of = (isIn: boolean): number[] =>
        others
          .filter(({ included }) => included[person] === isIn)
          .map(({ statistics }) => statistic(statistics[person]!));
      const [inside, outside] = [of(true), of(false)];
      // Where the shadows tell nothing of this person, neither does the attacker.
      const spread = (values: readonly number[]): boolean => new Set(values).size > 1;
      if (!spread(inside) || !spread(outside)) return 0;
      return likelihoodRatioScores([{ observed: statistic(own), inside, outside }])[0]!;
    });
  });
}

function judge(
  attack: ReleasedAttack,
  {
    models,
    scores,
    confidence,
  }: {
    readonly models: readonly ShadowModel[];
    readonly scores: readonly (readonly number[])[];
    readonly confidence: { readonly delta: number; readonly alpha: number };
  },
): ReleasedAttackResult {
  const present: number[] = [];
  const absent: number[] = [];
  for (const [m, { included }] of models.entries())
    for (const [person, isIn] of included.entries()) (isIn ? present : absent).push(scores[m]![person]!);
  const curve = rocCurve({ present, absent });
  const first = models[0]!;
  const tried = COMMITTED.map((share) =>
    guessExtremes(scores[0]!, first.included, Math.max(2, Math.round(share * first.included.length))),
  );
  const bound = (guesses: OneRunGuesses): number => oneRunEpsilon(guesses, confidence);
  const guesses = tried.reduce((a, b) => (bound(b) > bound(a) ? b : a));
  const step = Math.max(1, Math.ceil(curve.length / ROC_POINTS));
  return {
    attack,
    curve: curve.filter((_, i) => i % step === 0 || i === curve.length - 1),
    area: areaUnder(curve),
    rateAtOnePercent: truePositiveRateAt(curve, 0.01),
    guesses,
    lowerBound: bound(guesses),
  };
}
