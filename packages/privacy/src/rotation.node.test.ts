import { createCipheriv, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { l2Norm } from "./clip.ts";
import { AesCtrRandom } from "./random.ts";
import { paddedLength, rotate, unrotate } from "./rotation.ts";

const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
const vectorOf = (length: number) => {
  const random = new AesCtrRandom(new Uint8Array(32).fill(length % 256));
  return Float64Array.from({ length }, () => random.uniform() - 0.5);
};

/** H·D·v from the definition: H[i][j] = (−1)^popcount(i & j)/√n, signs from the platform's HKDF and AES. */
function readableRotate(vector: Float64Array, key: Uint8Array): Float64Array {
  const derived = hkdfSync("sha256", key, new Uint8Array(), "kindred/privacy/rotation-signs/v1", 32);
  const cipher = createCipheriv("aes-256-ctr", new Uint8Array(derived), new Uint8Array(16));
  const bits = cipher.update(new Uint8Array(Math.ceil(vector.length / 8)));
  const parity = (n: number) => n.toString(2).replaceAll("0", "").length % 2;
  const signed = vector.map((value, j) => ((bits[j >> 3]! >> (j & 7)) & 1 ? -value : value));
  return vector.map(
    (_, i) => signed.reduce((sum, x, j) => sum + (parity(i & j) ? -x : x), 0) / Math.sqrt(vector.length),
  );
}

describe("rotate", () => {
  it.each([1, 2, 4, 64, 256])("agrees with the transform by its definition at length %d", (length) => {
    const vector = vectorOf(length);
    const expected = readableRotate(vector, seed);
    const rotated = rotate(vector.slice(), seed);
    for (let i = 0; i < length; i++) expect(rotated[i]).toBeCloseTo(expected[i]!, 12);
  });

  it("matches its vector", () => {
    const path = new URL("../test/vectors/rotation.json", import.meta.url);
    const { input, seed: hex, output } = JSON.parse(readFileSync(path, "utf8"));
    const rotated = rotate(Float64Array.from(input), Uint8Array.from(Buffer.from(hex, "hex")));
    for (const [i, value] of output.entries()) expect(rotated[i]).toBeCloseTo(value, 12);
  });

  it("works in place, keeps the norm, and is undone by unrotate", () => {
    const original = vectorOf(4096);
    const vector = original.slice();
    expect(rotate(vector, seed)).toBe(vector);
    expect(l2Norm(vector)).toBeCloseTo(l2Norm(original), 10);
    expect(unrotate(vector, seed)).toBe(vector);
    for (let i = 0; i < vector.length; i++) expect(vector[i]).toBeCloseTo(original[i]!, 12);
  });

  it("spreads a single coordinate evenly, and differently for another seed", () => {
    const one = () => Float64Array.from({ length: 1024 }, (_, i) => (i === 5 ? 1 : 0));
    expect(rotate(one(), seed).every((x) => Math.abs(Math.abs(x) - 1 / 32) < 1e-15)).toBe(true);
    const vector = vectorOf(1024);
    const other = seed.map((byte) => byte ^ 1);
    expect(rotate(vector.slice(), other)).not.toEqual(rotate(vector.slice(), seed));
  });

  it("refuses a length that is no power of two and a seed that is not 32 bytes", () => {
    expect(() => rotate(new Float64Array(3), seed)).toThrow(/power of two, got 3/);
    expect(() => unrotate(new Float64Array(0), seed)).toThrow(RangeError);
    expect(() => rotate(new Float64Array(4), seed.subarray(1))).toThrow(/seed: must be 32 bytes, got 31/);
  });
});

describe("paddedLength", () => {
  it("is the next power of two", () => {
    expect([1, 2, 3, 1024, 1025, 130_000].map(paddedLength)).toEqual([1, 2, 4, 1024, 2048, 131_072]);
  });

  it.each([0, -1, 1.5, 2 ** 30 + 1, Number.NaN])("refuses %d", (length) => {
    expect(() => paddedLength(length)).toThrow(/length: must be an integer/);
  });
});
