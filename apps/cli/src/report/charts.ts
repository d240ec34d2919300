/**
 * Charts as inline SVG. Horizontal positions are percentages, so that a chart is as wide as its place while text
 * keeps its size; labels of the axes lie in the padding that the style sheet gives each class of chart. Colour comes
 * from `currentColor` under a tone class, so that light, dark and print need no other drawing.
 */

import { type Axis, niceAxis, rangeOf, wholeTicks } from "./axes.ts";
import { escapeHtml, finite, formatNumber } from "./format.ts";

/** A named colour of the style sheet. */
export type Tone = "teal" | "slate" | "amber" | "indigo" | "rose" | "violet" | "sky" | "moss";

/** What every chart needs: an id that is unique in the document, a title and a description for screen readers. */
export interface ChartText {
  id: string;
  title: string;
  desc: string;
}

/** Height of the drawing area in pixels. */
const PLOT = 180;

/** A number for an SVG attribute. */
function n(value: number): string {
  return String(Number((Number.isFinite(value) ? value : 0).toFixed(2)));
}

/** A position on the horizontal axis as a percentage. */
function pct(value: number): string {
  return `${n(value)}%`;
}

function frame(
  { id, title, desc }: ChartText,
  { kind, height }: { kind: string; height: number },
  body: string,
) {
  return (
    `<svg class="chart ${kind}" width="100%" height="${n(height)}" role="img" ` +
    `aria-labelledby="${id}-t ${id}-d"><title id="${id}-t">${escapeHtml(title)}</title>` +
    `<desc id="${id}-d">${escapeHtml(desc)}</desc>${body}</svg>`
  );
}

/** The key of a chart. */
export function legend(entries: { name: string; tone: Tone; dash?: boolean; line?: boolean }[]): string {
  const items = entries.map(({ name, tone, dash, line }) => {
    const mark =
      line || dash
        ? `<line x1="1" x2="21" y1="6" y2="6" stroke="currentColor" stroke-width="2.5"${dash ? ' stroke-dasharray="4 3"' : ""}/>`
        : `<rect x="5" width="12" height="12" rx="2.5" fill="currentColor"/>`;
    return `<li><svg class="tone-${tone}" width="22" height="12" aria-hidden="true">${mark}</svg>${escapeHtml(name)}</li>`;
  });
  return `<ul class="legend">${items.join("")}</ul>`;
}

/** One bar: its label, its value (bars start at 0) and the value as text. */
export interface Bar {
  label: string;
  value: number | null;
  text: string;
  tone: Tone;
  /** Drawn stronger than its neighbours. */
  strong?: boolean;
}

/** Horizontal bars that share one scale. */
export function barChart(text: ChartText, bars: Bar[]): string {
  const row = 32;
  const max = rangeOf(bars.map((b) => b.value))?.max ?? 0;
  const body = bars.map(({ label, value, text: shown, tone, strong }, i) => {
    const width = max > 0 ? (Math.max(0, finite(value) ?? 0) / max) * 100 : 0;
    const y = i * row;
    const weight = strong ? ' class="strong"' : "";
    return (
      `<g${weight}><text class="label" x="-10" y="${y + 20}" text-anchor="end">${escapeHtml(label)}</text>` +
      `<rect class="track" x="0" y="${y + 6}" width="100%" height="20" rx="4"/>` +
      `<rect class="tone-${tone}" x="0" y="${y + 6}" width="${pct(width)}" height="20" rx="4" fill="currentColor"/>` +
      `<text class="value" x="100%" dx="10" y="${y + 20}">${escapeHtml(shown)}</text></g>`
    );
  });
  return frame(text, { kind: "bars", height: bars.length * row + 4 }, body.join(""));
}

/** A line over rounds. A null is a gap. */
export interface Series {
  name: string;
  tone: Tone;
  dash?: boolean;
  points: Point[];
}

/** A value with its deviation, if it has one, which is drawn as a band around the line. */
export interface Point {
  x: number;
  y: number | null;
  deviation?: number | null;
}

/** How a line chart is drawn. */
export interface LineOptions {
  series: Series[];
  /** Horizontal lines to compare with. */
  references?: { name: string; tone: Tone; y: number | null }[];
  /** Values hold until the next one, as steps. */
  step?: boolean;
  /** The vertical axis starts at zero. */
  fromZero?: boolean;
  /** The horizontal axis where it is no count of rounds. */
  horizontal?: { label: string; ticks: number[]; format: (value: number) => string };
}

