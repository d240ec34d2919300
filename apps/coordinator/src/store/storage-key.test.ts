import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256Hex, utf8ToBytes } from "@kindred/protocol";
import { loadKeyFile, startRotation } from "@kindred/sealing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBlobStores } from "./blobs.ts";
import { loadCoordinatorKey } from "./coordinator-key.ts";
import { type Database, openDatabase } from "./database.ts";
import { loadStorageKeys, rotateStorageKey } from "./storage-key.ts";
import { initialiseFolder, taskRecord } from "./test-databases.ts";

const NOW = Date.UTC(2026, 0, 1);
const SECRET = utf8ToBytes("a member's revealed share");
let parent: string;
let template: string;
let folders = 0;

async function withDatabase<T>(directory: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await openDatabase({
    directory: join(directory, "database"),
    keys: () => loadStorageKeys({ directory }),
  });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** A data folder with a key, two journal entries, two spooled blobs, all sealed with the folder's key. */
async function filledFolder(): Promise<string> {
  const directory = join(parent, `coordinator-${folders++}`);
  await cp(template, directory, { recursive: true });
  return directory;
}

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "kindred-storage-"));
  template = join(parent, "template");
  await initialiseFolder(join(template, "database"));
  const keys = await loadStorageKeys({ directory: template });
  await loadCoordinatorKey({ file: join(template, "coordinator.key"), keys });
  const { spool } = await openBlobStores(join(template, "blobs"), NOW, keys);
  for (const name of ["vector one", "vector two"]) await spool.put(utf8ToBytes(name));
  await withDatabase(template, async (database) => {
    const entries = [1, 2].map((round) => ({ round, kind: "member", payload: SECRET, time: NOW }));
    await database.tx("fill", async ({ tasks, journal }) => {
      await tasks.create(taskRecord("films", sha256Hex));
      await journal.append("films", { after: 0, entries });
    });
  });
});
afterAll(() => rm(parent, { recursive: true, force: true }));

/** What is stored, opened with the folder's keys. */
async function contents(directory: string) {
  const keys = await loadStorageKeys({ directory });
  const { publicKeyHex } = await loadCoordinatorKey({ file: join(directory, "coordinator.key"), keys });
  const { spool } = await openBlobStores(join(directory, "blobs"), NOW, keys);
  const blobs: string[] = [];
  for await (const { hash } of spool.list()) blobs.push(Buffer.from((await spool.get(hash))!).toString());
  const journal = await withDatabase(directory, (database) =>
    database.tx("read", (stores) => stores.journal.read("films", 0)),
  );
  return { publicKeyHex, blobs: blobs.sort(), journal: journal.map(({ payload }) => payload) };
}

async function everyFile(directory: string): Promise<string> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const bytes = await Promise.all(
    files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name))),
  );
  return Buffer.concat(bytes).toString("latin1");
}

describe("the coordinator's secrets at rest", () => {
  it("are not readable in any file of the data folder", async () => {
    const found = await everyFile(template);
    expect(found).not.toContain("revealed share");
    expect(found).not.toContain("vector one");
    expect(await contents(await filledFolder())).toMatchObject({
      blobs: ["vector one", "vector two"],
      journal: [SECRET, SECRET],
    });
  });

  it("open in their own place only", async () => {
    const directory = await filledFolder();
    const keys = await loadStorageKeys({ directory });
    const spool = join(directory, "blobs", "spool");
    const paths = (await readdir(spool, { recursive: true })).filter((path) => /[0-9a-f]{64}$/.test(path));
    const [one, two] = paths.map((path) => join(spool, path)) as [string, string];
    await cp(one, two);
    const store = (await openBlobStores(join(directory, "blobs"), NOW, keys)).spool;
    await expect(store.get(two.slice(-64))).rejects.toMatchObject({ code: "dataset-invalid" });
    expect(await store.get(one.slice(-64))).toBeDefined();
  });

  it("under another key: the start fails and names the key, the record and the way out", async () => {
    const directory = await filledFolder();
    await writeFile(join(directory, "storage.key"), `${"ab".repeat(32)}\n`, { mode: 0o600 });
    await expect(contents(directory)).rejects.toMatchObject({
      code: "option-invalid",
      rejection: {
        field: join(directory, "storage.key"),
        rule: expect.stringMatching(/^must be the key that coordinator\.key was sealed with/),
        fix: expect.stringMatching(/backup/),
      },
    });
  });
});

