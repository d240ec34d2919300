import { createCipheriv, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { AesCtrRandom } from "./random.ts";
import { rotate } from "./rotation.ts";

const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
const vectorOf = (length: number) => {
  const random = new AesCtrRandom(new Uint8Array(32).fill(length % 256));
  return Float64Array.from({ length }, () => random.uniform() - 0.5);
};

/** H·S·v from the definition: H[i][j] = (−1)^popcount(i & j)/√n, signs from the platform's HKDF and AES. */
function readableTransform(vector: Float64Array, key: Uint8Array, label: string): Float64Array {
  const derived = hkdfSync("sha256", key, new Uint8Array(), label, 32);
  const cipher = createCipheriv("aes-256-ctr", new Uint8Array(derived), new Uint8Array(16));
  const bits = cipher.update(new Uint8Array(Math.ceil(vector.length / 8)));
  const parity = (n: number) => n.toString(2).replaceAll("0", "").length % 2;
  const signed = vector.map((value, j) => ((bits[j >> 3]! >> (j & 7)) & 1 ? -value : value));
  return vector.map(
    (_, i) => signed.reduce((sum, x, j) => sum + (parity(i & j) ? -x : x), 0) / Math.sqrt(vector.length),
  );
}

/** The first D entries, then the last D, D the largest power of two; once where that is all of them. */
function readableRotate(vector: Float64Array, key: Uint8Array): Float64Array {
  const width = 2 ** Math.floor(Math.log2(vector.length));
  const rest = vector.length - width;
  const first = readableTransform(vector.slice(0, width), key, "kindred/privacy/rotation-signs/v1");
  if (rest === 0) return first;
  const once = Float64Array.of(...first, ...vector.slice(width));
  const last = readableTransform(once.slice(rest), key, "kindred/privacy/rotation-signs/2/v1");
  return Float64Array.of(...once.slice(0, rest), ...last);
}

describe("rotate", () => {
  it.each([1, 2, 3, 4, 5, 7, 64, 65, 100, 127, 256, 300])(
    "agrees with the transform by its definition at length %d",
    (length) => {
      const vector = vectorOf(length);
      const expected = readableRotate(vector, seed);
      const rotated = rotate(vector.slice(), seed);
      for (let i = 0; i < length; i++) expect(rotated[i]).toBeCloseTo(expected[i]!, 12);
    },
  );

  it.each(["rotation", "rotation-overlapped"])("matches its vector %s.json", (name) => {
    const path = new URL(`../test/vectors/${name}.json`, import.meta.url);
    const { input, seed: hex, output } = JSON.parse(readFileSync(path, "utf8"));
    const rotated = rotate(Float64Array.from(input), Uint8Array.from(Buffer.from(hex, "hex")));
    expect(rotated).toHaveLength(output.length);
    for (const [i, value] of output.entries()) expect(rotated[i]).toBeCloseTo(value, 12);
  });
});
