export {
  type ClientEnvironment,
  type ClientEvent,
  type ClientOutput,
  startClient,
  stepClient,
} from "./client.ts";
export { type ClientConfig, type ClientState, clientSessionId } from "./client-state.ts";
export { type CryptoSuite, type KeyPair, type MaskStream, tweetnaclSuite } from "./crypto.ts";
export { type ForeseenOperation, foreseenOperations } from "./foresight.ts";
export { chooseGraph, type GraphOptions, type GraphParameters } from "./graph.ts";
export { addInto, applyMasks, type MaskJob, wipeMasks } from "./masks.ts";
export { type RecoveryPart, recoverPart, recoverSum } from "./recovery.ts";
export { type RecoveryJob, recoveryTerms, wipeRecovery } from "./recovery-job.ts";
export { type Delivery, type Dropout, type RunOptions, type RunResult, run } from "./run.ts";
export { Secret } from "./secret.ts";
export {
  type ServerEnvironment,
  type ServerEvent,
  type ServerOutput,
  startServer,
  stepServer,
} from "./server.ts";
export {
  type ServerConfig,
  type ServerMembers,
  type ServerPhase,
  type ServerState,
  serverMembers,
} from "./server-state.ts";
export { combineShares, splitSecret } from "./shamir.ts";
export { boxBytes } from "./share-boxes.ts";
