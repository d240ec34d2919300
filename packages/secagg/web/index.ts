/** The suite for browsers, whose own cryptography is asynchronous: tweetnacl, and AES in JavaScript for the masks. */
import { AesCtrRandom } from "@kindred/privacy";
import { type CryptoSuite, type MaskStream, tweetnaclSuite } from "../src/crypto.ts";

export { webNative } from "./native.ts";

/** AES-256-CTR keystream in JavaScript; key 32 bytes. */
export function webMaskStream(key: Uint8Array): MaskStream {
  const stream = new AesCtrRandom(key);
  return {
    next(length) {
      const bytes = new Uint8Array(length);
      stream.fill(bytes);
      return bytes;
    },
  };
}

/** The portable suite with this module's mask generator. */
export function webSuite(): CryptoSuite {
  return tweetnaclSuite({ maskStream: webMaskStream });
}