describe("rotation of the storage key", () => {
  it("seals everything anew, and the old key opens nothing", async () => {
    const directory = await filledFolder();
    const before = await contents(directory);
    const old = await loadKeyFile(join(directory, "storage.key"));
    const report = await rotateStorageKey({ directory, now: NOW });
    expect(report).toMatchObject({ journalEntries: 2, blobs: 2 });
    expect(report.keyId).not.toBe(old.id);
    expect((await readdir(directory)).sort()).toEqual([
      "blobs",
      "coordinator.key",
      "database",
      "storage.key",
    ]);
    expect(await contents(directory)).toEqual(before);
    const file = await readFile(join(directory, "coordinator.key"));
    expect(() => old.open(file, "coordinator.key")).toThrow(/must be the key/);
  });

  it("that was cut off anywhere leaves everything readable, and is done again", async () => {
    const before = await contents(template);
    // After the key was made, after blobs were sealed, after the journal was.
    for (const [cut, step] of [
      [0, "key"],
      [2, "blobs"],
      [3, "journal"],
    ] as const) {
      const directory = await filledFolder();
      await startRotation(join(directory, "storage.key"));
      const keys = await loadStorageKeys({ directory });
      if (cut >= 1) await loadCoordinatorKey({ file: join(directory, "coordinator.key"), keys });
      if (cut >= 2) await (await openBlobStores(join(directory, "blobs"), NOW, keys)).spool.sealAnew();
      if (cut >= 3)
        await withDatabase(directory, (database) => database.tx("seal", ({ journal }) => journal.sealAnew()));
      if (cut === 2) expect([step, await contents(directory)]).toEqual([step, before]);
      await rotateStorageKey({ directory, now: NOW });
      expect([step, await contents(directory)]).toEqual([step, before]);
      expect(await readdir(directory)).not.toContain("storage.key.next");
    }
  });

  it("goes from a file to the environment and on, and wants both keys", async () => {
    const directory = await filledFolder();
    const before = await contents(directory);
    const old = (await readFile(join(directory, "storage.key"), "utf8")).trim();
    const storageKey = "cd".repeat(32);
    await expect(rotateStorageKey({ directory, storageKey, now: NOW })).rejects.toMatchObject({
      rejection: { field: "KINDRED_STORAGE_KEY_PREVIOUS" },
    });
    const report = await rotateStorageKey({ directory, storageKey, previousStorageKey: old, now: NOW });
    expect(report).toMatchObject({ journalEntries: 2, blobs: 2 });
    await writeFile(join(directory, "storage.key"), storageKey, { mode: 0o600 });
    expect(await contents(directory)).toEqual(before);
  });

  it("is refused while a coordinator holds the folder, and changes nothing", async () => {
    const directory = await filledFolder();
    const before = await readFile(join(directory, "storage.key"));
    await withDatabase(directory, async () => {
      await expect(rotateStorageKey({ directory, now: NOW })).rejects.toThrow(/must not be in use/);
    });
    expect(await readFile(join(directory, "storage.key"))).toEqual(before);
    expect(await readdir(directory)).not.toContain("storage.key.next");
  });

  it("is refused while a coordinator runs in another process, whatever its database, and not after it was killed", async () => {
    const directory = await filledFolder();
    const script = fileURLToPath(new URL("../../test/coordinator-alone.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", script, directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(child.stdout, "data");
      // The folder itself and not only that of the embedded database, which PostgreSQL would not have.
      await expect(rotateStorageKey({ directory, now: NOW })).rejects.toMatchObject({
        code: "option-invalid",
        rejection: { rule: `must not be in use, but process ${child.pid} holds ${directory}` },
      });
      expect(await readdir(directory)).not.toContain("storage.key.next");
    } finally {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    }
    expect(await rotateStorageKey({ directory, now: NOW })).toMatchObject({ blobs: 2 });
  });

  it("refuses keys that are given in two ways, or the previous one alone", async () => {
    const directory = join(parent, "none");
    const key = "ab".repeat(32);
    for (const [options, field] of [
      [{ storageKey: key, storageKeyFile: "x" }, "KINDRED_STORAGE_KEY_FILE"],
      [{ previousStorageKey: key }, "KINDRED_STORAGE_KEY_PREVIOUS"],
      [{ storageKey: "zz" }, "KINDRED_STORAGE_KEY"],
    ] as const)
      await expect(loadStorageKeys({ directory, ...options })).rejects.toMatchObject({
        rejection: { field },
      });
  });
});

describe("records that are not sealed", () => {
  /** A folder with one journal entry, a blob and the key as they were before records were sealed. */
  async function unsealedFolder(): Promise<string> {
    const directory = await filledFolder();
    const keys = await loadStorageKeys({ directory });
    const database = await openDatabase({ directory: join(directory, "database") });
    const entries = [{ round: 3, kind: "member", payload: utf8ToBytes("put in"), time: NOW }];
    await database.tx("put in", ({ journal }) => journal.append("films", { after: 2, entries }));
    await database.close();
    await (await openBlobStores(join(directory, "blobs"), NOW)).spool.put(utf8ToBytes("put in"));
    const file = join(directory, "coordinator.key");
    const { bytes } = keys.open(new Uint8Array(await readFile(file)), "coordinator.key");
    await writeFile(file, bytes, { mode: 0o600 });
    return directory;
  }

  it("are refused by journal, spool, key and rotation, each by its place", async () => {
    const directory = await unsealedFolder();
    const keys = await loadStorageKeys({ directory });
    const refused = (field: RegExp) => ({
      code: "dataset-invalid",
      rejection: { field: expect.stringMatching(field), fix: expect.stringContaining("--adopt-unsealed") },
    });
    const { spool } = await openBlobStores(join(directory, "blobs"), NOW, keys);
    await expect(spool.get(sha256Hex("put in"))).rejects.toMatchObject(refused(/^spool /));
    await expect(
      withDatabase(directory, (database) => database.tx("read", ({ journal }) => journal.read("films", 0))),
    ).rejects.toMatchObject(refused(/^journal films 3$/));
    const file = join(directory, "coordinator.key");
    await expect(loadCoordinatorKey({ file, keys })).rejects.toMatchObject(refused(/^coordinator\.key$/));
    await expect(rotateStorageKey({ directory, now: NOW })).rejects.toMatchObject(
      refused(/^coordinator\.key$/),
    );
  });

  it("are taken over when told to, and refused from then on", async () => {
    const directory = await unsealedFolder();
    const report = await rotateStorageKey({ directory, now: NOW, adoptUnsealed: true });
    expect(report).toMatchObject({ journalEntries: 3, blobs: 3 });
    const found = await contents(directory);
    expect(found.blobs).toContain("put in");
    expect(found.journal).toHaveLength(3);
    expect(await everyFile(join(directory, "blobs"))).not.toContain("put in");
  });
});

it("a journal is sealed anew page by page", async () => {
  const directory = await filledFolder();
  await withDatabase(directory, (database) =>
    database.tx("fill", async ({ tasks, journal }) => {
      await tasks.create(taskRecord("books", sha256Hex));
      const entries = Array.from({ length: 450 }, () => ({
        round: 1,
        kind: "m",
        payload: SECRET,
        time: NOW,
      }));
      await journal.append("books", { after: 0, entries });
    }),
  );
  expect(await rotateStorageKey({ directory, now: NOW })).toMatchObject({ journalEntries: 452 });
  const read = await withDatabase(directory, (database) =>
    database.tx("read", ({ journal }) => journal.read("books", 0)),
  );
  expect(read.every(({ payload }) => Buffer.from(payload).equals(SECRET))).toBe(true);
  expect(read).toHaveLength(450);
});
