/** Sums, differences, binomials and tails as natural logarithms, so that e^1000 and e^−1000 are both exact enough. */

/** ln(eˣ + eʸ). */
export function logAdd(x: number, y: number): number {
  const larger = Math.max(x, y);
  return larger === -Infinity ? -Infinity : larger + Math.log1p(Math.exp(Math.min(x, y) - larger));
}

/** ln(eˣ − eʸ) for x ≥ y; NaN where x < y. */
export function logSubtract(x: number, y: number): number {
  if (y === -Infinity) return x;
  return x === y ? -Infinity : x + Math.log(-Math.expm1(y - x));
}

/** ln C(n, k) for k = 0 … n, integer n. */
export function logBinomials(n: number): Float64Array {
  const logs = new Float64Array(n + 1);
  for (let k = 1; k <= n; k++) logs[k] = logs[k - 1]! + Math.log((n - k + 1) / k);
  return logs;
}

/**
 * ln erfc(x), to about 1e−13 relative for |x| < 1e150.
 *
 * Below 2 by the series erf(x) = 2/√π·e^(−x²)·Σ 2ⁿx^(2n+1)/(2n+1)!! (Abramowitz and Stegun 7.1.6), above by
 * the continued fraction 7.1.14, evaluated from its tail.
 */
export function logErfc(x: number): number {
  if (x < 0) return Math.log(2 - Math.exp(logErfc(-x)));
  if (x < 2) {
    let term = x;
    let sum = x;
    for (let n = 1; term > sum * 1e-18; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return Math.log1p((-2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum);
  }
  // √π·e^(x²)·erfc(x) = 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …)))); 120 levels reach 1e−15 at x = 2.
  let fraction = x;
  for (let k = 120; k > 0; k--) fraction = x + k / 2 / fraction;
  return -x * x - Math.log(fraction * Math.sqrt(Math.PI));
}
