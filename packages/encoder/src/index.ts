export * from "./backend.ts";
export { type GrownWeights, growWeights } from "./catalogue/grow-weights.ts";
export * from "./encoder.ts";
export type { EncoderOptions } from "./encoder-options.ts";
export * from "./evaluate.ts";
export * from "./features.ts";
export {
  groupShares,
  type InterestHead,
  interestHeadOf,
  interestLoss,
  itemGroups,
  scoresByInterest,
} from "./interest-head.ts";
export * from "./layout.ts";
export { type PersonalParameters, personalise } from "./personal.ts";
export { drawnSequences, type Foresight, foresightTeacher } from "./pretraining/drawn-sequences.ts";
export { graphOfPairs, type ItemGraph, itemWalks, similarityGraph } from "./pretraining/item-walks.ts";
export {
  type SoftTargets,
  type SoftTeacher,
  softTargetBytes,
  softTargets,
  type Teaching,
} from "./pretraining/soft-targets.ts";
export { seededRandom, shuffle } from "./random.ts";
export * from "./ranking.ts";
export {
  predictRatings,
  type Rated,
  type RatingErrors,
  type RatingHead,
  ratingErrors,
  ratingHeadOf,
  ratingLoss,
} from "./rating-head.ts";
export * from "./sequence.ts";
export * from "./train-centralised.ts";
export * from "./train-local.ts";
export type { PersonalFit } from "./train-personal.ts";
