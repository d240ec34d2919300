import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8ToBytes } from "@kindred/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { discardKeyFile, finishRotation, loadKeyFile, parseStorageKey, startRotation } from "./key-file.ts";

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-sealing-"));
  file = join(folder, "deep", "storage.key");
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const plain = utf8ToBytes("a record");

describe("a key file", () => {
  it("is made once, for its owner only, also by several at once", async () => {
    const rings = await Promise.all(Array.from({ length: 4 }, () => loadKeyFile(file)));
    expect(new Set(rings.map(({ id }) => id)).size).toBe(1);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, "deep"))).toEqual(["storage.key"]);
  });

  it("rotates: cut off at any step, everything opens, and the old key is gone in the end", async () => {
    const before = await loadKeyFile(file);
    const old = await readFile(file, "utf8");
    const record = before.seal(plain, "place");
    await startRotation(file);
    // Cut off here, and begun again.
    await startRotation(file);
    const during = await loadKeyFile(file);
    expect(during.id).not.toBe(before.id);
    const opened = during.open(record, "place");
    expect(opened).toEqual({ bytes: plain, isCurrent: false });
    const again = during.seal(opened.bytes, "place");
    await finishRotation(file);
    const after = await loadKeyFile(file);
    expect(after.id).toBe(during.id);
    expect(after.open(again, "place")).toEqual({ bytes: plain, isCurrent: true });
    expect(() => after.open(record, "place")).toThrow(/must be the key that place was sealed with/);
    expect(await readFile(file, "utf8")).not.toBe(old);
    expect(await readdir(join(folder, "deep"))).toEqual(["storage.key"]);
  });

  it("is refused when others can read it or it holds no key, and never repeated", async () => {
    const open = join(folder, "open.key");
    await loadKeyFile(open);
    await chmod(open, 0o644);
    await expect(loadKeyFile(open)).rejects.toThrow(/owner only.*644/);
    const bad = join(folder, "bad.key");
    await writeFile(bad, "0123456789", { mode: 0o600 });
    await expect(loadKeyFile(bad)).rejects.toThrow(/64 hexadecimal digits/);
    await expect(loadKeyFile(bad)).rejects.not.toThrow(/0123456789/);
    expect(() => parseStorageKey("zz", "KEY")).toThrow(/^option-invalid: KEY must be an AES-256 key/);
  });

  it("is gone when it is discarded, a coming key with it", async () => {
    await startRotation(file);
    await discardKeyFile(file);
    expect(await readdir(join(folder, "deep"))).toEqual([]);
  });
});
