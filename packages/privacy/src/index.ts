/** Differential privacy of Kindred: units, clipping, rotation, quantisation, noise, accounting, ledgers. */

export * from "./calibrate.ts";
export * from "./clip.ts";
export * from "./discrete-gaussian.ts";
export { aesCtrKeystream, type Keystream, type KeystreamFactory } from "./keystream.ts";
export * from "./ledger.ts";
export * from "./ledger-budget.ts";
export * from "./ledger-evidence.ts";
export * from "./ledger-head.ts";
export * from "./ledger-shape.ts";
export * from "./ledger-tree.ts";
export * from "./ledger-verify.ts";
export { logErfc } from "./log-space.ts";
export * from "./noise-multiplier.ts";
export * from "./personal-ledger.ts";
export * from "./privacy-loss.ts";
export * from "./privacy-loss-composition.ts";
export * from "./privacy-loss-mechanisms.ts";
export * from "./quantise.ts";
export * from "./random.ts";
export * from "./rdp.ts";
export { PrivacyRangeError, type Refusal } from "./refusal.ts";
export * from "./rotation.ts";
export * from "./surplus-noise.ts";
export * from "./tree-aggregation.ts";
export * from "./units.ts";
