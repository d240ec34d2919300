/** What the lines of the progress display say. Pure: state in, text out. */

import { finite, formatClock, formatCount, formatEpsilon, formatNoisy } from "../report/format.ts";
import { findingWords } from "../report/round-findings.ts";
import { PHASES, type Phase, type RoundResult } from "../report/simulation-result.ts";
import { displayWidth, pad, printable, renderSpans, type Span } from "./text.ts";

/** A line that is under way. */
export interface LiveRound {
  round: number;
  rounds: number;
  /** Null until the first phase is known. */
  phase: Phase | null;
  clientsIn: number;
  dropped: number;
  elapsedMs: number;
  /** 0 to 1. */
  fraction: number;
}

/** How a line may be drawn. */
export interface LineStyle {
  columns: number;
  color: boolean;
}

/** A round that has ended: what its line says. */
export type FinishedRound = Pick<RoundResult, "round" | "status"> &
  Partial<
    Pick<
      RoundResult,
      | "cohort"
      | "survivors"
      | "dropped"
      | "epsilon"
      | "loss"
      | "lossDeviation"
      | "heldOut"
      | "signal"
      | "reason"
    >
  >;

/**
 * Share of a round that each phase usually takes, in the order of `PHASES`. Only the bar depends on it, and only in how
 * evenly it moves: training dominates everywhere we measured.
 */
const WEIGHT: Record<Phase, number> = {
  selecting: 0.05,
  training: 0.5,
  enrolling: 0.05,
  sharing: 0.09,
  masking: 0.16,
  consistency: 0.03,
  unmasking: 0.07,
  aggregating: 0.05,
};

/** How far a round is when `fraction` of `phase` is done; 0 to 1. */
export function roundFraction(phase: Phase, fraction: number): number {
  const before = PHASES.slice(0, PHASES.indexOf(phase)).reduce((sum, p) => sum + WEIGHT[p], 0);
  return Math.min(1, before + WEIGHT[phase] * clamp(fraction));
}

/** A number as a fraction: 0 to 1, and 0 if it is not finite. */
export function clamp(fraction: number): number {
  return Math.min(1, Math.max(0, finite(fraction) ?? 0));
}

/** A bar of `width` columns between its two edges: `▕███░░▏`. */
export function bar(fraction: number, width: number): string {
  const inner = Math.max(0, width - 2);
  const full = Math.round(clamp(fraction) * inner);
  return `▕${"█".repeat(full)}${"░".repeat(inner - full)}▏`;
}

const BAR_WIDTH = 22;
const SMALLEST_BAR = 8;

/** Puts a bar and its percentage behind what is said, as wide as there is room. */
function withBar(said: Span[], fraction: number, { columns, color }: LineStyle): string {
  const percent = `${Math.floor(clamp(fraction) * 100)} %`.padStart(5);
  const used = displayWidth(said.map((s) => s.text).join(""));
  const room = columns - used - percent.length - 3;
  const width = Math.min(BAR_WIDTH, room);
  const tail: Span[] =
    width >= SMALLEST_BAR
      ? [{ text: `  ${bar(fraction, width)}`, look: "accent" }, { text: ` ${percent}` }]
      : [{ text: `  ${percent}` }];
  return renderSpans([...said, ...tail], { width: columns, color });
}

function roundName(round: number, rounds: number): string {
  const total = String(rounds);
  return `round ${String(round).padStart(total.length)}/${total}`;
}

/** `round 3/5  masking      in 61  dropped 3  00:07  ▕██████████░░░░▏  71 %` */
export function liveLine(live: LiveRound, style: LineStyle): string {
  const said: Span[] = [
    { text: roundName(live.round, live.rounds), look: "bold" },
    { text: `  ${pad(live.phase ?? "starting", 11)}` },
    { text: `  in ${formatCount(live.clientsIn)}` },
    { text: `  dropped ${formatCount(live.dropped)}`, look: live.dropped > 0 ? "warn" : "dim" },
    { text: `  ${formatClock(live.elapsedMs)}`, look: "dim" },
  ];
  return withBar(said, live.fraction, style);
}

const STATUS_LOOK = { published: "good", failed: "bad", cancelled: "warn" } as const;

