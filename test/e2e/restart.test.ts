import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Coordinator } from "../../apps/coordinator/src/index.ts";
import { itemDescriber } from "../../apps/coordinator/src/runtime/item-describer.ts";
import { openDatabase } from "../../apps/coordinator/src/store/database.ts";
import { hasPostgresql } from "../../apps/coordinator/src/store/test-databases.ts";
import { itemFeatures } from "../../packages/encoder/src/features.ts";
import { encoderLayout, trainableLayout } from "../../packages/encoder/src/layout.ts";
import { computeRelease, initialOptimiserState, type TaskOutput } from "../../packages/engine/src/index.ts";
import { type LedgerEntry, verifyLedgerChain } from "../../packages/privacy/src/index.ts";
import {
  decodeModel,
  encodeModel,
  hexToBytes,
  modelHash,
  type Plan,
  parseSignedPlan,
} from "../../packages/protocol/src/index.ts";
import { addInto } from "../../packages/secagg/src/index.ts";
import type { ProcessOptions, ProcessReport } from "./coordinator-process.ts";
import { decodings, type Encoding, encodings } from "./encodings.ts";
import {
  catalogue,
  cleanUp,
  coordinatorFolder,
  type Device,
  databaseOption,
  downloadLedger,
  freePort,
  onCleanUp,
  openDevice,
  planDocument,
  suite,
} from "./harness.ts";
import { Timeline } from "./timeline.ts";

vi.mock("../../packages/engine/src/pipeline.ts", async (load) => {
  const { recordedPipeline } = await import("./encodings.ts");
  return recordedPipeline(await load());
});

afterEach(async () => {
  await cleanUp();
  encodings.clear();
  decodings.clear();
});

async function download(url: string, path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(`${url}${path}`)).arrayBuffer());
}

async function downloadPlan(url: string): Promise<Plan> {
  return parseSignedPlan(await (await fetch(`${url}/v1/tasks/films/plan`)).json()).plan;
}

function checkLedger(ledger: readonly LedgerEntry[], publicKey: string): void {
  const verify = suite.verify.bind(suite);
  expect(verifyLedgerChain(ledger, { verify, publicKey: hexToBytes(publicKey) })).toEqual([]);
  for (const kind of ["round-started", "round-released"] as const) {
    const rounds = ledger.flatMap(({ body }) => (body.kind === kind ? [body.round] : []));
    expect(rounds).toEqual([...new Set(rounds)]);
  }
}

/** Every subset of a list. */
function subsets<T>(all: readonly T[]): T[][] {
  const found: T[][] = [[]];
  for (const entry of all) found.push(...found.map((some) => [...some, entry]));
  return found;
}

/**
 * The clip norm follows a quantile, and when all six survive all surplus noise is removed again: the sum is that of the
 * clients' encodings, exactly.
 */
const NOISY = {
  mechanism: "distributed-discrete-gaussian",
  epsilon: 100,
  noise: { design: "add-then-remove", levels: 2 },
  blocks: { model: { adaptive: { learningRate: 1 } } },
};

/**
 * Recomputes a release from what the clients encoded: some set of as many vectors as there were survivors, those of
 * all acknowledged devices among them, gives the published file, byte for byte.
 */
async function checkRelease(
  url: string,
  entry: LedgerEntry,
  { plan, acknowledged }: { plan: Plan; acknowledged: ReadonlySet<number> },
): Promise<void> {
  const { body } = entry;
  if (body.kind !== "round-released") throw new Error("only releases can be recomputed");
  const parentHash = body.parentModelHash;
  const parent = decodeModel(await download(url, `/v1/blobs/${parentHash}`), parentHash);
  if (!parent.ok) throw new Error(parent.rejection.rule);
  const { modulusBits, paddedLength, itemCount } = { ...plan.resolved.mechanism, ...plan.resolved };
  const segments = trainableLayout(encoderLayout(plan.encoder, itemCount, plan.training), plan.training);
  const describeItems = itemDescriber({
    plan,
    catalogue,
    features: itemFeatures(catalogue.items, plan.encoder),
  });
  const releaseOf = (sid: string, some: readonly Encoding[]): string => {
    const sum = new Uint32Array(paddedLength);
    for (const { vector } of some) addInto(sum, vector, modulusBits);
    const { model } = computeRelease({
      plan,
      sid: hexToBytes(sid),
      round: body.round,
      survivors: some.length,
      sum,
      parent: parent.value,
      parentHash,
      optimiser: initialOptimiserState(segments.length),
      segments: segments.tensors,
      describe: describeItems,
    });
    return modelHash(encodeModel(model));
  };
  const matches = [...encodings].flatMap(([sid, all]) =>
    subsets(all).filter((some) => some.length === body.survivors && releaseOf(sid, some) === body.modelHash),
  );
  expect(matches).toHaveLength(1);
  const counted = matches[0]!.map(({ device }) => device);
  for (const device of acknowledged) expect(counted).toContain(device);
}

