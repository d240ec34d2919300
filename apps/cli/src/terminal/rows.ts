/** Rows of labels, figures and texts in a terminal. */

import { displayWidth, type Look, pad, renderSpans, type Span, wrap } from "./text.ts";

const LABEL = 28;
const CELL = 10;
const GAUGE = 16;
/** Less room than this beside a label, and a text goes below it. */
const BESIDE = 24;

/** A line of a table before it is fitted to the width: a label, right-aligned cells, then text that may wrap. */
export interface Row {
  label: string;
  look?: Look;
  cells?: string[];
  text?: string;
  textLook?: Look;
  /** Share that is drawn as a bar where there is room. */
  share?: number | null;
  heading?: boolean;
}

/** A line that names what follows. */
export function heading(label: string, cells: string[] = []): Row {
  return { label, cells, heading: true };
}

/** A label and a text beside or below it. */
export function fact(label: string, text: string, textLook: Look = "plain"): Row {
  return { label, text, textLook };
}

/** Fits a row to the width; a text that does not fit beside its label wraps and never loses a word. */
export function fit(row: Row, { width, color }: { width: number; color: boolean }): string[] {
  const { label, look = "plain", cells = [], text = "", textLook = "plain", share } = row;
  const name = row.heading ? pad(label, LABEL + 2) : `  ${pad(label, LABEL)}`;
  const head: Span[] = [
    { text: name, look: row.heading ? "bold" : look },
    ...cells.map((cell): Span => ({ text: pad(cell, CELL, "right"), look: row.heading ? "dim" : look })),
  ];
  const used = displayWidth(head.map((span) => span.text).join(""));
  const gap = cells.length > 0 ? 3 : 0;
  const room = width - used - gap;
  const line = (tail: Span[]) => renderSpans([...head, ...tail], { width, color }).trimEnd();
  if (share !== undefined && share !== null && room >= 4) {
    const blocks = Math.round(share * Math.min(GAUGE, room));
    return [line([{ text: " ".repeat(gap) }, { text: "█".repeat(blocks), look: "accent" }])];
  }
  if (text === "") return [line([])];
  if (displayWidth(text) <= room) return [line([{ text: " ".repeat(gap) }, { text, look: textLook }])];
  const beside = gap === 0 && room >= BESIDE;
  const indent = beside ? used : 4;
  const [first = "", ...rest] = wrap(text, beside ? room : width - indent);
  const below = (beside ? rest : [first, ...rest]).map((part) =>
    renderSpans([{ text: " ".repeat(indent) }, { text: part, look: textLook }], { width, color }),
  );
  return [line(beside ? [{ text: first, look: textLook }] : []), ...below];
}
