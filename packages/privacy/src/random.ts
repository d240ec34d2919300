/**
 * Randomness as an argument: a port for random bytes, uniform draws from it, and an AES-256-CTR generator.
 *
 * Every draw is unbiased. Bounded integers use rejection on the smallest sufficient number of bits, never a
 * modulus. Multi-byte draws are little-endian, so a seed gives the same numbers on every platform.
 */

import { aesCtrKeystream, demandSeed, type KeystreamFactory } from "./keystream.ts";
import { demandInteger } from "./refusal.ts";

/** A source of cryptographically secure random bytes. */
export interface RandomBytes {
  /** Overwrites every byte of `out`. */
  fill(out: Uint8Array): void;
}

const CHUNK = 16_384;
const TWO_32 = 2 ** 32;

/** Unbiased uniform draws over a source of random bytes, read through a buffer. */
export class UniformRandom implements RandomBytes {
  readonly #refill: (buffer: Uint8Array) => void;
  readonly #buffer = new Uint8Array(CHUNK);
  #position = CHUNK;

  /** @param source Where the bytes come from, in chunks of 16 KiB. */
  constructor(source: RandomBytes) {
    this.#refill = (buffer) => source.fill(buffer);
  }

  /** The next `out.length` bytes of the stream. */
  fill(out: Uint8Array): void {
    let written = 0;
    while (written < out.length) {
      if (this.#position === CHUNK) this.#next();
      const taken = Math.min(out.length - written, CHUNK - this.#position);
      out.set(this.#buffer.subarray(this.#position, this.#position + taken), written);
      this.#position += taken;
      written += taken;
    }
  }

  /** Uniform in [0, 2^32), from the next four bytes. */
  uint32(): number {
    const at = this.#position;
    const buffer = this.#buffer;
    if (at > CHUNK - 4) return this.#uint32AcrossChunks();
    this.#position = at + 4;
    // The indices are within the buffer by the check above.
    return (buffer[at]! | (buffer[at + 1]! << 8) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 24)) >>> 0;
  }

  /** Uniform in [0, 2^24), from the next three bytes. */
  uint24(): number {
    const at = this.#position;
    const buffer = this.#buffer;
    if (at > CHUNK - 3) return this.#byte() | (this.#byte() << 8) | (this.#byte() << 16);
    this.#position = at + 3;
    return buffer[at]! | (buffer[at + 1]! << 8) | (buffer[at + 2]! << 16);
  }

  /** Uniform in [0, 2^53), from the next eight bytes. */
  uint53(): number {
    const low = this.uint32();
    return (this.uint32() >>> 11) * TWO_32 + low;
  }

  /** Uniform in [0, 1) with 53 random bits. */
  uniform(): number {
    return this.uint53() * 2 ** -53;
  }

  /**
   * Uniform in [0, bound), by rejection: the top bits of as few bytes as the bound needs (1, 2, 4 or 8).
   *
   * @param bound An integer, 1 ≤ bound ≤ 2^53.
   * @throws PrivacyRangeError on any other bound.
   */
  uniformInt(bound: number): number {
    if (bound <= 0x7fffffff && (bound | 0) === bound && bound > 0) {
      if (bound === 1) return 0;
      const zeros = Math.clz32(bound - 1);
      const width = zeros >= 24 ? 8 : zeros >= 16 ? 16 : 32;
      const shift = zeros - (32 - width);
      for (;;) {
        const word =
          width === 8 ? this.#byte() : width === 16 ? this.#byte() | (this.#byte() << 8) : this.uint32();
        const candidate = word >>> shift;
        if (candidate < bound) return candidate;
      }
    }
    demandInteger(bound, { field: "bound", from: 1, to: 2 ** 53 });
    const shift = Math.clz32(Math.floor((bound - 1) / TWO_32));
    for (;;) {
      const low = this.uint32();
      const high = shift === 32 ? 0 : this.uint32() >>> shift;
      const candidate = high * TWO_32 + low;
      if (candidate < bound) return candidate;
    }
  }

  /** Overwrites the bytes that were fetched and not yet used. The next draw fetches new ones. */
  wipe(): void {
    this.#buffer.fill(0);
    this.#position = CHUNK;
  }

  #byte(): number {
    if (this.#position === CHUNK) this.#next();
    return this.#buffer[this.#position++]!;
  }

  #next(): void {
    this.#refill(this.#buffer);
    this.#position = 0;
  }

  #uint32AcrossChunks(): number {
    const bytes = new Uint8Array(4);
    this.fill(bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  }
}

/** AES-256-CTR as a generator: its bytes are the keystream of the seed, in order. */
export class AesCtrRandom extends UniformRandom {
  /**
   * @param seed 32 bytes; the same seed gives the same draws. Use a seed for one purpose only.
   * @param options.keystream The platform's AES-256-CTR, where there is a faster one than pure JavaScript.
   * @throws PrivacyRangeError on another length of seed.
   */
  constructor(seed: Uint8Array, options: { readonly keystream?: KeystreamFactory } = {}) {
    demandSeed(seed);
    const keystream = (options.keystream ?? aesCtrKeystream)(seed);
    super({ fill: (out) => out.set(keystream.next(out.length)) });
  }
}

/** The source itself where it already gives uniform draws, otherwise uniform draws over it. */
export function uniformRandom(source: RandomBytes): UniformRandom {
  return source instanceof UniformRandom ? source : new UniformRandom(source);
}
