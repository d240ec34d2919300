/** Attacks on the mechanism, and what their success proves about ε from below. */
export { clopperPearson } from "./binomial.ts";
export { federatedCanaryEstimate } from "./federated-canary.ts";
export {
  areaUnder,
  largestTruePositiveRate,
  likelihoodRatioScores,
  lossThresholdScores,
  type RocPoint,
  rocCurve,
  truePositiveRateAt,
} from "./membership.ts";
export { type OneRunGuesses, oneRunEpsilon, oneRunPValue } from "./one-run.ts";
export {
  attackReleasedModels,
  LEAST_SHADOWS,
  type PersonStatistics,
  type ReleasedAttack,
  type ReleasedAttackResult,
  type ShadowModel,
} from "./released-models.ts";
export { type AttackOptions, type AttackProgress, type AttackReport, runAttacks } from "./run-attacks.ts";
export {
  chooseThreshold,
  detectionPower,
  epsilonLowerBound,
  type GuessCounts,
  gaussianEpsilonLowerBound,
  guessesAt,
  lowerBoundCeiling,
} from "./two-worlds.ts";
