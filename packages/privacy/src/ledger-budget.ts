/** What a ledger adds up to, as a pure fold, and whether a task's budget allows another round. */

import type { Rejection } from "@kindred/protocol";
import type { LedgerBody, LedgerEntry, OperatorRole, Spending, TaskBody } from "./ledger.ts";

/** A round that was started and has neither released nor failed. */
export interface OpenRound {
  readonly promised: Spending;
  /** Model the round started from. */
  readonly modelHash: string;
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
  /** By round number. */
  readonly open: ReadonlyMap<number, OpenRound>;
  /** The largest number of a round so far; 0 before the first. */
  readonly lastRound: number;
  /** Spent so far; 0 before the first round that masked inputs arrived in. */
  readonly spent: Spending;
  /** Model that the next round starts from: the initial one, released last, or rolled back to. */
  readonly modelHash: string;
  /** Every model of the task so far by its hash, with the round that released it; 0 for the initial one. */
  readonly models: ReadonlyMap<string, number>;
  /** Model promoted last. */
  readonly promotedHash: string | undefined;
}

/** What a ledger adds up to, by task. */
export interface BudgetState {
  readonly tasks: ReadonlyMap<string, TaskBudget>;
  /** Who holds which role. */
  readonly operators: ReadonlyMap<string, OperatorRole>;
}

/** The state of an empty ledger. */
export const EMPTY_BUDGET: BudgetState = { tasks: new Map(), operators: new Map() };

const NOTHING_SPENT: Spending = { coordinator: 0, observer: 0 };

/**
 * State after one more body. What concerns a task without a plan changes nothing; {@link verifyLedgerChain} names it.
 */
export function foldBody(state: BudgetState, body: LedgerBody): BudgetState {
  if (body.kind === "configuration-changed") return state;
  if (body.kind === "operator-changed") {
    const operators = new Map(state.operators);
    if (body.role === null) operators.delete(body.operator);
    else operators.set(body.operator, body.role);
    return { ...state, operators };
  }
  const task = state.tasks.get(body.task);
  const next = body.kind === "plan-accepted" ? acceptPlan(task, body) : task && advance(task, body);
  return next ? { ...state, tasks: new Map(state.tasks).set(body.task, next) } : state;
}

function acceptPlan(
  task: TaskBudget | undefined,
  body: Extract<LedgerBody, { kind: "plan-accepted" }>,
): TaskBudget {
  const { planDigest, epsilon, delta, participations, rounds, modelHash } = body;
  const history = task ?? {
    roundsReleased: 0,
    roundsFailed: 0,
    open: new Map<number, OpenRound>(),
    lastRound: 0,
    spent: NOTHING_SPENT,
    modelHash,
    models: new Map([[modelHash, 0]]),
    promotedHash: undefined,
  };
  return { ...history, planDigest, epsilonLimit: epsilon, delta, participations, rounds };
}

function advance(task: TaskBudget, body: Exclude<TaskBody, { kind: "plan-accepted" }>): TaskBudget {
  const open = new Map(task.open);
  const lastRound = body.kind === "round-started" ? Math.max(task.lastRound, body.round) : task.lastRound;
  switch (body.kind) {
    case "round-started": {
      const { modelHash, promised } = body;
      return { ...task, open: open.set(body.round, { promised, modelHash }), lastRound };
    }
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
        models: new Map(task.models).set(body.modelHash, body.round),
      };
    case "model-promoted":
      return { ...task, promotedHash: body.modelHash };
    case "model-rolled-back":
      return { ...task, modelHash: body.toModelHash };
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
