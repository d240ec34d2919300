import { publicRandom } from "@kindred/clustering";
import { describe, expect, it } from "vitest";
import { gainsAt10, pairedBootstrap } from "./paired-bootstrap.ts";

describe("gains", () => {
  it("are those of NDCG@10", () => {
    expect(Array.from(gainsAt10([1, 3, 10, 11]))).toEqual([1, 0.5, 1 / Math.log2(11), 0]);
  });
});

describe("the paired bootstrap", () => {
  it("has the interval of the normal approximation", () => {
    const random = publicRandom(4);
    const b = Array.from({ length: 400 }, random);
    const noise = Array.from({ length: 400 }, () => random() - 0.5);
    const a = b.map((value, i) => value + 0.02 + noise[i]!);
    const result = pairedBootstrap(a, b, { seed: 1 });
    const mean = 0.02 + noise.reduce((sum, value) => sum + value, 0) / 400;
    expect(result.difference).toBeCloseTo(mean, 12);
    // The differences are uniform with deviation 1/√12, so that of their mean is .0144.
    expect(result.high - result.low).toBeGreaterThan(2 * 1.96 * 0.0144 * 0.9);
    expect(result.high - result.low).toBeLessThan(2 * 1.96 * 0.0144 * 1.1);
  });

  it("is certain of a constant difference, and repeats with its seed", () => {
    const a = [0.3, 0.5, 0.1];
    const b = [0.2, 0.4, 0];
    const result = pairedBootstrap(a, b, { seed: 1 });
    expect(result.low).toBeCloseTo(0.1, 12);
    expect(result.high).toBeCloseTo(0.1, 12);
    expect(result.notBetter).toBe(0);
    expect(pairedBootstrap(b, a, { seed: 1 }).notBetter).toBe(1);
    const wild = [1, 0, 0.5, 0.2, 0.9];
    const other = [0.5, 0.5, 0.5, 0.5, 0.5];
    expect(pairedBootstrap(wild, other, { seed: 7 })).toEqual(pairedBootstrap(wild, other, { seed: 7 }));
    expect(pairedBootstrap(wild, other, { seed: 7 })).not.toEqual(pairedBootstrap(wild, other, { seed: 8 }));
  });

  it("refuses sides that are not pairs", () => {
    expect(() => pairedBootstrap([1], [1, 2], { seed: 1 })).toThrow(RangeError);
    expect(() => pairedBootstrap([], [], { seed: 1 })).toThrow(RangeError);
  });
});
