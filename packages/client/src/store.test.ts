import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import "fake-indexeddb/auto";
import type { ParticipationEntry } from "@kindred/engine";
import type { SignedLedgerHead } from "@kindred/privacy";
import { afterEach, describe, expect, it } from "vitest";
import { browserStore } from "./browser.ts";
import { fileStore } from "./file-store.ts";
import type { Interaction } from "./interactions.ts";
import { type ClientStore, memoryStore } from "./store.ts";

const directories: string[] = [];
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

async function newDirectory(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), "kindred-store-"));
  directories.push(parent);
  return join(parent, "person");
}

let databases = 0;

/** Each opens a new place, and gives what opens the same place again. */
const STORES: Record<string, () => Promise<() => ClientStore>> = {
  memory: async () => {
    const store = memoryStore();
    return () => store;
  },
  file: async () => {
    const directory = await newDirectory();
    return () => fileStore(directory);
  },
  browser: async () => {
    const name = `person ${databases++}`;
    return () => browserStore(name);
  },
};

const interaction = (i: number): Interaction => ({
  item: `item-${i}`,
  action: "rate",
  time: i,
  rating: 0.5,
  text: "ä\n",
});
const entry = (round: number): ParticipationEntry => ({
  task: "films",
  planDigest: "ab".repeat(32),
  round,
  time: 1_700_000_000_000 + round,
  epsilon: round === 1 ? null : round / 3,
  delta: 1e-6,
});
const EMPTY = {
  identity: undefined,
  consent: "pending",
  interactions: [],
  participations: [],
  ledgerHeads: [],
};
const head = (size: number, coordinator = "aa"): SignedLedgerHead => ({
  coordinatorKey: coordinator.repeat(32),
  size,
  root: "bb".repeat(32),
  signature: "cc".repeat(64),
});

describe.each(Object.entries(STORES))("%s store", (_name, create) => {
  it("is empty at first", async () => {
    const store = (await create())();
    expect(await store.load()).toEqual(EMPTY);
    expect(await store.readCached("model")).toBeUndefined();
  });

  it("keeps everything, in order, for whoever opens it next", async () => {
    const open = await create();
    const store = open();
    const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
    await store.saveIdentity(seed);
    await store.saveConsent("denied");
    await store.saveConsent("granted");
    for (let i = 0; i < 3; i++) await store.appendInteraction(interaction(i));
    await store.appendParticipation(entry(1));
    await store.appendParticipation(entry(2));
    for (const saved of [head(1), head(7, "dd"), head(2)]) await store.saveLedgerHead(saved);
    await store.writeCached("plan", new Uint8Array([1]));
    await store.writeCached("plan", new Uint8Array([2, 3]));
    const again = open();
    expect(await again.load()).toEqual({
      identity: seed,
      consent: "granted",
      interactions: [0, 1, 2].map(interaction),
      participations: [entry(1), entry(2)],
      ledgerHeads: expect.toSatisfy(
        (heads: SignedLedgerHead[]) => heads.length === 2 && heads.some(({ size }) => size === 2),
      ),
    });
    expect(await again.readCached("plan")).toEqual(new Uint8Array([2, 3]));
    expect(await again.readCached("catalogue")).toBeUndefined();
  });

  it("does not mix up writes that are started together", async () => {
    const open = await create();
    const store = open();
    const writes = Array.from({ length: 20 }, (_, i) => [
      store.appendInteraction(interaction(i)),
      store.appendParticipation(entry(i)),
    ]);
    await Promise.all(writes.flat());
    const { interactions, participations } = await open().load();
    expect(interactions).toEqual(Array.from({ length: 20 }, (_, i) => interaction(i)));
    expect(participations).toEqual(Array.from({ length: 20 }, (_, i) => entry(i)));
  });

  it("forgets everything, and can be used again", async () => {
    const open = await create();
    const store = open();
    await store.saveIdentity(new Uint8Array(32));
    await store.saveConsent("granted");
    await store.appendInteraction(interaction(1));
    await store.appendParticipation(entry(1));
    await store.saveLedgerHead(head(3));
    for (const name of ["plan", "catalogue", "model"] as const)
      await store.writeCached(name, new Uint8Array(9));
    await store.clear();
    expect(await open().load()).toEqual(EMPTY);
    for (const name of ["plan", "catalogue", "model"] as const)
      expect(await open().readCached(name)).toBeUndefined();
    await store.appendInteraction(interaction(2));
    expect((await open().load()).interactions).toEqual([interaction(2)]);
  });

  it("hands out copies: what a caller overwrites stays as it was", async () => {
    const store = (await create())();
    const seed = new Uint8Array(32).fill(5);
    await store.saveIdentity(seed);
    seed.fill(0);
    (await store.load()).identity!.fill(0);
    expect((await store.load()).identity).toEqual(new Uint8Array(32).fill(5));
  });
});

describe("file store", () => {
  it.each(["interactions", "participations"] as const)(
    "cuts off a torn last line of the %s and goes on",
    async (name) => {
      const directory = await newDirectory();
      const append = (store: ClientStore, i: number): Promise<void> =>
        name === "interactions"
          ? store.appendInteraction(interaction(i))
          : store.appendParticipation(entry(i));
      await append(fileStore(directory), 1);
      const path = join(directory, `${name}.jsonl`);
      const whole = await readFile(path, "utf8");
      for (const torn of ["{", whole.slice(0, -2), whole.slice(0, -1)]) {
        await writeFile(path, whole + torn);
        expect((await fileStore(directory).load())[name]).toHaveLength(1);
        expect(await readFile(path, "utf8")).toBe(whole);
      }
      await append(fileStore(directory), 2);
      expect((await fileStore(directory).load())[name]).toHaveLength(2);
    },
  );

  it("names the broken line, and nothing of what it holds", async () => {
    const directory = await newDirectory();
    const store = fileStore(directory);
    await store.appendInteraction(interaction(1));
    await appendFile(join(directory, "interactions.jsonl"), "my secret film\n");
    await expect(store.load()).rejects.toMatchObject({
      code: "dataset-invalid",
      rejection: { field: "interactions.jsonl:2" },
    });
    await expect(store.load()).rejects.not.toThrow(/secret/);
  });

  it.each([
    ["identity", "short"],
    ["consent.json", '{"consent":"yes"}'],
    ["consent.json", "{"],
  ])("refuses a broken %s", async (name, content) => {
    const directory = await newDirectory();
    const store = fileStore(directory);
    await store.saveConsent("granted");
    await writeFile(join(directory, name), content);
    await expect(store.load()).rejects.toMatchObject({ code: "dataset-invalid", rejection: { field: name } });
  });

  it("leaves nothing behind when it forgets, not even half-written replacements", async () => {
    const directory = await newDirectory();
    const store = fileStore(directory);
    await store.saveIdentity(new Uint8Array(32));
    await store.writeCached("model", new Uint8Array(4));
    await writeFile(join(directory, "model.bin.new"), "half");
    await store.clear();
    expect(await readdir(directory)).toEqual([]);
  });

  it.runIf(process.platform !== "win32")("is readable for its owner alone", async () => {
    const directory = await newDirectory();
    const store = fileStore(directory);
    await store.saveIdentity(new Uint8Array(32));
    await store.appendInteraction(interaction(1));
    expect((await stat(directory)).mode & 0o077).toBe(0);
    for (const name of ["identity", "interactions.jsonl"])
      expect((await stat(join(directory, name))).mode & 0o077).toBe(0);
  });
});