/** Which devices were told that their masked input counts, by round. */
class Acknowledgements {
  readonly #rounds = new Map<number, Set<number>>();

  readonly note = (round: number, device: number): void => {
    this.#rounds.set(round, (this.#rounds.get(round) ?? new Set()).add(device));
  };

  of(round: number): ReadonlySet<number> {
    return this.#rounds.get(round) ?? new Set();
  }
}

async function startDevices(
  url: string,
  count: number,
  acknowledgements: Acknowledgements,
): Promise<Device[]> {
  const devices = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      openDevice(i, {
        url,
        tap: {
          answered: (message, answer, { index }) => {
            if (message.type === "masked-input" && answer.type === "ok")
              acknowledgements.note(message.round, index);
          },
        },
      }),
    ),
  );
  onCleanUp(async () => {
    for (const device of devices) device.away = true;
    await Promise.all(devices.map(({ client }) => client.stop()));
  });
  await Promise.all(devices.map(({ client }) => client.start()));
  return devices;
}

/** Restarts take time, several times as much on a busy machine. */
const TIMEOUT = 150_000;

describe("a coordinator that is stopped", () => {
  /** When it is stopped; `accumulate` is the first masked input that counts. */
  const moments = [
    [1, "selecting"],
    [1, "enrolling"],
    [1, "accumulate"],
    [1, "unmasking"],
    [2, "training"],
    [2, "sharing"],
    [2, "consistency"],
    [2, "aggregating"],
  ] as const;
  const rounds = 3;

  it("goes on with the round where it was, whatever the phase", { timeout: TIMEOUT }, async () => {
    // The other test has the embedded database.
    const own = databaseOption(hasPostgresql ? "postgresql" : "pglite");
    const options = {
      directory: await coordinatorFolder(),
      port: await freePort(),
      reconnectGrace: 60_000,
      ...own,
    };
    const outputs = new Timeline<TaskOutput>();
    const start = (): Promise<Coordinator> =>
      Coordinator.start({ ...options, observe: (_, output) => outputs.push(output) });
    let coordinator = await start();
    onCleanUp(() => coordinator.close());
    await coordinator.createTask({
      // Six devices, all of them in every round: were a participation counted twice, the last rounds would lack them.
      plan: planDocument({
        rounds,
        participation: { maximum: rounds },
        cohort: { maximum: 6 },
        privacy: NOISY,
      }),
      catalogue,
    });
    const { url, publicKey } = coordinator;
    const acknowledgements = new Acknowledgements();
    await startDevices(url, 6, acknowledgements);
    for (const [round, moment] of moments) {
      await outputs.until(
        (output) =>
          "round" in output &&
          output.round === round &&
          (output.type === "phase" ? output.phase : output.type) === moment,
      );
      await coordinator.close();
      coordinator = await start();
      expect(coordinator.publicKey).toBe(publicKey);
    }
    await outputs.until(({ type }) => type === "finished");
    const records = outputs.entries.flatMap((output) =>
      output.type === "round" && output.record.status !== "running" ? [output.record] : [],
    );
    expect(records.map(({ round, status, survivors }) => [round, status, survivors])).toEqual(
      [1, 2, 3].map((round) => [round, "published", 6]),
    );
    const ledger = await downloadLedger(url);
    checkLedger(ledger, publicKey);
    const plan = await downloadPlan(url);
    const releases = ledger.filter(({ body }) => body.kind === "round-released");
    expect(releases).toHaveLength(rounds);
    const said = releases.map(({ body }) => body as Extract<typeof body, { kind: "round-released" }>);
    expect(said.map(({ removed }) => removed)).toEqual(said.map(() => ({ components: 2, kept: 0 })));
    expect(said.map(({ clipping }) => clipping!.norm)).toEqual([
      1,
      ...said.slice(0, -1).map(({ clipping }) => clipping!.next),
    ]);
    for (const entry of releases) {
      const round = (entry.body as { round: number }).round;
      await checkRelease(url, entry, { plan, acknowledged: acknowledgements.of(round) });
    }

    await coordinator.close();
    const database = await openDatabase(
      own.databaseUrl === undefined
        ? { directory: join(options.directory, "database") }
        : { url: own.databaseUrl },
    );
    try {
      const stored = await database.tx("read", async ({ devices, journal, tasks }) => ({
        participations: await devices.participations("films"),
        journal: await journal.read("films", 0),
        status: (await tasks.get("films"))?.status,
      }));
      expect([...stored.participations.values()]).toEqual(Array.from({ length: 6 }, () => [1, 2, 3]));
      // What rounds leave behind is gone: their journal, their vectors, all optimiser states but the last.
      expect(stored.journal).toEqual([]);
      expect(stored.status).toBe("finished");
    } finally {
      await database.close();
    }
    const spool = join(options.directory, "blobs", "spool");
    const spooled = (await readdir(spool, { recursive: true })).filter((path) => /[0-9a-f]{64}$/.test(path));
    expect(spooled.length).toBe(1);
  });
});

