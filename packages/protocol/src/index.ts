export * from "./canonical.ts";
export * from "./catalogue.ts";
export * from "./codec.ts";
export * from "./errors.ts";
export { areFiniteFloats, bytesFloat, floatBytes } from "./float-bytes.ts";
export * from "./item-features.ts";
export * from "./member-set.ts";
export * from "./merkle.ts";
export * from "./messages.ts";
export { type ModelClustering, type ModelLayer, unnamedClustering } from "./model-clustering.ts";
export * from "./model-file.ts";
export type { ModelSignals, ReleasedSignal } from "./model-signals.ts";
export { compressWeights, packWeights } from "./packed-weights.ts";
export * from "./packing.ts";
export * from "./plan.ts";
export * from "./plan-personal.ts";
export * from "./plan-sections.ts";
export { SIGNALS, type SignalBlock, type SignalName, type SignalsOptions } from "./plan-signals.ts";
export * from "./quantised-rows.ts";
export {
  type RevealedShare,
  type RevealedShares,
  revealedColumns,
  revealedShares,
  type SealedShare,
  type SealedShares,
  SHARE_KINDS,
  type ShareKind,
  sealedColumns,
  sealedShares,
} from "./share-columns.ts";
export * from "./signing.ts";
export * from "./weights-file.ts";
