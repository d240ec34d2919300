/** The coordinator's composition root: database, blobs, key, tasks, HTTP and sockets in one process. */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { TaskOutput } from "@kindred/engine";
import { hexToBytes, KindredError, type Plan, type SignedPlan } from "@kindred/protocol";
import { nodeSuite, RecoveryPool } from "@kindred/secagg/node";
import { type Logger, pino } from "pino";
import { createHttpApp } from "./http/app.ts";
import { carefulLogger } from "./logging.ts";
import { acceptTask } from "./runtime/accept-task.ts";
import { AccountRegister } from "./runtime/account-register.ts";
import { type AccountIssuer, AccountTokens } from "./runtime/account-tokens.ts";
import { type Clock, systemClock } from "./runtime/clock.ts";
import { type Commit, commitTransitions } from "./runtime/commit.ts";
import { type Configuration, recordConfiguration } from "./runtime/configuration.ts";
import { DeviceNotes } from "./runtime/device-notes.ts";
import { LedgerKeeper } from "./runtime/ledger-keeper.ts";
import { prepareTask, type TaskDocuments } from "./runtime/new-task.ts";
import { readTask } from "./runtime/open-task.ts";
import { type OperatorIdentity, Operators, recordOperators } from "./runtime/operators.ts";
import { ReleaseRunner } from "./runtime/release-runner.ts";
import { type RollBackOutcome, type RollBackRequest, rollBack } from "./runtime/roll-back.ts";
import { RunningSum } from "./runtime/running-sum.ts";
import { sweepSpool } from "./runtime/spool-sweep.ts";
import { TaskRuntime } from "./runtime/task-runtime.ts";
import { Timers } from "./runtime/timers.ts";
import { Gateway, type ServedTask } from "./sockets/gateway.ts";
import { Listener } from "./sockets/listener.ts";
import { type BlobStores, openBlobStores } from "./store/blobs.ts";
import { type CoordinatorKey, loadCoordinatorKey } from "./store/coordinator-key.ts";
import { type Database, openDatabase } from "./store/database.ts";
import { type DirectoryLock, lockDirectory } from "./store/directory-lock.ts";
import { httpPorts } from "./store/readers.ts";
import { loadStorageKeys, type StorageKeyOptions } from "./store/storage-key.ts";
import { VERSION } from "./version.ts";

export interface CoordinatorOptions extends StorageKeyOptions {
  /** Folder of key, blobs and, without `databaseUrl`, the embedded database. */
  readonly directory: string;
  /** `postgresql://…`; PGlite in `directory` without it. */
  readonly databaseUrl?: string;
  /** Port of HTTP and sockets; 0 picks a free one. */
  readonly port: number;
  readonly host?: string;
  /** Hexadecimal Ed25519 seed; a key file in `directory` without it. */
  readonly keySeed?: string;
  readonly corsOrigins?: readonly string[];
  /** Who vouches for people's accounts; without it every device is a person of its own. */
  readonly accounts?: AccountIssuer;
  /** Who may act on this coordinator; nobody by default. */
  readonly operators?: readonly OperatorIdentity[];
  readonly clock?: Clock;
  /** Secret randomness; tests seed it. */
  readonly random?: (length: number) => Uint8Array;
  readonly logger?: Logger;
  /** Milliseconds a device may be without connection before it counts as departed. */
  readonly reconnectGrace?: number;
  /** Chunks per second that one connection may send. */
  readonly chunksPerSecond?: number;
  /** Told every output of every task once it is durable. */
  readonly observe?: (task: string, output: TaskOutput) => void;
}

interface RunningTask extends ServedTask {
  /** Bytes on the sockets since the round began. */
  traffic: { up: number; down: number };
}

