/**
 * The privacy ledger: an append-only, hash-chained, signed list of what was promised and spent, and the
 * budget as a pure fold over it.
 *
 * hash = SHA-256 of the canonical JSON (RFC 8785) of { body, index, previous, time }; the signature is
 * Ed25519 over the 32 bytes of the hash. A coordinator appends before it publishes, so whoever holds the
 * ledger can check every release offline.
 *
 * Every ε here is cumulative: after the round in question, over all rounds of the task. `null` means no
 * guarantee (noise off).
 */

import { bytesToHex, canonicalJson, hexToBytes, type Rejection, sha256Hex } from "@kindred/protocol";

/** Cumulative ε against the coordinator and against observers of released models; null = no guarantee. */
export interface Spending {
  readonly coordinator: number | null;
  readonly observer: number | null;
}

/** What one entry records. */
export type LedgerBody =
  | {
      readonly kind: "plan-accepted";
      readonly task: string;
      /** Hex SHA-256 of the plan. */
      readonly planDigest: string;
      /** Limit of the coordinator's ε; null when the plan has no noise. */
      readonly epsilon: number | null;
      readonly delta: number;
      readonly participations: number;
      readonly rounds: number;
      readonly catalogueHash: string;
    }
  | {
      readonly kind: "round-started";
      readonly task: string;
      readonly round: number;
      readonly planDigest: string;
      /** Model the round starts from. */
      readonly modelHash: string;
      /** Spending once this round is published. */
      readonly promised: Spending;
    }
  | {
      readonly kind: "round-released";
      readonly task: string;
      readonly round: number;
      readonly cohort: number;
      readonly survivors: number;
      readonly noise: { readonly localDeviation: number; readonly honest: number; readonly scale: number };
      readonly spent: { readonly before: Spending; readonly after: Spending };
      /** The released model. */
      readonly modelHash: string;
      /** The model the round started from. */
      readonly parentModelHash: string;
    }
  | {
      readonly kind: "round-failed";
      readonly task: string;
      readonly round: number;
      readonly reason: string;
      /** Nothing was released, but where masked inputs had arrived the coordinator may have seen their sum. */
      readonly spent: { readonly before: Spending; readonly after: Spending };
    };

/** One link of the chain. */
export interface LedgerEntry {
  /** 0 for the first entry, then one more each. */
  readonly index: number;
  /** Hash of the entry before, hex; 64 zeros for the first. */
  readonly previous: string;
  /** ISO 8601 in UTC with milliseconds. */
  readonly time: string;
  readonly body: LedgerBody;
  /** Hex SHA-256, see the module's head. */
  readonly hash: string;
  /** Hex Ed25519 signature over the bytes of `hash`. */
  readonly signature: string;
}

