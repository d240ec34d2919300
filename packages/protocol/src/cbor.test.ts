import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hexToBytes, utf8ToBytes } from "./canonical.ts";
import { decodeCbor, decodeCborInPlace, encodeCbor, encodeCborBehind } from "./cbor.ts";

const document = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((x) => !Object.is(x, -0)),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value;

describe("CBOR", () => {
  it("gives back what was encoded", () => {
    fc.assert(
      fc.property(document, (value) => {
        expect(decodeCbor(encodeCbor(value))).toEqual(value);
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it("has one byte string per value: whatever decodes is what the encoder gives", () => {
    let decoded = 0;
    fc.assert(
      fc.property(document, fc.nat(), fc.nat(255), (value, at, byte) => {
        const bytes = encodeCbor(value);
        bytes[at % bytes.length] = byte;
        let changed: unknown;
        try {
          changed = decodeCbor(bytes);
        } catch {
          return;
        }
        decoded++;
        expect(encodeCbor(changed)).toEqual(bytes);
      }),
      { seed: 4, numRuns: 1000 },
    );
    expect(decoded).toBeGreaterThan(50);
  });

  it("throws an Error, and nothing else, on random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeCbor(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { seed: 5, numRuns: 1000 },
    );
  });

  it("bounds nesting without recursion into the rest", () => {
    const nested = (depth: number) => Uint8Array.from([...new Array(depth).fill(0x81), 0x00]);
    expect(decodeCbor(nested(8))).toEqual([[[[[[[[0]]]]]]]]);
    expect(() => decodeCbor(nested(9))).toThrow("nested deeper than 8");
    expect(() => decodeCbor(new Uint8Array(1_000_000).fill(0x81))).toThrow("nested deeper than 8");
    expect(() => decodeCbor(new Uint8Array(1_000_000).fill(0xa1))).toThrow();
  });

  it("bounds the number of items, which take far more memory than their bytes", () => {
    const items = 200_000;
    const bytes = new Uint8Array(items + 5);
    bytes.set([0x9a, 0, 0x03, 0x0d, 0x40]); // array of 200,000, each 0x00
    expect(() => decodeCbor(bytes)).toThrow("more than 200000 data items");
    bytes[4] = 0x3f; // of one less
    expect(decodeCbor(bytes.subarray(0, items + 4))).toHaveLength(items - 1);
  });

  it("gives byte strings that do not share memory with the input", () => {
    class Received extends Uint8Array {} // as Node's Buffer is
    const bytes = Received.from(encodeCbor({ v: Uint8Array.of(1, 2, 3) }));
    const { v } = decodeCbor(bytes) as { v: Uint8Array };
    bytes.fill(0xff);
    expect(v).toEqual(Uint8Array.of(1, 2, 3));
    expect(v.constructor).toBe(Uint8Array);
  });

  it("gives plain views of long byte strings where that is asked for", () => {
    class Received extends Uint8Array {}
    const long = new Uint8Array(16 * 1024).fill(7);
    const bytes = Received.from(encodeCbor({ l: long, s: Uint8Array.of(1, 2, 3), t: "text" }));
    const { l, s, t } = decodeCborInPlace(bytes) as { l: Uint8Array; s: Uint8Array; t: string };
    expect(t).toBe("text");
    expect([l, s]).toEqual([long, Uint8Array.of(1, 2, 3)]);
    expect([l.constructor, s.constructor]).toEqual([Uint8Array, Uint8Array]);
    expect(l.buffer).toBe(bytes.buffer);
    // A few bytes do not keep the whole document in memory.
    expect(s.buffer.byteLength).toBe(3);
    expect(() => decodeCborInPlace(bytes.subarray(1))).toThrow();
  });

  it("does not let a document set a prototype", () => {
    const bytes = Uint8Array.from([0xa1, 0x69, ...utf8ToBytes("__proto__"), 0xa1, 0x61, 0x78, 0x01]);
    expect(() => decodeCbor(bytes)).toThrow("not in deterministic form");
  });

  it("does not encode undefined", () => {
    expect(() => decodeCbor(encodeCbor({ a: undefined }))).toThrow();
  });

  it("accepts an altered document only where the alteration is again what the encoder writes", () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
    let accepted = 0;
    fc.assert(
      fc.property(document, edits, (value, changes) => {
        const bytes = encodeCbor(value);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        let decoded: unknown;
        try {
          decoded = decodeCbor(bytes);
        } catch {
          return;
        }
        accepted++;
        expect(encodeCbor(decoded)).toEqual(bytes);
      }),
      { seed: 11, numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it.each([
    ["a float in two bytes", "f93e00"],
    ["a float that is an integer", "f93c00"],
    ["keys that fall", "a2616201616101"],
    ["a shorter key after a longer one", "a262616101616201"],
    ["a key twice", "a2616101616101"],
    ["a key that is no text", "a10101"],
    ["keys that fall in a map within an array", "81a2616201616101"],
    ["a text that is not UTF-8", "61ff"],
    ["a length in two bytes that needs one", "59000100"],
  ])("refuses %s", (_, hex) => {
    expect(() => decodeCbor(hexToBytes(hex))).toThrow();
  });

  it("writes the same bytes behind a prefix", () => {
    const prefix = Uint8Array.of(0x4b, 3);
    const compare = (value: unknown): void => {
      expect(encodeCborBehind(prefix, value)).toEqual(Uint8Array.from([...prefix, ...encodeCbor(value)]));
    };
    fc.assert(fc.property(document, compare), { seed: 12 });
    compare("\u{1F46A}\u65E5");
    compare({ "\uFFFD": [2 ** 40, -1e-300, null, new Uint8Array(70_000)] });
    expect(() => encodeCborBehind(prefix, Symbol("interests"))).toThrow();
  });

  it("keeps a replacement character that was written as one", () => {
    expect(decodeCbor(encodeCbor({ a: "\uFFFD" }))).toEqual({ a: "\uFFFD" });
  });
});
