/**
 * The coordinator's records, one class per concern. A store is bound to one transaction and lives as long as it
 * (`Database.tx`), so whatever one callback writes through several stores is committed together.
 *
 * Times are milliseconds since the Unix epoch, hashes and keys lower-case hexadecimal.
 */
import { sha256Hex } from "@kindred/protocol";
import type { KeyRing } from "@kindred/sealing";
import type { Prisma } from "../generated/prisma/client.ts";
import { AccountStore } from "./accounts.ts";
import { DeviceStore } from "./devices.ts";
import { ConflictError } from "./errors.ts";
import { JournalStore } from "./journal.ts";
import { LedgerStore } from "./ledger.ts";

/** A Prisma client inside a transaction. */
type Transaction = Prisma.TransactionClient;

/** All stores of one transaction. */
export class Stores {
  readonly tasks: TaskStore;
  readonly journal: JournalStore;
  readonly rounds: RoundStore;
  readonly models: ModelStore;
  readonly ledger: LedgerStore;
  readonly devices: DeviceStore;
  readonly settings: SettingStore;
  readonly accounts: AccountStore;

  /** @param keys what journal entries are sealed with; without it they are stored as they are */
  constructor(transaction: Transaction, keys: KeyRing | undefined) {
    this.tasks = new TaskStore(transaction);
    this.journal = new JournalStore(transaction, keys);
    this.rounds = new RoundStore(transaction);
    this.models = new ModelStore(transaction);
    this.ledger = new LedgerStore(transaction);
    this.devices = new DeviceStore(transaction);
    this.settings = new SettingStore(transaction);
    this.accounts = new AccountStore(transaction);
  }
}

export type TaskStatus = "running" | "finished" | "failed" | "cancelled";

export interface TaskRecord {
  readonly id: string;
  /** Canonical JSON of the resolved plan. */
  readonly plan: string;
  /** The coordinator's Ed25519 signature over `planSigningText`, 128 digits. */
  readonly signature: string;
  /** SHA-256 of `plan`. */
  readonly planDigest: string;
  readonly catalogueHash: string;
  readonly status: TaskStatus;
  readonly createdAt: number;
}

/** The CHECK constraint on the column admits nothing else. */
function taskRecord(row: Prisma.TaskModel): TaskRecord {
  const { journalSequence: _, currentModel: __, createdAt, status, ...rest } = row;
  return { ...rest, status: status as TaskStatus, createdAt: createdAt.getTime() };
}

export class TaskStore {
  readonly #db: Transaction;

  constructor(transaction: Transaction) {
    this.#db = transaction;
  }

  /** @throws ConflictError if the id is taken; Error if `planDigest` is not the digest of `plan` */
  async create(task: TaskRecord): Promise<void> {
    if (sha256Hex(task.plan) !== task.planDigest) throw new Error("planDigest is not the digest of the plan");
    const data = { ...task, createdAt: new Date(task.createdAt) };
    const { count } = await this.#db.task.createMany({ data, skipDuplicates: true });
    if (count === 0) throw new ConflictError(`task ${task.id} exists already`);
  }

  async get(id: string): Promise<TaskRecord | undefined> {
    const row = await this.#db.task.findUnique({ where: { id } });
    return row === null ? undefined : taskRecord(row);
  }

  /** Oldest first. */
  async list(): Promise<TaskRecord[]> {
    const rows = await this.#db.task.findMany({ orderBy: [{ createdAt: "asc" }, { id: "asc" }] });
    return rows.map(taskRecord);
  }

  /** @throws ConflictError if there is no such task */
  async setStatus(id: string, status: TaskStatus): Promise<void> {
    const { count } = await this.#db.task.updateMany({ where: { id }, data: { status } });
    if (count === 0) throw new ConflictError(`task ${id} does not exist`);
  }