const DEFAULT_RECONNECT_GRACE_MS = 10_000;
const DEFAULT_CHUNKS_PER_SECOND = 200;
/** Cohort whose threads are started before the sum has to be recovered. */
const LARGE_COHORT = 64;
/** Pause before a task that could not be opened is tried again. */
const REOPEN_MS = 5_000;

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #database: Database;
  /** Of the data folder. */
  readonly #lock: DirectoryLock;
  readonly #blobs: BlobStores;
  readonly #key: CoordinatorKey;
  readonly #listener: Listener;
  readonly #gateway: Gateway;
  readonly #notes: DeviceNotes;
  readonly #clock: Clock;
  readonly #random: (length: number) => Uint8Array;
  readonly #logger: Logger;
  readonly #suite = nodeSuite();
  readonly #recoveries = new RecoveryPool();
  readonly #tasks = new Map<string, RunningTask>();
  readonly #reopenings: Timers;
  readonly #ledger: LedgerKeeper;
  #closing: Promise<void> | undefined;

  private constructor(
    options: CoordinatorOptions,
    parts: {
      database: Database;
      blobs: BlobStores;
      key: CoordinatorKey;
      logger: Logger;
      tokens: AccountTokens | undefined;
      lock: DirectoryLock;
    },
  ) {
    this.#options = options;
    this.#database = parts.database;
    this.#lock = parts.lock;
    this.#blobs = parts.blobs;
    this.#key = parts.key;
    this.#logger = parts.logger;
    this.#ledger = new LedgerKeeper(parts);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? ((length) => new Uint8Array(randomBytes(length)));
    this.#reopenings = new Timers(this.#clock);
    const corsOrigins = options.corsOrigins ?? [];
    const startedAt = this.#clock.now();
    const operators = new Operators(options.operators ?? []);
    const app = createHttpApp({
      ...httpPorts(parts.database, parts.blobs.released),
      corsOrigins,
      logger: parts.logger,
      admin: {
        authenticate: (header) => operators.authenticate(header),
        rollBack: (request) => this.#rollBack(request),
      },
      health: {
        ping: () => parts.database.ping(),
        uptimeSeconds: () => Math.floor((this.#clock.now() - startedAt) / 1_000),
        version: VERSION,
      },
    });
    this.#listener = new Listener(app, parts.logger);
    this.#notes = new DeviceNotes({ database: parts.database, clock: this.#clock, logger: parts.logger });
    const { tokens } = parts;
    const register =
      tokens &&
      new AccountRegister({
        database: parts.database,
        tokens,
        key: parts.key,
        clock: this.#clock,
        isEngaged: (task, device) =>
          this.#gateway.connected(task, device) || this.#tasks.get(task)?.runtime.engages(device) === true,
      });
    this.#gateway = new Gateway({
      admit: register && ((hello, enter) => register.admit(hello, enter)),
      http: this.#listener.server,
      task: (id) => this.#tasks.get(id),
      suite: this.#suite,
      random: this.#random,
      corsOrigins,
      evidence: (selection) => this.#ledger.evidence(selection),
      seen: (device, task) => this.#notes.note(device, task),
      traffic: (task, { up, down }) => {
        const running = this.#tasks.get(task);
        if (running === undefined) return;
        running.traffic.up += up;
        running.traffic.down += down;
      },
      clock: this.#clock,
      logger: parts.logger,
      chunksPerSecond: options.chunksPerSecond ?? DEFAULT_CHUNKS_PER_SECOND,
    });
  }

  /**
   * Opens the stores, resumes the tasks that were running, and listens.
   * @throws KindredError `option-invalid` for an unusable folder, database, key or port
   */
  static async start(options: CoordinatorOptions): Promise<Coordinator> {
    const logger = carefulLogger(options.logger ?? pino({ level: "silent" }));
    const now = (options.clock ?? systemClock).now();
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    // For the coordinator's life, whatever its database: `rotate-key` must not replace a key that is in use.
    const lock = await lockDirectory(options.directory);
    try {
      return await Coordinator.#startLocked(options, { logger, now, lock });
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  static async #startLocked(
    options: CoordinatorOptions,
    { logger, now, lock }: { logger: Logger; now: number; lock: DirectoryLock },
  ): Promise<Coordinator> {
    const database = await openDatabase({
      ...(options.databaseUrl === undefined
        ? { directory: join(options.directory, "database") }
        : { url: options.databaseUrl }),
      keys: () => loadStorageKeys(options),
    });
    let coordinator: Coordinator | undefined;
    try {
      const keys = await loadStorageKeys(options);
      const blobs = await openBlobStores(join(options.directory, "blobs"), now, keys);
      const key = await loadCoordinatorKey({
        keys,
        file: join(options.directory, "coordinator.key"),
        ...(options.keySeed === undefined ? {} : { seed: options.keySeed }),
      });
      const tokens = options.accounts && (await AccountTokens.open(options.accounts));
      coordinator = new Coordinator(options, { database, blobs, key, logger, tokens, lock });
      await coordinator.#recordConfiguration({ storageKey: keys.id });
      await coordinator.#resumeTasks();
      await coordinator.#listener.listen(options.port, options.host ?? "127.0.0.1");
      return coordinator;
    } catch (error) {
      if (coordinator !== undefined) await coordinator.#stopTasks();
      await database.close();
      throw error;
    }
  }

  /** Base URL of HTTP and sockets. */
  get url(): string {
    return this.#listener.url;
  }

  /** Ed25519 public key that clients and auditors pin, hexadecimal. */
  get publicKey(): string {
    return this.#key.publicKeyHex;
  }

  /**
   * Accepts a task: resolves and signs its plan, makes the initial model, and starts the first round.
   * @param documents the plan as the operator wrote it, the public catalogue, and optionally its features and initial
   *   weights; all are validated here
   * @throws KindredError `plan-invalid`, `catalogue-invalid` or `model-invalid`, naming field, rule and fix
   */
  async createTask(documents: TaskDocuments): Promise<SignedPlan> {
    const [clock, key] = [this.#clock, this.#key];
    const prepared = prepareTask(documents, key.publicKeyHex);
    const signed = await acceptTask(prepared, {
      database: this.#database,
      released: this.#blobs.released,
      ledger: this.#ledger,
      key,
      clock,
    });
    await this.#serve(signed.plan.task);
    return signed;
  }

  /**
   * Ends a task; what was released stays.
   * @throws KindredError `task-unknown`, or `internal` if it could not be stored
   */
  async cancelTask(task: string): Promise<void> {
    const running = this.#tasks.get(task);
    if (running === undefined)
      throw new KindredError({
        code: "task-unknown",
        field: "task",
        rule: `must name a task of this coordinator, found "${task}"`,
        fix: "check the task's id",
      });
    const rejection = await running.runtime.submit({ type: "cancel" });
    if (rejection !== undefined) throw new KindredError(rejection);
  }

  async #rollBack(request: RollBackRequest): Promise<RollBackOutcome> {
    const runtime = this.#tasks.get(request.task)?.runtime;
    const outcome = await rollBack({ database: this.#database, runtime }, request);
    const { reason: _, ...said } = request;
    if (outcome.changed) this.#logger.info(said, "an operator went back to an earlier model");
    return outcome;
  }

  /** Devices connected to a task now. */
  connectedDevices(task: string): number {
    return this.#gateway.connectedDevices(task);
  }

  /**
   * Stops listening, ends every connection within about a second, and waits until everything acknowledged is durable.
   * Safe to call twice.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#listener.close(() => this.#gateway.close());
    await this.#stopTasks();
    await this.#notes.flush();
    await this.#database.close();
    await this.#lock.release();
  }

  async #stopTasks(): Promise<void> {
    this.#reopenings.stop();
    await Promise.all([...this.#tasks.values()].map(({ runtime }) => runtime.stop()));
    await this.#recoveries.close();
  }

  /** What changed since the last start stands in the ledger before anything runs under it. */
  async #recordConfiguration(secrets: Configuration): Promise<void> {
    const { corsOrigins = [], chunksPerSecond, reconnectGrace, accounts } = this.#options;
    const configuration: Configuration = {
      version: VERSION,
      database: this.#database.kind,
      corsOrigins: corsOrigins.length === 0 ? null : [...corsOrigins].sort().join(", "),
      accounts: accounts === undefined ? null : `${accounts.issuer} for ${accounts.audience}`,
      chunksPerSecond: `${chunksPerSecond ?? DEFAULT_CHUNKS_PER_SECOND}`,
      reconnectGrace: `${reconnectGrace ?? DEFAULT_RECONNECT_GRACE_MS} ms`,
      ...secrets,
    };
    const signing = { key: this.#key, now: this.#clock.now() };
    const changed = await this.#ledger.inTurn(() =>
      this.#database.tx("record configuration", async (stores) => [
        ...(await recordConfiguration(stores, configuration, signing)),
        ...(await recordOperators(stores, this.#options.operators ?? [], signing)),
      ]),
    );
    if (changed.length > 0) this.#logger.info({ changed }, "the configuration has changed");
  }

  async #resumeTasks(): Promise<void> {
    const records = await this.#database.tx("list tasks", ({ tasks }) => tasks.list());
    const opened = await Promise.all(records.map(({ id }) => this.#resume(id)));
    // Only with every task open is it known which vectors are needed.
    if (!opened.every(Boolean)) return;
    const needed = [...this.#tasks.values()].flatMap(({ runtime }) => runtime.vectors);
    const { spool } = this.#blobs;
    const removed = await sweepSpool({ database: this.#database, spool, needed, now: this.#clock.now() });
    if (removed > 0) this.#logger.info({ removed }, "orphaned vectors were removed");
  }

  /** Serves a stored task; one that cannot be opened is tried again later and keeps no other from being served. */
  async #resume(task: string): Promise<boolean> {
    try {
      await this.#serve(task);
      return true;
    } catch (error) {
      this.#logger.error({ error, task }, "a task could not be opened");
      if (this.#closing !== undefined) return false;
      this.#reopenings.later(REOPEN_MS, () => void this.#resume(task));
      return false;
    }
  }

  async #serve(task: string): Promise<void> {
    const { plan, record } = await readTask(this.#database, task);
    const { modulusBits: bits, paddedLength: length } = plan.resolved.mechanism;
    const traffic = { up: 0, down: 0 };
    const runtime = await TaskRuntime.open({
      config: { plan, planDigest: record.planDigest },
      key: this.#key,
      suite: this.#suite,
      recover: (...job) => this.#recoveries.recover(...job),
      clock: this.#clock,
      random: this.#random,
      outbox: this.#gateway.outbox(task),
      load: () => this.#ledger.inTurn(() => readTask(this.#database, task)),
      commit: (batch) =>
        this.#commit({
          ...batch,
          task,
          traffic: () => ({ bytesUp: traffic.up, bytesDown: traffic.down }),
        }),
      newSum: () => new RunningSum({ task, bits, length, spool: this.#blobs.spool }),
      releases: new ReleaseRunner({ database: this.#database, blobs: this.#blobs, plan }),
      observe: (output) => this.#observe(plan, output),
      logger: this.#logger,
      reconnectGrace: this.#options.reconnectGrace ?? DEFAULT_RECONNECT_GRACE_MS,
    });
    this.#tasks.set(task, { plan, planDigest: hexToBytes(record.planDigest), runtime, traffic });
  }

  #commit(commit: Commit): Promise<number> {
    const write = () => commitTransitions(this.#database, commit, this.#key);
    return commit.outputs.some(({ type }) => type === "ledger") ? this.#ledger.inTurn(write) : write();
  }

  #observe({ task }: Plan, output: TaskOutput): void {
    const running = this.#tasks.get(task);
    if (output.type === "phase" && output.phase === "selecting" && running !== undefined)
      Object.assign(running.traffic, { up: 0, down: 0 });
    if (output.type === "phase" && output.phase === "masking" && output.clients >= LARGE_COHORT)
      this.#recoveries.prepare();
    if (output.type === "phase" || output.type === "round")
      this.#logger.info({ task, ...output }, output.type);
    this.#options.observe?.(task, output);
  }
}
