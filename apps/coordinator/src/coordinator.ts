/** The coordinator's composition root: database, blobs, key, tasks, HTTP and sockets in one process. */
import { randomBytes } from "node:crypto";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { seedCentroids } from "@kindred/clustering";
import { itemFeatures } from "@kindred/encoder/features";
import { encoderLayout, initialWeights, trainableLayout } from "@kindred/encoder/layout";
import { resolvePlan, type TaskOutput } from "@kindred/engine";
import {
  bytesToHex,
  canonicalJson,
  catalogueHash,
  encodeModel,
  hexToBytes,
  KindredError,
  parseCatalogue,
  parsePlanInput,
  planDigest,
  planSigningText,
  type SignedPlan,
  utf8ToBytes,
} from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { type Logger, pino } from "pino";
import { createHttpApp } from "./http/app.ts";
import { type Clock, systemClock } from "./runtime/clock.ts";
import { appendToLedger } from "./runtime/commit.ts";
import { readTask } from "./runtime/open-task.ts";
import { ReleaseRunner } from "./runtime/release-runner.ts";
import { RunningSum } from "./runtime/running-sum.ts";
import { TaskRuntime } from "./runtime/task-runtime.ts";
import { Gateway, type ServedTask } from "./sockets/gateway.ts";
import { type BlobStores, openBlobStores } from "./store/blobs.ts";
import { type CoordinatorKey, loadCoordinatorKey } from "./store/coordinator-key.ts";
import { type Database, openDatabase } from "./store/database.ts";
import { ConflictError } from "./store/errors.ts";
import { httpPorts } from "./store/readers.ts";
import { VERSION } from "./version.ts";

/** Lloyd iterations over the public items when clusters are seeded. */
const SEED_ITERATIONS = 10;

export interface CoordinatorOptions {
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

interface Traffic {
  up: number;
  down: number;
}

interface RunningTask extends ServedTask {
  readonly digest: string;
  /** Bytes on the sockets since the round began. */
  traffic: Traffic;
}

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #database: Database;
  readonly #blobs: BlobStores;
  readonly #key: CoordinatorKey;
  readonly #http: HttpServer;
  readonly #gateway: Gateway;
  readonly #clock: Clock;
  readonly #random: (length: number) => Uint8Array;
  readonly #logger: Logger;
  readonly #suite = nodeSuite();
  readonly #tasks = new Map<string, RunningTask>();

  private constructor(
    options: CoordinatorOptions,
    parts: { database: Database; blobs: BlobStores; key: CoordinatorKey; logger: Logger },
  ) {
    this.#options = options;
    this.#database = parts.database;
    this.#blobs = parts.blobs;
    this.#key = parts.key;
    this.#logger = parts.logger;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? ((length) => new Uint8Array(randomBytes(length)));
    const corsOrigins = options.corsOrigins ?? [];
    const startedAt = this.#clock.now();
    const app = createHttpApp({
      ...httpPorts(parts.database, parts.blobs.released),
      corsOrigins,
      logger: parts.logger,
      health: {
        ping: () => parts.database.ping(),
        uptimeSeconds: () => Math.floor((this.#clock.now() - startedAt) / 1_000),
        version: VERSION,
      },
    });
    this.#http = createServer(app);
    this.#gateway = new Gateway({
      http: this.#http,
      task: (id) => this.#tasks.get(id),
      suite: this.#suite,
      random: this.#random,
      corsOrigins,
      seen: (device, task) => this.#noteDevice(device, task),
      traffic: (task, { up, down }) => {
        const running = this.#tasks.get(task);
        if (running === undefined) return;
        running.traffic.up += up;
        running.traffic.down += down;
      },
      logger: parts.logger,
      chunksPerSecond: options.chunksPerSecond ?? 200,
    });
  }

