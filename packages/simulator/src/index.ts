/** Populations, data-set loaders, splits, ranking metrics and baselines for simulations. */

export { itemNeighboursBaseline, popularityBaseline } from "./baselines.ts";
export { loadCompleteJourney } from "./datasets/complete-journey.ts";
export { loadPopulation } from "./datasets/load.ts";
export { loadMovieLens } from "./datasets/movielens.ts";
export { loadMovieTweetings } from "./datasets/movietweetings.ts";
export {
  type FederatedRoundReport,
  type FederatedSimulationOptions,
  type FederatedSimulationResult,
  simulateFederated,
} from "./federated.ts";
export {
  type Action,
  countInteractions,
  type Interaction,
  itemIndex,
  kCore,
  type Population,
  type PopulationItem,
  type PopulationUser,
} from "./population.ts";
export { rankHeldOut, seenItems } from "./ranking.ts";
export { evaluationUsers, ratingScale, userSequences } from "./sequences.ts";
export { type HeldOut, type LeaveLastOut, leaveLastOut, type Split, sampleUsers } from "./split.ts";
export { type SyntheticOptions, syntheticPopulation } from "./synthetic.ts";
export { typicalTagGroups } from "./typical-tags.ts";
