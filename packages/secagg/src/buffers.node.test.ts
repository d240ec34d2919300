/** A Node Buffer is a Uint8Array whose `slice` is a view: what is kept of one must be a copy all the same. */
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import { randomFrom } from "../test/cohort.ts";
import { deriveKey } from "./hkdf.ts";
import { packReveal, SHARE_BYTES } from "./recovery-job.ts";

test("a salt in a Buffer that is overwritten in between is another salt", () => {
  const random = randomFrom("buffer");
  const salt = Buffer.from(random(32));
  const key = random(32);
  const info = random(8);
  deriveKey(key, { salt, info });
  salt[0]! ^= 1;
  expect(deriveKey(key, { salt, info })).toEqual(hkdf(sha256, key, salt, info, 32));
});

test("what is packed of a frame in Buffers stays as it is when they are used again", () => {
  const owners = Uint32Array.of(3, 5);
  const [kinds, shares] = [Buffer.from([0, 1]), Buffer.alloc(2 * SHARE_BYTES, 7)];
  const packed = packReveal({ owners, kinds, shares });
  for (const column of [owners, kinds, shares]) column.fill(9);
  expect([...packed.owners]).toEqual([3, 5]);
  expect([...packed.kinds]).toEqual([0, 1]);
  expect(packed.shares).toEqual(new Uint8Array(2 * SHARE_BYTES).fill(7));
});
