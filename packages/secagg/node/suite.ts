/** The suite on Node's native cryptography; gives the same bytes as the portable one. */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { type CryptoSuite, secretboxOpen, secretboxSeal } from "../src/crypto.ts";
import { nodeAddMasks, nodeMaskStream } from "./masks.ts";

/** Public keys that a suite keeps imported: about a kilobyte each. */
const MAX_PUBLIC_KEYS = 4096;

/**
 * X25519, Ed25519, HMAC and AES from OpenSSL; secretbox from tweetnacl, as OpenSSL has no XSalsa20.
 * Keys enter as JWK (RFC 8037): importing DER goes through OpenSSL's decoder search and costs about ten times more.
 */
export function nodeSuite(): CryptoSuite {
  const imported = new WeakMap<Uint8Array, { fingerprint: string; key: KeyObject }>();
  const publicKeys = new Map<string, KeyObject>();

  /**
   * Importing a secret key costs as much as an agreement, and a member makes hundreds of agreements with one key.
   * The entry dies with the caller's array; the fingerprint catches an array that was overwritten in between.
   */
  function agreementKey(secretKey: Uint8Array): KeyObject {
    const fingerprint = hash("sha256", secretKey, "base64");
    const known = imported.get(secretKey);
    if (known?.fingerprint === fingerprint) return known.key;
    const key = importSecretKey("X25519", secretKey);
    imported.set(secretKey, { fingerprint, key });
    return key;
  }

  /** A peer's key is met again and again: its owner signs several messages, its masks are recovered one after another. */
  function publicKeyOf(crv: "X25519" | "Ed25519", publicKey: Uint8Array): KeyObject {
    const label = crv + base64url(publicKey);
    const known = publicKeys.get(label);
    if (known !== undefined) return known;
    if (publicKeys.size >= MAX_PUBLIC_KEYS) publicKeys.clear();
    const key = importPublicKey(crv, publicKey);
    publicKeys.set(label, key);
    return key;
  }

  return {
    name: "node",
    agreementKeyPair: (seed) => ({
      publicKey: publicBytes(importSecretKey("X25519", seed)),
      secretKey: seed.slice(),
    }),
    agree(secretKey, publicKey) {
      const privateKey = agreementKey(secretKey);
      const peer = publicKeyOf("X25519", publicKey);
      try {
        return new Uint8Array(diffieHellman({ privateKey, publicKey: peer }));
      } catch (error) {
        // OpenSSL refuses the all-zero result; anything else is not about the peer's key.
        if ((error as { code?: string }).code === "ERR_OSSL_FAILED_DURING_DERIVATION") return undefined;
        throw error;
      }
    },
    signingKeyPair(seed) {
      const publicKey = publicBytes(importSecretKey("Ed25519", seed));
      const secretKey = new Uint8Array(64);
      secretKey.set(seed);
      secretKey.set(publicKey, 32);
      return { publicKey, secretKey };
    },
    sign: (message, secretKey) =>
      new Uint8Array(sign(null, message, importSecretKey("Ed25519", secretKey.subarray(0, 32)))),
    verify: (signature, message, publicKey) =>
      signature.length === 64 &&
      publicKey.length === 32 &&
      verify(null, message, publicKeyOf("Ed25519", publicKey), signature),
    seal: secretboxSeal,
    open: secretboxOpen,
    deriveKey: nodeDeriveKey,
    maskStream: nodeMaskStream,
    addMasks: nodeAddMasks,
  };
}

const FIRST_BLOCK = Uint8Array.of(1);

/**
 * HKDF's extract, then expand: T(1) = HMAC(PRK, info ‖ 0x01). Two HMACs take half the time of `hkdfSync`, and a coordinator
 * derives a key for every mask that it takes off.
 */
function nodeDeriveKey(key: Uint8Array, { salt, info }: { salt: Uint8Array; info: Uint8Array }): Uint8Array {
  const extracted = createHmac("sha256", salt).update(key).digest();
  const derived = createHmac("sha256", extracted).update(info).update(FIRST_BLOCK).digest();
  extracted.fill(0);
  const own = Uint8Array.from(derived);
  derived.fill(0);
  return own;
}

function importPublicKey(crv: "X25519" | "Ed25519", key: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: "OKP", crv, x: base64url(key) }, format: "jwk" });
}

/** `x` may stay empty: for a private OKP key OpenSSL derives the public half from `d`. */
function importSecretKey(crv: "X25519" | "Ed25519", seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: { kty: "OKP", crv, x: "", d: base64url(seed) }, format: "jwk" });
}

function publicBytes(privateKey: KeyObject): Uint8Array {
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  return new Uint8Array(Buffer.from(x!, "base64url"));
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url");
}
