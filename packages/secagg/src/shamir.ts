/**
 * Shamir's secret sharing (Shamir 1979) over the field of p = 2^31 + 11 elements, on 31-bit chunks of the secret.
 *
 * Every chunk has a polynomial of its own of degree threshold − 1; a member's share is the values of all of them at
 * the member's x. p is the smallest prime above 2^31, so a chunk is a field element as it is, and products with a
 * small x stay exact in a double. No BigInt touches a secret: its arithmetic takes time that depends on the value.
 */

/** The field's prime, 2^31 + 11. */
export const SHARE_PRIME = 2147483659;
/** x must stay below this, or y·x + c would leave the 2^53 exact integers of a double. */
const MAX_SHARE_X = 2 ** 21;
const CHUNK_BITS = 31;

/** Bytes of a share of a secret of `secretLength` bytes: 4 per 31-bit chunk. */
export function shareLength(secretLength: number): number {
  return 4 * chunkCount(secretLength);
}

export interface SplitOptions {
  readonly secret: Uint8Array;
  /** t, shares that reconstruct; fewer tell nothing. */
  readonly threshold: number;
  /** One x for every holder: distinct, 1 to 2^21 − 1. Zero would hand out the secret itself. */
  readonly xs: readonly number[];
  /** Cryptographic randomness, n bytes. */
  readonly random: (length: number) => Uint8Array;
}

/**
 * Splits a secret.
 * @returns one share per x, in the order of `xs`, each `shareLength(secret.length)` bytes
 * @throws RangeError if the threshold is not 1 to xs.length, or an x is zero, too large or repeated
 */
export function splitSecret({ secret, threshold, xs, random }: SplitOptions): Uint8Array[] {
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > xs.length)
    throw new RangeError(`threshold must be 1 to ${xs.length}, found ${threshold}`);
  if (!areShareXs(xs)) throw new RangeError("every x must be a distinct integer from 1 to 2^21 - 1");
  const chunks = secretChunks(secret);
  const higher = randomElements(chunks.length * (threshold - 1), random);
  const shares = xs.map((x) => {
    const share = new Uint8Array(4 * chunks.length);
    const view = new DataView(share.buffer);
    for (let c = 0; c < chunks.length; c++) {
      const first = c * (threshold - 1);
      let y = 0;
      for (let j = threshold - 2; j >= 0; j--) y = reduce(y * x + higher[first + j]!);
      view.setUint32(4 * c, reduce(y * x + chunks[c]!));
    }
    return share;
  });
  chunks.fill(0);
  higher.fill(0);
  return shares;
}

/** A share with the x at which it was taken. */
export interface Share {
  readonly x: number;
  readonly share: Uint8Array;
}

/**
 * Reconstructs a secret of `length` bytes from the first `threshold` shares.
 * @returns `undefined` if there are too few shares, an x is zero, too large or repeated, a share is malformed, or
 *   the result is not the encoding of a secret. Shares that are merely wrong give a wrong secret: compare it with
 *   its commitment.
 */
export function combineShares({
  shares,
  threshold,
  length,
}: {
  shares: readonly Share[];
  threshold: number;
  length: number;
}): Uint8Array | undefined {
  if (threshold < 1 || shares.length < threshold) return undefined;
  const used = shares.slice(0, threshold);
  const xs = used.map(({ x }) => x);
  if (!areShareXs(xs) || used.some(({ share }) => !isShare(share, length))) return undefined;
  return combineWith(lagrangeCoefficients(xs), used, length);
}

/**
 * Reconstruction with coefficients computed beforehand, for one set of holders and many secrets.
 * @param coefficients `lagrangeCoefficients` of the shares' x, in their order
 * @param shares well-formed (`isShare`)
 */
