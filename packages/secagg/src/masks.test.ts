import { bytesToHex, hexToBytes, sha256Hex } from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { platformMaskStream, show } from "#platform";
import { randomFrom, suite } from "../test/cohort.ts";
import vectors from "../test/vectors/masks.json" with { type: "json" };
import { type MaskStream, tweetnaclSuite } from "./crypto.ts";
import { addInto, applyMasks, type MaskJob, maskJob, wipeMasks } from "./masks.ts";

/** The readable twin: one entry at a time, exact integers. */
function maskExactly(vector: readonly number[], job: MaskJob): number[] {
  return job.terms.reduce(
    (entries, { key, sign }) => {
      const width = Math.ceil(job.bits / 8);
      const stream = platformMaskStream(key).next(width * job.length);
      return entries.map((entry, i) => {
        const bytes = [...stream.subarray(width * i, width * (i + 1))];
        const mask = bytes.reduceRight((value, byte) => 256n * value + BigInt(byte), 0n);
        const sum = (BigInt(entry) + BigInt(sign) * mask) % 2n ** BigInt(job.bits);
        return Number(sum < 0n ? sum + 2n ** BigInt(job.bits) : sum);
      });
    },
    [...vector],
  );
}

const portable = tweetnaclSuite({ maskStream: platformMaskStream });

function randomVector(length: number, bits: number, label: string): Uint32Array {
  const bytes = randomFrom(label)(4 * length);
  return new Uint32Array(bytes.buffer).map((entry) => entry % 2 ** bits);
}

const keys = ["a", "b", "c"].map((label) => randomFrom(label)(32));

test.each(vectors.jobs)("vector: $bits bits", ({ bits, vector, terms, masked }) => {
  const entries = Uint32Array.from(vector);
  const job = {
    bits,
    length: vector.length,
    terms: terms.map(({ key, sign }) => ({ key: hexToBytes(key), sign: sign as 1 | -1 })),
  };
  applyMasks(entries, job, suite);
  expect([...entries]).toEqual(masked);
});

test("vector: a mask longer than a block", () => {
  const { bits, length, key, sha256 } = vectors.longJob;
  const entries = new Uint32Array(length);
  applyMasks(entries, { bits, length, terms: [{ key: hexToBytes(key), sign: 1 }] }, suite);
  expect(sha256Hex(new Uint8Array(entries.buffer))).toBe(sha256);
});

test.each(Array.from({ length: 32 }, (_, i) => i + 1))(
  "modulo 2^%i the twin agrees, at block boundaries too, and both suites with it",
  (bits) => {
    for (const length of [1, 2, 3, 31, 21_843, 65_537]) {
      const vector = randomVector(length, bits, `v ${bits}`);
      const job: MaskJob = { bits, length, terms: keys.map((key, i) => ({ key, sign: i === 1 ? -1 : 1 })) };
      const expected = length < 100 || bits % 8 === 4 ? maskExactly([...vector], job) : undefined;
      const masked = vector.slice();
      applyMasks(masked, job, suite);
      const alike = vector.slice();
      applyMasks(alike, job, portable);
      expect(masked.every((entry, i) => entry === alike[i])).toBe(true);
      if (expected) expect(expected.every((entry, i) => entry === masked[i])).toBe(true);
      expect(masked.every((entry) => entry < 2 ** bits)).toBe(true);
      // The opposite job takes the masks off again.
      const opposite = { ...job, terms: job.terms.map(({ key, sign }) => ({ key, sign: -sign as 1 | -1 })) };
      applyMasks(masked, opposite, suite);
      expect(masked.every((entry, i) => entry === vector[i])).toBe(true);
    }
  },
);

test("a view into a larger buffer and a stream that starts at an odd byte are handled alike", () => {
  const job: MaskJob = { bits: 20, length: 100, terms: [{ key: keys[0]!, sign: 1 }] };
  const plain = new Uint32Array(100);
  applyMasks(plain, job, suite);
  const view = new Uint32Array(200).subarray(50, 150);
  const oddMaskStream = (key: Uint8Array): MaskStream => {
    const stream = platformMaskStream(key);
    return {
      next(length) {
        const padded = new Uint8Array(length + 1);
        padded.set(stream.next(length), 1);
        return padded.subarray(1);
      },
    };
  };
  applyMasks(view, job, tweetnaclSuite({ maskStream: oddMaskStream }));
  expect([...view]).toEqual([...plain]);
});

test("masks cover every residue evenly", () => {
  const length = 256 * 400;
  const entries = new Uint32Array(length);
  applyMasks(entries, { bits: 8, length, terms: [{ key: keys[2]!, sign: 1 }] }, suite);
  const counts = new Array<number>(256).fill(0);
  for (const entry of entries) counts[entry]!++;
  const chiSquare = counts.reduce((sum, count) => sum + (count - 400) ** 2 / 400, 0);
  // 255 degrees of freedom: mean 255, standard deviation 22.6.
  expect(chiSquare).toBeLessThan(255 + 6 * 22.6);
});

describe("addInto", () => {
  test.each([1, 8, 20, 31, 32])("adds modulo 2^%i", (bits) => {
    const a = randomVector(40, bits, "left");
    const b = randomVector(40, bits, "right");
    const sum = a.slice();
    addInto(sum, b, bits);
    expect([...sum]).toEqual([...a].map((entry, i) => (entry + b[i]!) % 2 ** bits));
  });

  test("refuses vectors of different lengths and an impossible modulus", () => {
    expect(() => addInto(new Uint32Array(2), new Uint32Array(3), 8)).toThrow(RangeError);
    for (const bits of [0, 33, 1.5])
      expect(() => addInto(new Uint32Array(2), new Uint32Array(2), bits)).toThrow(RangeError);
  });
});

test("a job of another length is refused", () => {
  const job = { bits: 8, length: 3, terms: [] };
  expect(() => applyMasks(new Uint32Array(2), job, suite)).toThrow(RangeError);
});

test("a job hides its keys, survives a structured clone, and can be wiped", () => {
  const key = randomFrom("hidden")(32);
  const job = maskJob({ bits: 8, length: 3, terms: [{ key, sign: 1 }] });
  expect(JSON.stringify(job)).toBe('{"bits":8,"length":3,"terms":"[1 secret]"}');
  expect(show(job)).not.toContain(String(key[0]! * 256 + key[1]!));
  expect(show({ job })).toContain("[1 secret]");
  const clone = structuredClone(job);
  expect(bytesToHex(clone.terms[0]!.key)).toBe(bytesToHex(key));
  wipeMasks(job);
  expect(key.every((byte) => byte === 0)).toBe(true);
});
