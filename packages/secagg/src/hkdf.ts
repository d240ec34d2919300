/**
 * HKDF-SHA256 (RFC 5869) for many short keys under one salt.
 *
 * A round derives two keys for every pair of members that share secrets, a coordinator up to hundreds of thousands, each
 * of a few dozen bytes, where most of a library's time goes into making its hash objects. Here the blocks of the salt are
 * compressed once, and a key takes six more compressions in memory that stays. The tests hold it to the library.
 */
import { equalBytes } from "@kindred/protocol";

/** SHA-256 (FIPS 180-4): the constants of section 4.2.2 and the initial state of section 5.3.3. */
const ROUND_CONSTANTS = Int32Array.of(
  0x428a2f98,
  0x71374491,
  0xb5c0fbcf,
  0xe9b5dba5,
  0x3956c25b,
  0x59f111f1,
  0x923f82a4,
  0xab1c5ed5,
  0xd807aa98,
  0x12835b01,
  0x243185be,
  0x550c7dc3,
  0x72be5d74,
  0x80deb1fe,
  0x9bdc06a7,
  0xc19bf174,
  0xe49b69c1,
  0xefbe4786,
  0x0fc19dc6,
  0x240ca1cc,
  0x2de92c6f,
  0x4a7484aa,
  0x5cb0a9dc,
  0x76f988da,
  0x983e5152,
  0xa831c66d,
  0xb00327c8,
  0xbf597fc7,
  0xc6e00bf3,
  0xd5a79147,
  0x06ca6351,
  0x14292967,
  0x27b70a85,
  0x2e1b2138,
  0x4d2c6dfc,
  0x53380d13,
  0x650a7354,
  0x766a0abb,
  0x81c2c92e,
  0x92722c85,
  0xa2bfe8a1,
  0xa81a664b,
  0xc24b8b70,
  0xc76c51a3,
  0xd192e819,
  0xd6990624,
  0xf40e3585,
  0x106aa070,
  0x19a4c116,
  0x1e376c08,
  0x2748774c,
  0x34b0bcb5,
  0x391c0cb3,
  0x4ed8aa4a,
  0x5b9cca4f,
  0x682e6ff3,
  0x748f82ee,
  0x78a5636f,
  0x84c87814,
  0x8cc70208,
  0x90befffa,
  0xa4506ceb,
  0xbef9a3f7,
  0xc67178f2,
);
const INITIAL_STATE = Int32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
/** What fits into a last block before the byte 0x80 and the length in 8 bytes. */
const MOST_LAST_BYTES = BLOCK_BYTES - 9;
/** HMAC (RFC 2104). */
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

const block = new Uint8Array(BLOCK_BYTES);
const blockWords = new DataView(block.buffer);
const schedule = new Int32Array(64);
const state = new Int32Array(8);

/** The states of the two hashes of HMAC once they have taken in the padded key. */
interface Keyed {
  readonly inner: Int32Array;
  readonly outer: Int32Array;
}

/** Of the salt that came last, the session id of a round; it is public, and so is the time that comparing it takes. */
const salted: Keyed & { salt: Uint8Array } = { ...keyedStates(), salt: new Uint8Array(0) };
const extracted = keyedStates();

/**
 * HKDF-SHA256, 32 bytes; time and memory accesses depend on lengths only. Nothing of the key stays in memory.
 * @param key input keying material, at most 55 bytes
 * @param options.salt at most 64 bytes, public; `info` at most 54
 * @throws RangeError if one of them is longer
 */
export function deriveKey(
  key: Uint8Array,
  { salt, info }: { readonly salt: Uint8Array; readonly info: Uint8Array },
): Uint8Array {
  if (salt.length > BLOCK_BYTES || key.length > MOST_LAST_BYTES || info.length >= MOST_LAST_BYTES)
    throw new RangeError("a key must have at most 55 bytes, its salt 64 and its info 54");
  if (salted.salt.length === 0 || !equalBytes(salted.salt, salt)) {
    takeKey(salt, salted);
    // Not `slice`, which is a view where the salt is a Node Buffer.
    salted.salt = Uint8Array.from(salt);
  }
  const derived = new Uint8Array(HASH_BYTES);
  // Extract, then expand: T(1) = HMAC(PRK, info ‖ 0x01).
  block.set(key);
  authenticate(salted, key.length, derived);
  takeKey(derived, extracted);
  block.set(info);
  block[info.length] = 1;
  authenticate(extracted, info.length + 1, derived);
  for (const used of [extracted.inner, extracted.outer, schedule, state, block]) used.fill(0);
  return derived;
}

function keyedStates(): Keyed {
  return { inner: new Int32Array(8), outer: new Int32Array(8) };
}

/** Starts both hashes of HMAC under a key of at most a block. */
function takeKey(key: Uint8Array, { inner, outer }: Keyed): void {
  for (const [pad, keyed] of [
    [INNER_PAD, inner],
    [OUTER_PAD, outer],
  ] as const) {
    block.fill(pad);
    for (let i = 0; i < key.length; i++) block[i]! ^= key[i]!;
    state.set(INITIAL_STATE);
    compress();
    keyed.set(state);
  }
  block.fill(0);
}

/** HMAC of the first `length` bytes of `block`, at most 55 with zeros behind them, into `tag`. */
function authenticate({ inner, outer }: Keyed, length: number, tag: Uint8Array): void {
  state.set(inner);
  closeBlock(length);
  for (let i = 0; i < 8; i++) blockWords.setInt32(4 * i, state[i]!);
  block.fill(0, HASH_BYTES);
  state.set(outer);
  closeBlock(HASH_BYTES);
  block.fill(0);
  const words = new DataView(tag.buffer, tag.byteOffset, HASH_BYTES);
  for (let i = 0; i < 8; i++) words.setInt32(4 * i, state[i]!);
}

/** Compresses `block` as the second and last of its hash. */
function closeBlock(length: number): void {
  block[length] = 0x80;
  blockWords.setUint32(BLOCK_BYTES - 4, 8 * (BLOCK_BYTES + length));
  compress();
}

/** SHA-256's compression of `block` into `state` (FIPS 180-4, section 6.2.2). */
function compress(): void {
  const w = schedule;
  for (let i = 0; i < 16; i++) w[i] = blockWords.getInt32(4 * i);
  for (let i = 16; i < 64; i++) {
    const early = w[i - 15]!;
    const late = w[i - 2]!;
    const s0 = ((early >>> 7) | (early << 25)) ^ ((early >>> 18) | (early << 14)) ^ (early >>> 3);
    const s1 = ((late >>> 17) | (late << 15)) ^ ((late >>> 19) | (late << 13)) ^ (late >>> 10);
    w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND_CONSTANTS[i]! + w[i]!) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = (state[0]! + a) | 0;
  state[1] = (state[1]! + b) | 0;
  state[2] = (state[2]! + c) | 0;
  state[3] = (state[3]! + d) | 0;
  state[4] = (state[4]! + e) | 0;
  state[5] = (state[5]! + f) | 0;
  state[6] = (state[6]! + g) | 0;
  state[7] = (state[7]! + h) | 0;
}