/** Holds the secret key; the ledger never sees it. */
export interface LedgerSigner {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Detached Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** `previous` of the first entry. */
export const LEDGER_ROOT = "0".repeat(64);

/** Hex SHA-256 that an entry of this content must carry. @throws TypeError on what JSON cannot hold, such as NaN. */
export function ledgerHash(content: Pick<LedgerEntry, "index" | "previous" | "time" | "body">): string {
  const { index, previous, time, body } = content;
  return sha256Hex(canonicalJson({ index, previous, time, body }));
}

/**
 * The next entry of a ledger.
 *
 * @param options.tail The last entry so far; undefined for an empty ledger.
 * @param options.time When, as an ISO 8601 string in UTC.
 * @throws TypeError when the body holds something JSON cannot, such as an infinite ε (use null).
 */
export function appendEntry(options: {
  readonly tail: LedgerEntry | undefined;
  readonly body: LedgerBody;
  readonly time: string;
  readonly signer: LedgerSigner;
}): LedgerEntry {
  const { tail, body, time, signer } = options;
  const content = { index: tail ? tail.index + 1 : 0, previous: tail ? tail.hash : LEDGER_ROOT, time, body };
  const hash = ledgerHash(content);
  return { ...content, hash, signature: bytesToHex(signer.sign(hexToBytes(hash))) };
}

/** Where a task stands. */
export interface TaskBudget {
  readonly planDigest: string;
  /** The plan's limit of the coordinator's ε; null when the plan has no noise. */
  readonly epsilonLimit: number | null;
  readonly delta: number;
  readonly participations: number;
  /** Rounds the plan asks for. */
  readonly rounds: number;
  readonly roundsReleased: number;
  readonly roundsFailed: number;
  /** Rounds that were started and neither released nor failed, with what was promised for each. */
  readonly open: ReadonlyMap<number, Spending>;
  /** Spent so far; 0 before the first round that masked inputs arrived in. */
  readonly spent: Spending;
  /** Hash of the model released last; undefined before the first release. */
  readonly modelHash: string | undefined;
}

/** What a ledger adds up to, by task. */
export interface BudgetState {
  readonly tasks: ReadonlyMap<string, TaskBudget>;
}

/** The state of an empty ledger. */
export const EMPTY_BUDGET: BudgetState = { tasks: new Map() };

const NOTHING_SPENT: Spending = { coordinator: 0, observer: 0 };

/**
 * State after one more body. What concerns a task without a plan changes nothing; {@link verifyLedger} names it.
 */
export function foldBody(state: BudgetState, body: LedgerBody): BudgetState {
  const task = state.tasks.get(body.task);
  const next = body.kind === "plan-accepted" ? acceptPlan(task, body) : task && advance(task, body);
  return next ? { tasks: new Map(state.tasks).set(body.task, next) } : state;
}

function acceptPlan(
  task: TaskBudget | undefined,
  body: Extract<LedgerBody, { kind: "plan-accepted" }>,
): TaskBudget {
  const { planDigest, epsilon, delta, participations, rounds } = body;
  const history = task ?? {
    roundsReleased: 0,
    roundsFailed: 0,
    open: new Map<number, Spending>(),
    spent: NOTHING_SPENT,
    modelHash: undefined,
  };
  return { ...history, planDigest, epsilonLimit: epsilon, delta, participations, rounds };
}

function advance(task: TaskBudget, body: Exclude<LedgerBody, { kind: "plan-accepted" }>): TaskBudget {
  const open = new Map(task.open);
  switch (body.kind) {
    case "round-started":
      return { ...task, open: open.set(body.round, body.promised) };
    case "round-failed":
      open.delete(body.round);
      return { ...task, open, roundsFailed: task.roundsFailed + 1, spent: body.spent.after };
    case "round-released":
      open.delete(body.round);
      return {
        ...task,
        open,
        roundsReleased: task.roundsReleased + 1,
        spent: body.spent.after,
        modelHash: body.modelHash,
      };
  }
}

/** The budget of a whole ledger, oldest entry first. */
export function foldLedger(entries: readonly Pick<LedgerEntry, "body">[]): BudgetState {
  return entries.reduce((state, { body }) => foldBody(state, body), EMPTY_BUDGET);
}

/** Whether a later cumulative ε is at least an earlier one; once lost, a guarantee does not come back. */
export function spendingGrows(before: number | null, after: number | null): boolean {
  return after === null || (before !== null && after >= before);
}

/** Why a round may not start. */
export type BudgetRefusal = "task-unknown" | "no-guarantee" | "promise-below-spent" | "over-budget";

/** Whether the next round may start. */
export type BudgetVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: BudgetRefusal; readonly rejection: Rejection };

/**
 * Whether publishing one more round stays within the budget. Spending exactly the limit is allowed.
 *
 * The limit binds the coordinator's ε. Observers see less than the coordinator, so it covers them too.
 *
 * @param query.epsilonLimit The plan's ε; null for a plan without noise, which has nothing to overspend.
 * @param query.promised Cumulative ε once the round is published; null = no guarantee.
 */
export function checkBudget(
  state: BudgetState,
  query: { readonly task: string; readonly epsilonLimit: number | null; readonly promised: Spending },
): BudgetVerdict {
  const { epsilonLimit, promised } = query;
  const task = state.tasks.get(query.task);
  if (!task) {
    return refuse("task-unknown", {
      field: "task",
      rule: `the ledger holds no accepted plan of ${query.task}`,
      fix: "append plan-accepted before the first round",
    });
  }
  if (epsilonLimit === null) return { ok: true };
  if (promised.coordinator === null || Number.isNaN(promised.coordinator)) {
    return refuse("no-guarantee", {
      field: "promised.coordinator",
      rule: `must be a finite ε, as the plan limits it to ${epsilonLimit}`,
      fix: "run the round with the plan's noise",
    });
  }
  const spent = task.spent.coordinator;
  if (!spendingGrows(spent, promised.coordinator)) {
    return refuse("promise-below-spent", {
      field: "promised.coordinator",
      rule: `must be at least what is spent (${spent ?? "no guarantee"}), got ${promised.coordinator}`,
      fix: "promise the cumulative ε, not that of one round",
    });
  }
  if (promised.coordinator > epsilonLimit) {
    return refuse("over-budget", {
      field: "promised.coordinator",
      rule: `must be at most ${epsilonLimit}, got ${promised.coordinator}`,
      fix: "stop the task, or accept a plan with a larger budget",
    });
  }
  return { ok: true };
}

function refuse(reason: BudgetRefusal, rejection: Omit<Rejection, "code">): BudgetVerdict {
  const code = reason === "task-unknown" ? "task-unknown" : "budget-exhausted";
  return { ok: false, reason, rejection: { code, ...rejection } };
}
