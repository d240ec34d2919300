/** Offline verification of a ledger: needs the ledger and nothing else, in Node and in a browser alike. */
export { type ModelFile, readModelFile } from "./model-files.ts";
export { formatHead, parseHeads, parseLedger } from "./read-documents.ts";
export { RULE_MEANINGS } from "./rules.ts";
export type { ModelVersion, ProvenEpsilon, RoundAccount, TaskAccount } from "./task-account.ts";
export {
  type AuditRule,
  type AuditViolation,
  type LedgerAudit,
  type LedgerVerdict,
  verifyLedger,
} from "./verify-ledger.ts";
