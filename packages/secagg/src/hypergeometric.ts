/** The hypergeometric distribution far out in its tails, from logarithms of factorials. */

/** A guard against rounding a count down over a representation error, 0.1 · 30 = 3.0000000000000004 and its like. */
export const ROUNDING = 1e-12;

/** ⌊rate·n⌋, robust against the representation error of the product. */
export function floorShare(rate: number, n: number): number {
  return Math.floor(rate * n + ROUNDING * n);
}

/** `drawn` out of `total` without replacement, of which `marked` are marked; the variable is the marked ones drawn. */
export interface Draw {
  readonly total: number;
  readonly marked: number;
  readonly drawn: number;
}

/** The least x ≥ 0 with Pr[X > x] < tail. */
export function upperQuantile(draw: Draw, tail: number): number {
  let x = draw.drawn;
  for (let beyond = 0; x > 0; x--) {
    beyond += probability(x, draw);
    if (beyond >= tail) break;
  }
  return x;
}

/** The greatest x ≤ drawn with Pr[X < x] < tail. */
export function lowerQuantile(draw: Draw, tail: number): number {
  let x = 0;
  for (let below = 0; x < draw.drawn; x++) {
    below += probability(x, draw);
    if (below >= tail) break;
  }
  return x;
}

/** Pr[X = x]. */
function probability(x: number, { total, marked, drawn }: Draw): number {
  if (x < 0 || x > marked || x > drawn || drawn - x > total - marked) return 0;
  return Math.exp(logChoose(marked, x) + logChoose(total - marked, drawn - x) - logChoose(total, drawn));
}

function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** ln n!: a table for small n, Stirling's series (error below 1e−17 relative) beyond. */
export function logFactorial(n: number): number {
  if (n < SMALL_LOG_FACTORIALS.length) return SMALL_LOG_FACTORIALS[n]!;
  const inverse = 1 / n;
  const square = inverse * inverse;
  const correction = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)));
  return n * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI * n) + correction;
}

const SMALL_LOG_FACTORIALS = new Float64Array(64);
for (let n = 2; n < SMALL_LOG_FACTORIALS.length; n++)
  SMALL_LOG_FACTORIALS[n] = SMALL_LOG_FACTORIALS[n - 1]! + Math.log(n);
