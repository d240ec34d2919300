import { describe, expect, it } from "vitest";
import { l2Norm } from "./clip.ts";
import { AesCtrRandom } from "./random.ts";
import { mixingWidth, paddedLength, rotate, unrotate } from "./rotation.ts";

const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
const generator = (label: number) => new AesCtrRandom(new Uint8Array(32).fill(label % 256));
const vectorOf = (length: number): Float64Array => {
  const random = generator(length);
  return Float64Array.from({ length }, () => random.uniform() - 0.5);
};
const largest = (vector: Float64Array): number => vector.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

/** Lengths at and around powers of two, and at random. */
const lengths = [
  1,
  2,
  3,
  5,
  1023,
  1024,
  1025,
  4095,
  ...Array.from({ length: 12 }, (_, i) => 1 + Math.floor(generator(i).uniform() * 6000)),
];

describe("rotate", () => {
  it.each(lengths)("keeps the norm at length %d, works in place, and is undone by unrotate", (length) => {
    const original = vectorOf(length);
    const vector = original.slice();
    expect(rotate(vector, seed)).toBe(vector);
    expect(l2Norm(vector)).toBeCloseTo(l2Norm(original), 10);
    expect(unrotate(vector, seed)).toBe(vector);
    for (let i = 0; i < length; i++) expect(vector[i]).toBeCloseTo(original[i]!, 12);
  });

  it("is linear, so that a sum of rotated vectors is the rotated sum", () => {
    const [a, b] = [vectorOf(700), vectorOf(700).reverse()];
    const sum = rotate(
      a.map((x, i) => x + b[i]!),
      seed,
    );
    rotate(a, seed);
    rotate(b, seed);
    for (let i = 0; i < 700; i++) expect(sum[i]).toBeCloseTo(a[i]! + b[i]!, 12);
  });

  it("spreads a single coordinate evenly over a power of two, and differently for another seed", () => {
    const one = () => Float64Array.from({ length: 1024 }, (_, i) => (i === 5 ? 1 : 0));
    expect(rotate(one(), seed).every((x) => Math.abs(Math.abs(x) - 1 / 32) < 1e-15)).toBe(true);
    const other = seed.map((byte) => byte ^ 1);
    for (const length of [1024, 1500]) {
      const vector = vectorOf(length);
      expect(rotate(vector.slice(), other)).not.toEqual(rotate(vector.slice(), seed));
    }
  });

  it.each([1500, 2047, 2049, 3000])(
    "flattens every kind of vector of length %d as the bound says",
    (length) => {
      const width = mixingWidth(length);
      const failure = 1e-3;
      const bound = Math.sqrt((2 * Math.log((2 * length) / failure)) / width);
      const kinds = [
        () => Float64Array.from({ length }, (_, i) => (i === 0 ? 1 : 0)),
        () => Float64Array.from({ length }, (_, i) => (i === length - 1 ? 1 : 0)),
        () => Float64Array.from({ length }, (_, i) => (i === length - width ? 1 : 0)),
        () => new Float64Array(length).fill(1 / Math.sqrt(length)),
        () =>
          Float64Array.from({ length }, (_, i) => (i < length - width ? 1 / Math.sqrt(length - width) : 0)),
        () => Float64Array.from({ length }, (_, i) => (i >= width ? 1 / Math.sqrt(length - width) : 0)),
      ];
      for (const kind of kinds) {
        let squares = 0;
        for (let round = 0; round < 20; round++) {
          const rotated = rotate(kind(), new Uint8Array(32).fill(round));
          expect(largest(rotated)).toBeLessThan(bound);
          squares += rotated.reduce((sum, x) => sum + x ** 4, 0) / 20;
        }
        // A sub-Gaussian entry of proxy 1/D has a fourth moment of at most 3·(1/D)² where it has that variance.
        expect(squares).toBeLessThan((1.1 * 3 * length) / width ** 2);
      }
    },
  );

  it("refuses no entries, and a seed that is not 32 bytes", () => {
    expect(() => unrotate(new Float64Array(0), seed)).toThrow(/length: must be an integer from 1/);
    for (const length of [4, 5])
      expect(() => rotate(new Float64Array(length), seed.subarray(1))).toThrow(
        /seed: must be 32 bytes, got 31/,
      );
  });
});

describe("mixingWidth and paddedLength", () => {
  it("are the powers of two around a length", () => {
    const around = [1, 2, 3, 1024, 1025, 130_000];
    expect(around.map(mixingWidth)).toEqual([1, 2, 2, 1024, 1024, 65_536]);
    expect(around.map(paddedLength)).toEqual([1, 2, 4, 1024, 2048, 131_072]);
  });

  it.each([0, -1, 1.5, 2 ** 30 + 1, Number.NaN])("refuse %d", (length) => {
    expect(() => paddedLength(length)).toThrow(/length: must be an integer/);
    expect(() => mixingWidth(length)).toThrow(/length: must be an integer/);
  });
});
