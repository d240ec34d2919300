/**
 * The cryptographic port and its portable implementation.
 *
 * X25519 (RFC 7748), Ed25519 (RFC 8032), HKDF-SHA256 (RFC 5869), XSalsa20-Poly1305 boxes (NaCl `secretbox`), AES-256 in
 * counter mode (NIST SP 800-38A) as the mask generator. A platform that has native primitives offers them behind the same
 * port; every implementation gives the same bytes for the same input.
 */
import { equalBytes, hexToBytes } from "@kindred/protocol";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import nacl from "tweetnacl";
import { addKeystreams } from "./keystream-sum.ts";

/** A one-use keystream, read front to back. */
export interface MaskStream {
  /** The next `length` bytes. */
  next(length: number): Uint8Array;
}

/**
 * Adds the mask of every key to `target` in place, modulo 2^32. Entry i of a mask is bytes i·w … i·w + w − 1 of the
 * key's AES-256-CTR keystream (zero initial counter block), w = `entryBytes`, as a little-endian integer; the bits of
 * `target` above 8·w are undefined afterwards.
 * @param keys one-use, 32 bytes each
 * @param entryBytes 1 to 4
 */
export type AddMasks = (target: Int32Array, keys: Iterable<Uint8Array>, entryBytes: number) => void;

export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** What secure aggregation needs from a platform. Pure: the same input gives the same bytes everywhere. */
export interface CryptoSuite {
  readonly name: string;
  /** X25519 key pair whose secret key is a copy of the 32-byte seed (clamped on use). */
  agreementKeyPair(seed: Uint8Array): KeyPair;
  /** X25519, 32 bytes; `undefined` where the result is all zero, that is for a public key of low order. */
  agree(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  /** Ed25519 key pair from a 32-byte seed; the 64-byte secret key (seed ‖ public key) is opaque to callers. */
  signingKeyPair(seed: Uint8Array): KeyPair;
  /** Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array, secretKey: Uint8Array): Uint8Array;
  /** Ed25519 verification after RFC 8032: S < L is required, so a signature cannot be altered into another valid one. */
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  /** NaCl secretbox; 16 bytes longer than the plaintext. Key 32 bytes, nonce 24. */
  seal(plaintext: Uint8Array, key: Uint8Array, nonce: Uint8Array): Uint8Array;
  /** Opens a secretbox; `undefined` if it was not sealed with this key and nonce. */
  open(box: Uint8Array, key: Uint8Array, nonce: Uint8Array): Uint8Array | undefined;
  /** HKDF-SHA256 (RFC 5869), 32 bytes; `key` is the input keying material. */
  deriveKey(key: Uint8Array, binding: { readonly salt: Uint8Array; readonly info: Uint8Array }): Uint8Array;
  /** AES-256-CTR keystream of a key (zero initial counter block), read in whole blocks of 16 bytes. */
  readonly maskStream: (key: Uint8Array) => MaskStream;
  /** Expands masks and adds them up. */
  readonly addMasks: AddMasks;
}

/** Order of the Ed25519 base point, little-endian: 2^252 + 27742317777372353535851937790883648493. */
const GROUP_ORDER = new Uint8Array([
  0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
]);

/**
 * The portable suite on tweetnacl and noble-hashes. AES-256-CTR (zero initial counter block) is injected, because no
 * portable implementation of it is both fast and free of secret-dependent table look-ups.
 */
export function tweetnaclSuite({ maskStream }: { maskStream: (key: Uint8Array) => MaskStream }): CryptoSuite {
  return {
    name: "tweetnacl",
    agreementKeyPair: (seed) => ({ publicKey: nacl.scalarMult.base(seed), secretKey: seed.slice() }),
    agree(secretKey, publicKey) {
      const shared = nacl.scalarMult(secretKey, publicKey);
      return isAllZero(shared) ? undefined : shared;
    },
    signingKeyPair: (seed) => nacl.sign.keyPair.fromSeed(seed),
    sign: (message, secretKey) => nacl.sign.detached(message, secretKey),
    verify(signature, message, publicKey) {
      if (signature.length !== 64 || publicKey.length !== 32) return false;
      // tweetnacl leaves this check of RFC 8032 §5.1.7 out; OpenSSL makes it.
      if (!isBelow(signature.subarray(32), GROUP_ORDER)) return false;
      return nacl.sign.detached.verify(message, signature, publicKey);
    },
    seal: secretboxSeal,
    open: secretboxOpen,
    deriveKey: portableDeriveKey,
    maskStream,
    addMasks: addKeystreams(maskStream),
  };
}

/**
 * The u-coordinates of all points of order 8 or less on Curve25519 and its twist, and their encodings as p + u below
 * 2^255 (RFC 7748, section 7). Little-endian.
 */
const LOW_ORDER_POINTS = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map(hexToBytes);

/** Whether agreements with an X25519 public key are all zero, whatever the secret key. The top bit does not count. */
export function isLowOrder(publicKey: Uint8Array): boolean {
  const point = publicKey.slice();
  point[31]! &= 0x7f;
  return LOW_ORDER_POINTS.some((low) => equalBytes(low, point));
}

/** NaCl secretbox of tweetnacl; suites share it, since no platform offers XSalsa20-Poly1305 natively. */
export function secretboxSeal(plaintext: Uint8Array, key: Uint8Array, nonce: Uint8Array): Uint8Array {
  return nacl.secretbox(plaintext, nonce, key);
}

/** Inverse of `secretboxSeal`; `undefined` where the box does not authenticate. */
export function secretboxOpen(box: Uint8Array, key: Uint8Array, nonce: Uint8Array): Uint8Array | undefined {
  return nacl.secretbox.open(box, nonce, key) ?? undefined;
}

function portableDeriveKey(
  key: Uint8Array,
  { salt, info }: { salt: Uint8Array; info: Uint8Array },
): Uint8Array {
  const extracted = extract(sha256, key, salt);
  const derived = expand(sha256, extracted, info, 32);
  extracted.fill(0);
  return derived;
}

function isAllZero(bytes: Uint8Array): boolean {
  let bits = 0;
  for (const byte of bytes) bits |= byte;
  return bits === 0;
}

/** Whether little-endian `a` is less than `b` of the same length; both are public. */
function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = a.length - 1; i >= 0; i--) {
    if (a[i]! !== b[i]!) return a[i]! < b[i]!;
  }
  return false;
}
