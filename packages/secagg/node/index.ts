export { nodeMaskStream } from "./masks.ts";
export { PackedSum } from "./packed-sum.ts";
export { type Recovered, RecoveryPool, type RecoveryPoolOptions } from "./recovery-pool.ts";
export { releaseMemory } from "./release-memory.ts";
export { nodeSuite } from "./suite.ts";
