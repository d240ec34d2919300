import { describe, expect, it } from "vitest";
import { clipToNorm, joinBlocks, l2Norm, splitBlocks } from "./clip.ts";
import { AesCtrRandom } from "./random.ts";
import { clipNorm } from "./units.ts";

const draws = (count: number, label: number) => {
  const random = new AesCtrRandom(new Uint8Array(32).fill(label));
  return Array.from({ length: count }, () => random.uniform() - 0.5);
};

describe("l2Norm", () => {
  it("is the Euclidean norm, also where squares overflow or vanish", () => {
    expect(l2Norm([3, 4])).toBe(5);
    expect(l2Norm([])).toBe(0);
    expect(l2Norm([0, 0])).toBe(0);
    expect(l2Norm([3e200, -4e200])).toBeCloseTo(5e200, -190);
    expect(l2Norm([3e-200, 4e-200]) / 5e-200).toBeCloseTo(1, 12);
  });

  it.each([Number.NaN, Infinity, -Infinity])("refuses %d and says where", (value) => {
    expect(() => l2Norm([1, value])).toThrow(/vector\[1\]: must be a finite number/);
  });
});

describe("clipToNorm", () => {
  it("leaves a short vector alone and copies it", () => {
    const short = Float64Array.of(0.3, -0.4);
    const { vector, scale } = clipToNorm(short, clipNorm(0.5));
    expect(scale).toBe(1);
    expect(vector).toEqual(short);
    expect(vector).not.toBe(short);
  });

  it("shortens a long one to the clip norm and keeps its direction", () => {
    const { vector, scale } = clipToNorm([30, -40], clipNorm(5));
    expect(scale).toBeCloseTo(0.1, 15);
    expect(vector[0]).toBeCloseTo(3, 12);
    expect(vector[1]).toBeCloseTo(-4, 12);
  });

  it("refuses a clip norm that is not positive and values that are not finite", () => {
    expect(() => clipToNorm([1], 0 as never)).toThrow(RangeError);
    expect(() => clipToNorm([Number.NaN], clipNorm(1))).toThrow(RangeError);
  });
});

describe("joinBlocks and splitBlocks", () => {
  const weights = [0.6, 0.48, 0.64]; // squares sum to 1
  const clips = [2, 0.1, 50].map(clipNorm);

  it("has joint norm at most 1 whatever the blocks are, and 1 when all are clipped", () => {
    for (const size of [0, 0.01, 1, 1e6]) {
      const blocks = weights.map((weight, i) => ({
        values: draws(40 + i, i).map((x) => x * size),
        clip: clips[i]!,
        weight,
      }));
      const norm = l2Norm(joinBlocks(blocks));
      expect(norm).toBeLessThanOrEqual(1 + 1e-12);
      if (size === 1e6) expect(norm).toBeCloseTo(1, 12);
    }
  });

  it("splits a sum of joined vectors into the sums of the clipped blocks", () => {
    const people = [1, 2, 3].map((person) =>
      weights.map((weight, i) => ({ values: draws(5 + i, 10 * person + i), clip: clips[i]!, weight })),
    );
    const padded = new Float64Array(64);
    for (const blocks of people) {
      for (const [i, value] of joinBlocks(blocks).entries()) padded[i]! += value;
    }
    const shapes = weights.map((weight, i) => ({ length: 5 + i, clip: clips[i]!, weight }));
    for (const [i, block] of splitBlocks(padded, shapes).entries()) {
      const clipped = people.map((blocks) => clipToNorm(blocks[i]!.values, clips[i]!).vector);
      expect(block).toHaveLength(5 + i);
      for (const [j, value] of block.entries()) {
        expect(value).toBeCloseTo(
          clipped.reduce((sum, vector) => sum + vector[j]!, 0),
          12,
        );
      }
    }
  });

  it("refuses weights whose squares do not sum to 1", () => {
    const block = (weight: number) => ({ values: [1], length: 1, clip: clipNorm(1), weight });
    expect(() => joinBlocks([block(0.6), block(0.8 + 1e-8)])).toThrow(/squared weights must sum to 1/);
    expect(() => joinBlocks([block(0.6), block(-0.8)])).toThrow(/blocks\[1\].weight/);
    expect(() => joinBlocks([])).toThrow(/squared weights must sum to 1, got 0/);
    expect(() => splitBlocks([1, 2], [block(0.6), block(0.6)])).toThrow(RangeError);
    expect(joinBlocks([block(0.6), block(0.8)])).toEqual(Float64Array.of(0.6, 0.8));
  });

  it("refuses a joint vector that is shorter than its blocks", () => {
    expect(() => splitBlocks([1, 2], [{ length: 3, clip: clipNorm(1), weight: 1 }])).toThrow(
      /must hold the 3 values of its blocks, got 2/,
    );
  });
});
