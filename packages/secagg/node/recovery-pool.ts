/** Recovery jobs on worker threads, so that whoever owns the event loop goes on answering. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { accepted, type Rejection, type Result } from "@kindred/protocol";
import { addInto } from "../src/masks.ts";
import { type RecoveryFindings, recoverSum } from "../src/recovery.ts";
import { type RecoveryJob, recoveryEffort, recoveryOwners, wipeRecovery } from "../src/recovery-job.ts";
import { CANCELLED, type RecoveryAnswer, type RecoveryTask } from "./recovery-task.ts";
import { nodeSuite } from "./suite.ts";

export interface RecoveryPoolOptions {
  /** Threads; what the machine runs at once by default. */
  readonly workers?: number;
  /** Mask entries up to which a job is done on the calling thread: a few milliseconds. */
  readonly inlineEntries?: number;
  /** How a thread is started. */
  readonly spawn?: () => Worker;
}

/** The plain sum, and what was found; each job names those wrong shares that it had to work around. */
export interface Recovered extends RecoveryFindings {
  readonly sum: Uint32Array;
}

/** 2^22 additions and their keystream take about ten milliseconds. */
const INLINE_ENTRIES = 2 ** 22;
/** An agreement and the derivation of its key take about as long as so many entries of a mask. */
const ENTRIES_PER_TERM = 2 ** 16;
/** Keystream blocks are short-lived garbage: a young generation too small for it is collected all the time. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 48 };

/** Threads start with the first job that needs them, and stay. Jobs are done one after another. */
export class RecoveryPool {
  readonly #size: number;
  readonly #inlineEntries: number;
  readonly #spawn: () => Worker;
  readonly #suite = nodeSuite();
  #workers: Worker[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: RecoveryPoolOptions = {}) {
    this.#size = options.workers ?? availableParallelism();
    this.#inlineEntries = options.inlineEntries ?? INLINE_ENTRIES;
    this.#spawn = options.spawn ?? spawnWorker;
  }

  /** Starts the threads ahead of a job. They do not keep the process alive. */
  prepare(): void {
    while (!this.#closed && this.#workers.length < this.#size) {
      const worker = this.#spawn();
      // A thread that dies between two jobs is replaced by the next one; during a job its own listener fails the job.
      worker.on("error", () => {});
      worker.once("exit", () => {
        this.#workers = this.#workers.filter((other) => other !== worker);
      });
      worker.unref();
      this.#workers.push(worker);
    }
  }

  /**
   * The plain sum.
   * @param masked `job.length` entries, the sum of the survivors' masked inputs; becomes the result
   * @returns `reconstruction-failed` naming the owner of a secret that is lost; `internal` if a thread died, the pool
   *   was closed, or `signal` was aborted
   */
  recover(job: RecoveryJob, masked: Uint32Array, signal?: AbortSignal): Promise<Result<Recovered>> {
    const terms = recoveryEffort(job);
    if (terms * (job.length + ENTRIES_PER_TERM) <= this.#inlineEntries)
      return Promise.resolve(recoverInline(job, masked, this.#suite));
    const result = this.#turn.then(() => this.#distribute(job, masked, signal));
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Ends the threads; a job under way fails. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  async #distribute(
    job: RecoveryJob,
    masked: Uint32Array,
    signal: AbortSignal | undefined,
  ): Promise<Result<Recovered>> {
    if (this.#closed || signal?.aborted) return interrupted("was cancelled");
    this.prepare();
    const workers = [...this.#workers];
    const control = new Int32Array(new SharedArrayBuffer(8));
    const cancel = (): void => void Atomics.store(control, CANCELLED, 1);
    signal?.addEventListener("abort", cancel);
    const shared = sharedJob(job);
    const task: RecoveryTask = { job: shared, owners: recoveryOwners(job), control };
    try {
      const parts = await Promise.all(workers.map((worker) => answerOf(worker, task, cancel)));
      if (signal?.aborted) return interrupted("was cancelled");
      const lost = parts.find((part) => "rejection" in part);
      if (lost !== undefined && "rejection" in lost) return { ok: false, rejection: lost.rejection };
      const corrupt = new Set<number>();
      const kept = new Set<number>();
      for (const part of parts) {
        if ("rejection" in part) continue;
        addInto(masked, part.sum, job.bits);
        for (const member of part.corrupt) corrupt.add(member);
        for (const member of part.kept) kept.add(member);
      }
      return accepted({ sum: masked, corrupt: sorted(corrupt), kept: sorted(kept) });
    } finally {
      signal?.removeEventListener("abort", cancel);
      wipeRecovery(shared);
    }
  }
}

function spawnWorker(): Worker {
  return new Worker(new URL("./recovery-worker-entry.mjs", import.meta.url), {
    execArgv: [],
    resourceLimits: RESOURCE_LIMITS,
  });
}

/** One thread's part. Where a thread dies the others are told to stop, and its part is a rejection. */
function answerOf(worker: Worker, task: RecoveryTask, cancel: () => void): Promise<RecoveryAnswer> {
  return new Promise((resolve) => {
    const settle = (answer: RecoveryAnswer): void => {
      worker.off("message", settle).off("error", died).off("exit", died).unref();
      resolve(answer);
    };
    const died = (): void => {
      cancel();
      settle(interrupted("lost a thread"));
    };
    worker.on("message", settle).on("error", died).on("exit", died).ref();
    worker.postMessage(task);
  });
}

/** The job with its shares in memory that all threads see: they need not be copied for each. */
function sharedJob(job: RecoveryJob): RecoveryJob {
  const total = job.reveals.reduce((sum, { shares, noise }) => sum + shares.length + noise.length, 0);
  const memory = new Uint8Array(new SharedArrayBuffer(total));
  let offset = 0;
  const share = (bytes: Uint8Array): Uint8Array => {
    const copy = memory.subarray(offset, offset + bytes.length);
    copy.set(bytes);
    offset += bytes.length;
    return copy;
  };
  const reveals = job.reveals.map((reveal) => ({
    ...reveal,
    shares: share(reveal.shares),
    noise: share(reveal.noise),
  }));
  return { ...job, reveals };
}

function recoverInline(
  job: RecoveryJob,
  masked: Uint32Array,
  suite: ReturnType<typeof nodeSuite>,
): Result<Recovered> {
  const recovered = recoverSum(job, { sum: masked, suite });
  return recovered.ok ? accepted({ sum: masked, ...recovered.value }) : recovered;
}

function sorted(members: ReadonlySet<number>): number[] {
  return [...members].sort((a, b) => a - b);
}

function interrupted(what: string): { ok: false; rejection: Rejection } {
  return {
    ok: false,
    rejection: {
      code: "internal",
      field: "recovery",
      rule: `must run to its end, but ${what}`,
      fix: "repeat the round",
    },
  };
}
