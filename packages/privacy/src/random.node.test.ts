import { createCipheriv } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { KeystreamFactory } from "./keystream.ts";
import { AesCtrRandom, UniformRandom, uniformRandom } from "./random.ts";

const seed = Uint8Array.from({ length: 32 }, (_, i) => 7 * i + 1);

const nodeKeystream: KeystreamFactory = (key) => {
  const cipher = createCipheriv("aes-256-ctr", key, new Uint8Array(16));
  return { next: (length) => cipher.update(new Uint8Array(length)) };
};

/** Replays fixed bytes, so that the mapping from bytes to draws can be written down. */
function replay(bytes: readonly number[]): UniformRandom {
  let at = 0;
  return new UniformRandom({
    fill: (out) => {
      for (let i = 0; i < out.length; i++) out[i] = bytes[at++ % bytes.length]!;
    },
  });
}

describe("AesCtrRandom", () => {
  it("is the keystream, in order, across buffers and mixed reads", () => {
    const expected = nodeKeystream(seed).next(60_000);
    const random = new AesCtrRandom(seed);
    const got: number[] = [];
    for (const length of [3, 16_380, 1, 40_000]) {
      const out = new Uint8Array(length);
      random.fill(out);
      got.push(...out);
    }
    const word = random.uint32();
    expect(Buffer.from(got).equals(expected.subarray(0, got.length))).toBe(true);
    expect(word).toBe(Buffer.from(expected).readUInt32LE(got.length));
  });

  it("reads a word that spans two buffers", () => {
    const expected = Buffer.from(nodeKeystream(seed).next(32_768));
    const random = new AesCtrRandom(seed);
    random.fill(new Uint8Array(16_382));
    expect(random.uint32()).toBe(expected.readUInt32LE(16_382));
  });

  it.each([16_381, 16_382, 16_383, 16_384])("reads three bytes at %d, across buffers too", (skipped) => {
    const expected = Buffer.from(nodeKeystream(seed).next(32_768));
    const random = new AesCtrRandom(seed);
    random.fill(new Uint8Array(skipped));
    expect(random.uint24()).toBe(expected.readUIntLE(skipped, 3));
    expect(random.uint32()).toBe(expected.readUInt32LE(skipped + 3));
  });

  it("draws the same numbers from the platform's cipher and from pure JavaScript", () => {
    const draws = (random: AesCtrRandom) =>
      Array.from({ length: 5000 }, (_, i) => random.uniformInt(i * i * i + 1) + random.uniform());
    expect(draws(new AesCtrRandom(seed, { keystream: nodeKeystream }))).toEqual(
      draws(new AesCtrRandom(seed)),
    );
  });

  it("refuses a seed that is not 32 bytes", () => {
    expect(() => new AesCtrRandom(new Uint8Array(16))).toThrow(RangeError);
  });
});

describe("UniformRandom", () => {
  it("reads little-endian words and fills doubles from 53 bits", () => {
    expect(replay([1, 2, 3, 4]).uint32()).toBe(0x04030201);
    expect(replay([1, 2, 3, 4]).uint24()).toBe(0x030201);
    expect(replay([0xff]).uint53()).toBe(2 ** 53 - 1);
    expect(replay([0xff]).uniform()).toBe(1 - 2 ** -53);
    expect(replay([0]).uniform()).toBe(0);
  });

  it("takes the top bits and rejects what is not below the bound", () => {
    expect(replay([0xff, 0x7f]).uniformInt(200)).toBe(0x7f);
    expect(replay([0xc0, 0x20]).uniformInt(5)).toBe(1);
    expect(replay([0xff, 0xff, 0x34, 0x12]).uniformInt(60_000)).toBe(0x1234);
    expect(replay([9, 0, 0, 0, 0, 0, 0, 0x80]).uniformInt(2 ** 33)).toBe(2 ** 32 + 9);
  });

  it.each([1, 2, 3, 7, 256, 257, 1000, 65_537, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 3 * 2 ** 40, 2 ** 53])(
    "is uniform below %d",
    (bound) => {
      const random = new AesCtrRandom(seed);
      const cells = Math.min(bound, 10);
      const draws = 20_000;
      const counts = new Array<number>(cells).fill(0);
      let within = 0;
      for (let i = 0; i < draws; i++) {
        const value = random.uniformInt(bound);
        if (value < bound && value >= 0 && Number.isInteger(value)) within++;
        counts[Math.floor((value / bound) * cells)]!++;
      }
      expect(within).toBe(draws);
      // A cell holds the values v with ⌊v·cells/bound⌋ = its index.
      const size = (cell: number) =>
        Math.ceil(((cell + 1) * bound) / cells) - Math.ceil((cell * bound) / cells);
      const chi2 = counts.reduce((sum, count, cell) => {
        const expected = (draws * size(cell)) / bound;
        return sum + (count - expected) ** 2 / expected;
      }, 0);
      expect(chi2).toBeLessThan(33.7); // 1e−4 quantile at 9 degrees of freedom
    },
  );

  it.each([0, -1, 1.5, 2 ** 53 + 2, Number.NaN, Infinity])("refuses the bound %d", (bound) => {
    expect(() => new AesCtrRandom(seed).uniformInt(bound)).toThrow(/bound: must be an integer/);
  });

  it("forgets fetched bytes when wiped and goes on with fresh ones", () => {
    const expected = Buffer.from(nodeKeystream(seed).next(32_768));
    const random = new AesCtrRandom(seed);
    random.uint32();
    random.wipe();
    expect(random.uint32()).toBe(expected.readUInt32LE(16_384));
  });

  it("wraps a plain source once and only once", () => {
    const random = new AesCtrRandom(seed);
    expect(uniformRandom(random)).toBe(random);
    expect(uniformRandom({ fill: (out) => out.fill(1) }).uint32()).toBe(0x01010101);
  });
});
