/** Numbers and text as people read them. Whatever is missing or not finite reads `–`, never `NaN`. A number
 * and its unit are joined by a no-break space. */

/** What stands for a value that is not there. */
export const MISSING = "–";

/** A no-break space, which keeps a number and its unit together. */
const NBSP = "\u00A0";

type Value = number | null | undefined;

/** The value, or null where it is missing or not finite. */
export function finite(value: Value): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function shown(value: Value, format: (x: number) => string): string {
  const x = finite(value);
  return x === null ? MISSING : format(x);
}

/** Fixed decimals, without a negative zero. */
function fixed(x: number, digits: number): string {
  const text = x.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text;
}

/** A quality or score with three decimals: `0.054`. */
export function formatScore(value: Value): string {
  return shown(value, (x) => fixed(x, 3));
}

/** A whole number in groups of three: `10,000`. */
export function formatCount(value: Value): string {
  return shown(value, (x) => fixed(x, 0).replace(/\B(?=(\d{3})+$)/g, ","));
}

/** About three significant digits at any magnitude: `1,250`, `12.5`, `0.0031`, `2.5e-7`. */
export function formatNumber(value: Value): string {
  return shown(value, (x) => {
    const size = Math.abs(x);
    if (size === 0) return "0";
    if (size >= 1e9 || size < 1e-4) return formatDelta(x);
    if (size >= 100) return formatCount(x);
    return String(Number(x.toPrecision(3)));
  });
}

/** An ε: two decimals in the usual range, fewer above, significant digits below. */
export function formatEpsilon(value: Value): string {
  return shown(value, (x) => {
    if (x === 0) return "0";
    if (Math.abs(x) < 0.1) return formatNumber(x);
    if (Math.abs(x) < 100) return fixed(x, Math.abs(x) < 10 ? 2 : 1);
    return formatCount(x);
  });
}

/** A small probability as a power: `1e-6`, `2.5e-7`. */
export function formatDelta(value: Value): string {
  return shown(value, (x) => (x === 0 ? "0" : x.toExponential(1).replace(".0e", "e").replace("e+", "e")));
}

/** A ratio as a percentage: `71 %`, and one decimal below 10. */
export function formatPercent(ratio: Value): string {
  return shown(ratio, (x) => {
    const percent = x * 100;
    const whole = Math.abs(percent) >= 9.95 || Math.abs(percent) < 0.05 || Number.isInteger(percent);
    return `${fixed(percent, whole ? 0 : 1)}${NBSP}%`;
  });
}

/** Decimal bytes: `412 B`, `177 kB`, `1.2 MB`. */
export function formatBytes(value: Value): string {
  return shown(value, (x) => {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let size = x;
    let unit = 0;
    while (Math.abs(size) >= 999.5 && unit < units.length - 1) {
      size /= 1000;
      unit++;
    }
    return `${fixed(size, unit > 0 && Math.abs(size) < 9.95 ? 1 : 0)}${NBSP}${units[unit]}`;
  });
}

/** A duration from milliseconds: `0.4 ms`, `412 ms`, `3.2 s`, `1 min 42 s`, `2 h 5 min`. */
export function formatDuration(ms: Value): string {
  return shown(ms, (x) => {
    if (x === 0) return `0${NBSP}ms`;
    if (x < 9.95) return `${fixed(x, 1)}${NBSP}ms`;
    if (x < 999.5) return `${fixed(x, 0)}${NBSP}ms`;
    if (x < 59_950) return `${fixed(x / 1000, 1)}${NBSP}s`;
    const seconds = Math.round(x / 1000);
    if (seconds < 3600) return `${Math.floor(seconds / 60)}${NBSP}min${NBSP}${seconds % 60}${NBSP}s`;
    const minutes = Math.round(seconds / 60);
    return `${formatCount(Math.floor(minutes / 60))}${NBSP}h${NBSP}${minutes % 60}${NBSP}min`;
  });
}

/** A duration from milliseconds as a clock: `00:07`, `1:02:03`. */
export function formatClock(ms: Value): string {
  const seconds = Math.max(0, Math.floor((finite(ms) ?? 0) / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const clock = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${clock}` : clock;
}

/** `1 round`, `2 rounds`; irregular plurals are given. */
export function plural(count: number, singular: string, many = `${singular}s`): string {
  return `${formatCount(count)} ${count === 1 ? singular : many}`;
}

/**
 * Text made safe for HTML and SVG content and for attributes in double or single quotes. Characters that no
 * HTML document may hold (controls, lone surrogates, non-characters) become U+FFFD.
 */
export function escapeHtml(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Surrogate}\p{Noncharacter_Code_Point}]/gu, (c) =>
      c === "\n" || c === "\t" ? c : "\uFFFD",
    )
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** A figure with the standard deviation of its noise: `4.270 ± 0.31`; the figure alone where there is no noise. */
export function formatNoisy(value: Value, deviation: Value): string {
  const noise = finite(deviation);
  const shown = formatScore(value);
  return finite(value) === null || noise === null || noise === 0
    ? shown
    : `${shown} ± ${Number(noise.toPrecision(2))}`;
}
