import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import "fake-indexeddb/auto";
import type { ParticipationEntry, RoundOutcome } from "@kindred/engine";
import type { SignedLedgerHead } from "@kindred/privacy";
import { openDB } from "idb";
import { afterEach, describe, expect, it, vi } from "vitest";
import { browserStore } from "./browser-store.ts";
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
  outcomes: [],
  ledgerHeads: [],
};
const outcome = (round: number): RoundOutcome => ({
  task: "films",
  round,
  time: 1_700_000_000_000 + round,
  outcome: "published",
  modelHash: "ab".repeat(32),
});
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
    for (const round of [1, 2]) await store.appendOutcome(outcome(round));
    await store.writeCached("plan", new Uint8Array([1]));
    await store.writeCached("plan", new Uint8Array([2, 3]));
    const again = open();
    expect(await again.load()).toEqual({
      identity: seed,
      consent: "granted",
      interactions: [0, 1, 2].map(interaction),
      participations: [entry(1), entry(2)],
      outcomes: [outcome(1), outcome(2)],
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
    await store.appendOutcome(outcome(1));
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

/** What a person would not want to be found: texts, items, the seed, the task. */
const MARKS = ["item-1", "rate", "films", "abab", "granted", "bbbb"];

async function contentsOf(directory: string): Promise<[string, Buffer][]> {
  const names = await readdir(directory).catch(() => []);
  return Promise.all(
    names.map(async (name) => [name, await readFile(join(directory, name))] as [string, Buffer]),
  );
}

/** Every value of every object store, as its bytes and texts. */
async function databaseContents(name: string): Promise<string> {
  const db = await openDB(name);
  const parts: string[] = [];
  for (const store of db.objectStoreNames)
    for (const value of await db.getAll(store)) {
      parts.push(JSON.stringify(value));
      for (const field of Object.values((value ?? {}) as object))
        if (field instanceof Uint8Array) parts.push(Buffer.from(field).toString("latin1"));
      if (value instanceof Uint8Array) parts.push(Buffer.from(value).toString("latin1"));
    }
  db.close();
  return parts.join("\n");
}

const seed = Uint8Array.from({ length: 32 }, (_, i) => 100 + i);

async function fill(store: ClientStore): Promise<void> {
  await store.saveIdentity(seed);
  await store.saveConsent("granted");
  await store.appendInteraction(interaction(1));
  await store.appendInteraction(interaction(2));
  await store.appendParticipation(entry(1));
  await store.appendOutcome(outcome(1));
  await store.saveLedgerHead(head(4));
  await store.writeCached("plan", new TextEncoder().encode('{"task":"films"}'));
}

const FILLED = {
  identity: seed,
  consent: "granted",
  interactions: [interaction(1), interaction(2)],
  participations: [entry(1)],
  outcomes: [outcome(1)],
  ledgerHeads: [head(4)],
};

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
    // As an unsealed store had it: what is read is checked in its own right.
    const store = fileStore(directory, { adoptUnsealed: true });
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

describe("a file store at rest", () => {
  const read = async (directory: string): Promise<string> =>
    (await contentsOf(directory)).map(([, bytes]) => bytes.toString("latin1")).join("\n");

  it("shows nothing of what it holds, in any file", async () => {
    const directory = await newDirectory();
    await fill(fileStore(directory));
    const found = await read(directory);
    for (const form of [...MARKS, Buffer.from(seed).toString("latin1"), Buffer.from(seed).toString("hex")])
      expect(found).not.toContain(form);
    expect(await fileStore(directory).load()).toEqual(FILLED);
  });

  it("takes over what was written before stores were sealed where it is asked to, and refuses it otherwise", async () => {
    const directory = await newDirectory();
    await mkdir(directory);
    await writeFile(join(directory, "identity"), seed);
    await writeFile(join(directory, "consent.json"), '{"consent":"granted"}');
    const lines = [interaction(1), interaction(2)].map((line) => `${JSON.stringify(line)}\n`).join("");
    await writeFile(join(directory, "interactions.jsonl"), lines);
    await writeFile(join(directory, "participations.jsonl"), `${JSON.stringify(entry(1))}\n`);
    await writeFile(join(directory, "outcomes.jsonl"), `${JSON.stringify(outcome(1))}\n`);
    await writeFile(join(directory, "ledger-heads.json"), JSON.stringify([head(4)]));
    await writeFile(join(directory, "plan.json"), '{"task":"films"}');
    const before = await contentsOf(directory);
    await expect(fileStore(directory).load()).rejects.toMatchObject({
      code: "dataset-invalid",
      rejection: { field: "identity", fix: expect.stringContaining("adoptUnsealed") },
    });
    const kept = new Map(await contentsOf(directory));
    for (const [name, bytes] of before) expect(kept.get(name)).toEqual(bytes);
    expect(await fileStore(directory, { adoptUnsealed: true }).load()).toEqual(FILLED);
    const store = fileStore(directory);
    expect(await store.load()).toEqual(FILLED);
    expect(await store.readCached("plan")).toEqual(new TextEncoder().encode('{"task":"films"}'));
    const found = await read(directory);
    for (const form of [...MARKS, Buffer.from(seed).toString("latin1")]) expect(found).not.toContain(form);
    await store.appendInteraction(interaction(3));
    expect((await fileStore(directory).load()).interactions).toEqual([1, 2, 3].map(interaction));
  });

  it("refuses what somebody without the key puts in, in every file", async () => {
    const directory = await newDirectory();
    await fill(fileStore(directory));
    const puts: [string, string][] = [
      ["identity", "x".repeat(32)],
      ["consent.json", '{"consent":"granted"}'],
      ["ledger-heads.json", "[]"],
      ["interactions.jsonl", `${JSON.stringify(interaction(9))}\n`],
      ["participations.jsonl", `${Buffer.from(JSON.stringify(entry(9))).toString("base64")}\n`],
      ["outcomes.jsonl", `${JSON.stringify(outcome(9))}\n`],
    ];
    for (const [name, content] of puts) {
      const honest = await readFile(join(directory, name));
      await writeFile(join(directory, name), content);
      const field = name.endsWith(".jsonl") ? `${name}:1` : name;
      await expect(fileStore(directory).load()).rejects.toMatchObject({
        code: "dataset-invalid",
        rejection: { field, rule: expect.stringMatching(/must be sealed/) },
      });
      await writeFile(join(directory, name), honest);
    }
    await writeFile(join(directory, "plan.json"), '{"task":"films"}');
    const store = fileStore(directory);
    expect(await store.load()).toEqual(FILLED);
    await expect(store.readCached("plan")).rejects.toMatchObject({ rejection: { field: "plan.json" } });
  });

  it("opens a record in its own place only", async () => {
    const directory = await newDirectory();
    await fill(fileStore(directory));
    const path = join(directory, "interactions.jsonl");
    const [first, second] = (await readFile(path, "utf8")).split("\n");
    await writeFile(path, `${second}\n${first}\n`);
    await expect(fileStore(directory).load()).rejects.toMatchObject({
      code: "dataset-invalid",
      rejection: { field: "interactions.jsonl:1" },
    });
    await writeFile(path, `${first}\n${second}\n`);
    await rename(join(directory, "consent.json"), join(directory, "ledger-heads.json"));
    await expect(fileStore(directory).load()).rejects.toMatchObject({
      code: "dataset-invalid",
      rejection: { field: "ledger-heads.json" },
    });
  });

  it("says which key is missing, where from, and what to do", async () => {
    const directory = await newDirectory();
    const key = new Uint8Array(32).fill(1);
    await fill(fileStore(directory, { storeKey: { key } }));
    const wrong = fileStore(directory, { storeKey: { key: new Uint8Array(32).fill(2) } });
    await expect(wrong.load()).rejects.toMatchObject({
      code: "option-invalid",
      rejection: {
        field: "storeKey.key",
        rule: expect.stringMatching(/must be the key/),
        fix: expect.any(String),
      },
    });
    await expect(fileStore(directory).load()).rejects.toMatchObject({
      rejection: { field: join(directory, "store.key") },
    });
    expect(await fileStore(directory, { storeKey: { key } }).load()).toEqual(FILLED);
  });

  it("takes its key from the environment, refuses a malformed one, and goes over to the next", async () => {
    const directory = await newDirectory();
    try {
      vi.stubEnv("KINDRED_STORE_KEY", "11".repeat(32));
      await fill(fileStore(directory));
      expect((await readdir(directory)).includes("store.key")).toBe(false);
      vi.stubEnv("KINDRED_STORE_KEY", "22".repeat(32));
      await expect(fileStore(directory).load()).rejects.toMatchObject({
        rejection: { field: "KINDRED_STORE_KEY" },
      });
      vi.stubEnv("KINDRED_STORE_KEY_PREVIOUS", "11".repeat(32));
      const between = fileStore(directory);
      expect(await between.load()).toEqual(FILLED);
      vi.stubEnv("KINDRED_STORE_KEY_PREVIOUS", "");
      expect(await fileStore(directory).load()).toEqual(FILLED);
      expect(await fileStore(directory).readCached("plan")).toBeDefined();
      await expect(fileStore(directory).rotateKey()).rejects.toMatchObject({ code: "option-invalid" });
      vi.stubEnv("KINDRED_STORE_KEY", "secret");
      await expect(fileStore(directory).load()).rejects.not.toThrow(/secret/);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("rotates its key: everything is sealed anew, and the old key opens nothing", async () => {
    const directory = await newDirectory();
    const store = fileStore(directory);
    await fill(store);
    const before = new Map(await contentsOf(directory));
    await store.rotateKey();
    for (const [name, bytes] of await contentsOf(directory))
      expect(bytes.equals(before.get(name)!)).toBe(false);
    expect((await readdir(directory)).sort()).toEqual([...before.keys()].sort());
    await store.appendInteraction(interaction(3));
    const old = join(await newDirectory(), "..", "old.key");
    await writeFile(old, before.get("store.key")!, { mode: 0o600 });
    await expect(fileStore(directory, { storeKey: { file: old } }).load()).rejects.toMatchObject({
      code: "option-invalid",
    });
    expect((await fileStore(directory).load()).interactions).toHaveLength(3);
  });

  it("is whole wherever a rotation was cut off, and finishes it", async () => {
    const directory = await newDirectory();
    await fill(fileStore(directory));
    const before = await contentsOf(directory);
    await fileStore(directory).rotateKey();
    const after = new Map(await contentsOf(directory));
    const names = before.map(([name]) => name).filter((name) => name !== "store.key");
    // The process ends after so many files; both keys are there, the coming one beside the present.
    for (let done = 0; done <= names.length; done++) {
      const cut = await newDirectory();
      await mkdir(cut);
      for (const [name, bytes] of before)
        await writeFile(
          join(cut, name),
          names.indexOf(name) < done && name !== "store.key" ? after.get(name)! : bytes,
          {
            mode: 0o600,
          },
        );
      await writeFile(join(cut, "store.key.next"), after.get("store.key")!, { mode: 0o600 });
      expect(await fileStore(cut).load()).toEqual(FILLED);
      expect((await readdir(cut)).sort()).toEqual(before.map(([name]) => name).sort());
      expect(await readFile(join(cut, "store.key"))).toEqual(after.get("store.key"));
      expect(await fileStore(cut).load()).toEqual(FILLED);
      expect(await fileStore(cut).readCached("plan")).toBeDefined();
    }
  });

  it.each(["its own key", "a key of others"])(
    "with %s, forgets the rest after what cut it off",
    async (key) => {
      const directory = await newDirectory();
      const file = join(await newDirectory(), "shared.key");
      const open = () => fileStore(directory, key === "its own key" ? {} : { storeKey: { file } });
      await fill(open());
      // A folder cannot be removed like a file: the removal ends there.
      await rm(join(directory, "consent.json"));
      await mkdir(join(directory, "consent.json"));
      await expect(open().clear()).rejects.toThrow();
      expect(await readdir(directory)).toContain("participations.jsonl");
      await rmdir(join(directory, "consent.json"));
      expect(await open().load()).toMatchObject({
        identity: undefined,
        consent: "pending",
        participations: [],
      });
      expect(await contentsOf(directory)).toEqual([]);
      await fill(open());
      expect(await open().load()).toEqual(FILLED);
    },
  );

  it("forgets its key first, and every file; one that others may use stays", async () => {
    const directory = await newDirectory();
    const store = fileStore(directory);
    await fill(store);
    await store.clear();
    expect(await contentsOf(directory)).toEqual([]);
    const shared = join(directory, "..", "shared.key");
    const other = fileStore(directory, { storeKey: { file: shared } });
    await fill(other);
    await other.clear();
    expect(await contentsOf(directory)).toEqual([]);
    expect((await readFile(shared)).length).toBeGreaterThan(0);
  });
});

describe("a browser store at rest", () => {
  const stored = (value: Uint8Array) => Buffer.from(value).toString("latin1");

  it("shows nothing of what it holds, and its key cannot be read", async () => {
    const name = `rest ${databases++}`;
    await fill(browserStore(name));
    const found = await databaseContents(name);
    for (const form of [...MARKS, stored(seed)]) expect(found).not.toContain(form);
    const db = await openDB(name);
    const [key] = (await db.getAll("keys")) as CryptoKey[];
    expect(key!.extractable).toBe(false);
    await expect(crypto.subtle.exportKey("raw", key!)).rejects.toThrow();
    db.close();
    expect(await browserStore(name).load()).toEqual(FILLED);
  });

  it("takes over what was written before records were sealed where it is asked to, and refuses it otherwise", async () => {
    const name = `rest ${databases++}`;
    const old = await openDB(name, 1, {
      upgrade(db) {
        db.createObjectStore("interactions", { autoIncrement: true });
        db.createObjectStore("participations", { autoIncrement: true });
        for (const store of ["identity", "consent", "files"]) db.createObjectStore(store);
      },
    });
    await old.put("identity", seed, "seed");
    await old.put("consent", "granted", "consent");
    for (const i of [1, 2]) await old.add("interactions", interaction(i));
    await old.add("participations", entry(1));
    await old.put("files", new Uint8Array([1, 2]), "model");
    old.close();
    await expect(browserStore(name).load()).rejects.toMatchObject({
      code: "dataset-invalid",
      rejection: { field: "consent:consent", fix: expect.stringContaining("adoptUnsealed") },
    });
    const taken = { ...FILLED, outcomes: [], ledgerHeads: [] };
    expect(await browserStore(name, { adoptUnsealed: true }).load()).toEqual(taken);
    const store = browserStore(name);
    expect(await store.load()).toEqual(taken);
    expect(await store.readCached("model")).toEqual(new Uint8Array([1, 2]));
    const found = await databaseContents(name);
    for (const form of [...MARKS, stored(seed)]) expect(found).not.toContain(form);
    await store.appendInteraction(interaction(3));
    expect((await browserStore(name).load()).interactions).toEqual([1, 2, 3].map(interaction));
  });

  it("refuses what somebody without the key puts in", async () => {
    const name = `rest ${databases++}`;
    await fill(browserStore(name));
    const db = await openDB(name);
    await db.put("files", new Uint8Array([1, 2]), "plan");
    await expect(browserStore(name).readCached("plan")).rejects.toMatchObject({
      code: "dataset-invalid",
      rejection: { field: "files:plan" },
    });
    await db.put("interactions", interaction(9), 9);
    await expect(browserStore(name).load()).rejects.toMatchObject({
      code: "dataset-invalid",
      rejection: { field: "interactions:9", rule: expect.stringMatching(/must be sealed/) },
    });
    db.close();
  });

  it("opens a record in its own place only, and says when a key is gone", async () => {
    const name = `rest ${databases++}`;
    await fill(browserStore(name));
    const db = await openDB(name);
    const [first, second] = await db.getAll("interactions");
    await db.put("interactions", second, 1);
    await expect(browserStore(name).load()).rejects.toMatchObject({
      code: "dataset-invalid",
      rejection: { field: "interactions:1" },
    });
    await db.put("interactions", first, 1);
    expect(await browserStore(name).load()).toEqual(FILLED);
    await db.clear("keys");
    await expect(browserStore(name).load()).rejects.toMatchObject({
      code: "option-invalid",
      rejection: { field: "store key" },
    });
    db.close();
  });

  it("rotates its key, wherever the rotation was cut off", async () => {
    for (const cut of ["interactions", "files", undefined] as const) {
      const name = `rest ${databases++}`;
      const store = browserStore(name);
      await fill(store);
      const db = await openDB(name);
      const before = cut === undefined ? [] : await db.getAll(cut);
      const oldKey = await db.get("keys", 1);
      await store.rotateKey();
      expect(await db.getAllKeys("keys")).toEqual([2]);
      if (cut !== undefined) {
        // As if the tab had been closed before this store's turn.
        await db.put("keys", oldKey, 1);
        const keys = await db.getAllKeys(cut);
        for (const [i, key] of keys.entries()) await db.put(cut, before[i], key);
      }
      db.close();
      expect(await browserStore(name).load()).toEqual(FILLED);
      expect(await browserStore(name).readCached("plan")).toBeDefined();
      const after = await openDB(name);
      expect(await after.getAllKeys("keys")).toEqual([2]);
      after.close();
    }
  });

  it("forgets the database, key and all", async () => {
    const name = `rest ${databases++}`;
    const store = browserStore(name);
    await fill(store);
    await store.clear();
    expect((await indexedDB.databases()).map((each) => each.name)).not.toContain(name);
  });
});