  /** Whether some task's catalogue has this content hash. */
  async hasCatalogue(hash: string): Promise<boolean> {
    return (await this.#db.task.findFirst({ where: { catalogueHash: hash }, select: { id: true } })) !== null;
  }

  /** Makes further files of a task public, by their content hashes. */
  async addFiles(task: string, hashes: readonly string[]): Promise<void> {
    const data = hashes.map((hash) => ({ task, hash }));
    await this.#db.taskFile.createMany({ data, skipDuplicates: true });
  }

  /** Whether a file of some task has this content hash. */
  async hasFile(hash: string): Promise<boolean> {
    return (await this.#db.taskFile.findFirst({ where: { hash }, select: { hash: true } })) !== null;
  }
}

/** What JSON can hold; numbers are finite. */
type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** The round machine's phases. */
export type RoundStatus =
  | "selecting"
  | "training"
  | "enrolling"
  | "sharing"
  | "masking"
  | "consistency"
  | "unmasking"
  | "aggregating"
  | "published"
  | "failed"
  | "cancelled";

export interface RoundRecord {
  readonly task: string;
  /** 1, 2, 3 … */
  readonly number: number;
  readonly status: RoundStatus;
  /** Clients in the key directory, survivors, and those lost in between. */
  readonly cohort: number;
  readonly survivors: number;
  readonly dropped: number;
  /** ε spent so far; null while nothing is released. */
  readonly epsilonCoordinator: number | null;
  readonly epsilonObserver: number | null;
  /** Mean training loss decoded from the noisy sums. */
  readonly loss: number | null;
  /** Durations, bytes and quality; from released sums only. */
  readonly statistics: Readonly<Record<string, JsonValue>>;
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Why it failed or was cancelled. */
  readonly reason: string | null;
}

function roundRecord(row: Prisma.RoundModel): RoundRecord {
  return {
    ...row,
    status: row.status as RoundStatus,
    statistics: row.statistics as Record<string, JsonValue>,
    startedAt: row.startedAt.getTime(),
    endedAt: row.endedAt?.getTime() ?? null,
  };
}

export class RoundStore {
  readonly #db: Transaction;

  constructor(transaction: Transaction) {
    this.#db = transaction;
  }

  /** Writes a round, or replaces what was known of it. */
  async upsert(round: RoundRecord): Promise<void> {
    const { task, number } = round;
    const data = {
      ...round,
      // Prisma's own type for JSON leaves out nested null, which it stores all the same.
      statistics: round.statistics as Prisma.InputJsonObject,
      startedAt: new Date(round.startedAt),
      endedAt: round.endedAt === null ? null : new Date(round.endedAt),
    };
    await this.#db.round.upsert({
      where: { task_number: { task, number } },
      create: data,
      update: data,
    });
  }

  async get(task: string, number: number): Promise<RoundRecord | undefined> {
    const row = await this.#db.round.findUnique({ where: { task_number: { task, number } } });
    return row === null ? undefined : roundRecord(row);
  }

  /** Rounds of a task, first to last. */
  async list(task: string): Promise<RoundRecord[]> {
    const rows = await this.#db.round.findMany({ where: { task }, orderBy: { number: "asc" } });
    return rows.map(roundRecord);
  }
}

export interface ModelRecord {
  readonly task: string;
  /** Round that made it; 0 is the initial model. */
  readonly round: number;
  readonly hash: string;
  /** Hash of the model it was made from; null for round 0 and only there. */
  readonly parent: string | null;
  readonly createdAt: number;
}

/** Where the server optimiser's moments after `round` are kept: a blob that is not public. */
export interface OptimiserRecord {
  readonly task: string;
  readonly round: number;
  readonly blobHash: string;
}

export class ModelStore {
  readonly #db: Transaction;

  constructor(transaction: Transaction) {
    this.#db = transaction;
  }

  /** Releases a model, which becomes the current one: from the commit on its blob may be downloaded. @throws ConflictError if the round has one already */
  async record(model: ModelRecord): Promise<void> {
    const data = { ...model, createdAt: new Date(model.createdAt) };
    const { count } = await this.#db.modelVersion.createMany({ data, skipDuplicates: true });
    if (count === 0) throw new ConflictError(`round ${model.round} of ${model.task} has a model already`);
    await this.use(model.task, model.hash);
  }

  /** Makes a released model the one that devices are given and that the next round starts from. */
  async use(task: string, hash: string): Promise<void> {
    await this.#db.task.updateMany({ where: { id: task }, data: { currentModel: hash } });
  }

  /** The model that devices are given: released last, or gone back to. */
  async current(task: string): Promise<ModelRecord | undefined> {
    const owner = await this.#db.task.findUnique({ where: { id: task }, select: { currentModel: true } });
    if (owner?.currentModel == null) return undefined;
    // The same content could in theory be released twice; its file is then the same too.
    const where = { task, hash: owner.currentModel };
    const row = await this.#db.modelVersion.findFirst({ where, orderBy: { round: "desc" } });
    return row === null ? undefined : { ...row, createdAt: row.createdAt.getTime() };
  }

  /** Versions of a task, first to last. */
  async list(task: string): Promise<ModelRecord[]> {
    const rows = await this.#db.modelVersion.findMany({ where: { task }, orderBy: { round: "asc" } });
    return rows.map((row) => ({ ...row, createdAt: row.createdAt.getTime() }));
  }

  /** Whether some task released a model with this content hash. */
  async isReleased(hash: string): Promise<boolean> {
    return (await this.#db.modelVersion.findFirst({ where: { hash }, select: { round: true } })) !== null;
  }

  /** Replaces the task's optimiser state. */
  async saveOptimiser(state: OptimiserRecord): Promise<void> {
    await this.#db.optimiserState.upsert({ where: { task: state.task }, create: state, update: state });
  }

  /** The next step begins with fresh moments. */
  async forgetOptimiser(task: string): Promise<void> {
    await this.#db.optimiserState.deleteMany({ where: { task } });
  }

  async optimiser(task: string): Promise<OptimiserRecord | undefined> {
    return (await this.#db.optimiserState.findUnique({ where: { task } })) ?? undefined;
  }
}

export class SettingStore {
  readonly #db: Transaction;

  constructor(transaction: Transaction) {
    this.#db = transaction;
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#db.setting.findUnique({ where: { key } }))?.value;
  }

  async set(key: string, value: string): Promise<void> {
    await this.#db.setting.upsert({ where: { key }, create: { key, value }, update: { value } });
  }
}
