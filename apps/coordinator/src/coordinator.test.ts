import { mkdtemp, rm, utimes } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskOutput } from "@kindred/engine";
import { type LedgerEntry, verifyLedgerChain } from "@kindred/privacy";
import { hexToBytes, type KindredError, sha256Hex } from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RawDevice } from "../test/raw-device.ts";
import { smallCatalogue, smallPlan } from "../test/small-task.ts";
import { Coordinator, type CoordinatorOptions } from "./coordinator.ts";
import { systemClock } from "./runtime/clock.ts";
import { openBlobStores } from "./store/blobs.ts";
import { openDatabase } from "./store/database.ts";
import { initialiseFolder } from "./store/test-databases.ts";

let directory: string;
const running: Coordinator[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kindred-coordinator-"));
  await initialiseFolder(join(directory, "database"));
});

afterEach(async () => {
  for (const coordinator of running.splice(0)) await coordinator.close();
  await rm(directory, { recursive: true });
});

async function start(options: Partial<CoordinatorOptions> = {}): Promise<Coordinator> {
  const coordinator = await Coordinator.start({ directory, port: 0, ...options });
  running.push(coordinator);
  return coordinator;
}

describe("closing", () => {
  it("takes bounded time whatever its peers do, and tells devices at once", async () => {
    const coordinator = await start();
    await coordinator.createTask({ plan: smallPlan("films"), catalogue: smallCatalogue });
    const device = await RawDevice.connect(coordinator.url, "device");
    await device.hello("films");
    await device.send({ type: "check-in", ledgerSize: 0 });
    const { url } = coordinator;
    const { hostname, port } = new URL(url);
    const open = (text: string) =>
      new Promise<Socket>((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          socket.write(text);
          resolve(socket);
        });
        socket.on("error", () => undefined);
      });
    // One peer in the middle of a request, one with a connection kept alive, one that upgrades and is silent ever after.
    const half = await open("GET /v1/tasks HTTP/1.1\r\nHost: x\r\n");
    const idle = await open("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => idle.once("data", resolve));
    const upgraded = await open(
      "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    await new Promise((resolve) => upgraded.once("data", resolve));
    upgraded.pause();
    const closed = Promise.all(
      [half, idle].map((socket) => new Promise((resolve) => socket.once("close", resolve))),
    );
    const begun = performance.now();
    await Promise.all([coordinator.close(), coordinator.close(), device.disconnected()]);
    expect(performance.now() - begun).toBeLessThan(8_000);
    await closed;
    upgraded.destroy();
    await expect(fetch(url)).rejects.toThrow();
  });
});

describe("starting", () => {
  it("refuses a port in use and leaves the folder free", async () => {
    const first = await start();
    const port = Number(new URL(first.url).port);
    const other = await mkdtemp(join(tmpdir(), "kindred-coordinator-"));
    try {
      await initialiseFolder(join(other, "database"));
      const error = await start({ directory: other, port }).catch((caught: unknown) => caught);
      expect((error as KindredError).rejection).toMatchObject({ code: "option-invalid", field: "port" });
      await (await start({ directory: other })).close();
    } finally {
      await rm(other, { recursive: true });
    }
  });

  it("serves tasks that are over, and answers their devices; one that cannot be read spoils no other", async () => {
    const first = await start();
    for (const task of ["over", "broken", "films"])
      await first.createTask({ plan: smallPlan(task), catalogue: smallCatalogue });
    const again = first.createTask({ plan: smallPlan("over"), catalogue: smallCatalogue });
    await expect(again).rejects.toThrow(/plan-invalid.*exists on this coordinator/);
    await first.cancelTask("over");
    await expect(first.cancelTask("nothing")).rejects.toThrow(/task-unknown/);
    await first.close();
    const database = await openDatabase({ directory: join(directory, "database") });
    await database.tx("damage", ({ journal }) =>
      journal.append("broken", {
        after: 1,
        entries: [{ round: 1, kind: "check-in", payload: new Uint8Array([0xff]), time: 0 }],
      }),
    );
    await database.close();

    const lines: string[] = [];
    const logger = pino({ level: "error" }, { write: (line: string) => lines.push(line) });
    const coordinator = await start({ logger });
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ task: "broken", msg: "a task could not be opened" }),
    ]);
    const device = await RawDevice.connect(coordinator.url, "device");
    await device.hello("over");
    expect(await device.send({ type: "check-in", ledgerSize: 0 })).toEqual({ type: "ok" });
    await device.hear("task-finished");
    const other = await RawDevice.connect(coordinator.url, "device");
    await other.hello("films");
    expect(await other.send({ type: "check-in", ledgerSize: 0 })).toEqual({ type: "ok" });
    for (const each of [device, other]) each.close();
  });

  it("removes what a crash left in the spool, once it is old, and keeps what is needed", async () => {
    await (await start()).close();
    const hour = 3_600_000;
    const { spool } = await openBlobStores(join(directory, "blobs"), Date.now());
    const [orphan, young, state] = [
      await spool.put(new Uint8Array([1])),
      await spool.put(new Uint8Array([2])),
      await spool.put(new Uint8Array([3])),
    ];
    const age = async (hash: string, ms: number) => {
      const time = (Date.now() - ms) / 1_000;
      await utimes(join(directory, "blobs", "spool", hash.slice(0, 2), hash), time, time);
    };
    await age(orphan, hour + 60_000);
    await age(young, hour - 60_000);
    await age(state, 100 * hour);
    const first = await start();
    await first.createTask({ plan: smallPlan("films"), catalogue: smallCatalogue });
    await first.close();
    // `start` has swept already: nobody needed the state.
    expect(await Promise.all([orphan, young, state].map((hash) => spool.has(hash)))).toEqual([
      false,
      true,
      false,
    ]);
    await spool.put(new Uint8Array([3]));
    await age(state, 100 * hour);
    const database = await openDatabase({ directory: join(directory, "database") });
    await database.tx("state", ({ models }) =>
      models.saveOptimiser({ task: "films", round: 1, blobHash: state }),
    );
    await database.close();
    await start({ clock: { ...systemClock, now: () => Date.now() + 2 * hour } });
    expect(await Promise.all([young, state].map((hash) => spool.has(hash)))).toEqual([false, true]);
  });
});

