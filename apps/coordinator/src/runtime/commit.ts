/** The durable side of a transition: journal, ledger, round, model and participations in one transaction. */
import type { DurableOutput, TaskOutput } from "@kindred/engine";
import { appendEntry, type LedgerBody, type LedgerEntry } from "@kindred/privacy";
import { canonicalJson } from "@kindred/protocol";
import type { CoordinatorKey } from "../store/coordinator-key.ts";
import type { Database } from "../store/database.ts";
import type { NewJournalEntry } from "../store/journal.ts";
import type { LedgerRecord } from "../store/ledger.ts";
import type { Stores } from "../store/stores.ts";

/** Beyond every round that a plan can ask for. */
const LAST_ROUND = 2 ** 31 - 2;

export interface Commit {
  readonly task: string;
  /** Sequence of the newest journal entry known. */
  readonly after: number;
  readonly entries: readonly NewJournalEntry[];
  readonly outputs: readonly TaskOutput[];
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** The task's new status where the batch ends it. */
  readonly status: "finished" | "cancelled" | undefined;
  /** Bytes and other figures of a round that only the runtime knows. */
  readonly traffic: (round: number) => Record<string, number>;
}

/** A stored entry with its body parsed; the text is canonical, so the hash can be recomputed from it. */
export function ledgerEntryOf(record: LedgerRecord): LedgerEntry {
  return { ...record, body: JSON.parse(record.body) as LedgerBody };
}

/** Appends one body to the signed chain within a transaction. */
export async function appendToLedger(
  stores: Stores,
  body: LedgerBody,
  { key, now }: { key: CoordinatorKey; now: number },
): Promise<void> {
  const last = await stores.ledger.last();
  const tail = last === undefined ? undefined : ledgerEntryOf(last);
  const entry = appendEntry({ tail, body, time: new Date(now).toISOString(), signer: key });
  await stores.ledger.append({ ...entry, body: canonicalJson(entry.body) });
}

/**
 * Writes a batch of transitions.
 * @returns sequence of the newest journal entry
 * @throws ConflictError if another coordinator wrote to the task's journal in the meantime
 */
export function commitTransitions(database: Database, commit: Commit, key: CoordinatorKey): Promise<number> {
  return database.tx("commit transitions", async (stores) => {
    const sequence = await stores.journal.append(commit.task, {
      after: commit.after,
      entries: commit.entries,
    });
    const participations = new Map<number, string[]>();
    for (const output of commit.outputs) {
      if (output.type === "participation") {
        const devices = participations.get(output.round) ?? [];
        devices.push(output.device);
        participations.set(output.round, devices);
      } else await writeDurable(stores, output, { commit, key });
    }
    for (const [round, devices] of participations)
      await stores.devices.recordParticipations({ task: commit.task, round, devices, now: commit.now });
    if (commit.status !== undefined) await stores.tasks.setStatus(commit.task, commit.status);
    const ended = commit.status === undefined ? lastEnded(commit.outputs) : LAST_ROUND;
    if (ended !== undefined) await stores.journal.prune(commit.task, ended + 1);
    return sequence;
  });
}

/** The last round that ends in a batch: its journal, and any before it, is not needed again. */
function lastEnded(outputs: readonly TaskOutput[]): number | undefined {
  const ended = outputs.flatMap((output) =>
    output.type === "round" && output.record.status !== "running" ? [output.record.round] : [],
  );
  return ended.at(-1);
}

async function writeDurable(
  stores: Stores,
  output: TaskOutput,
  { commit, key }: { commit: Commit; key: CoordinatorKey },
): Promise<void> {
  const { task, now } = commit;
  switch (output.type) {
    case "ledger":
      await appendToLedger(stores, output.body, { key, now });
      break;
    case "model":
      await stores.models.record({
        task,
        round: output.round,
        hash: output.hash,
        parent: output.parent,
        createdAt: now,
      });
      // From the commit on devices are given it; no plan has a gate between release and use.
      await appendToLedger(
        stores,
        { kind: "model-promoted", task, round: output.round, modelHash: output.hash, operator: null },
        { key, now },
      );
      await stores.models.saveOptimiser({ task, round: output.round, blobHash: output.optimiserHash });
      break;
    case "rolled-back":
      // The moments belong to the model that is given up, and those of the other one are not kept.
      await stores.models.use(task, output.hash);
      await stores.models.forgetOptimiser(task);
      break;
    case "round":
      await writeRound(stores, output, commit);
      break;
    default:
      break;
  }
}

async function writeRound(
  stores: Stores,
  { record }: Extract<DurableOutput, { type: "round" }>,
  { task, traffic }: Commit,
): Promise<void> {
  const { round, status, epsilon, times, ...rest } = record;
  const started = times.selecting ?? times.finished ?? 0;
  await stores.rounds.upsert({
    task,
    number: round,
    status: status === "running" ? "selecting" : status,
    cohort: rest.cohort,
    survivors: rest.survivors,
    dropped: rest.dropped,
    epsilonCoordinator: epsilon.coordinator,
    epsilonObserver: epsilon.observer,
    loss: rest.loss,
    statistics: {
      times: { ...times },
      silhouette: rest.silhouette,
      poisson: rest.poisson,
      ...(rest.corrupt.length === 0 ? {} : { corrupt: [...rest.corrupt] }),
      ...(rest.lossDeviation === null ? {} : { lossDeviation: rest.lossDeviation }),
      ...(rest.heldOut === undefined ? {} : { heldOut: { ...rest.heldOut } }),
      ...(rest.signal === undefined ? {} : { signal: { ...rest.signal } }),
      ...(rest.clusters === null ? {} : { clusters: { ...rest.clusters } }),
      ...traffic(round),
    },
    startedAt: started,
    endedAt: status === "running" ? null : (times.finished ?? started),
    reason: rest.reason,
  });
}