  /**
   * Opens the stores, resumes the tasks that were running, and listens.
   * @throws KindredError `option-invalid` for an unusable folder, database or key
   */
  static async start(options: CoordinatorOptions): Promise<Coordinator> {
    const logger = options.logger ?? pino({ level: "silent" });
    const now = (options.clock ?? systemClock).now();
    const database = await openDatabase(
      options.databaseUrl === undefined
        ? { directory: join(options.directory, "database") }
        : { url: options.databaseUrl },
    );
    try {
      const blobs = await openBlobStores(join(options.directory, "blobs"), now);
      const key = await loadCoordinatorKey({
        file: join(options.directory, "coordinator.key"),
        ...(options.keySeed === undefined ? {} : { seed: options.keySeed }),
      });
      const coordinator = new Coordinator(options, { database, blobs, key, logger });
      await coordinator.#resumeTasks();
      await coordinator.#listen();
      return coordinator;
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** Base URL of HTTP and sockets. */
  get url(): string {
    const { address, port, family } = this.#http.address() as AddressInfo;
    const host =
      address === "::" || address === "0.0.0.0" ? "127.0.0.1" : family === "IPv6" ? `[${address}]` : address;
    return `http://${host}:${port}`;
  }

  /** Ed25519 public key that clients and auditors pin, hexadecimal. */
  get publicKey(): string {
    return this.#key.publicKeyHex;
  }

  /**
   * Accepts a task: resolves and signs its plan, makes the initial model, and starts the first round.
   * @param documents the plan as the operator wrote it, and the public catalogue; both are validated here
   * @throws KindredError `plan-invalid` or `catalogue-invalid`, naming field, rule and fix
   */
  async createTask(documents: { plan: unknown; catalogue: unknown }): Promise<SignedPlan> {
    const input = parsePlanInput(documents.plan);
    const catalogue = parseCatalogue(documents.catalogue);
    const itemCount = catalogue.items.length;
    const layout = encoderLayout(input.encoder, itemCount, input.training);
    const plan = resolvePlan(input, {
      coordinatorKey: this.#key.publicKeyHex,
      catalogueHash: catalogueHash(catalogue),
      itemCount,
      modelLength: trainableLayout(layout, input.training).length,
    });
    const dimension = plan.encoder.dimension;
    const items = { rows: itemCount, columns: dimension, data: itemFeatures(catalogue.items, plan.encoder) };
    const { clusters } = plan.clustering;
    if (clusters > itemCount)
      throw new KindredError({
        code: "plan-invalid",
        field: "plan.clustering.clusters",
        rule: `must not exceed the catalogue's ${itemCount} items`,
        fix: "ask for fewer clusters",
      });
    const centroids = seedCentroids({
      items,
      clusters,
      seed: plan.encoder.seed,
      iterations: SEED_ITERATIONS,
    });
    const model = encodeModel({
      task: plan.task,
      round: 0,
      parent: "",
      weights: initialWeights(plan.encoder, itemCount, plan.training),
      centroids: centroids.data,
      clusters,
    });
    const signature = bytesToHex(this.#key.sign(utf8ToBytes(planSigningText(plan))));
    await this.#blobs.released.put(utf8ToBytes(canonicalJson(catalogue)));
    const modelHash = await this.#blobs.released.put(model);
    await this.#storeTask({ plan, signature }, modelHash);
    await this.#serve(plan.task);
    return { plan, signature };
  }

  async #storeTask({ plan, signature }: SignedPlan, modelHash: string): Promise<void> {
    const now = this.#clock.now();
    const digest = planDigest(plan);
    const { catalogueHash: catalogue } = plan.resolved;
    try {
      await this.#database.tx("create task", async (stores) => {
        const text = canonicalJson(plan);
        await stores.tasks.create({
          id: plan.task,
          plan: text,
          signature,
          planDigest: digest,
          catalogueHash: catalogue,
          status: "running",
          createdAt: now,
        });
        await stores.models.record({
          task: plan.task,
          round: 0,
          hash: modelHash,
          parent: null,
          createdAt: now,
        });
        const noise = plan.privacy.mechanism !== "none";
        await appendToLedger(
          stores,
          {
            kind: "plan-accepted",
            task: plan.task,
            planDigest: digest,
            epsilon: noise ? plan.privacy.epsilon : null,
            delta: plan.privacy.delta,
            participations: plan.participation.maximum,
            rounds: plan.rounds,
            catalogueHash: catalogue,
          },
          { key: this.#key, now },
        );
      });
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      throw new KindredError({
        code: "plan-invalid",
        field: "plan.task",
        rule: `must be new, but "${plan.task}" exists on this coordinator`,
        fix: "choose another task id; a plan never changes once it is signed",
      });
    }
  }

  /** Ends a task; what was released stays. @throws KindredError `task-unknown` */
  async cancelTask(task: string): Promise<void> {
    const running = this.#tasks.get(task);
    if (running === undefined)
      throw new KindredError({
        code: "task-unknown",
        field: "task",
        rule: `must name a running task, found "${task}"`,
        fix: "check the task's id",
      });
    await running.runtime.submit({ type: "cancel" });
  }

  /** Devices connected to a task now. */
  connectedDevices(task: string): number {
    return this.#gateway.connectedDevices(task);
  }

  /** Stops listening and waits until everything acknowledged is durable. */
  async close(): Promise<void> {
    await this.#gateway.close();
    for (const { runtime } of this.#tasks.values()) await runtime.stop();
    this.#http.closeAllConnections();
    await this.#database.close();
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#http.once("error", (error: NodeJS.ErrnoException) => {
        reject(
          error.code !== "EADDRINUSE"
            ? error
            : new KindredError({
                code: "option-invalid",
                field: "port",
                rule: `${this.#options.port} is in use`,
                fix: "choose another port, or 0 for any",
              }),
        );
      });
      this.#http.listen(this.#options.port, this.#options.host ?? "127.0.0.1", resolve);
    });
  }

  async #resumeTasks(): Promise<void> {
    const records = await this.#database.tx("list tasks", ({ tasks }) => tasks.list());
    for (const { id, status } of records) if (status === "running") await this.#serve(id);
  }

  async #serve(task: string): Promise<void> {
    const stored = await readTask(this.#database, task);
    const { plan } = stored;
    const { modulusBits: bits, paddedLength: length } = plan.resolved.mechanism;
    const releases = new ReleaseRunner({ database: this.#database, blobs: this.#blobs, plan });
    const traffic: Traffic = { up: 0, down: 0 };
    const runtime = await TaskRuntime.open(
      {
        config: { plan, planDigest: stored.record.planDigest },
        database: this.#database,
        key: this.#key,
        suite: this.#suite,
        clock: this.#clock,
        random: this.#random,
        outbox: this.#gateway.outbox(task),
        sum: new RunningSum({ bits, length, spool: this.#blobs.spool }),
        release: (output, sum) => releases.run(output, sum),
        observe: (output) => this.#observe(task, output),
        traffic: () => {
          const { up, down } = this.#tasks.get(task)?.traffic ?? traffic;
          return { bytesUp: up, bytesDown: down };
        },
        failed: (error) => this.#restart(task, error),
        reconnectGrace: this.#options.reconnectGrace ?? 10_000,
      },
      stored,
    );
    this.#tasks.set(task, {
      plan,
      planDigest: hexToBytes(stored.record.planDigest),
      digest: stored.record.planDigest,
      runtime,
      traffic,
    });
  }

  #observe(task: string, output: TaskOutput): void {
    const running = this.#tasks.get(task);
    if (output.type === "phase" && output.phase === "selecting" && running !== undefined)
      running.traffic = { up: 0, down: 0 };
    if (output.type === "phase" || output.type === "round")
      this.#logger.info({ task, ...output }, output.type);
    if (output.type === "finished") void this.#finish(task);
    this.#options.observe?.(task, output);
  }

  async #finish(task: string): Promise<void> {
    const phase = this.#tasks.get(task)?.runtime.state.phase.name;
    try {
      await this.#database.tx("finish task", ({ tasks }) =>
        tasks.setStatus(task, phase === "cancelled" ? "cancelled" : "finished"),
      );
    } catch (error) {
      this.#logger.error({ error, task }, "the task's status could not be stored");
    }
  }

  /** After an internal failure only what is stored can be trusted: the task is opened again from there. */
  #restart(task: string, error: unknown): void {
    this.#logger.error({ error, task }, "the task is opened again after an internal failure");
    this.#clock.setTimer(1_000, () => {
      this.#serve(task).catch((failure: unknown) => this.#restart(task, failure));
    });
  }

  #noteDevice(device: string, task: string): void {
    const now = this.#clock.now();
    this.#database
      .tx("note device", ({ devices }) => devices.seen(device, { task, now }))
      .catch((error: unknown) => {
        this.#logger.error({ error }, "a device could not be noted");
      });
  }
}
