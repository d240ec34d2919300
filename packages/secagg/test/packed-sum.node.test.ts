import { packBits } from "@kindred/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PackedSum } from "../node/index.ts";
import { addInto } from "../src/masks.ts";

/** Entries that differ from vector to vector, the largest among them. */
function vectorOf(seed: number, { bits, length }: { bits: number; length: number }): Uint32Array {
  const step = Math.imul(2 * seed + 1, 0x9e3779b1);
  return Uint32Array.from({ length }, (_, i) =>
    i % 5 === seed % 5 ? 2 ** bits - 1 : Math.imul(i + 1, step) >>> (32 - bits),
  );
}

describe("a sum of packed vectors", () => {
  test.each(Array.from({ length: 32 }, (_, i) => i + 1))(
    "of %i bits is that of unpacking and adding, of every length",
    (bits) => {
      for (const length of [0, 1, 2, 7, 8, 9, 15, 16, 17, 100, 1001]) {
        const packed = new PackedSum({ bits, length });
        const plain = new Uint32Array(length);
        for (let seed = 0; seed < 6; seed++) {
          const vector = vectorOf(seed, { bits, length });
          packed.add(packBits(vector, bits));
          addInto(plain, vector, bits);
        }
        expect(packed.total()).toEqual(plain);
      }
    },
  );

  test("of arbitrary entries is exact", () => {
    const cases = fc
      .tuple(fc.integer({ min: 1, max: 32 }), fc.integer({ min: 1, max: 70 }))
      .chain(([bits, length]) =>
        fc.tuple(
          fc.constant(bits),
          fc.array(fc.uint8Array({ minLength: 4 * length, maxLength: 4 * length }), {
            minLength: 1,
            maxLength: 4,
          }),
        ),
      );
    fc.assert(
      fc.property(cases, ([bits, drawn]) => {
        const vectors = drawn.map((bytes) =>
          new Uint32Array(bytes.slice().buffer).map((entry) => (bits === 32 ? entry : entry % 2 ** bits)),
        );
        const length = vectors[0]!.length;
        const packed = new PackedSum({ bits, length });
        const plain = new Uint32Array(length);
        for (const vector of vectors) {
          packed.add(packBits(vector, bits));
          addInto(plain, vector, bits);
        }
        expect(packed.total()).toEqual(plain);
      }),
      { seed: 11, numRuns: 200 },
    );
  });

  test("goes on after its total was read, and hands out copies", () => {
    const sum = new PackedSum({ bits: 20, length: 9 });
    const one = packBits(new Uint32Array(9).fill(1), 20);
    sum.add(one);
    sum.total().fill(7);
    sum.add(one);
    expect([...sum.total()]).toEqual(new Array(9).fill(2));
  });

  test("refuses another length, and bits that there are not", () => {
    const sum = new PackedSum({ bits: 20, length: 9 });
    for (const length of [0, 22, 24])
      expect(() => sum.add(new Uint8Array(length))).toThrow(/must have 23 bytes, found/);
    for (const bits of [0, 33, 1.5, Number.NaN])
      expect(() => new PackedSum({ bits, length: 9 })).toThrow("bits must be an integer from 1 to 32");
  });
});
