/** The SDK that a partner app embeds: consent, local store, participation, interests, recommendations. */

export type { ParticipationActivity, ParticipationPhase } from "./activity.ts";
export { type ClientStatus, createClient, type KindredClient } from "./client.ts";
export type { ClientOptions } from "./client-options.ts";
export { type Clock, systemClock } from "./clock.ts";
export {
  COLLABORATIVE_SCORING,
  type CollaborativeTable,
  collaborativeScores,
  collaborativeTable,
  hybridScores,
  learnedHalfLife,
  popularShares,
} from "./collaborative.ts";
export type { EncoderFactory } from "./encoder-factory.ts";
export {
  createEncoderRuntime,
  type EncoderRuntime,
  type ModelWeights,
  type TensorEncoderRuntime,
} from "./encoder-runtime.ts";
export type { ClusterShare, Evolution, EvolutionPoint, InterestChange } from "./evolution.ts";
export type { ExplainOptions, Explanation } from "./explanation.ts";
export type { ExportedData, LedgerHeadDocument } from "./exported-data.ts";
export { type HeldOutInteraction, heldOutInteraction, judgeHeldOut } from "./held-out-evaluation.ts";
export type { PersonalReport, PredictedRating } from "./insights.ts";
export { ACTIONS, type Action, type Interaction, type InteractionInput } from "./interactions.ts";
export { expectedClusters, type InterestCluster, type Interests, type LatentInterest } from "./interests.ts";
export { type PersonalVectors, personalVectors } from "./personal-vectors.ts";
export type {
  Portrait,
  PortraitInterest,
  PortraitLanguage,
  PortraitNames,
  PortraitOptions,
  PortraitWriter,
} from "./portrait.ts";
export type { PrivacyAccount, PrivacyRound, PrivacySpent } from "./privacy-account.ts";
export type { Recommendation, RecommendationMode, RecommendOptions } from "./recommendations.ts";
export { type CachedFile, type ClientStore, type Consent, memoryStore, type StoredState } from "./store.ts";
export {
  httpTaskSource,
  type LoadedModel,
  sharedTaskSource,
  type TaskMaterial,
  type TaskProgress,
  type TaskSource,
} from "./task-source.ts";
export {
  type Connection,
  type ConnectionEvents,
  socketIoTransport,
  type TransportFactory,
} from "./transport.ts";
