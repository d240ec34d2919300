/** Adds up the time that a thread's devices spend on training, encoding and cryptography. */
import type { CryptoSuite } from "@kindred/secagg";

type Part = "train" | "encode" | "crypto";

export class StopWatch {
  readonly totals: Record<Part, number> = { train: 0, encode: 0, crypto: 0 };

  add(part: Part, ms: number): void {
    this.totals[part] += ms;
  }

  /** Wall time of an action; the thread's devices take turns, so it is hardly ever somebody else's. */
  async measure<T>(part: Part, action: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await action();
    } finally {
      this.add(part, performance.now() - start);
    }
  }

  /** The suite with every operation timed as `crypto`. */
  suite(suite: CryptoSuite): CryptoSuite {
    const timed =
      <A extends unknown[], R>(operation: (...args: A) => R) =>
      (...args: A): R => {
        const start = performance.now();
        const result = operation(...args);
        this.add("crypto", performance.now() - start);
        return result;
      };
    return {
      name: suite.name,
      agreementKeyPair: timed((seed: Uint8Array) => suite.agreementKeyPair(seed)),
      agree: timed((secret: Uint8Array, key: Uint8Array) => suite.agree(secret, key)),
      signingKeyPair: timed((seed: Uint8Array) => suite.signingKeyPair(seed)),
      sign: timed((message: Uint8Array, key: Uint8Array) => suite.sign(message, key)),
      verify: timed((signature: Uint8Array, message: Uint8Array, key: Uint8Array) =>
        suite.verify(signature, message, key),
      ),
      seal: timed((plain: Uint8Array, key: Uint8Array, nonce: Uint8Array) => suite.seal(plain, key, nonce)),
      open: timed((box: Uint8Array, key: Uint8Array, nonce: Uint8Array) => suite.open(box, key, nonce)),
      deriveKey: timed((key: Uint8Array, binding: Parameters<CryptoSuite["deriveKey"]>[1]) =>
        suite.deriveKey(key, binding),
      ),
      maskStream: suite.maskStream,
      addMasks: timed(suite.addMasks),
    };
  }
}