/** `round 3/5  published    61 of 64 survived  dropped 3  loss 7.812  ε 1.42  00:12` */
export function finishedLine(
  done: FinishedRound & { rounds: number; elapsedMs: number },
  { columns, color }: LineStyle,
): string {
  const survived = finite(done.survivors);
  const said: Span[] = [
    { text: roundName(done.round, done.rounds), look: "bold" },
    { text: "  " },
    { text: pad(done.status, 11), look: STATUS_LOOK[done.status] },
    ...(survived === null
      ? []
      : [
          {
            text: `  ${formatCount(survived)}${done.cohort === undefined ? "" : ` of ${formatCount(done.cohort)}`} ${done.status === "published" ? "survived" : "remained"}`,
          },
        ]),
    ...(done.dropped === undefined ? [] : [{ text: `  dropped ${formatCount(done.dropped)}` }]),
    ...(finite(done.loss) === null ? [] : [{ text: `  loss ${formatNoisy(done.loss, done.lossDeviation)}` }]),
    ...(finite(done.epsilon) === null ? [] : [{ text: `  ε ${formatEpsilon(done.epsilon)}` }]),
    { text: `  ${formatClock(done.elapsedMs)}`, look: "dim" },
    ...(done.reason ? [{ text: `  ${printable(done.reason)}`, look: "bad" as const }] : []),
  ];
  return renderSpans(said, { width: columns, color });
}

/** Columns before what a round found. */
const FOUND_AT = 11;

/**
 * `           held out      HR@10 0.120 ± 0.03  NDCG@10 0.061 ± 0.03`, below the line of its round: what it found and
 * collected, on as many lines as the width asks for.
 */
export function findingLines(done: FinishedRound, { columns, color }: LineStyle): string[] {
  const found = findingWords(done);
  const named = Math.max(...found.map(({ name }) => displayWidth(name)), 0);
  return found.flatMap(({ name, words }) =>
    packed(words, columns - FOUND_AT - named - 2).map((text, i) =>
      renderSpans(
        [
          { text: " ".repeat(FOUND_AT) },
          { text: pad(i === 0 ? name : "", named), look: "dim" },
          { text: `  ${text}` },
        ],
        { width: columns, color },
      ),
    ),
  );
}

/** Phrases in order, as many to a line as fit. */
function packed(phrases: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const phrase of phrases) {
    const last = lines.at(-1);
    const joined = last === undefined ? phrase : `${last}  ${phrase}`;
    if (last !== undefined && displayWidth(joined) > width) lines.push(phrase);
    else lines.splice(-1, 1, joined);
  }
  return lines;
}

/** `training centralised baseline  00:12  ▕████░░░░▏  31 %` */
export function taskLine(
  { label, fraction, elapsedMs }: { label: string; fraction: number; elapsedMs: number },
  style: LineStyle,
): string {
  const clock = `  ${formatClock(elapsedMs)}`;
  const room = Math.max(8, style.columns - clock.length - 8);
  const name = renderSpans([{ text: printable(label) }], { width: room, color: false });
  return withBar([{ text: pad(name, Math.min(32, room)) }, { text: clock, look: "dim" }], fraction, style);
}

/** `training centralised baseline  00:12   31 %`: how far a task is where nothing is rewritten. */
export function taskStandLine({
  label,
  fraction,
  elapsedMs,
}: {
  label: string;
  fraction: number;
  elapsedMs: number;
}): string {
  return `${pad(printable(label), 32)}  ${formatClock(elapsedMs)}  ${Math.floor(clamp(fraction) * 100)} %`;
}

/** `training centralised baseline  done in 00:12` */
export function taskDoneLine(
  { label, elapsedMs, finished }: { label: string; elapsedMs: number; finished: boolean },
  { columns, color }: LineStyle,
): string {
  return renderSpans(
    [
      { text: pad(printable(label), Math.min(32, columns)) },
      { text: `  ${formatClock(elapsedMs)}`, look: "dim" },
      finished ? { text: "  done", look: "good" } : { text: "  stopped", look: "warn" },
    ],
    { width: columns, color },
  );
}