describe("a coordinator whose process is killed", () => {
  const script = fileURLToPath(new URL("./coordinator-process.ts", import.meta.url));

  /** A process that is ready to become a coordinator: what takes long, loading its modules, is done meanwhile. */
  function standBy(): ChildProcess {
    const child = spawn(process.execPath, ["--import", "tsx", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    onCleanUp(async () => {
      const gone = child.exitCode !== null || child.signalCode !== null || once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    });
    return child;
  }

  /** Starts the coordinator. @returns what it says */
  function launch(child: ChildProcess, options: ProcessOptions): Timeline<ProcessReport> {
    const reports = new Timeline<ProcessReport>();
    createInterface({ input: child.stdout! }).on("line", (line) =>
      reports.push(JSON.parse(line) as ProcessReport),
    );
    child.stdin!.write(`${JSON.stringify(options)}\n`);
    return reports;
  }

  it("loses nothing that it acknowledged, and releases nothing twice", { timeout: TIMEOUT }, async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const options = { directory: await coordinatorFolder(), port, reconnectGrace: 60_000 };
    const rounds = 2;
    const plan = planDocument({ rounds });
    let child = standBy();
    let reports = launch(child, { ...options, task: { plan, catalogue } });
    const hello = await reports.until(({ type }) => type === "listening");
    const acknowledgements = new Acknowledgements();
    await startDevices(url, 6, acknowledgements);
    for (const moment of ["accumulate", "aggregating"]) {
      const next = standBy();
      await reports.until(
        (report) => report.type === "output" && (report.kind === moment || report.detail === moment),
      );
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
      child = next;
      reports = launch(child, options);
      expect(await reports.until(({ type }) => type === "listening")).toEqual(hello);
    }
    await reports.until((report) => report.type === "output" && report.kind === "finished");
    const ledger = await downloadLedger(url);
    if (hello.type !== "listening") throw new Error("the process says first where it listens");
    checkLedger(ledger, hello.publicKey);
    const resolved = await downloadPlan(url);
    const releases = ledger.filter(({ body }) => body.kind === "round-released");
    // The device's patience outlasts the restart, so every round is published.
    expect(releases).toHaveLength(rounds);
    for (const entry of releases) {
      const round = (entry.body as { round: number }).round;
      await checkRelease(url, entry, { plan: resolved, acknowledged: acknowledgements.of(round) });
    }
  });
});
