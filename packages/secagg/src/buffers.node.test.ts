/** A Node Buffer is a Uint8Array whose `slice` is a view: what is kept of one must be a copy all the same. */
import { expect, test } from "vitest";
import { packReveal, SHARE_BYTES } from "./recovery-job.ts";

test("what is packed of a frame in Buffers stays as it is when they are used again", () => {
  const owners = Uint32Array.of(3, 5);
  const [kinds, shares] = [Buffer.from([0, 1]), Buffer.alloc(2 * SHARE_BYTES, 7)];
  const packed = packReveal({ owners, kinds, shares });
  for (const column of [owners, kinds, shares]) column.fill(9);
  expect([...packed.owners]).toEqual([3, 5]);
  expect([...packed.kinds]).toEqual([0, 1]);
  expect(packed.shares).toEqual(new Uint8Array(2 * SHARE_BYTES).fill(7));
});
