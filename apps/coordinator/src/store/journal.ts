/**
 * Write-ahead journal of the round machine: a coordinator that restarts replays it from the round it was in. Its events hold
 * members' shares and the seeds of the coordinator's own draws, so they are sealed, each to its task and sequence.
 */
import type { KeyRing } from "@kindred/sealing";
import type { Prisma } from "../generated/prisma/client.ts";
import { ConflictError } from "./errors.ts";

export interface NewJournalEntry {
  readonly round: number;
  /** Type of the event. */
  readonly kind: string;
  /** The encoded event. */
  readonly payload: Uint8Array;
  /** When the machine saw it, milliseconds since the Unix epoch; replay uses this and no clock. */
  readonly time: number;
}

export interface JournalRecord extends NewJournalEntry {
  /** 1, 2, 3 … within the task. */
  readonly sequence: number;
}

/** Rows of one INSERT; PostgreSQL takes at most 65,535 parameters a statement. */
const ROWS_PER_INSERT = 1_000;

/** Entries of one transaction while the journal is sealed anew. */
const ENTRIES_PER_PAGE = 200;

/** Names one entry. */
export interface JournalPlace {
  readonly task: string;
  readonly sequence: number;
}

export class JournalStore {
  readonly #db: Prisma.TransactionClient;
  readonly #keys: KeyRing | undefined;

  constructor(transaction: Prisma.TransactionClient, keys: KeyRing | undefined) {
    this.#db = transaction;
    this.#keys = keys;
  }

  /** A copy in any case: Prisma wants an array with a buffer of its own. */
  #seal(payload: Uint8Array, place: string): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#keys?.seal(payload, place) ?? payload);
  }

  /**
   * Appends entries as one group.
   * @param options.after sequence of the newest entry the caller knows, 0 for none. If the journal has moved on,
   *   another coordinator writes this task, and nothing is appended.
   * @returns sequence of the newest entry now
   * @throws ConflictError if `after` is stale or the task does not exist
   */
  async append(
    task: string,
    { after, entries }: { after: number; entries: readonly NewJournalEntry[] },
  ): Promise<number> {
    const last = after + entries.length;
    const { count } = await this.#db.task.updateMany({
      where: { id: task, journalSequence: BigInt(after) },
      data: { journalSequence: BigInt(last) },
    });
    if (count === 0)
      throw new ConflictError(
        `journal of ${task} does not end at ${after}; another coordinator runs this task`,
      );
    const rows = entries.map((entry, index) => ({
      ...entry,
      task,
      sequence: BigInt(after + 1 + index),
      payload: this.#seal(entry.payload, placeOf(task, after + 1 + index)),
      time: new Date(entry.time),
    }));
    for (let start = 0; start < rows.length; start += ROWS_PER_INSERT)
      await this.#db.journalEntry.createMany({ data: rows.slice(start, start + ROWS_PER_INSERT) });
    return last;
  }

  /** Sequence of the newest entry ever appended, 0 for none or no such task. */
  async last(task: string): Promise<number> {
    const row = await this.#db.task.findUnique({ where: { id: task }, select: { journalSequence: true } });
    return Number(row?.journalSequence ?? 0n);
  }

  /** Entries of round `sinceRound` and later, in the order in which they were appended. */
  async read(task: string, sinceRound: number): Promise<JournalRecord[]> {
    const rows = await this.#db.journalEntry.findMany({
      where: { task, round: { gte: sinceRound } },
      orderBy: { sequence: "asc" },
    });
    return rows.map(({ sequence, round, kind, payload, time }) => ({
      sequence: Number(sequence),
      round,
      kind,
      payload: this.#keys?.open(payload, placeOf(task, Number(sequence))).bytes ?? payload,
      time: time.getTime(),
    }));
  }

  /** Forgets the entries of rounds before `beforeRound`; sequences go on. @returns how many were removed */
  async prune(task: string, beforeRound: number): Promise<number> {
    const { count } = await this.#db.journalEntry.deleteMany({ where: { task, round: { lt: beforeRound } } });
    return count;
  }

  /**
   * Seals with the present key what is not, of the next entries of all tasks.
   * @param after the last entry of the page before
   * @returns how many entries were sealed, and the last entry of the page; undefined behind the last page
   */
  async sealAnew(after?: JournalPlace): Promise<{ sealed: number; last: JournalPlace | undefined }> {
    const keys = this.#keys;
    if (keys === undefined) throw new Error("a journal without keys cannot be sealed");
    const rows = await this.#db.journalEntry.findMany({
      ...(after === undefined
        ? {}
        : {
            where: {
              OR: [
                { task: { gt: after.task } },
                { task: after.task, sequence: { gt: BigInt(after.sequence) } },
              ],
            },
          }),
      orderBy: [{ task: "asc" }, { sequence: "asc" }],
      take: ENTRIES_PER_PAGE,
    });
    let sealed = 0;
    for (const { task, sequence, payload } of rows) {
      const place = placeOf(task, Number(sequence));
      const { bytes, isCurrent } = keys.open(payload, place);
      if (isCurrent) continue;
      await this.#db.journalEntry.update({
        where: { task_sequence: { task, sequence } },
        data: { payload: this.#seal(bytes, place) },
      });
      sealed++;
    }
    const last = rows.at(-1);
    return { sealed, last: last && { task: last.task, sequence: Number(last.sequence) } };
  }
}

const placeOf = (task: string, sequence: number): string => `journal ${task} ${sequence}`;
