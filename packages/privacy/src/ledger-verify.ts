/**
 * What a ledger says by itself: chain, signatures, order, and that no round spent more than was promised. Whether the
 * promises are true, that is ε recomputed from the plans, is checked by @kindred/audit on top of this.
 *
 * The input comes from a file nobody vouches for, so nothing about its shape is assumed.
 */

import { hexToBytes } from "@kindred/protocol";
import {
  LEDGER_ROOT,
  type LedgerBody,
  type LedgerEntry,
  ledgerHash,
  type Spending,
  type TaskBody,
} from "./ledger.ts";
import { type BudgetState, EMPTY_BUDGET, foldBody, spendingGrows, type TaskBudget } from "./ledger-budget.ts";
import { isLedgerEntry } from "./ledger-shape.ts";

/** What an entry can do wrong. */
export type LedgerRule =
  /** Not of the shape of an entry; no other rule is then checked. */
  | "malformed"
  /** `index` is not its position. */
  | "index"
  /** `previous` is not the hash of the entry before. */
  | "previous"
  /** `hash` is not that of the content. */
  | "hash"
  /** `signature` does not verify under the public key. */
  | "signature"
  /** `time` is before that of the entry before. */
  | "time"
  /** Something about a task without an accepted plan. */
  | "plan-missing"
  /** A second plan for the same task; devices hold to the first. */
  | "plan-repeated"
  /** A round started under another plan than the accepted one. */
  | "plan-mismatch"
  /** A release, or a failure that spent, without a start, or twice. */
  | "round-not-started"
  /** A round started twice, or after a later one. */
  | "round-repeated"
  /** Spending does not go on from the release before, or falls. */
  | "spending"
  /** A round spent more than its start promised. */
  | "over-promise"
  /** What was promised or spent exceeds the plan's ε. */
  | "over-budget"
  /** A round starts from another model than the one before left, or names another parent. */
  | "lineage"
  /** A model is promoted or rolled back to that was not released before. */
  | "promotion"
  /** Somebody acts who does not hold the role of an operator at that moment. */
  | "operator";

/** One broken rule. */
export interface LedgerViolation<Rule extends string = LedgerRule> {
  /** Position of the entry in the list, from 0. */
  readonly entry: number;
  readonly rule: Rule;
  /** What the entry, or what is missing from it, says. */
  readonly found: string;
  /** What it would have to say. */
  readonly expected: string;
}

/** Takes down one violation of the entry at hand. */
export type Complain<Rule extends string = LedgerRule> = (
  rule: Rule,
  details: Pick<LedgerViolation, "found" | "expected">,
) => void;