describe("a restart between rounds that fail", () => {
  it("starts every round once, and leaves a ledger that verifies", async () => {
    const outputs: TaskOutput[] = [];
    let wake = (): void => undefined;
    const until = async (wanted: () => boolean): Promise<void> => {
      while (!wanted())
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    };
    const observe = (_: string, output: TaskOutput): void => {
      outputs.push(output);
      wake();
    };
    const failed = (): number =>
      outputs.filter((output) => output.type === "round" && output.record.status === "failed").length;
    const options = { observe, reconnectGrace: 100 };
    let coordinator = await start(options);
    // Nobody comes, so every round fails at its first deadline.
    const document = { ...smallPlan("films"), rounds: 6, deadlines: { selecting: 100 } };
    const cohort = { ...document.cohort, selectionWindow: 100 };
    await coordinator.createTask({ plan: { ...document, cohort }, catalogue: smallCatalogue });
    for (const count of [2, 4]) {
      await until(() => failed() >= count);
      await coordinator.close();
      coordinator = await start(options);
    }
    await until(() => outputs.some(({ type }) => type === "finished"));
    const text = await (await fetch(`${coordinator.url}/v1/ledger`)).text();
    const entries = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as LedgerEntry);
    const verify = nodeSuite().verify;
    expect(verifyLedgerChain(entries, { verify, publicKey: hexToBytes(coordinator.publicKey) })).toEqual([]);
    const started = entries.flatMap(({ body }) => (body.kind === "round-started" ? [body.round] : []));
    expect(started).toEqual([1, 2, 3, 4, 5, 6]);
    const status = (await (await fetch(`${coordinator.url}/v1/tasks/films`)).json()) as { status: string };
    expect(status.status).toBe("finished");
  });
});

describe("logs", () => {
  it("name no device, no nonce, no key and no byte of a message", async () => {
    const lines: string[] = [];
    const seed = sha256Hex("secret seed");
    const logger = pino({ level: "trace" }, { write: (line: string) => lines.push(line) });
    const coordinator = await start({ logger, keySeed: seed });
    await coordinator.createTask({ plan: smallPlan("films"), catalogue: smallCatalogue });
    const device = await RawDevice.connect(coordinator.url, "device");
    const { signature, device: key } = await device.helloMessage("films");
    await device.hello("films");
    await device.send({ type: "check-in", ledgerSize: 0 });
    await device.send({ type: "leave", round: 1, code: "consent-missing" });
    await device.emit(new Uint8Array([1, 2, 3]));
    await coordinator.cancelTask("films");
    device.close();
    await coordinator.close();
    const text = lines.join("");
    expect(text).toContain("films");
    for (const secret of [key, signature, (await device.hear("challenge")).nonce])
      expect(text).not.toContain(Buffer.from(secret).toString("hex"));
    expect(text).not.toContain(seed);
    expect(text).not.toContain("127.0.0.1");
  });
});
