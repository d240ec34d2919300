/** The mask generator and the sum of masks on Node: AES from OpenSSL, addition by vector instructions. */
import { createCipheriv } from "node:crypto";
import type { AddMasks, MaskStream } from "../src/crypto.ts";
import { releaseMemory } from "./release-memory.ts";
import { GROUP_ENTRIES, OVERREAD_BYTES, type SimdAdder, simdAdder } from "./simd.ts";

/** Bytes that OpenSSL is asked for at a time: larger blocks leave the second-level cache, smaller ones cost calls. */
const BLOCK_BYTES = 96 * 1024;
const PAGE_BYTES = 64 * 1024;
/** Where the sum begins in the adder's memory; in front of it lies the block of keystream that is being added. */
const SUM_AT = BLOCK_BYTES + 4 * GROUP_ENTRIES;

const ZEROS = new Uint8Array(BLOCK_BYTES);
const INITIAL_COUNTER = new Uint8Array(16);

/** AES-256-CTR keystream from `node:crypto`; key 32 bytes. */
export function nodeMaskStream(key: Uint8Array): MaskStream {
  const cipher = createCipheriv("aes-256-ctr", key, INITIAL_COUNTER);
  return {
    next: (length) =>
      cipher.update(length <= ZEROS.length ? ZEROS.subarray(0, length) : new Uint8Array(length)),
  };
}

/** One per thread; nothing of a sum is left in it between two calls. */
let adder: SimdAdder | undefined;

/** `CryptoSuite.addMasks`: one AES pass and one vectorised addition per key. */
export const nodeAddMasks: AddMasks = (target, keys, entryBytes) => {
  adder ??= simdAdder();
  const { memory } = adder;
  const add = adder.add[entryBytes - 1]!;
  const padded = GROUP_ENTRIES * Math.ceil(target.length / GROUP_ENTRIES);
  const missing = SUM_AT + 4 * padded + OVERREAD_BYTES - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
  const block = new Uint8Array(memory.buffer, 0, BLOCK_BYTES);
  const sum = new Int32Array(memory.buffer, SUM_AT, padded);
  sum.set(target);
  const blockEntries = GROUP_ENTRIES * Math.floor(BLOCK_BYTES / (GROUP_ENTRIES * entryBytes));
  for (const key of keys) {
    const cipher = createCipheriv("aes-256-ctr", key, INITIAL_COUNTER);
    for (let offset = 0; offset < target.length; offset += blockEntries) {
      const entries = Math.min(blockEntries, target.length - offset);
      const keystream = cipher.update(ZEROS.subarray(0, entries * entryBytes));
      block.set(keystream);
      releaseMemory(keystream);
      // The last group may be filled up with stale bytes: they end in the padding of the sum.
      add(0, SUM_AT + 4 * offset, Math.ceil(entries / GROUP_ENTRIES));
    }
  }
  target.set(sum.subarray(0, target.length));
  sum.fill(0);
  block.fill(0);
};
