/** A bar for every round, drawn with characters. */
import { niceAxis } from "../report/axes.ts";
import { pad, paint } from "../terminal/text.ts";

/** Eighths of a character cell, from nothing to all of it. */
const EIGHTHS = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/** What is drawn, and on what. */
export interface BarPlot {
  /** Values ≥ 0 of rounds 1, 2, … */
  readonly values: readonly number[];
  /** A value that is marked by a line across. */
  readonly limit: number;
  readonly columns: number;
  readonly color: boolean;
  /** False where only ASCII may be used. */
  readonly unicode: boolean;
}

const ROWS = 8;
const LABEL = 7;

/** Rows of the plot from the top down, each at most `columns` wide, the axis of rounds last. */
export function barPlot({ values, limit, columns, color, unicode }: BarPlot): string[] {
  const room = Math.max(8, columns - LABEL - 2);
  const bars = values.length <= room ? values : merged(values, room);
  const wide = Math.max(1, Math.min(6, Math.floor(room / bars.length)));
  const gap = wide > 2 ? 1 : 0;
  const axis = niceAxis({ min: 0, max: Math.max(limit, ...values) });
  const heights = bars.map((value) => (Math.max(0, value) / axis.max) * ROWS);
  const limitRow = Math.min(ROWS - 1, Math.floor((limit / axis.max) * ROWS - 1e-9));
  const [line, corner, base, mark] = unicode
    ? (["│", "└", "─", "╌"] as const)
    : (["|", "+", "-", "."] as const);
  const body = Array.from({ length: ROWS }, (_, i) => {
    const row = ROWS - 1 - i;
    const cells = heights.map((height) => {
      const fill = cell(height - row, unicode).repeat(wide - gap);
      // The line of the limit shows where there is no bar.
      return row === limitRow ? fill.replaceAll(" ", mark) + mark.repeat(gap) : fill + " ".repeat(gap);
    });
    const label = labelOf(axis, row);
    return `${pad(label, LABEL, "right")} ${line}${paint(cells.join("").trimEnd(), { look: "accent", color })}`;
  });
  const width = bars.length * wide;
  const first = "1";
  const last = String(values.length);
  const numbers =
    values.length === 1 ? first : first + pad(last, Math.max(last.length + 1, width - gap) - 1, "right");
  return [
    ...body,
    `${" ".repeat(LABEL + 1)}${corner}${base.repeat(width)}`,
    `${" ".repeat(LABEL + 2)}${numbers}`,
  ];
}

/** The label of the tick that lies at the top edge of a row, if one does. */
function labelOf(axis: { ticks: readonly number[]; max: number; decimals: number }, row: number): string {
  const tick = axis.ticks.find((value) => Math.round((value / axis.max) * ROWS) === row + 1);
  return tick === undefined ? "" : tick.toFixed(axis.decimals);
}

function cell(filled: number, unicode: boolean): string {
  const eighths = Math.max(0, Math.min(8, Math.round(filled * 8)));
  if (unicode) return EIGHTHS[eighths]!;
  return eighths >= 4 ? "#" : eighths > 0 ? "_" : " ";
}

/** The largest of each group, where there are more values than places. */
function merged(values: readonly number[], places: number): number[] {
  const size = Math.ceil(values.length / places);
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) =>
    Math.max(...values.slice(i * size, (i + 1) * size)),
  );
}
