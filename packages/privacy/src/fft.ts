/**
 * Fast Fourier transform of power-of-two length, in place, over split real and imaginary parts.
 *
 * Radix 2, decimation in time (Cooley and Tukey 1965). The roots of unity are each computed by sine and cosine and
 * not by recurrence, so that an output is off by at most a few units in the last place per level.
 */

import { demand } from "./refusal.ts";

/** A complex sequence of length 2^m. */
export interface ComplexSequence {
  readonly real: Float64Array;
  readonly imaginary: Float64Array;
}

/** Error per level and unit of Σ|x_j|: the root 2 units of 2^−53, its product 3, the sum 1. */
export const TRANSFORM_ERROR = 6 * 2 ** -53;

interface Roots {
  readonly cosines: Float64Array;
  readonly sines: Float64Array;
}

let latestRoots: Roots = { cosines: new Float64Array(0), sines: new Float64Array(0) };

/**
 * e^(−2πik/n) for k < n/2, from angles of at most π/4, where the rounding of the angle costs least. The last length
 * asked for is kept, as transforms come in series of one length.
 */
function rootsOfUnity(n: number): Roots {
  if (latestRoots.cosines.length === n / 2) return latestRoots;
  const cosines = new Float64Array(n / 2);
  const sines = new Float64Array(n / 2);
  const put = (k: number, cosine: number, sine: number): void => {
    if (k >= n / 2) return;
    cosines[k] = cosine;
    sines[k] = sine;
  };
  put(0, 1, 0);
  for (let k = 0; n > 2 && k <= n / 8; k++) {
    const angle = (2 * Math.PI * k) / n;
    const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
    put(k, cosine, -sine);
    put(n / 4 - k, sine, -cosine);
    put(n / 4 + k, -sine, -cosine);
    put(n / 2 - k, -cosine, -sine);
  }
  latestRoots = { cosines, sines };
  return latestRoots;
}

function reverseBits({ real, imaginary }: ComplexSequence): void {
  const n = real.length;
  for (let i = 0, j = 0; i < n; i++) {
    if (i < j) {
      const re = real[i]!;
      real[i] = real[j]!;
      real[j] = re;
      const im = imaginary[i]!;
      imaginary[i] = imaginary[j]!;
      imaginary[j] = im;
    }
    let bit = n >> 1;
    for (; bit > 0 && (j & bit) !== 0; bit >>= 1) j ^= bit;
    j |= bit;
  }
}

/**
 * X_k = Σ x_j·e^(−2πijk/n), in place, unnormalised.
 *
 * Each output is within {@link TRANSFORM_ERROR}·log₂(n)·Σ|x_j| of the exact one: every level adds one rounded product
 * with a rounded root and one rounded sum to values that never exceed Σ|x_j|.
 *
 * @param sequence Two arrays of the same length 2^m.
 * @throws PrivacyRangeError on another length.
 */
export function fourierTransform(sequence: ComplexSequence): void {
  const { real, imaginary } = sequence;
  const n = real.length;
  demand(n > 0 && (n & (n - 1)) === 0 && imaginary.length === n, {
    field: "sequence",
    rule: `both parts must have the same power of two as length, got ${n} and ${imaginary.length}`,
    fix: "pad with zeros",
  });
  if (n === 1) return;
  const { cosines, sines } = rootsOfUnity(n);
  reverseBits(sequence);
  for (let half = 1, stride = n / 2; half < n; half *= 2, stride /= 2) {
    for (let block = 0; block < n; block += 2 * half) {
      for (let k = 0, i = block, root = 0; k < half; k++, i++, root += stride) {
        const j = i + half;
        const cosine = cosines[root]!;
        const sine = sines[root]!;
        const re = real[j]! * cosine - imaginary[j]! * sine;
        const im = real[j]! * sine + imaginary[j]! * cosine;
        real[j] = real[i]! - re;
        imaginary[j] = imaginary[i]! - im;
        real[i] = real[i]! + re;
        imaginary[i] = imaginary[i]! + im;
      }
    }
  }
}

/** x_j = (1/n)·Σ X_k·e^(2πijk/n), in place: undoes {@link fourierTransform}. Same argument and errors. */
export function inverseFourierTransform(sequence: ComplexSequence): void {
  const { real, imaginary } = sequence;
  // Exchanging the parts of input and output conjugates the roots.
  fourierTransform({ real: imaginary, imaginary: real });
  const share = 1 / real.length;
  for (let i = 0; i < real.length; i++) {
    real[i] = real[i]! * share;
    imaginary[i] = imaginary[i]! * share;
  }
}
