/** The coordinator as a library: what `kindred up` and the demo start. */
export { Coordinator, type CoordinatorOptions } from "./coordinator.ts";
export { type CoordinatorEnvironment, readEnvironment } from "./environment.ts";
export { type Clock, systemClock } from "./runtime/clock.ts";
export { type BuiltFeatures, readFeatures } from "./runtime/initial-files.ts";
export { operatorToken, parseOperators, tokenHash } from "./runtime/operators.ts";
export { type RotationReport, rotateStorageKey, type StorageKeyOptions } from "./store/storage-key.ts";