function xyFrame(text: ChartText, body: string, label = "round"): string {
  return frame(
    text,
    { kind: "axes", height: PLOT + 58 },
    `${body}<text class="axis" x="50%" y="${PLOT + 40}" text-anchor="middle">${escapeHtml(label)}</text>`,
  );
}

function yGrid(axis: Axis, format?: (value: number) => string): string {
  const label =
    format ?? ((value: number) => (axis.max >= 1e5 ? formatNumber(value) : value.toFixed(axis.decimals)));
  return axis.ticks
    .map((tick) => {
      const y = n(yOf(tick, axis));
      return (
        `<line class="grid" x1="0" x2="100%" y1="${y}" y2="${y}"/>` +
        `<text class="axis" x="-8" y="${y}" dy="4" text-anchor="end">${escapeHtml(label(tick))}</text>`
      );
    })
    .join("");
}

function yOf(value: number, axis: Axis): number {
  return PLOT - ((value - axis.min) / (axis.max - axis.min)) * PLOT;
}

/** A point that has a value, and half the width of the band around it. */
interface Spread {
  readonly x: number;
  readonly y: number;
  readonly half: number;
}

/** The band around a run of points, one deviation to either side; nothing where there is none. */
function band(run: readonly Spread[], place: { x: (x: number) => number; y: (y: number) => number }): string {
  const [only] = run;
  if (only === undefined || run.every(({ half }) => half === 0)) return "";
  if (run.length === 1)
    return (
      `<line class="band" x1="${pct(place.x(only.x))}" x2="${pct(place.x(only.x))}" ` +
      `y1="${n(place.y(only.y - only.half))}" y2="${n(place.y(only.y + only.half))}"/>`
    );
  const edge = (side: 1 | -1) =>
    run.map(({ x, y, half }) => `${n(place.x(x) * 10)},${n(place.y(y + side * half))}`);
  return (
    `<svg class="free" width="100%" height="${PLOT}" viewBox="0 0 1000 ${PLOT}" preserveAspectRatio="none">` +
    `<polygon class="band" points="${[...edge(1), ...edge(-1).reverse()].join(" ")}"/></svg>`
  );
}

/** Runs of neighbouring points that have a value. */
function runs(points: readonly Point[]): Spread[][] {
  const result: Spread[][] = [[]];
  for (const { x, y, deviation } of points) {
    const half = Math.abs(finite(deviation) ?? 0);
    if (finite(y) === null || finite(x) === null) result.push([]);
    else result.at(-1)?.push({ x, y: y as number, half });
  }
  return result.filter((run) => run.length > 0);
}

/** Lines over rounds or another axis, straight or as steps; empty string if no series has a value. */
export function lineChart(
  text: ChartText,
  { series, references = [], step, fromZero, horizontal }: LineOptions,
): string {
  const points = series.flatMap((s) => runs(s.points).flat());
  const xs = rangeOf(points.map((p) => p.x));
  const ys = rangeOf([
    ...points.flatMap(({ y, half }) => [y - half, y + half]),
    ...references.map((r) => finite(r.y)),
    ...(fromZero ? [0] : []),
  ]);
  if (points.length === 0 || xs === null || ys === null) return "";
  const axis = niceAxis(ys);
  const x = (value: number) => (xs.max > xs.min ? ((value - xs.min) / (xs.max - xs.min)) * 100 : 50);
  const {
    label,
    ticks: marked,
    format,
  } = horizontal ?? { label: "round", ticks: wholeTicks(xs), format: String };
  const ticks = marked
    .map(
      (t) =>
        `<text class="axis" x="${pct(x(t))}" y="${PLOT + 20}" text-anchor="middle">${escapeHtml(format(t))}</text>`,
    )
    .join("");
  const rules = references
    .filter((r) => finite(r.y) !== null)
    .map((r) => {
      const y = n(yOf(r.y as number, axis));
      return `<line class="rule tone-${r.tone}" x1="0" x2="100%" y1="${y}" y2="${y}"/>`;
    })
    .join("");
  const dots = points.length <= 60;
  const lines = series.map(({ name, tone, dash, points: own }) => {
    const paths = runs(own).map((run) => {
      const corners = run.flatMap((p, i) => {
        const here = `${n(x(p.x) * 10)},${n(yOf(p.y, axis))}`;
        const before = step && i > 0 ? run[i - 1] : undefined;
        return before ? [`${n(x(p.x) * 10)},${n(yOf(before.y, axis))}`, here] : [here];
      });
      const single = run.length === 1;
      const marks =
        dots || single
          ? run.map(
              (p) =>
                `<circle cx="${pct(x(p.x))}" cy="${n(yOf(p.y, axis))}" r="3.5" fill="currentColor">` +
                `<title>${escapeHtml(`${name}, ${label} ${format(p.x)}: ${Number(p.y.toPrecision(4))}`)}</title></circle>`,
            )
          : [];
      const line = single
        ? ""
        : `<svg class="free" width="100%" height="${PLOT}" viewBox="0 0 1000 ${PLOT}" preserveAspectRatio="none">` +
          `<polyline points="${corners.join(" ")}"${dash ? ' stroke-dasharray="6 4"' : ""}/></svg>`;
      return band(run, { x, y: (value) => yOf(value, axis) }) + line + marks.join("");
    });
    return `<g class="tone-${tone}">${paths.join("")}</g>`;
  });
  return xyFrame(text, yGrid(axis) + ticks + rules + lines.join(""), label);
}

