/** Canonical bytes, digests and text encodings that every party must compute alike. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import canonicalize from "canonicalize";

export { bytesToHex, concatBytes, hexToBytes, utf8ToBytes };

/**
 * Canonical JSON after RFC 8785 (JCS).
 * @throws TypeError if the value is not representable in JSON (undefined, function, cycle, NaN)
 */
export function canonicalJson(value: unknown): string {
  const text = (canonicalize as unknown as (input: unknown) => string | undefined)(value);
  if (text === undefined) throw new TypeError("value has no JSON representation");
  return text;
}

/** SHA-256 (FIPS 180-4) of bytes or of the UTF-8 form of a text, 32 bytes. */
export function sha256Bytes(input: Uint8Array | string): Uint8Array {
  return sha256(typeof input === "string" ? utf8ToBytes(input) : input);
}

/** SHA-256 as 64 lower-case hexadecimal digits. */
export function sha256Hex(input: Uint8Array | string): string {
  return bytesToHex(sha256Bytes(input));
}

/**
 * Digest of a sequence of byte strings that no other sequence shares: every part is preceded by its length
 * as a big-endian u32, and the whole by a domain label.
 */
export function hashParts(domain: string, parts: readonly Uint8Array[]): Uint8Array {
  return sha256(frameParts(domain, parts));
}

/** What `hashParts` hashes. More parts may follow. */
export function frameParts(domain: string, parts: readonly Uint8Array[]): Uint8Array {
  const framed: Uint8Array[] = [];
  for (const part of [utf8ToBytes(domain), ...parts]) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, part.length);
    framed.push(length, part);
  }
  return concatBytes(...framed);
}

/** Whether two byte strings are equal; takes time that depends on their lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
