import { inspect } from "node:util";
import { bytesToHex, hexToBytes, KindredError, utf8ToBytes } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { isSealed, KeyRing } from "./key-ring.ts";

const keyOf = (byte: number) => new Uint8Array(32).fill(byte);
const ring = new KeyRing({ current: keyOf(1), source: "KEY" });
const plain = utf8ToBytes("likes film-7");

function refusal(run: () => unknown) {
  try {
    run();
  } catch (error) {
    if (error instanceof KindredError) return error.rejection;
    throw error;
  }
  return undefined;
}

describe("a sealed record", () => {
  it("opens where it was sealed, with nothing of it readable before", () => {
    for (const bytes of [plain, new Uint8Array(0), new Uint8Array(100_000).fill(7)]) {
      const record = ring.seal(bytes, "file:1");
      expect(isSealed(record)).toBe(true);
      expect(record.length).toBe(bytes.length + 40);
      expect(ring.open(record, "file:1")).toEqual({ bytes, isCurrent: true });
    }
    expect(Buffer.from(ring.seal(plain, "file:1")).includes("film")).toBe(false);
    expect(ring.seal(plain, "file:1")).not.toEqual(ring.seal(plain, "file:1"));
  });

  it("opens a record that was made by hand from the definition", async () => {
    const { subtle } = globalThis.crypto;
    const key = await subtle.importKey("raw", keyOf(1), "AES-GCM", false, ["encrypt"]);
    const header = hexToBytes(`4b535231${ring.id}`);
    const nonce = keyOf(9).slice(0, 12);
    const additionalData = new Uint8Array([...header, ...utf8ToBytes("file:1")]);
    const sealed = await subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData }, key, plain);
    const record = new Uint8Array([...header, ...nonce, ...new Uint8Array(sealed)]);
    expect(ring.open(record, "file:1").bytes).toEqual(plain);
  });

  it("is refused in another place, and with any bit changed or byte lost", () => {
    const record = ring.seal(plain, "file:1");
    expect(refusal(() => ring.open(record, "file:2"))).toMatchObject({
      code: "dataset-invalid",
      field: "file:2",
    });
    for (let bit = 12 * 8; bit < record.length * 8; bit++) {
      const changed = record.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(refusal(() => ring.open(changed, "file:1"))).toMatchObject({ code: "dataset-invalid" });
    }
    for (let length = 40; length < record.length; length++)
      expect(refusal(() => ring.open(record.slice(0, length), "file:1"))).toMatchObject({
        code: "dataset-invalid",
      });
  });

  it("under another key names the source, both keys by their ids, and a way out", () => {
    const other = new KeyRing({ current: keyOf(2), source: "KINDRED_STORAGE_KEY" });
    const found = refusal(() => other.open(ring.seal(plain, "file:1"), "file:1"))!;
    expect(found).toMatchObject({ code: "option-invalid", field: "KINDRED_STORAGE_KEY" });
    expect(found.rule).toContain(ring.id);
    expect(found.rule).toContain(other.id);
    expect(found.fix).toMatch(/backup.*previous/);
    for (const key of [keyOf(1), keyOf(2)]) expect(JSON.stringify(found)).not.toContain(bytesToHex(key));
  });

  it("of a previous key opens and says so; what is not sealed comes back as it is where a ring adopts it", () => {
    const keys = { current: keyOf(2), previous: [keyOf(1)], source: "KEY" };
    const next = new KeyRing({ ...keys, unsealed: "adopt" });
    expect(next.open(ring.seal(plain, "a"), "a")).toEqual({ bytes: plain, isCurrent: false });
    expect(next.open(next.seal(plain, "a"), "a").isCurrent).toBe(true);
    expect(next.open(plain, "a")).toEqual({ bytes: plain, isCurrent: false });
  });

  it("is all that a ring takes which adopts nothing", () => {
    const strict = new KeyRing({ current: keyOf(1), source: "KEY" });
    expect(strict.open(ring.seal(plain, "a"), "a").bytes).toEqual(plain);
    for (const record of [plain, new Uint8Array(0), ring.seal(plain, "a").subarray(4)])
      expect(refusal(() => strict.open(record, "a"))).toMatchObject({
        code: "dataset-invalid",
        field: "a",
        rule: expect.stringContaining("must be sealed"),
      });
  });
});

describe("a key ring", () => {
  it("shows nothing of its keys", () => {
    const shown = `${JSON.stringify({ ring })}${inspect(ring, { depth: 9, showHidden: true })}${Object.values(ring)}`;
    expect(shown).toContain(ring.id);
    for (const form of [bytesToHex(keyOf(1)), Buffer.from(keyOf(1)).toString("base64"), "1, 1, 1"])
      expect(shown).not.toContain(form);
  });

  it("takes keys of 32 bytes only", () => {
    for (const current of [new Uint8Array(31), new Uint8Array(33), new Uint8Array(0)])
      expect(() => new KeyRing({ current, source: "KEY" })).toThrow(RangeError);
    expect(() => new KeyRing({ current: keyOf(1), previous: [new Uint8Array(1)], source: "KEY" })).toThrow(
      RangeError,
    );
  });
});
