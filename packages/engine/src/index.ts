/** The round machine (coordinator side), the participant machine (device side) and the vector pipeline between them. */

export type { ParticipationEntry, RoundOutcome } from "@kindred/privacy";
export { type ClippingRecord, clipOf, followsRule, initialClip, nextClip } from "./adaptive-clip.ts";
export { clusterMixture, countInterests } from "./cluster-count.ts";
export type { ClusterModel, DescribedItems } from "./cluster-description.ts";
export { type ClusterOutcome, publicClusters, releaseClusters } from "./cluster-release.ts";
export {
  type HeldOutRecord,
  type HeldOutResult,
  heldOutEntries,
  heldOutLength,
  heldOutRecord,
} from "./held-out.ts";
export { startParticipant, stepParticipant } from "./participant.ts";
export { foreseenByParticipant } from "./participant-foresight.ts";
export type {
  ParticipantConfig,
  ParticipantEnvironment,
  ParticipantEvent,
  ParticipantOutput,
  ParticipantState,
} from "./participant-state.ts";
export { isExhausted, mayParticipate } from "./personal-ledger.ts";
export {
  blockDeviation,
  type Contribution,
  decodeAggregate,
  decodeSignal,
  encodeContribution,
  type MeanContribution,
  type MeanSignal,
} from "./pipeline.ts";
export {
  computeRelease,
  downloadable,
  evaluationBlock,
  lossBound,
  type ReleaseInput,
  type ReleaseOutput,
  releaseFigures,
  type TrainedSegment,
} from "./release.ts";
export {
  accountDevices,
  DEFAULT_PRIVACY_FLOORS,
  type PlanContext,
  type PrivacyFloors,
  planEpsilon,
  planMechanism,
  resolvePlan,
  verifyPlan,
} from "./resolve-plan.ts";
export { epsilonAfter } from "./round-budget.ts";
export { resumeMessage, startTask, stepTask, type TaskHistory } from "./round-machine.ts";
export {
  initialOptimiserState,
  jamesSteinFactor,
  type OptimiserState,
  scheduledRate,
  serverStep,
} from "./server-optimiser.ts";
export { type CarriedCounts, type CarriedSignals, carriedOn } from "./signals/carried-signals.ts";
export { checkSignals, contentOfRound, type RoundContent, signalBlocks } from "./signals/round-content.ts";
export { countedItems, everybodysPopularity } from "./signals/signal-matrix.ts";
export { countDeviation, countedBy, releaseSignal, type SignalOutcome } from "./signals/signal-release.ts";
export { popularityCounts, transitionCounts } from "./signals/signal-statistics.ts";
export type {
  DurableOutput,
  ParticipationCount,
  PhaseName,
  PhaseTimes,
  Release,
  ReleaseFigures,
  RoundRecord,
  SecurePhase,
  Selection,
  Spent,
  TaskConfig,
  TaskEnvironment,
  TaskEvent,
  TaskMessage,
  TaskOutput,
  TaskState,
} from "./task-state.ts";
