/**
 * Offline verification of a ledger: chain, signatures, and that no release spent more than was promised.
 *
 * The input comes from a file nobody vouches for, so nothing about its shape is assumed.
 */

import { hexToBytes } from "@kindred/protocol";
import {
  EMPTY_BUDGET,
  foldBody,
  LEDGER_ROOT,
  type LedgerBody,
  type LedgerEntry,
  ledgerHash,
  type Spending,
  spendingGrows,
  type TaskBudget,
} from "./ledger.ts";

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
  /** The ledger ends before the entry that the verifier has seen, or has another one there. */
  | "truncated"
  /** A round of a task without an accepted plan. */
  | "plan-missing"
  /** A round started under another plan than the one accepted last. */
  | "plan-mismatch"
  /** A release, or a failure that spent, without a start, or twice. */
  | "round-not-started"
  /** A round started twice. */
  | "round-repeated"
  /** Spending does not go on from the release before, or falls. */
  | "spending"
  /** A round spent more than its start promised. */
  | "over-promise"
  /** What was promised or spent exceeds the plan's ε. */
  | "over-budget";

/** One broken rule. */
export interface LedgerViolation {
  /** Position of the entry in the list, from 0. */
  readonly index: number;
  readonly rule: LedgerRule;
  /** What was expected and what was found. */
  readonly detail: string;
}

/** How to verify. */
export interface LedgerVerification {
  /** Ed25519 verification of a detached signature. */
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  /** The coordinator's Ed25519 key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** An entry the verifier has seen earlier: what cuts the end off is found by it only. */
  readonly seen?: { readonly index: number; readonly hash: string };
}

/**
 * All violations of a ledger, in order; empty when it is sound.
 *
 * @param entries As parsed from JSON, oldest first.
 */
export function verifyLedger(
  entries: readonly unknown[],
  options: LedgerVerification,
): readonly LedgerViolation[] {
  const violations: LedgerViolation[] = [];
  let previous = LEDGER_ROOT;
  let state = EMPTY_BUDGET;
  for (const [index, entry] of entries.entries()) {
    const complain = (rule: LedgerRule, detail: string): void => {
      violations.push({ index, rule, detail });
    };
    if (!isLedgerEntry(entry)) {
      complain("malformed", "not a ledger entry");
      continue;
    }
    checkLink(entry, { index, previous, options, complain });
    checkMeaning(state.tasks.get(entry.body.task), entry.body, complain);
    previous = entry.hash;
    state = foldBody(state, entry.body);
  }
  const { seen } = options;
  if (seen) {
    const entry = entries[seen.index];
    if (!isLedgerEntry(entry) || entry.hash !== seen.hash) {
      const detail = `entry ${seen.index} was seen with hash ${seen.hash}`;
      violations.push({ index: seen.index, rule: "truncated", detail });
    }
  }
  return violations;
}

type Complain = (rule: LedgerRule, detail: string) => void;

function checkLink(
  entry: LedgerEntry,
  context: { index: number; previous: string; options: LedgerVerification; complain: Complain },
): void {
  const { index, previous, options, complain } = context;
  if (entry.index !== index) complain("index", `expected ${index}, got ${entry.index}`);
  if (entry.previous !== previous) complain("previous", `expected ${previous}, got ${entry.previous}`);
  const hash = ledgerHash(entry);
  if (entry.hash !== hash) complain("hash", `expected ${hash}, got ${entry.hash}`);
  const signed = options.verify(hexToBytes(entry.signature), hexToBytes(entry.hash), options.publicKey);
  if (!signed) complain("signature", "does not verify under the coordinator's key");
}

