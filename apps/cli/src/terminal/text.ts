/** Text in a terminal: its width in columns, cutting, padding, wrapping, colour. */

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Scripts and symbols that terminals draw two columns wide (Unicode East Asian Width W and F, emoji). */
const WIDE =
  /^(?:[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|[\u{1B000}-\u{1B2FF}\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation}|\p{Regional_Indicator}|.\uFE0F)/u;

const INVISIBLE = /^[\p{Mark}\p{Default_Ignorable_Code_Point}]+$/u;

function graphemeWidth(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}

/** Columns that `text` takes; it must hold no control characters (see `printable`). */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment);
  return width;
}

/** Text without anything a terminal would obey: controls, line breaks and direction marks become spaces. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u200E\u200F\u202A-\u202E\u2066-\u2069]+/gu, " ");
}

/** Cuts `text` to `width` columns, with an ellipsis where something was cut. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width <= 0) return "";
  let kept = "";
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const next = used + graphemeWidth(segment);
    if (next > width - 1) break;
    kept += segment;
    used = next;
  }
  return `${kept}…`;
}

/** Pads `text` with spaces to `width` columns: `left` keeps it on the left. */
export function pad(text: string, width: number, side: "left" | "right" = "left"): string {
  const space = " ".repeat(Math.max(0, width - displayWidth(text)));
  return side === "left" ? text + space : space + text;
}

/** Breaks `text` at spaces into lines of at most `width` columns; a longer word is broken inside. */
export function wrap(text: string, width: number): string[] {
  const room = Math.max(1, width);
  const lines: string[] = [];
  let line = "";
  const push = (word: string) => {
    const joined = line === "" ? word : `${line} ${word}`;
    if (displayWidth(joined) <= room) {
      line = joined;
      return;
    }
    if (line !== "") lines.push(line);
    line = word;
    while (displayWidth(line) > room) {
      let head = "";
      for (const { segment } of graphemes.segment(line)) {
        if (head !== "" && displayWidth(head + segment) > room) break;
        head += segment;
      }
      if (head === line) break;
      lines.push(head);
      line = line.slice(head.length);
    }
  };
  for (const word of text.split(/[ \n\t]+/).filter((w) => w !== "")) push(word);
  if (line !== "" || lines.length === 0) lines.push(line);
  return lines;
}

/** Looks of a piece of text. */
export type Look = "plain" | "bold" | "dim" | "good" | "bad" | "warn" | "accent";

const SGR: Record<Exclude<Look, "plain">, string> = {
  bold: "1",
  dim: "2",
  good: "32",
  bad: "31",
  warn: "33",
  accent: "36",
};

/** A piece of text with its look. */
export interface Span {
  text: string;
  look?: Look;
}

/** Puts spans into one line of at most `width` columns, with colour codes only if `color`. */
export function renderSpans(spans: Span[], { width, color }: { width: number; color: boolean }): string {
  const whole = spans.map((s) => s.text).join("");
  const cut = displayWidth(whole) > width;
  let left = cut ? width - 1 : width;
  let line = "";
  for (const { text, look = "plain" } of spans) {
    if (left <= 0) break;
    let kept = text;
    if (displayWidth(text) > left) kept = truncate(text, left + 1).slice(0, -1);
    left = kept === text ? left - displayWidth(text) : 0;
    line += paint(kept, { look, color });
  }
  return cut && width > 0 ? `${line}…` : line;
}

/** Gives text its look, if colour is allowed. */
export function paint(text: string, { look, color }: { look: Look; color: boolean }): string {
  return color && look !== "plain" && text !== "" ? `\u001B[${SGR[look]}m${text}\u001B[0m` : text;
}

/**
 * Whether a stream may receive escape codes: it is a terminal, and neither `NO_COLOR` (no-color.org), `CI` nor
 * `TERM=dumb` speaks against it.
 */
export function isRich(isTTY: boolean | undefined, env: Record<string, string | undefined>): boolean {
  const set = (name: string) => (env[name] ?? "") !== "";
  return isTTY === true && !set("NO_COLOR") && !set("CI") && env["TERM"] !== "dumb";
}
