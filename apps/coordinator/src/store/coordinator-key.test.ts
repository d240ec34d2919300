import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { bytesToHex, hexToBytes, KindredError } from "@kindred/protocol";
import { isSealed, KeyRing } from "@kindred/sealing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CoordinatorKey, loadCoordinatorKey, sealCoordinatorKey } from "./coordinator-key.ts";

/** RFC 8032, section 7.1, test 2. */
const SEED = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
const PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const SIGNATURE =
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

const keys = new KeyRing({ current: new Uint8Array(32).fill(8), source: "KINDRED_STORAGE_KEY" });
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-key-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the coordinator's key", () => {
  it("signs as RFC 8032 says", async () => {
    const key = await loadCoordinatorKey({
      seed: `${SEED.toUpperCase()}\n`,
      file: join(folder, "unused"),
      keys,
    });
    expect(key.publicKeyHex).toBe(PUBLIC);
    expect(bytesToHex(key.publicKey)).toBe(PUBLIC);
    expect(bytesToHex(key.sign(new Uint8Array([0x72])))).toBe(SIGNATURE);
    expect(await readdir(folder)).toEqual([]);
  });

  it("shows only its public half", () => {
    const key = new CoordinatorKey(hexToBytes(SEED));
    for (const text of [
      JSON.stringify({ key }),
      inspect(key, { depth: 9, showHidden: true }),
      `${Object.values(key)}`,
    ]) {
      expect(text).not.toContain(SEED);
      expect(text).not.toContain(SEED.slice(0, 16));
    }
    expect(JSON.stringify(key)).toBe(`{"publicKey":"${PUBLIC}"}`);
    expect(inspect({ key })).toContain(PUBLIC);
  });

  it("is made on the first start, for its owner only, and stays the same", async () => {
    const file = join(folder, "deep", "coordinator.key");
    const first = await Promise.all(Array.from({ length: 4 }, () => loadCoordinatorKey({ file, keys })));
    expect(new Set(first.map((key) => key.publicKeyHex)).size).toBe(1);
    expect((await loadCoordinatorKey({ file, keys })).publicKeyHex).toBe(first[0]!.publicKeyHex);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(isSealed(await readFile(file))).toBe(true);
    expect(await readdir(join(folder, "deep"))).toEqual(["coordinator.key"]);
    const other = await loadCoordinatorKey({ file: join(folder, "other.key"), keys });
    expect(other.publicKeyHex).not.toBe(first[0]!.publicKeyHex);
  });

  it("is refused when others can read it", async () => {
    const file = join(folder, "open.key");
    await loadCoordinatorKey({ file, keys });
    await chmod(file, 0o640);
    await expect(loadCoordinatorKey({ file, keys })).rejects.toThrow(
      /must be readable by its owner only.*640/,
    );
  });

  it("is sealed when one that was not is taken over, and says which storage key it needs", async () => {
    const file = join(folder, "plain.key");
    await writeFile(file, `${SEED}\n`, { mode: 0o600 });
    await expect(loadCoordinatorKey({ file, keys })).rejects.toMatchObject({ code: "dataset-invalid" });
    const taking = new KeyRing({ current: new Uint8Array(32).fill(8), source: "KEY", unsealed: "adopt" });
    expect((await loadCoordinatorKey({ file, keys: taking })).publicKeyHex).toBe(PUBLIC);
    const sealed = await readFile(file);
    expect(isSealed(sealed)).toBe(true);
    expect(sealed.includes(SEED)).toBe(false);
    const current = new Uint8Array(32).fill(9);
    const other = new KeyRing({ current, source: "KINDRED_STORAGE_KEY" });
    await expect(loadCoordinatorKey({ file, keys: other })).rejects.toMatchObject({
      code: "option-invalid",
      rejection: { field: "KINDRED_STORAGE_KEY", rule: expect.stringContaining("coordinator.key") },
    });
    const next = new KeyRing({ current, previous: [new Uint8Array(32).fill(8)], source: "KEY" });
    await sealCoordinatorKey({ file, keys: next });
    expect((await loadCoordinatorKey({ file, keys: other })).publicKeyHex).toBe(PUBLIC);
  });

  it.each(["", SEED.slice(1), `${SEED}00`, "g".repeat(64)])("is refused when malformed: %j", async (seed) => {
    const file = join(folder, "malformed.key");
    await writeFile(file, seed, { mode: 0o600 });
    for (const options of [
      { file, keys },
      { seed, file, keys },
    ]) {
      const error = await loadCoordinatorKey(options).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(KindredError);
      if (seed !== "") expect((error as Error).message).not.toContain(seed);
    }
  });
});
