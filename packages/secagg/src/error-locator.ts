/**
 * Which shares are wrong: Gao's decoder of Reed–Solomon codes (Gao 2003, "A new algorithm for decoding Reed–Solomon
 * codes") over the field of the shares. Of m shares of a threshold-t secret it finds up to ⌊(m − t)/2⌋ wrong ones, in
 * O(m²) steps and whatever their pattern. The coordinator runs it, on shares that it has been given: their values are
 * no secret from it, so its time may depend on them.
 */
import { invertElements, multiplyElements, SHARE_PRIME } from "./shamir.ts";

/** Coefficients from the constant term up; no leading zeros, and none at all for the zero polynomial. */
type Polynomial = number[];

/**
 * Positions of the points beside the one polynomial of degree below `threshold` that fits all but ⌊(m − t)/2⌋ of them,
 * sorted. Where more are wrong it can be another polynomial than the dealer's.
 * @param xs distinct field elements
 * @param ys field elements, one for each x
 * @returns `undefined` if no polynomial fits so many
 */
export function locateErrors(
  xs: readonly number[],
  ys: readonly number[],
  threshold: number,
): number[] | undefined {
  const all = xs.reduce<Polynomial>((product, x) => multiplyLinear(product, x), [1]);
  // Extended Euclid on Π(X − x_i) and the interpolating polynomial, down to half the distance.
  let [above, remainder] = [all, interpolate(xs, ys, all)];
  let [coAbove, cofactor]: [Polynomial, Polynomial] = [[], [1]];
  while (2 * (remainder.length - 1) >= xs.length + threshold) {
    const { quotient, rest } = divide(above, remainder);
    [above, remainder] = [remainder, rest];
    [coAbove, cofactor] = [cofactor, subtract(coAbove, multiply(quotient, cofactor))];
  }
  const { quotient: message, rest } = divide(remainder, cofactor);
  if (rest.length > 0 || message.length > threshold) return undefined;
  return [...xs.keys()].filter((i) => evaluate(message, xs[i]!) !== ys[i]);
}

function addElements(a: number, b: number): number {
  const sum = a + b;
  return sum >= SHARE_PRIME ? sum - SHARE_PRIME : sum;
}

function subtractElements(a: number, b: number): number {
  return a >= b ? a - b : a - b + SHARE_PRIME;
}

function evaluate(polynomial: Polynomial, x: number): number {
  return polynomial.reduceRight((value, c) => addElements(multiplyElements(value, x), c), 0);
}

/** Lagrange's formula: Σ y_i / p′(x_i) · p/(X − x_i), where p = Π(X − x_i). */
function interpolate(xs: readonly number[], ys: readonly number[], all: Polynomial): Polynomial {
  const slope = all.slice(1).map((c, i) => multiplyElements(c, i + 1));
  const weights = Float64Array.from(xs, (x) => evaluate(slope, x));
  invertElements(weights);
  const sum = new Array<number>(xs.length).fill(0);
  xs.forEach((x, i) => {
    const weight = multiplyElements(ys[i]!, weights[i]!);
    // Horner's scheme divides by X − x on the way down.
    let c = 0;
    for (let power = xs.length - 1; power >= 0; power--) {
      c = addElements(multiplyElements(c, x), all[power + 1]!);
      sum[power] = addElements(sum[power]!, multiplyElements(weight, c));
    }
  });
  return trimmed(sum);
}

/** polynomial · (X − x). */
function multiplyLinear(polynomial: Polynomial, x: number): Polynomial {
  if (polynomial.length === 0) return [];
  const result = [0, ...polynomial];
  polynomial.forEach((c, i) => {
    result[i] = subtractElements(result[i]!, multiplyElements(c, x));
  });
  return result;
}

function multiply(a: Polynomial, b: Polynomial): Polynomial {
  if (a.length === 0 || b.length === 0) return [];
  const product = new Array<number>(a.length + b.length - 1).fill(0);
  a.forEach((x, i) => {
    b.forEach((y, j) => {
      product[i + j] = addElements(product[i + j]!, multiplyElements(x, y));
    });
  });
  return product;
}

function subtract(a: Polynomial, b: Polynomial): Polynomial {
  const length = Math.max(a.length, b.length);
  return trimmed(Array.from({ length }, (_, i) => subtractElements(a[i] ?? 0, b[i] ?? 0)));
}

function divide(dividend: Polynomial, divisor: Polynomial): { quotient: Polynomial; rest: Polynomial } {
  const rest = [...dividend];
  const inverse = Float64Array.of(divisor.at(-1)!);
  invertElements(inverse);
  const lead = inverse[0]!;
  const quotient = new Array<number>(Math.max(0, dividend.length - divisor.length + 1)).fill(0);
  for (let i = quotient.length - 1; i >= 0; i--) {
    const factor = multiplyElements(rest[i + divisor.length - 1]!, lead);
    quotient[i] = factor;
    divisor.forEach((c, j) => {
      rest[i + j] = subtractElements(rest[i + j]!, multiplyElements(factor, c));
    });
  }
  return { quotient, rest: trimmed(rest.slice(0, divisor.length - 1)) };
}

function trimmed(polynomial: Polynomial): Polynomial {
  let length = polynomial.length;
  while (length > 0 && polynomial[length - 1] === 0) length--;
  return polynomial.slice(0, length);
}