export function combineWith(
  coefficients: Float64Array,
  shares: readonly Share[],
  length: number,
): Uint8Array | undefined {
  const views = shares.map(({ share }) => shareView(share));
  const chunks = new Float64Array(chunkCount(length));
  for (let c = 0; c < chunks.length; c++) {
    let value = 0;
    for (let i = 0; i < views.length; i++)
      value = reduce(value + multiplyElements(coefficients[i]!, views[i]!.getUint32(4 * c)));
    chunks[c] = value;
  }
  const secret = fromChunks(chunks, length);
  chunks.fill(0);
  return secret;
}

/**
 * Lagrange coefficients λ_i with f(at) = Σ λ_i·f(x_i) for every polynomial f of degree below xs.length.
 * They depend on public positions only, so their time may too.
 * @param xs distinct, 1 to 2^21 − 1
 */
export function lagrangeCoefficients(xs: readonly number[], at = 0): Float64Array {
  // λ_i = Π_{j≠i} (at − x_j) / Π_{j≠i} (x_i − x_j); the numerators share prefixes and suffixes of one product.
  const count = xs.length;
  const coefficients = new Float64Array(count);
  let before = 1;
  for (let i = 0; i < count; i++) {
    coefficients[i] = before;
    before = multiplyDifference(before, at - xs[i]!);
  }
  let behind = 1;
  for (let i = count - 1; i >= 0; i--) {
    coefficients[i] = multiplyElements(coefficients[i]!, behind);
    behind = multiplyDifference(behind, at - xs[i]!);
  }
  const denominators = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let product = 1;
    for (let j = 0; j < count; j++) if (j !== i) product = multiplyDifference(product, xs[i]! - xs[j]!);
    denominators[i] = product;
  }
  invertElements(denominators);
  for (let i = 0; i < count; i++) coefficients[i] = multiplyElements(coefficients[i]!, denominators[i]!);
  return coefficients;
}

/** The share at another x that lies on the polynomials of the given shares; `coefficients` as for that x. */
export function interpolateShare(coefficients: Float64Array, shares: readonly Share[]): Uint8Array {
  const views = shares.map(({ share }) => shareView(share));
  const out = new Uint8Array(shares[0]!.share.length);
  const view = new DataView(out.buffer);
  for (let offset = 0; offset < out.length; offset += 4) {
    let value = 0;
    for (let i = 0; i < views.length; i++)
      value = reduce(value + multiplyElements(coefficients[i]!, views[i]!.getUint32(offset)));
    view.setUint32(offset, value);
  }
  return out;
}

/** The value of a share's polynomial for the given chunk. */
export function shareValue(share: Uint8Array, chunk: number): number {
  return shareView(share).getUint32(4 * chunk);
}

/** Whether `share` has the length of a share of `secretLength` bytes and holds field elements only. */
export function isShare(share: Uint8Array, secretLength: number): boolean {
  return share.length === shareLength(secretLength) && isShareAt(share, 0, secretLength);
}

/** Whether the bytes from `begin` on, as many as a share of `secretLength` bytes has, hold field elements only. */
export function isShareAt(bytes: Uint8Array, begin: number, secretLength: number): boolean {
  const end = begin + shareLength(secretLength);
  // The quotient is 0 or 1. A holder's share is secret: no branch on its values but for the verdict.
  let excess = 0;
  for (let at = begin; at < end; at += 4) {
    const value = 0x1000000 * bytes[at]! + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
    excess += Math.floor(value / SHARE_PRIME);
  }
  return excess === 0;
}

function areShareXs(xs: readonly number[]): boolean {
  return new Set(xs).size === xs.length && xs.every((x) => Number.isInteger(x) && x >= 1 && x < MAX_SHARE_X);
}

function shareView(share: Uint8Array): DataView {
  return new DataView(share.buffer, share.byteOffset, share.length);
}

function chunkCount(secretLength: number): number {
  return Math.ceil((8 * secretLength) / CHUNK_BITS);
}

/** Bits of the last chunk: what 31-bit chunks leave over. */
function lastChunkBits(secretLength: number): number {
  return 8 * secretLength - CHUNK_BITS * (chunkCount(secretLength) - 1);
}

