/** What a task's stored history adds up to when a coordinator starts. */
import type { ParticipationCount, TaskHistory } from "@kindred/engine";
import { EMPTY_BUDGET, foldBody } from "@kindred/privacy";
import { type Plan, parseSignedPlan } from "@kindred/protocol";
import type { Database } from "../store/database.ts";
import type { JournalRecord } from "../store/journal.ts";
import type { TaskRecord } from "../store/stores.ts";
import { ledgerEntryOf } from "./commit.ts";

const LEDGER_PAGE = 1_000;

export interface StoredTask {
  readonly plan: Plan;
  readonly record: TaskRecord;
  readonly history: TaskHistory;
  /** Events since the last round that ended. */
  readonly journal: readonly JournalRecord[];
  readonly sequence: number;
}

/** Reads a task in one transaction. @throws Error if the task is not stored or its initial model is missing */
export function readTask(database: Database, task: string): Promise<StoredTask> {
  return database.tx("read task", async (stores) => {
    const record = await stores.tasks.get(task);
    const model = await stores.models.current(task);
    if (record === undefined || model === undefined)
      throw new Error(`task ${task} is incomplete in the database`);
    const { plan } = parseSignedPlan({ plan: JSON.parse(record.plan), signature: record.signature });
    const rounds = await stores.rounds.list(task);
    const ended = rounds.filter(({ endedAt }) => endedAt !== null);
    const round = ended.reduce((last, { number }) => Math.max(last, number), 0);
    const released = ended.filter(({ status }) => status === "published");
    let budget = EMPTY_BUDGET;
    for (let from = 0; ; from += LEDGER_PAGE) {
      const page = await stores.ledger.list({ from, limit: LEDGER_PAGE });
      for (const entry of page) budget = foldBody(budget, ledgerEntryOf(entry).body);
      if (page.length < LEDGER_PAGE) break;
    }
    const participations = countUpTo(await stores.devices.participations(task), round);
    const history: TaskHistory = {
      round,
      modelHash: model.hash,
      released: released.length,
      poisson: ended.every((row) => row.statistics["poisson"] === true),
      spent: budget.tasks.get(task)?.spent ?? { coordinator: 0, observer: 0 },
      participations,
    };
    return {
      plan,
      record,
      history,
      journal: await stores.journal.read(task, round + 1),
      sequence: await stores.journal.last(task),
    };
  });
}

function countUpTo(
  rounds: ReadonlyMap<string, readonly number[]>,
  last: number,
): Map<string, ParticipationCount> {
  const counts = new Map<string, ParticipationCount>();
  for (const [device, own] of rounds) {
    const past = own.filter((round) => round <= last);
    const lastRound = past.at(-1);
    if (lastRound !== undefined) counts.set(device, { count: past.length, lastRound });
  }
  return counts;
}
