import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, test } from "vitest";
import { RecoveryPool } from "../node/index.ts";
import { recoverSum } from "../src/recovery.ts";
import { type RecoveryJob, recoveryOwners, wipeRecovery } from "../src/recovery-job.ts";
import { type RunOptions, run } from "../src/run.ts";
import { randomFrom, suite } from "./cohort.ts";

const bits = 20;
const n = 12;
const vectors = Array.from({ length: n }, (_, i) => Uint32Array.from({ length: 999 }, (_, j) => 7 * i + j));
const dropped = [2, 7];
const plain = Uint32Array.from({ length: 999 }, (_, j) =>
  vectors.reduce((sum, vector, i) => (dropped.includes(i) ? sum : sum + vector[j]!), 0),
);
const round: RunOptions = {
  vectors,
  bits,
  seed: randomFrom("recovery pool")(32),
  suite,
  dropout: 0.3,
  dropouts: dropped.map((client) => ({ client, before: "masking" })),
};

const pools: RecoveryPool[] = [];
afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.close())));
function open(options: ConstructorParameters<typeof RecoveryPool>[0]): RecoveryPool {
  const pool = new RecoveryPool(options);
  pools.push(pool);
  return pool;
}

/** The job of a round, and the masked sum that it is for. */
function recordedJob(options: RunOptions): { job: RecoveryJob; masked: Uint32Array } {
  let recorded: { job: RecoveryJob; masked: Uint32Array } | undefined;
  run({
    ...options,
    onRecovery: (job, masked) => {
      recorded = { job: structuredClone(job), masked: masked.slice() };
    },
  });
  return recorded!;
}

/** A job whose first owner's shares are all wrong. */
function spoilt(job: RecoveryJob): RecoveryJob {
  const [owner] = recoveryOwners(job);
  const reveals = job.reveals.map((reveal) => {
    const shares = reveal.shares.slice();
    shares.fill(0, 36 * reveal.owners.indexOf(owner!), 36 * (reveal.owners.indexOf(owner!) + 1));
    return { ...reveal, shares };
  });
  return { ...job, reveals };
}

describe("a pool of two threads", () => {
  test("gives what one thread gives, job after job, and leaves no shares behind", async () => {
    const { job, masked } = recordedJob(round);
    const alone = masked.slice();
    expect(recoverSum(job, { sum: alone, suite })).toEqual({ ok: true, value: { corrupt: [], kept: [] } });
    expect(alone).toEqual(plain);
    const pool = open({ workers: 2, inlineEntries: 0 });
    const jobs = [1, 2, 3].map(() => pool.recover(job, masked.slice()));
    for (const result of await Promise.all(jobs))
      expect(result).toEqual({ ok: true, value: { sum: alone, corrupt: [], kept: [] } });
    wipeRecovery(job);
    expect(job.reveals.every(({ shares }) => shares.every((byte) => byte === 0))).toBe(true);
  });

  test("says whose secret is lost, and goes on with the next job", async () => {
    const { job, masked } = recordedJob(round);
    const pool = open({ workers: 2, inlineEntries: 0 });
    const [lost, found] = await Promise.all([
      pool.recover(spoilt(job), masked.slice()),
      pool.recover(job, masked.slice()),
    ]);
    expect(lost).toMatchObject({ ok: false, rejection: { code: "reconstruction-failed" } });
    expect(found).toMatchObject({ ok: true, value: { sum: plain } });
  });

  test("fails the job of a thread that is killed, and replaces it", async () => {
    const { job, masked } = recordedJob(round);
    const threads: Worker[] = [];
    const spawn = (): Worker => {
      const entry = new URL("../node/recovery-worker-entry.mjs", import.meta.url);
      const worker = new Worker(entry, { execArgv: [] });
      threads.push(worker);
      return worker;
    };
    const pool = open({ workers: 2, inlineEntries: 0, spawn });
    const result = pool.recover(job, masked.slice());
    await Promise.resolve();
    await threads[1]!.terminate();
    expect(await result).toMatchObject({ ok: false, rejection: { code: "internal", field: "recovery" } });
    expect(await pool.recover(job, masked.slice())).toMatchObject({ ok: true, value: { sum: plain } });
    expect(threads).toHaveLength(3);
  });

  test("stops when it is told to, and does nothing once it is closed", async () => {
    const { job, masked } = recordedJob(round);
    const pool = open({ workers: 2, inlineEntries: 0 });
    const cancelled = new AbortController();
    const result = pool.recover(job, masked.slice(), cancelled.signal);
    cancelled.abort();
    expect(await result).toMatchObject({ ok: false, rejection: { field: "recovery" } });
    const late = pool.recover(job, masked.slice());
    await pool.close();
    expect(await late).toMatchObject({ ok: false, rejection: { field: "recovery" } });
    expect(await pool.recover(job, masked.slice())).toMatchObject({ ok: false });
  });
});

test("a small job needs no thread", async () => {
  const { job, masked } = recordedJob(round);
  const spawn = (): Worker => {
    throw new Error("a thread was started");
  };
  expect(await open({ spawn }).recover(job, masked)).toMatchObject({ ok: true, value: { sum: plain } });
});
