/** An operator's wish to go back to an earlier model, checked against what is stored and handed to the task. */
import { KindredError } from "@kindred/protocol";
import type { Database } from "../store/database.ts";
import type { ModelRecord } from "../store/stores.ts";
import type { TaskRuntime } from "./task-runtime.ts";

export interface RollBackRequest {
  readonly task: string;
  /** Who decides. */
  readonly operator: string;
  /** Hash of a model of the task, or the round that released it; 0 for the initial one. */
  readonly to: string | number;
  /** Hash of the model that the operator takes for the current one, so that nothing newer is given up unseen. */
  readonly from: string;
  /** For everybody who reads the ledger. */
  readonly reason: string;
}

export interface RollBackOutcome {
  readonly task: string;
  /** The model in use now. */
  readonly model: { readonly hash: string; readonly round: number };
  /** False if it was the one in use already. */
  readonly changed: boolean;
}

/**
 * Goes back to an earlier model of a task, or forward again to one that was given up. Once it resolves the decision is in the
 * ledger, and devices are given that model; to ask again changes nothing.
 * @throws KindredError `task-unknown`; `not-found` for a model that the task never released; `message-unexpected` if
 *   another model than `from` is in use by now
 */
export async function rollBack(
  { database, runtime }: { database: Database; runtime: TaskRuntime | undefined },
  { task, operator, to, from, reason }: RollBackRequest,
): Promise<RollBackOutcome> {
  if (runtime === undefined)
    throw new KindredError({
      code: "task-unknown",
      field: "task",
      rule: "must name a task of this coordinator",
      fix: "list the tasks at /v1/tasks",
    });
  const models = await database.tx("list models", (stores) => stores.models.list(task));
  const target = models.find(({ hash, round }) => hash === to || round === to);
  if (target === undefined) throw unknownModel(task, to);
  const changed = runtime.state.modelHash !== target.hash;
  const rejection = await runtime.submit({ type: "roll-back", to: target.hash, from, reason, operator });
  if (rejection !== undefined) throw new KindredError(rejection);
  return outcomeOf(target, changed);
}

function outcomeOf({ task, hash, round }: ModelRecord, changed: boolean): RollBackOutcome {
  return { task, model: { hash, round }, changed };
}

function unknownModel(task: string, to: string | number): KindredError {
  return new KindredError({
    code: "not-found",
    field: "to",
    rule: `must be a model that ${task} released, found ${to}`,
    fix: "take one of `kindred model list`",
  });
}
