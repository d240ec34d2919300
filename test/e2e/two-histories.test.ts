/** A coordinator that goes on from one past in two ways: no device follows it, and any two devices prove it. */
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { verifyCommand } from "../../apps/cli/src/audit/verify.ts";
import type { LedgerHeadDocument } from "../../packages/client/src/index.ts";
import { fileStore } from "../../packages/client/src/node.ts";
import {
  catalogue,
  cleanUp,
  coordinatorFolder,
  type Device,
  downloadLedger,
  onCleanUp,
  openDevice,
  planDocument,
  startWorld,
  type Tap,
  type World,
} from "./harness.ts";

afterEach(cleanUp);

const keySeed = "5a".repeat(32);
const PEOPLE = 6;
const TIMEOUT = 120_000;

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "kindred-fork-"));
  onCleanUp(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function stop(world: World): Promise<void> {
  for (const device of world.devices) device.away = true;
  await Promise.all(world.devices.map(({ client }) => client.stop()));
  await world.coordinator.close();
}

const headOf = (device: Device): LedgerHeadDocument => {
  const [head, ...others] = device.client.ledgerHeads();
  expect(others).toEqual([]);
  return head!;
};

async function audit(url: string, heads: readonly LedgerHeadDocument[]) {
  const folder = await newFolder();
  const file = join(folder, "heads.jsonl");
  await writeFile(file, heads.map((head) => JSON.stringify(head)).join("\n"));
  const ledger = join(folder, "ledger.jsonl");
  await writeFile(ledger, (await downloadLedger(url)).map((entry) => JSON.stringify(entry)).join("\n"));
  let text = "";
  const stdout = { columns: 100, write: (part: string) => (text += part) };
  const sound = await verifyCommand(ledger, { head: file }, { stdout, env: {} });
  return { sound, text };
}

describe("a coordinator with two histories", () => {
  it("is refused by the devices that saw one of them, and found out by any two", {
    timeout: TIMEOUT,
  }, async () => {
    const past = await coordinatorFolder();
    const plan = planDocument({ rounds: 3, participation: { maximum: 3 } });
    // Round 1 is everybody's past.
    const first = await startWorld({ directory: past, keySeed, reconnectGrace: 10_000 });
    await first.coordinator.createTask({ plan, catalogue });
    const people = await newFolder();
    const start = async (url: string, group: string, tap: Tap = {}) => {
      const devices = await Promise.all(
        Array.from({ length: PEOPLE }, (_, i) =>
          openDevice(i, { url, tap, store: fileStore(join(people, group, String(i))) }),
        ),
      );
      await Promise.all(devices.map(({ client }) => client.start()));
      onCleanUp(() => Promise.all(devices.map(({ client }) => client.stop())));
      return devices;
    };
    // Nobody checks in for round 2, so the past ends with its start.
    const group = await start(first.url, "a", {
      hears: ({ type }, device) => {
        if (type === "released") device.away = true;
        return true;
      },
      sends: (_, device) => !device.away,
    });
    first.devices.push(...group);
    expect(await first.round(1)).toMatchObject({ status: "published" });
    await stop(first);
    const shared = Math.max(...group.map((device) => headOf(device).size));

    const copy = await newFolder();
    await cp(past, copy, { recursive: true });

    // One history: the same people go on with the coordinator where it was.
    const one = await startWorld({ directory: past, keySeed, reconnectGrace: 10_000 });
    const same = await start(one.url, "a");
    for (const device of same) expect(headOf(device).size).toBeGreaterThan(0);
    await one.finished();
    const honest = same.map(headOf);
    expect(Math.max(...honest.map(({ size }) => size))).toBeGreaterThan(shared);
    expect(await audit(one.url, honest)).toMatchObject({
      sound: true,
      text: expect.stringContaining(`${PEOPLE} heads compared`),
    });

    // Another: people who never met the first are shown what the copy does.
    const two = await startWorld({ directory: copy, keySeed, reconnectGrace: 10_000 });
    expect(two.coordinator.publicKey).toBe(one.coordinator.publicKey);
    const strangers = await start(two.url, "b");
    await two.finished();
    for (const device of strangers) {
      const types = device.events.entries.map(({ type }) => type);
      expect(types).toContain("contributed");
    }
    expect(await audit(two.url, strangers.map(headOf))).toMatchObject({ sound: true });

    // Any two of them prove it, against either ledger.
    for (const url of [one.url, two.url]) {
      const { sound, text } = await audit(url, [honest[0]!, headOf(strangers[0]!)]);
      expect(sound).toBe(false);
      expect(text).toMatch(/rule forked/);
      expect(text).toContain("signed by the");
    }
  });

  it("gets nothing from a device whose past it has cut off, also after that device's restart", {
    timeout: TIMEOUT,
  }, async () => {
    const past = await coordinatorFolder();
    const plan = planDocument({ rounds: 2 });
    const first = await startWorld({ directory: past, keySeed, reconnectGrace: 10_000 });
    const people = await newFolder();
    await first.coordinator.createTask({ plan, catalogue });
    await stop(first);
    const backup = await newFolder();
    await cp(past, backup, { recursive: true });

    const one = await startWorld({ directory: past, keySeed, reconnectGrace: 10_000 });
    const stores = Array.from({ length: PEOPLE }, (_, i) => join(people, String(i)));
    const before = await Promise.all(
      stores.map((store, i) => openDevice(i, { url: one.url, store: fileStore(store) })),
    );
    await Promise.all(before.map(({ client }) => client.start()));
    one.devices.push(...before);
    await one.round(1);
    await stop(one);
    const remembered = before.map(headOf);

    // The operator restores the backup: round 1 has never been, says the coordinator.
    const two = await startWorld({ directory: backup, keySeed, reconnectGrace: 10_000 });
    const after = await Promise.all(
      stores.map((store, i) => openDevice(i, { url: two.url, store: fileStore(store) })),
    );
    onCleanUp(() => Promise.all(after.map(({ client }) => client.stop())));
    await Promise.all(after.map(({ client }) => client.start()));
    for (const [i, device] of after.entries()) {
      const event = await device.events.until(({ type }) => type === "refused");
      expect(event).toMatchObject({
        rejection: {
          code: "ledger-invalid",
          field: expect.stringMatching(/^selected\.ledger\.(size|consistency)$/),
        },
      });
      expect(headOf(device)).toEqual(remembered[i]);
      expect((await device.store.load()).participations).toHaveLength(1);
    }
    expect(await audit(two.url, remembered)).toMatchObject({ sound: false });
  });
});
