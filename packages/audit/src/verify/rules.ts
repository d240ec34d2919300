/** The rules that an audit checks on top of those of the chain. */
import type { Complain, LedgerRule, LedgerViolation } from "@kindred/privacy";

/** What a ledger, or what lies beside it, can do wrong. */
export type AuditRule =
  | LedgerRule
  /** An accepted plan is malformed, is not the one its digest names, contradicts its entry, or promises too much. */
  | "plan"
  /** A release has more survivors than members, or more than the plan's cohort. */
  | "cohort"
  /** A release over fewer survivors than the plan allows. */
  | "minimum-survivors"
  /** A release with another noise than the plan's. */
  | "noise"
  /** A clip norm that is not the one before moved by the plan's rule, or one where the plan's is fixed. */
  | "clipping"
  /** More rounds than the plan has. */
  | "rounds"
  /** The ε in the ledger is below what the mechanism provably costs. */
  | "epsilon"
  /** The ledger ends before the tree head that was seen earlier. */
  | "truncated"
  /** The ledger is not the one whose tree head was seen earlier: somebody was shown another history. */
  | "forked"
  /** A model of the ledger is not among the files. */
  | "model-missing"
  /** A file claims to be a model of the ledger and has another content hash. */
  | "model-swapped"
  /** A model file names another task, round or parent than the ledger. */
  | "model-lineage"
  /** A model has weights or collaborative signals that no round of the ledger gave it. */
  | "model-content"
  /** Collected counts that are said to be of other people, or to have other noise, than the ledger proves. */
  | "model-signal";

/** One broken rule; `entry` is the position in the ledger, from 0. */
export type AuditViolation = LedgerViolation<AuditRule>;

export type AuditComplain = Complain<AuditRule>;

/** What it means that a rule is broken, in one sentence for somebody who knows no cryptography. */
export const RULE_MEANINGS: Readonly<Record<AuditRule, string>> = {
  malformed: "A line is no ledger entry, so nothing it says can be relied on.",
  index: "Entries are missing, repeated or out of order.",
  previous: "The chain is broken: an entry was removed, added, moved or changed before this one.",
  hash: "The entry was changed after it was written.",
  signature: "The entry was not signed by the coordinator's key.",
  time: "The entry claims to be older than the one before it: it was dated back.",
  "plan-missing": "Something happened in a task whose plan was never made public.",
  "plan-repeated": "The rules of a task were replaced while it was running.",
  "plan-mismatch": "A round was run under other rules than the published ones.",
  "round-not-started": "A result appeared of a round that was never announced.",
  "round-repeated": "A round was announced twice, or out of order.",
  spending: "The account of the privacy budget does not add up.",
  "over-promise": "A round cost more privacy than was promised before it started.",
  "over-budget": "More privacy was spent than people were promised.",
  lineage: "A round did not continue from the model that was published last.",
  promotion: "A model was put into use, or returned to, that had not been published.",
  operator: "Somebody acted who was not entitled to.",
  plan: "The published plan is not the one that was signed for, or it does not keep its own promise.",
  cohort: "More people are counted than took part or may take part.",
  "minimum-survivors":
    "A result was published over fewer people than promised: single people are easier to find in it.",
  noise: "A result was published with other noise than promised.",
  clipping: "The bound on a single person's influence was not moved by the published rule.",
  rounds: "There were more rounds than planned.",
  epsilon: "The ledger claims that less privacy was spent than the noise can possibly cost.",
  truncated: "The end of the ledger was cut off: it was longer when it was seen before.",
  forked: "This is another history than the one that was shown before.",
  "model-missing": "A published model is not among the files.",
  "model-swapped": "A model file is not the one that was published.",
  "model-content": "A model holds something that no round of the ledger can have given it.",
  "model-signal":
    "Published counts claim to be of other people, or to have other noise, than the ledger proves.",
  "model-lineage": "A model file was made in another round, or from another model, than the ledger says.",
};
