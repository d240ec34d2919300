/** Populations, data-set loaders, splits, ranking metrics and baselines for simulations. */

export { itemNeighboursBaseline, popularityBaseline } from "./baselines.ts";
export { type ClassificationQuality, classificationQuality } from "./classification.ts";
export { loadCompleteJourney } from "./datasets/complete-journey.ts";
export { isDataSet, loadPopulation } from "./datasets/load.ts";
export { loadMovieLens } from "./datasets/movielens.ts";
export { loadMovieTweetings } from "./datasets/movietweetings.ts";
export { type EaseModel, easeBaseline } from "./ease.ts";
export {
  type FederatedRoundReport,
  type FederatedSimulationOptions,
  type FederatedSimulationResult,
  simulatedMechanism,
  simulateFederated,
} from "./federated.ts";
export {
  LIST_LENGTH,
  type ListQuality,
  listQuality,
  type Rankings,
  rankAndList,
} from "./list-quality.ts";
export { gainsAt10, type PairedDifference, pairedBootstrap } from "./paired-bootstrap.ts";
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
export { type SignalSimulationOptions, simulateSignals } from "./signals.ts";
export { type HeldOut, type LeaveLastOut, leaveLastOut, type Split, sampleUsers } from "./split.ts";
export { type SyntheticOptions, syntheticPopulation } from "./synthetic.ts";
export {
  type TransitionModel,
  type TransitionOptions,
  type TransitionScoring,
  transitionsBaseline,
} from "./transitions.ts";
export { typicalTagGroups } from "./typical-tags.ts";
export { hideItems, type UnseenItemsSplit } from "./unseen-items.ts";
