import { createCipheriv, randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { releaseMemory } from "../node/release-memory.ts";

it("frees memory that bytes have to themselves", () => {
  const keystream = createCipheriv("aes-256-ctr", randomBytes(32), new Uint8Array(16)).update(
    new Uint8Array(4096),
  );
  const { buffer } = keystream;
  releaseMemory(keystream);
  expect(keystream.length).toBe(0);
  expect(buffer.byteLength).toBe(0);
});

it("keeps a process small that would wait for its garbage collector", () => {
  // Far less than the memory that blocks would take if they waited to be collected; far more than two of them.
  const block = 2 ** 24;
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 16; i++) {
    releaseMemory(new Uint8Array(block));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * block);
  }
});

it.each([
  ["a part of an array", () => new Uint8Array(64).subarray(16, 32)],
  ["a buffer of Node's pool", () => Buffer.from("interests")],
  ["nothing", () => new Uint8Array(0)],
])("leaves %s alone", (_, make) => {
  const bytes = make();
  const before = Uint8Array.from(bytes);
  releaseMemory(bytes);
  expect(Uint8Array.from(bytes)).toEqual(before);
});