function checkMeaning(task: TaskBudget | undefined, body: LedgerBody, complain: Complain): void {
  if (body.kind === "plan-accepted") return;
  if (!task) {
    complain("plan-missing", `no plan of ${body.task} was accepted before`);
    return;
  }
  const overBudget = (field: string, { coordinator }: Spending): void => {
    const limit = task.epsilonLimit;
    if (limit !== null && (coordinator === null || coordinator > limit)) {
      complain("over-budget", `${field} is ${coordinator ?? "no guarantee"}, the plan allows ${limit}`);
    }
  };
  if (body.kind === "round-started") {
    if (task.open.has(body.round)) complain("round-repeated", `round ${body.round} is already open`);
    if (body.planDigest !== task.planDigest) complain("plan-mismatch", `expected ${task.planDigest}`);
    overBudget("promised.coordinator", body.promised);
    return;
  }
  overBudget("spent.after.coordinator", body.spent.after);
  const { before, after } = body.spent;
  const promised = task.open.get(body.round);
  // A round that the budget did not let start fails without having been open, and spends nothing.
  const idle = body.kind === "round-failed" && sameSpending(before, after);
  if (!promised && !idle) complain("round-not-started", `round ${body.round} is not open`);
  for (const who of ["coordinator", "observer"] as const) {
    // Before the first round "nothing spent" and "no guarantee" are both true of a plan without noise.
    const fresh = task.roundsReleased === 0 && before[who] === null;
    if (before[who] !== task.spent[who] && !fresh) {
      complain("spending", `spent.before.${who}: expected ${task.spent[who]}, got ${before[who]}`);
    }
    if (!spendingGrows(before[who], after[who])) {
      complain("spending", `spent.after.${who}: ${after[who]} is below ${before[who]}`);
    }
    if (promised && !spendingGrows(after[who], promised[who])) {
      complain("over-promise", `spent.after.${who}: ${after[who]} exceeds the promised ${promised[who]}`);
    }
  }
}

function sameSpending(a: Spending, b: Spending): boolean {
  return a.coordinator === b.coordinator && a.observer === b.observer;
}

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === "string";
const finite: Check = (value) => Number.isFinite(value);
const natural: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const amount: Check = (value) => value === null || (finite(value) && (value as number) >= 0);
const hex =
  (digits: number): Check =>
  (value) =>
    typeof value === "string" && value.length === digits && /^[0-9a-f]*$/.test(value);
const time: Check = (value) =>
  typeof value === "string" && Number.isFinite(Date.parse(value)) && new Date(value).toISOString() === value;
const record =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const names = Object.keys(fields);
    return (
      Object.keys(value).length === names.length &&
      names.every(
        (name) => Object.hasOwn(value, name) && fields[name]!((value as Record<string, unknown>)[name]),
      )
    );
  };

const spending = record({ coordinator: amount, observer: amount });
const round = { kind: text, task: text, round: natural };
const BODIES: { readonly [K in LedgerBody["kind"]]: Check } = {
  "plan-accepted": record({
    kind: text,
    task: text,
    planDigest: text,
    epsilon: amount,
    delta: amount,
    participations: natural,
    rounds: natural,
    catalogueHash: text,
  }),
  "round-started": record({ ...round, planDigest: text, modelHash: text, promised: spending }),
  "round-released": record({
    ...round,
    cohort: natural,
    survivors: natural,
    noise: record({ localDeviation: natural, honest: natural, scale: finite }),
    spent: record({ before: spending, after: spending }),
    modelHash: text,
    parentModelHash: text,
  }),
  "round-failed": record({ ...round, reason: text, spent: record({ before: spending, after: spending }) }),
};

const isBody: Check = (value) => {
  const kind = (value as { kind?: unknown } | null | undefined)?.kind;
  return typeof kind === "string" && Object.hasOwn(BODIES, kind) && BODIES[kind as LedgerBody["kind"]](value);
};

const isEntry = record({
  index: natural,
  previous: hex(64),
  time,
  body: isBody,
  hash: hex(64),
  signature: hex(128),
});

/** Whether a value has exactly the fields of a {@link LedgerEntry}, each of the right type. */
export function isLedgerEntry(value: unknown): value is LedgerEntry {
  return isEntry(value);
}
