/** Scales and ticks of the charts. */

/** A closed interval of values. */
export interface Range {
  min: number;
  max: number;
}

/** The range of the finite values, or null if there are none. */
export function rangeOf(values: Iterable<number | null>): Range | null {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return min <= max ? { min, max } : null;
}

/** An axis: its range widened to round numbers, and the values that get a label. */
export interface Axis extends Range {
  ticks: number[];
  /** Decimals that tell neighbouring ticks apart. */
  decimals: number;
}

/** A range as an axis with about `count` steps of 1, 2 or 5 times a power of ten. */
export function niceAxis(range: Range, count = 4): Axis {
  const flat = range.max - range.min <= Math.abs(range.max) * 1e-9;
  const pad = flat ? Math.abs(range.max) / 2 || 1 : 0;
  const low = flat && range.min >= 0 ? Math.max(0, range.min - pad) : range.min - pad;
  const high = range.max + pad;
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((f) => f * power >= rough * 0.999) ?? 10;
  const step = factor * power;
  const first = Math.floor(low / step + 1e-6);
  const last = Math.ceil(high / step - 1e-6);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  const decimals = Math.min(8, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  return { min: first * step, max: last * step, ticks, decimals };
}

/**
 * About `count` whole numbers from `min` to `max` to label a count such as rounds: the first, and multiples of 1, 2 or
 * 5 times a power of ten that keep their distance from it.
 */
export function wholeTicks({ min, max }: Range, count = 6): number[] {
  const rough = Math.max(1, (max - min) / Math.max(1, count - 1));
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((f) => f * power >= rough) ?? 10) * power;
  const ticks = [min];
  for (let x = (Math.floor(min / step) + 1) * step; x <= max; x += step) {
    if (x - min >= step / 2) ticks.push(x);
  }
  return ticks;
}