/** A part of every column or bar. */
export interface Part {
  name: string;
  tone: Tone;
}

/** Stacked columns over rounds: each column has one value per part. */
export interface ColumnOptions {
  parts: Part[];
  columns: { round: number; values: (number | null)[]; note?: string }[];
  format: (value: number) => string;
}

/** Stacked columns over rounds; empty string if there are none. */
export function columnChart(text: ChartText, { parts, columns, format }: ColumnOptions): string {
  const heights = columns.map((c) => c.values.reduce<number>((a, v) => a + Math.max(0, finite(v) ?? 0), 0));
  const rounds = rangeOf(columns.map((c) => c.round));
  const max = rangeOf(heights)?.max;
  if (rounds === null || max === undefined) return "";
  const axis = niceAxis({ min: 0, max: max > 0 ? max : 1 });
  const band = 100 / columns.length;
  const dense = columns.length > 60;
  const width = Math.min(dense ? band : band * 0.7, 16);
  const labelled = new Set(wholeTicks(rounds));
  const body = columns.map(({ round, values, note }, i) => {
    const centre = (i + 0.5) * band;
    let top = PLOT;
    const rects = parts.map(({ name, tone }, k) => {
      const value = Math.max(0, finite(values[k]) ?? 0);
      const height = PLOT - yOf(value, axis);
      top -= height;
      if (height === 0) return "";
      const tip = `round ${round}, ${name}: ${format(value)}${note ? ` (${note})` : ""}`;
      return (
        `<rect class="tone-${tone}" x="${pct(centre - width / 2)}" y="${n(top)}" width="${pct(width)}" ` +
        `height="${n(height)}" fill="currentColor"><title>${escapeHtml(tip)}</title></rect>`
      );
    });
    const label = labelled.has(round)
      ? `<text class="axis" x="${pct(centre)}" y="${PLOT + 20}" text-anchor="middle">${n(round)}</text>`
      : "";
    const mark = note
      ? `<text class="mark" x="${pct(centre)}" y="${n(top - 5)}" text-anchor="middle"><title>${escapeHtml(`round ${round}: ${note}`)}</title>✕</text>`
      : "";
    return rects.join("") + label + mark;
  });
  return xyFrame(
    text,
    yGrid(axis, format) + (dense ? `<g shape-rendering="crispEdges">${body.join("")}</g>` : body.join("")),
  );
}

/** Horizontal bars that are made of parts and share one scale, with their label above. */
export interface StackedOptions {
  rows: { label: string; parts: (Part & { value: number | null })[] }[];
  format: (value: number) => string;
}

/** Stacked horizontal bars; empty string if nothing was measured. */
export function stackedChart(text: ChartText, { rows, format }: StackedOptions): string {
  const values = (row: StackedOptions["rows"][number]) =>
    row.parts.map((p) => Math.max(0, finite(p.value) ?? 0));
  const totals = rows.map((row) => values(row).reduce((a, b) => a + b, 0));
  const max = Math.max(0, ...totals);
  if (max === 0) return "";
  const pitch = 62;
  const body = rows.map((row, i) => {
    const y = i * pitch;
    let x = 0;
    const rects = values(row).map((value, k) => {
      const part = row.parts[k];
      const width = (value / max) * 100;
      const left = x;
      x += width;
      if (part === undefined || width === 0) return "";
      return (
        `<rect class="tone-${part.tone}" x="${pct(left)}" y="${y + 24}" width="${pct(width)}" height="26" ` +
        `fill="currentColor"><title>${escapeHtml(`${row.label}, ${part.name}: ${format(value)}`)}</title></rect>`
      );
    });
    const label = `${row.label}: ${format(totals[i] ?? 0)}`;
    return `<text class="label" x="0" y="${y + 16}">${escapeHtml(label)}</text>${rects.join("")}`;
  });
  return frame(text, { kind: "stacked", height: rows.length * pitch }, body.join(""));
}
