import { bytesToHex, hexToBytes, utf8ToBytes } from "@kindred/protocol";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import { randomFrom } from "../test/cohort.ts";
import { deriveKey } from "./hkdf.ts";

test("RFC 5869, test case 1, cut to the first block of its output", () => {
  const key = new Uint8Array(22).fill(0x0b);
  const salt = hexToBytes("000102030405060708090a0b0c");
  const info = hexToBytes("f0f1f2f3f4f5f6f7f8f9");
  expect(bytesToHex(deriveKey(key, { salt, info }))).toBe(
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
  );
});

test("every length of key and info gives what the library gives, under one salt after another", () => {
  const random = randomFrom("hkdf");
  const salts = [random(32), random(32), random(1), random(64), new Uint8Array(32)];
  for (let length = 0; length <= 54; length++) {
    const salt = salts[length % salts.length]!;
    const key = random(length + 1);
    const info = random(54 - length);
    expect(deriveKey(key, { salt, info })).toEqual(hkdf(sha256, key, salt, info, 32));
  }
});

test("a salt that is overwritten in between is another salt", () => {
  const salt = utf8ToBytes("salt");
  const info = utf8ToBytes("info");
  const key = randomFrom("overwritten")(32);
  deriveKey(key, { salt, info });
  salt[0]! ^= 1;
  expect(deriveKey(key, { salt, info })).toEqual(hkdf(sha256, key, salt, info, 32));
});

test("no salt is the salt of no bytes", () => {
  const none = { salt: new Uint8Array(0), info: new Uint8Array(0) };
  const key = randomFrom("none")(32);
  expect(deriveKey(key, none)).toEqual(hkdf(sha256, key, undefined, undefined, 32));
});

test.each([
  [56, 32, 24],
  [32, 65, 24],
  [32, 32, 55],
])("a key of %i bytes, a salt of %i and an info of %i are refused", (key, salt, info) => {
  const derive = () =>
    deriveKey(new Uint8Array(key), { salt: new Uint8Array(salt), info: new Uint8Array(info) });
  expect(derive).toThrow(RangeError);
});