/** The secret as a big-endian bit string, cut from the front; the last chunk is shorter. */
function secretChunks(secret: Uint8Array): Float64Array {
  const chunks = new Float64Array(chunkCount(secret.length));
  for (let c = 0; c < chunks.length; c++) {
    const width = c === chunks.length - 1 ? lastChunkBits(secret.length) : CHUNK_BITS;
    let value = 0;
    for (let b = c * CHUNK_BITS; b < c * CHUNK_BITS + width; b++)
      value = value * 2 + ((secret[b >> 3]! >> (7 - (b & 7))) & 1);
    chunks[c] = value;
  }
  return chunks;
}

function fromChunks(chunks: Float64Array, length: number): Uint8Array | undefined {
  const secret = new Uint8Array(length);
  let excess = 0;
  for (let c = 0; c < chunks.length; c++) {
    const width = c === chunks.length - 1 ? lastChunkBits(length) : CHUNK_BITS;
    const value = chunks[c]!;
    excess += Math.floor(value / 2 ** width);
    for (let i = 0; i < width; i++) {
      const b = c * CHUNK_BITS + i;
      secret[b >> 3]! |= ((value >>> (width - 1 - i)) & 1) << (7 - (b & 7));
    }
  }
  if (excess === 0) return secret;
  secret.fill(0);
  return undefined;
}

/**
 * Uniform field elements: 32-bit draws, those that are not below p thrown away. The branch tells which draws were thrown
 * away, and nothing of those that are kept.
 */
function randomElements(count: number, random: (length: number) => Uint8Array): Float64Array {
  const elements = new Float64Array(count);
  let filled = 0;
  while (filled < count) {
    // A draw is kept with probability a little over one half.
    const bytes = random(8 * (count - filled) + 32);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let offset = 0; offset + 4 <= bytes.length && filled < count; offset += 4) {
      const draw = view.getUint32(offset);
      if (draw < SHARE_PRIME) elements[filled++] = draw;
    }
    bytes.fill(0);
  }
  return elements;
}

/**
 * v mod p for an integer 0 ≤ v < 2^53, without a branch on v. The rounded quotient never reaches the next integer:
 * v/p is at most q + 1 − 1/p with q < 2^22, and 1/p ≈ 2^−31 is a whole spacing of the doubles just below q + 1.
 */
function reduce(v: number): number {
  return v - Math.floor(v / SHARE_PRIME) * SHARE_PRIME;
}

/** a·b mod p for a, b < p: a is split at 16 bits, so that every product stays below 2^49. */
export function multiplyElements(a: number, b: number): number {
  const high = Math.floor(a / 65536);
  const low = a - high * 65536;
  return reduce(reduce(high * b) * 65536 + low * b);
}

/** a·d mod p for a < p and the difference d of two x, both public: the product stays below 2^52. */
function multiplyDifference(a: number, difference: number): number {
  const product = reduce(a * Math.abs(difference));
  return difference < 0 ? reduce(SHARE_PRIME - product) : product;
}

/** Inverts every element in place with one inversion (Montgomery's trick); none may be 0. */
export function invertElements(elements: Float64Array): void {
  const prefixes = new Float64Array(elements.length);
  let product = 1;
  for (let i = 0; i < elements.length; i++) {
    prefixes[i] = product;
    product = multiplyElements(product, elements[i]!);
  }
  let inverse = invert(product);
  for (let i = elements.length - 1; i >= 0; i--) {
    const element = elements[i]!;
    elements[i] = multiplyElements(inverse, prefixes[i]!);
    inverse = multiplyElements(inverse, element);
  }
}

/** a^(p−2) = a^−1 mod p (Fermat), a ≠ 0. */
function invert(a: number): number {
  let result = 1;
  let power = a;
  for (let exponent = SHARE_PRIME - 2; exponent > 0; exponent = Math.floor(exponent / 2)) {
    if (exponent % 2 === 1) result = multiplyElements(result, power);
    power = multiplyElements(power, power);
  }
  return result;
}
