import { describe, expect, it } from "vitest";
import { compressWeights, packWeights, unpackWeights } from "./packed-weights.ts";

const int8 = { precision: "int8", sparsity: 0 } as const;
const weights = Float32Array.from({ length: 200 }, (_, i) => Math.sin(i * i) * 10 ** ((i % 5) - 3));

describe("compressed weights", () => {
  it("come back from packing bit for bit, and compress to themselves", () => {
    for (const sparsity of [0, 0.3, 0.9]) {
      const compressed = compressWeights(weights, { ...int8, sparsity });
      expect(unpackWeights(packWeights(compressed))).toEqual(compressed);
      expect(compressWeights(compressed, int8)).toEqual(compressed);
    }
  });

  it("are near the weights, by half a level of each block", () => {
    const compressed = compressWeights(weights, int8);
    compressed.forEach((value, i) => {
      const block = weights.subarray(64 * Math.floor(i / 64), 64 * Math.floor(i / 64) + 64);
      const largest = Math.max(...block.map(Math.abs));
      expect(Math.abs(value - weights[i]!)).toBeLessThanOrEqual((largest / 127) * 0.51);
    });
  });

  it("lack the smallest magnitudes, as many as asked for", () => {
    const compressed = compressWeights(Float32Array.of(3, -1, 0.5, -2, 0.5, 4), { ...int8, sparsity: 0.5 });
    expect(Array.from(compressed, (value) => value !== 0)).toEqual([true, false, false, true, false, true]);
    const large = compressWeights(weights, { ...int8, sparsity: 0.75 });
    expect(large.filter((value) => value === 0).length).toBeGreaterThanOrEqual(150);
  });

  it("take a byte each, and a bit for each that is not there", () => {
    const sizeOf = ({ scales, present, codes }: ReturnType<typeof packWeights>) =>
      scales.length + present.length + codes.length;
    const half = compressWeights(weights, { ...int8, sparsity: 0.5 });
    expect(sizeOf(packWeights(half))).toBeLessThanOrEqual(4 * 4 + 25 + 100);
  });

  it("are not made of weights whose level is beyond float32", () => {
    const largest = (2 - 2 ** -23) * 2 ** 127;
    expect(() => compressWeights(Float32Array.of(1, -largest), int8)).toThrow(
      "must be finite after compression",
    );
    expect(compressWeights(Float32Array.of(1, -0.99 * largest), int8).every(Number.isFinite)).toBe(true);
  });

  it("are not packed from weights that would lose something", () => {
    expect(() => packWeights(weights)).toThrow("must be compressed before they are packed");
  });

  it.each([
    ["a scale too few", { scales: new Uint8Array(12) }],
    ["a scale that is not finite", { scales: new Uint8Array(16).fill(255) }],
    ["bits for other weights", { present: new Uint8Array(24) }],
    ["a code too few", { codes: new Uint8Array(3) }],
    ["a code too many", { codes: new Uint8Array(400) }],
    [
      "a bit beyond the last weight",
      { length: 193, present: new Uint8Array(25).fill(255), codes: new Uint8Array(200) },
    ],
  ])("are refused with %s", (_, change) => {
    const packed = packWeights(compressWeights(weights, int8));
    expect(unpackWeights({ ...packed, ...change })).toEqual(expect.stringContaining("must"));
  });
});
