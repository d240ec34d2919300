import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { KindredError } from "@kindred/protocol";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type BlobStores, openBlobStores } from "./blobs.ts";

let folder: string;
let root: string;
let stores: BlobStores;
let count = 0;
const NOW = Date.UTC(2026, 0, 1);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-blobs-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  count += 1;
  root = join(folder, String(count));
  stores = await openBlobStores(root, NOW);
});

const filesIn = async (path: string) =>
  (await readdir(path, { recursive: true, withFileTypes: true }))
    .filter((file) => file.isFile())
    .map((file) => file.name);

describe("a blob store", () => {
  it("gives back what was put under its SHA-256, whole, as a stream and in ranges", async () => {
    const bytes = new Uint8Array(randomBytes(70_000));
    const { released } = stores;
    const hash = await released.put(bytes);
    expect(hash).toBe(sha256(bytes));
    expect(await released.get(hash)).toEqual(bytes);
    expect(await released.size(hash)).toBe(70_000);
    expect(new Uint8Array(await buffer((await released.stream(hash))!))).toEqual(bytes);
    const range = await released.stream(hash, { start: 65_535, end: 65_537 });
    expect(new Uint8Array(await buffer(range!))).toEqual(bytes.slice(65_535, 65_538));
    const empty = await released.put(new Uint8Array(0));
    expect(await released.get(empty)).toEqual(new Uint8Array(0));
  });

  it("knows what it does not have, and forgets what is deleted", async () => {
    const { spool } = stores;
    const unknown = sha256(randomBytes(8));
    expect(await spool.get(unknown)).toBeUndefined();
    expect(await spool.stream(unknown)).toBeUndefined();
    expect(await spool.size(unknown)).toBeUndefined();
    expect(await spool.has(unknown)).toBe(false);
    expect(await spool.delete(unknown)).toBe(false);
    const hash = await spool.put(new Uint8Array([1]));
    expect(await spool.has(hash)).toBe(true);
    expect(await spool.delete(hash)).toBe(true);
    expect(await spool.has(hash)).toBe(false);
  });

  it("keeps released and spooled blobs apart", async () => {
    const hash = await stores.spool.put(new Uint8Array([1, 2, 3]));
    expect(await stores.released.has(hash)).toBe(false);
    expect(await stores.released.get(hash)).toBeUndefined();
    expect((await readdir(root)).sort()).toEqual(["released", "spool"]);
  });

  it("takes the same content from many writers at once", async () => {
    const bytes = new Uint8Array(randomBytes(10_000));
    const hashes = await Promise.all(Array.from({ length: 16 }, () => stores.spool.put(bytes)));
    expect(new Set(hashes)).toEqual(new Set([sha256(bytes)]));
    expect(await stores.spool.get(hashes[0]!)).toEqual(bytes);
    expect(await filesIn(join(root, "spool"))).toEqual([hashes[0]]);
  });

  it.each(["../../../../etc/passwd", "..", "", "A".repeat(64), "0".repeat(63), `${"0".repeat(64)}/`, "tmp"])(
    "refuses the malformed hash %j",
    async (hash) => {
      for (const attempt of [
        () => stores.released.get(hash),
        () => stores.released.has(hash),
        () => stores.released.size(hash),
        () => stores.released.stream(hash),
        () => stores.released.delete(hash),
      ])
        await expect(attempt()).rejects.toThrow(KindredError);
    },
  );

  it("is not confused by a write that a crash cut off, and removes it once it is old", async () => {
    const bytes = new Uint8Array(randomBytes(1000));
    const half = join(root, "released", "tmp", "half");
    const young = join(root, "released", "tmp", "young");
    for (const path of [half, young]) await writeFile(path, bytes.subarray(0, 500));
    await utimes(half, NOW / 1000 - 3601, NOW / 1000 - 3601);
    await utimes(young, NOW / 1000 - 3599, NOW / 1000 - 3599);
    const again = await openBlobStores(root, NOW);
    expect(await again.released.has(sha256(bytes))).toBe(false);
    expect(await filesIn(join(root, "released"))).toEqual(["young"]);
    expect(await again.released.get(await again.released.put(bytes))).toEqual(bytes);
  });

  it("leaves no temporary file when a write fails", async () => {
    const bytes = new Uint8Array([7]);
    const blocked = join(root, "released", sha256(bytes).slice(0, 2));
    await writeFile(blocked, "a file where the folder should be");
    await expect(stores.released.put(bytes)).rejects.toThrow();
    expect(await filesIn(join(root, "released", "tmp"))).toEqual([]);
    await rm(blocked);
    await stores.released.put(bytes);
  });

  it("notices damage on disk", async () => {
    const hash = await stores.released.put(new Uint8Array([1, 2, 3]));
    const path = join(root, "released", hash.slice(0, 2), hash);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await chmod(path, 0o600);
    await writeFile(path, new Uint8Array([1, 2, 4]));
    await expect(stores.released.get(hash)).rejects.toThrow(/damaged/);
  });
});
