import { ctr } from "@noble/ciphers/aes.js";
import { describe, expect, it } from "vitest";
import { aesCtrKeystream } from "./keystream.ts";

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const noble = (seed: Uint8Array, length: number) =>
  ctr(seed, new Uint8Array(16)).encrypt(new Uint8Array(length));

describe("aesCtrKeystream", () => {
  it("encrypts the counter as FIPS 197 does: AES-256 of a block of zeros under a key of zeros", () => {
    expect(hex(aesCtrKeystream(new Uint8Array(32)).next(16))).toBe("dc95c078a2408989ad48a21492842087");
  });

  it.each([0, 1, 77, 255])(
    "gives the bytes of another implementation, however the reads are cut; key %d",
    (label) => {
      const seed = Uint8Array.from({ length: 32 }, (_, i) => (label * i + 31 * label + i * i) & 0xff);
      const ours = aesCtrKeystream(seed);
      const cut = [16, 48, 16_384, 0, 32, 20_000].map((length) => hex(ours.next(length)));
      expect(cut.join("")).toBe(hex(noble(seed, 36_480)));
    },
  );

  it("keeps the key that it was given when the caller wipes it", () => {
    const seed = new Uint8Array(32).fill(9);
    const ours = aesCtrKeystream(seed);
    seed.fill(0);
    expect(hex(ours.next(64))).toBe(hex(noble(new Uint8Array(32).fill(9), 64)));
  });

  it("refuses a part of a block and a seed of another length", () => {
    expect(() => aesCtrKeystream(new Uint8Array(32)).next(17)).toThrow(/multiple of 16/);
    expect(() => aesCtrKeystream(new Uint8Array(31))).toThrow(/seed: must be 32 bytes, got 31/);
  });
});
