import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytesToHex,
  canonicalJson,
  equalBytes,
  hashParts,
  sha256Bytes,
  sha256Hex,
  utf8ToBytes,
} from "./canonical.ts";

describe("canonicalJson", () => {
  it("sorts keys by UTF-16 code units and writes numbers as ECMAScript does (RFC 8785, §3.2.2 and §3.2.3)", () => {
    const value = {
      numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 1e-27, -0],
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis",
    };
    expect(canonicalJson(value)).toBe(
      '{"\\r":"Carriage Return","1":"One","numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],"\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign","\ud83d\ude00":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    );
  });

  it("does not depend on the order in which keys were set", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), (record) => {
        const reversed = Object.fromEntries(Object.entries(record).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(record));
        expect(JSON.parse(canonicalJson(record))).toEqual(JSON.parse(JSON.stringify(record)));
      }),
      { seed: 6 },
    );
  });

  it.each([[undefined], [Number.NaN], [Number.POSITIVE_INFINITY]])("refuses %s", (value) => {
    expect(() => canonicalJson(value)).toThrow();
  });

  it("refuses a cycle", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(() => canonicalJson(cycle)).toThrow();
  });
});

describe("sha256", () => {
  it("meets FIPS 180-4's example and treats text as UTF-8", () => {
    expect(sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(bytesToHex(sha256Bytes("ü"))).toBe(sha256Hex(utf8ToBytes("ü")));
  });
});

describe("hashParts", () => {
  it("is the hash of length-prefixed parts", () => {
    const framed = Uint8Array.from([0, 0, 0, 1, 0x64, 0, 0, 0, 2, 7, 8, 0, 0, 0, 0]);
    expect(hashParts("d", [Uint8Array.of(7, 8), new Uint8Array(0)])).toEqual(sha256Bytes(framed));
  });

  it("tells apart sequences with the same concatenation", () => {
    const cut = (...parts: string[]) => bytesToHex(hashParts(parts[0]!, parts.slice(1).map(utf8ToBytes)));
    const cuts = [
      cut("ab", "c"),
      cut("a", "bc"),
      cut("a", "b", "c"),
      cut("abc"),
      cut("abc", ""),
      cut("", "abc"),
    ];
    expect(new Set(cuts).size).toBe(cuts.length);
  });
});

describe("equalBytes", () => {
  it("compares content and length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), fc.uint8Array({ maxLength: 8 }), (a, b) => {
        expect(equalBytes(a, b)).toBe(a.join() === b.join());
        expect(equalBytes(a, a.slice())).toBe(true);
      }),
      { seed: 7 },
    );
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0))).toBe(false);
  });
});
