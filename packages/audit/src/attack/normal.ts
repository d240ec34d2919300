/** The normal distribution. */
import { logErfc } from "@kindred/privacy";

/** Φ(x), also far out in the lower tail. */
export function normalCdf(x: number): number {
  return Math.exp(Math.log(0.5) + logErfc(-x / Math.SQRT2));
}

/** Φ⁻¹(p) by bisection; ∓∞ at 0 and 1. */
export function normalQuantile(p: number): number {
  if (p <= 0) return Number.NEGATIVE_INFINITY;
  if (p >= 1) return Number.POSITIVE_INFINITY;
  if (p > 0.5) return -normalQuantile(1 - p);
  let [low, high] = [-40, 0];
  while (high - low > 1e-13) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** A normal distribution. */
export interface Normal {
  readonly mean: number;
  readonly deviation: number;
}

/** Mean and unbiased deviation of a sample of at least two. */
export function fitNormal(values: readonly number[]): Normal {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}

/** ln of the density at x. */
export function logDensity(x: number, { mean, deviation }: Normal): number {
  const z = (x - mean) / deviation;
  return -Math.log(deviation * Math.sqrt(2 * Math.PI)) - (z * z) / 2;
}
