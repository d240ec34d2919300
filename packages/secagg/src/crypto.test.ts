import { bytesToHex, equalBytes, hexToBytes } from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { platformMaskStream, platformSuite } from "#platform";
import { randomFrom } from "../test/cohort.ts";
import keyVectors from "../test/vectors/keys.json" with { type: "json" };
import maskVectors from "../test/vectors/masks.json" with { type: "json" };
import vectors from "../test/vectors/primitives.json" with { type: "json" };
import { isLowOrder, tweetnaclSuite } from "./crypto.ts";
import { BOX_NONCE, graphSeed, pairwiseMaskKey, seedCommitment, selfMaskKey, shareKey } from "./keys.ts";

const portable = tweetnaclSuite({ maskStream: platformMaskStream });
const native = platformSuite();

/** L, order of the Ed25519 base point. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

describe.each([portable, native])("suite $name", (suite) => {
  test.each(vectors.agreements)("X25519 $shared", ({ secretKey, publicKey, shared }) => {
    expect(bytesToHex(suite.agree(hexToBytes(secretKey), hexToBytes(publicKey))!)).toBe(shared);
  });

  test.each(vectors.lowOrder)("low-order point %s gives no agreement", (point) => {
    const key = hexToBytes(point);
    for (const topBit of [0, 0x80]) {
      key[31]! ^= topBit;
      expect(suite.agree(randomFrom("scalar")(32), key)).toBeUndefined();
      expect(isLowOrder(key)).toBe(true);
    }
  });

  test("a point beside one of low order gives an agreement", () => {
    for (const point of vectors.lowOrder)
      for (const byte of [0, 7, 31]) {
        const key = hexToBytes(point);
        key[byte]! ^= 0x40;
        expect(isLowOrder(key)).toBe(suite.agree(randomFrom("scalar")(32), key) === undefined);
        expect(isLowOrder(key)).toBe(false);
      }
  });

  test.each(vectors.signatures)("Ed25519 $publicKey", ({ seed, publicKey, message, signature }) => {
    const pair = suite.signingKeyPair(hexToBytes(seed));
    expect(bytesToHex(pair.publicKey)).toBe(publicKey);
    expect(bytesToHex(suite.sign(hexToBytes(message), pair.secretKey))).toBe(signature);
    expect(suite.verify(hexToBytes(signature), hexToBytes(message), pair.publicKey)).toBe(true);
  });

  test("a signature does not verify over another message, under another key, altered, cut or shifted by the order", () => {
    const random = randomFrom("signature");
    const pair = suite.signingKeyPair(random(32));
    const message = random(32);
    const signature = suite.sign(message, pair.secretKey);
    const altered = signature.slice();
    altered[3]! ^= 1;
    // S + L is the same scalar modulo L: a verifier that accepts it lets anyone make a second valid signature.
    const shifted = signature.slice();
    let s = BigInt(`0x${bytesToHex(signature.slice(32).reverse())}`) + ORDER;
    for (let i = 32; i < 64; i++, s >>= 8n) shifted[i] = Number(s & 0xffn);
    expect(suite.verify(signature, message, pair.publicKey)).toBe(true);
    expect(suite.verify(signature, random(32), pair.publicKey)).toBe(false);
    expect(suite.verify(signature, message, suite.signingKeyPair(random(32)).publicKey)).toBe(false);
    expect(suite.verify(altered, message, pair.publicKey)).toBe(false);
    expect(suite.verify(signature.subarray(0, 63), message, pair.publicKey)).toBe(false);
    expect(suite.verify(shifted, message, pair.publicKey)).toBe(false);
  });

  test("a secret key that is overwritten in place is a new key", () => {
    const random = randomFrom("overwritten");
    const peer = suite.agreementKeyPair(random(32)).publicKey;
    const secretKey = random(32);
    const before = suite.agree(secretKey, peer);
    secretKey.fill(9);
    expect(suite.agree(secretKey, peer)).not.toEqual(before);
  });

  test("HKDF: RFC 5869, test case 1, cut to the first block of its output", () => {
    const key = new Uint8Array(22).fill(0x0b);
    const salt = hexToBytes("000102030405060708090a0b0c");
    const info = hexToBytes("f0f1f2f3f4f5f6f7f8f9");
    expect(bytesToHex(suite.deriveKey(key, { salt, info }))).toBe(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
    );
  });

  test("HKDF: RFC 5869, test case 3, without salt and info, cut likewise", () => {
    const none = { salt: new Uint8Array(0), info: new Uint8Array(0) };
    expect(bytesToHex(suite.deriveKey(new Uint8Array(22).fill(0x0b), none))).toBe(
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
    );
  });

  test.each(maskVectors.streams)("mask of key $key", ({ key, length, stream }) => {
    const target = new Int32Array(length / 4);
    suite.addMasks(target, [hexToBytes(key)], 4);
    expect(bytesToHex(new Uint8Array(target.buffer))).toBe(stream);
  });
});

test("both suites give the same bytes", () => {
  const random = randomFrom("differential");
  for (let i = 0; i < 12; i++) {
    const [seed, peer, message, nonce] = [random(32), random(32), random(i * 7), random(24)];
    expect(native.agreementKeyPair(seed)).toEqual(portable.agreementKeyPair(seed));
    expect(native.agree(seed, peer)).toEqual(portable.agree(seed, peer));
    const pair = portable.signingKeyPair(seed);
    expect(native.signingKeyPair(seed)).toEqual(pair);
    const signature = portable.sign(message, pair.secretKey);
    expect(native.sign(message, pair.secretKey)).toEqual(signature);
    expect(native.verify(signature, message, pair.publicKey)).toBe(true);
    expect(portable.open(native.seal(message, seed, nonce), seed, nonce)).toEqual(message);
  }
});

test("both suites derive the same keys, whatever the lengths", () => {
  const random = randomFrom("hkdf");
  for (const [length, salt, info] of [
    [1, 32, 0],
    [32, 32, 24],
    [48, 64, 63],
    [64, 65, 64],
    [200, 100, 300],
  ] as const) {
    const key = random(length);
    const binding = { salt: random(salt), info: random(info) };
    expect(native.deriveKey(key, binding)).toEqual(portable.deriveKey(key, binding));
  }
});

test.each(maskVectors.streams)("stream of key $key, whole and piecewise", ({ key, length, stream }) => {
  expect(bytesToHex(platformMaskStream(hexToBytes(key)).next(length))).toBe(stream);
  const piecewise = platformMaskStream(hexToBytes(key));
  const parts = [piecewise.next(3), piecewise.next(0), piecewise.next(length - 3)];
  expect(parts.map((part) => bytesToHex(part)).join("")).toBe(stream);
});

test("a stream of any length continues across the generator's own blocks", () => {
  const key = randomFrom("long")(32);
  const whole = platformMaskStream(key).next(200_000);
  const stream = platformMaskStream(key);
  const parts = new Uint8Array(200_000);
  for (let offset = 0; offset < parts.length; offset += 50_000) parts.set(stream.next(50_000), offset);
  expect(equalBytes(whole, parts)).toBe(true);
});

describe("derived keys", () => {
  const sid = hexToBytes(keyVectors.sid);
  const agreement = hexToBytes(keyVectors.agreement);
  const seed = hexToBytes(keyVectors.seed);

  test.each([portable, native])("vectors, by suite $name", (suite) => {
    for (const { sender, addressee, key } of keyVectors.shareKeys)
      expect(bytesToHex(shareKey(agreement, { sid, sender, addressee }, suite))).toBe(key);
    for (const { between, bits, length, key } of keyVectors.maskKeys) {
      const pair = between as [number, number];
      expect(
        bytesToHex(pairwiseMaskKey(agreement, { sid, between: pair, shape: { bits, length } }, suite)),
      ).toBe(key);
    }
    for (const { owner, bits, length, key } of keyVectors.selfKeys)
      expect(bytesToHex(selfMaskKey(seed, { sid, owner, shape: { bits, length } }, suite))).toBe(key);
    expect(bytesToHex(seedCommitment(seed))).toBe(keyVectors.seedCommitment);
    expect(bytesToHex(graphSeed(sid))).toBe(keyVectors.graphSeed);
  });

  test("a box opens for its session, sender and addressee only", () => {
    const own = { sid, sender: 4, addressee: 7 };
    const box = native.seal(seed, shareKey(agreement, own, native), BOX_NONCE);
    const opened = (binding: typeof own) => native.open(box, shareKey(agreement, binding, native), BOX_NONCE);
    expect(opened(own)).toEqual(seed);
    expect(opened({ ...own, sid: seed })).toBeUndefined();
    expect(opened({ ...own, sender: 5 })).toBeUndefined();
    expect(opened({ ...own, addressee: 8 })).toBeUndefined();
    expect(opened({ ...own, sender: 7, addressee: 4 })).toBeUndefined();
    const tampered = box.slice();
    tampered[20]! ^= 1;
    expect(native.open(tampered, shareKey(agreement, own, native), BOX_NONCE)).toBeUndefined();
  });

  test("masks of another session, modulus or length share nothing", () => {
    const shape = { bits: 20, length: 64 };
    const key = (changes: object) =>
      bytesToHex(pairwiseMaskKey(agreement, { sid, between: [1, 2], shape, ...changes }, native));
    const keys = [
      key({}),
      key({ sid: seed }),
      key({ between: [1, 3] }),
      key({ shape: { bits: 21, length: 64 } }),
      key({ shape: { bits: 20, length: 128 } }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(key({ between: [2, 1] })).toBe(keys[0]);
  });
});
