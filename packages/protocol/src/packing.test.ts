import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packBits, packedLength, unpackBits } from "./packing.ts";

/** Readable twin: the entries as the digits of one large number, least significant first. */
function packTwin(values: readonly number[], bits: number): Uint8Array {
  let total = 0n;
  values.forEach((value, i) => {
    total += BigInt(value) << BigInt(i * bits);
  });
  return Uint8Array.from({ length: Math.ceil((values.length * bits) / 8) }, (_, i) =>
    Number((total >> BigInt(8 * i)) & 0xffn),
  );
}

const vectorOf = fc
  .integer({ min: 1, max: 32 })
  .chain((bits) =>
    fc.tuple(fc.constant(bits), fc.array(fc.integer({ min: 0, max: 2 ** bits - 1 }), { maxLength: 70 })),
  );

describe("packBits and unpackBits", () => {
  it("agree with the readable twin for random vectors", () => {
    fc.assert(
      fc.property(vectorOf, ([bits, values]) => {
        const vector = Uint32Array.from(values);
        const packed = packBits(vector, bits);
        expect(packed).toEqual(packTwin(values, bits));
        expect(unpackBits(packed, { bits, length: values.length })).toEqual({ ok: true, value: vector });
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it.each(Array.from({ length: 32 }, (_, i) => i + 1))("keep extreme entries of %i bits apart", (bits) => {
    const largest = 2 ** bits - 1;
    const values = Array.from({ length: 67 }, (_, i) =>
      i % 3 === 0 ? largest : i % 3 === 1 ? 0 : 2 ** (bits - 1),
    );
    const packed = packBits(Uint32Array.from(values), bits);
    expect(packed).toEqual(packTwin(values, bits));
    expect(unpackBits(packed, { bits, length: 67 })).toEqual({ ok: true, value: Uint32Array.from(values) });
  });

  it("read a vector that lies anywhere in a larger buffer", () => {
    const values = Uint32Array.from([1, 2, 3, 0xfffff, 5]);
    const packed = packBits(values, 20);
    const larger = new Uint8Array(packed.length + 9).fill(0xff);
    larger.set(packed, 5);
    const view = larger.subarray(5, 5 + packed.length);
    expect(unpackBits(view, { bits: 20, length: 5 })).toEqual({ ok: true, value: values });
  });

  it("refuse every wrong length and every set padding bit", () => {
    fc.assert(
      fc.property(vectorOf, fc.integer({ min: -3, max: 3 }), ([bits, values], difference) => {
        const packed = packBits(Uint32Array.from(values), bits);
        const length = packed.length + difference;
        if (difference !== 0 && length >= 0) {
          const resized = new Uint8Array(length);
          resized.set(packed.subarray(0, length));
          expect(unpackBits(resized, { bits, length: values.length })).toMatchObject({ ok: false });
        }
        for (let bit = values.length * bits; bit < packed.length * 8; bit++) {
          const spoiled = packed.slice();
          spoiled[bit >> 3]! |= 1 << (bit & 7);
          expect(unpackBits(spoiled, { bits, length: values.length })).toMatchObject({
            ok: false,
            rejection: { code: "vector-invalid", rule: "must end in zero bits" },
          });
        }
      }),
      { seed: 2 },
    );
  });

  it("name expected and found length", () => {
    expect(unpackBits(new Uint8Array(4), { bits: 20, length: 2 })).toMatchObject({
      rejection: { field: "vector", rule: "must be 5 bytes for 2 entries of 20 bits, found 4" },
    });
  });

  it.each([0, 33, 1.5, Number.NaN])("refuse %d bits", (bits) => {
    expect(() => packBits(new Uint32Array(1), bits)).toThrow(RangeError);
    expect(() => unpackBits(new Uint8Array(1), { bits, length: 1 })).toThrow(RangeError);
  });

  it("refuse an entry that was not reduced, rather than spoil its neighbours", () => {
    expect(() => packBits(Uint32Array.from([1, 256]), 8)).toThrow("entry 1 must be below 2^8, found 256");
  });

  it("take no bytes for no entries", () => {
    expect(packedLength(0, 20)).toBe(0);
    expect(packBits(new Uint32Array(0), 20)).toEqual(new Uint8Array(0));
    expect(unpackBits(new Uint8Array(0), { bits: 20, length: 0 })).toEqual({
      ok: true,
      value: new Uint32Array(0),
    });
  });
});