/** How to verify. */
export interface LedgerVerification {
  /** Ed25519 verification of a detached signature. */
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  /** The coordinator's Ed25519 key, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/**
 * All violations of a ledger by itself, in order; empty when it is sound.
 *
 * @param entries As parsed from JSON, oldest first.
 */
export function verifyLedgerChain(
  entries: readonly unknown[],
  options: LedgerVerification,
): readonly LedgerViolation[] {
  const violations: LedgerViolation[] = [];
  let tail: LedgerEntry | undefined;
  let state = EMPTY_BUDGET;
  for (const [index, entry] of entries.entries()) {
    const complain: Complain = (rule, details) => {
      violations.push({ entry: index, rule, ...details });
    };
    if (!isLedgerEntry(entry)) {
      complain("malformed", { found: "something else", expected: "the fields of a ledger entry" });
      continue;
    }
    checkLink(entry, { index, tail, options, complain });
    checkMeaning(state, entry.body, complain);
    tail = entry;
    state = foldBody(state, entry.body);
  }
  return violations;
}

function checkLink(
  entry: LedgerEntry,
  context: { index: number; tail: LedgerEntry | undefined; options: LedgerVerification; complain: Complain },
): void {
  const { index, tail, options, complain } = context;
  const previous = tail?.hash ?? LEDGER_ROOT;
  const hash = ledgerHash(entry);
  if (entry.index !== index) complain("index", { found: `${entry.index}`, expected: `${index}` });
  if (entry.previous !== previous) complain("previous", { found: entry.previous, expected: previous });
  if (entry.hash !== hash) complain("hash", { found: entry.hash, expected: hash });
  if (!options.verify(hexToBytes(entry.signature), hexToBytes(entry.hash), options.publicKey))
    complain("signature", {
      found: "one that does not verify",
      expected: "a signature by the coordinator's key over the entry's hash",
    });
  if (tail !== undefined && entry.time < tail.time)
    complain("time", { found: entry.time, expected: `${tail.time}, the time of the entry before, or later` });
}

function checkMeaning(state: BudgetState, body: LedgerBody, complain: Complain): void {
  if ("operator" in body && body.kind !== "operator-changed" && body.operator !== null) {
    const role = state.operators.get(body.operator);
    if (role !== "operator")
      complain("operator", {
        found: `${body.operator} holds ${role === undefined ? "no role" : `the role ${role}`}`,
        expected: "somebody who holds the role operator",
      });
  }
  if (body.kind === "model-rolled-back" && body.operator === null)
    complain("operator", { found: "a roll-back that nobody decided", expected: "the operator who did" });
  if (!("task" in body)) return;
  const task = state.tasks.get(body.task);
  if (body.kind === "plan-accepted") {
    if (task !== undefined)
      complain("plan-repeated", {
        found: `a second plan of ${body.task}`,
        expected: `the plan ${task.planDigest} for the whole task`,
      });
    return;
  }
  if (task === undefined) {
    complain("plan-missing", { found: "nothing before", expected: `an accepted plan of ${body.task}` });
    return;
  }
  checkTask(task, body, complain);
}

function checkTask(
  task: TaskBudget,
  body: Exclude<TaskBody, { kind: "plan-accepted" }>,
  complain: Complain,
): void {
  switch (body.kind) {
    case "round-started":
      if (body.round <= task.lastRound)
        complain("round-repeated", {
          found: `round ${body.round}`,
          expected: `a round after ${task.lastRound}`,
        });
      if (body.planDigest !== task.planDigest)
        complain("plan-mismatch", { found: body.planDigest, expected: task.planDigest });
      if (body.modelHash !== task.modelHash)
        complain("lineage", { found: `start from ${body.modelHash}`, expected: task.modelHash });
      checkLimit(task, "promised", { spending: body.promised, complain });
      return;
    case "model-promoted": {
      const round = task.models.get(body.modelHash);
      if (round === undefined || round !== body.round)
        complain("promotion", {
          found: `model ${body.modelHash} of round ${body.round}`,
          expected: "a model that the named round has released before",
        });
      return;
    }
    case "model-rolled-back":
      if (body.fromModelHash !== task.modelHash)
        complain("lineage", { found: `roll back from ${body.fromModelHash}`, expected: task.modelHash });
      for (const round of task.open.keys())
        complain("lineage", {
          found: `roll back while round ${round} is under way`,
          expected: "the end of the round before: its members train from the model that is given up",
        });
      if (!task.models.has(body.toModelHash))
        complain("promotion", {
          found: `roll back to ${body.toModelHash}`,
          expected: "a model of this task that was released before",
        });
      return;
    default:
      checkEnd(task, body, complain);
  }
}

function checkLimit(
  { epsilonLimit }: TaskBudget,
  field: string,
  { spending: { coordinator }, complain }: { spending: Spending; complain: Complain },
): void {
  if (epsilonLimit !== null && (coordinator === null || coordinator > epsilonLimit))
    complain("over-budget", {
      found: `${field} ε ${amountText(coordinator)}`,
      expected: `at most ${epsilonLimit}, the plan's limit`,
    });
}

function checkEnd(
  task: TaskBudget,
  body: Extract<TaskBody, { kind: "round-released" | "round-failed" }>,
  complain: Complain,
): void {
  checkLimit(task, "spent", { spending: body.spent.after, complain });
  const { before, after } = body.spent;
  const open = task.open.get(body.round);
  // A round that the budget did not let start fails without having been open, and spends nothing.
  const idle = body.kind === "round-failed" && sameSpending(before, after);
  if (!open && !idle)
    complain("round-not-started", { found: `the end of round ${body.round}`, expected: "its start before" });
  if (body.kind === "round-released" && open && body.parentModelHash !== open.modelHash)
    complain("lineage", { found: `parent ${body.parentModelHash}`, expected: open.modelHash });
  for (const who of ["coordinator", "observer"] as const) {
    // Before the first round "nothing spent" and "no guarantee" are both true of a plan without noise.
    const fresh = task.roundsReleased === 0 && before[who] === null;
    if (before[who] !== task.spent[who] && !fresh)
      complain("spending", {
        found: `ε ${amountText(before[who])} before the round (${who})`,
        expected: `${amountText(task.spent[who])}, as after the round before`,
      });
    if (!spendingGrows(before[who], after[who]))
      complain("spending", {
        found: `ε ${amountText(after[who])} after the round (${who})`,
        expected: `at least ${amountText(before[who])}, as before the round`,
      });
    if (open && !spendingGrows(after[who], open.promised[who]))
      complain("over-promise", {
        found: `ε ${amountText(after[who])} after the round (${who})`,
        expected: `at most ${amountText(open.promised[who])}, as promised at its start`,
      });
  }
}

function amountText(epsilon: number | null): string {
  return epsilon === null ? "without a guarantee" : `${epsilon}`;
}

function sameSpending(a: Spending, b: Spending): boolean {
  return a.coordinator === b.coordinator && a.observer === b.observer;
}
