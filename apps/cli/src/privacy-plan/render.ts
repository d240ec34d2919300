/** A plan's promise and price as a page of text. */
import {
  formatBytes,
  formatCount,
  formatDelta,
  formatEpsilon,
  formatNumber,
  plural,
} from "../report/format.ts";
import { displayWidth, type Look, pad, paint, wrap } from "../terminal/text.ts";
import type { PlanFigures } from "./figures.ts";
import { barPlot } from "./plot.ts";
import {
  assumptions,
  carriedNotes,
  cautions,
  evaluationCost,
  evaluationEntries,
  excess,
  promise,
  signalNote,
} from "./words.ts";

/** How the page is drawn. */
export interface PageStyle {
  /** Width of the terminal. */
  readonly columns: number;
  readonly color: boolean;
  /** False where only ASCII may be used. */
  readonly unicode: boolean;
}

const WIDEST = 100;
/** Widths of labels and of cells, and from which width of the page on. */
const COLUMNS = [
  { from: 68, label: 26, cell: 10 },
  { from: 0, label: 22, cell: 8 },
] as const;

/** Letters and signs that ASCII has no place for. */
const ASCII: Readonly<Record<string, string>> = {
  ε: "epsilon",
  δ: "delta",
  σ: "sigma",
  "×": "x",
  "–": "-",
  "−": "-",
  "·": "|",
  "•": "*",
  "→": "->",
  "…": "...",
  "\u00A0": " ",
};

/** The page; ends with a line break. No line is wider than `columns`. */
export function renderPlan(figures: PlanFigures, style: PageStyle): string {
  const { unicode, color } = style;
  const width = Math.max(56, Math.min(style.columns, WIDEST));
  const { label: labelWidth, cell: cellWidth } = COLUMNS.find(({ from }) => width >= from) ?? COLUMNS[1];
  const cellsOf = (cells: readonly string[]): string =>
    cells.map((text) => pad(text, cellWidth, "right")).join("");
  const plain = (text: string): string =>
    unicode ? text.replaceAll("\u00A0", " ") : text.replaceAll(/[^\n -~]/gu, (sign) => ASCII[sign] ?? "?");
  const say = (text: string, look: Look = "plain"): string[] =>
    wrap(plain(text), width).map((line) => paint(line, { look, color }));
  const heading = (label: string, cells: readonly string[] = []): string =>
    cells.length === 0
      ? paint(plain(label), { look: "bold", color })
      : paint(pad(plain(label), labelWidth + 2), { look: "bold", color }) +
        paint(cellsOf(cells.map(plain)), { look: "dim", color });
  const row = (label: string, cells: readonly string[], note = ""): string[] => {
    const head = `  ${pad(plain(label), labelWidth)}${cellsOf(cells.map(plain))}`;
    if (note === "") return [head.trimEnd()];
    const beside = cells.length > 0 ? `${head}  ` : head;
    const [first = "", ...rest] = wrap(plain(note), width - displayWidth(beside));
    return [beside + first, ...rest.map((line) => " ".repeat(displayWidth(beside)) + line)];
  };

  const { coordinator, observer } = figures.guarantees;
  const { cohort, promised, overflow, blocks } = figures;
  const times = plural(figures.participations, "participation");
  const epsilons = (of: typeof coordinator): string[] => [formatEpsilon(of.rdp), formatEpsilon(of.pld)];
  const title = [
    "Privacy plan",
    `ε ${formatEpsilon(promised.epsilon)} at δ ${formatDelta(promised.delta)}`,
    plural(figures.rounds, "round"),
    `cohorts of ${formatCount(cohort.maximum)}`,
    `${formatCount(figures.length)} entries`,
  ];
  const warnings = cautions(figures);
  const parts: string[][] = [
    say(title.join(" · "), "bold"),
    say(promise(figures)),
    [
      heading(`ε of one person at δ ${formatDelta(promised.delta)}`, ["RDP", "PLD"]),
      ...row("against the coordinator", epsilons(coordinator), times),
      ...row("against model observers", epsilons(observer), "no amplification by sampling"),
    ],
    [
      heading("Noise"),
      ...row(
        "noise multiplier",
        [],
        `${formatNumber(figures.noiseMultiplier)}, counting on ${formatCount(cohort.honest)} honest survivors`,
      ),
      ...row(
        "of one device",
        [],
        `σ ${formatCount(figures.localDeviation)} where the clip norm is ${formatCount(figures.scale)}`,
      ),
      ...figures.noise.surplus.flatMap(({ survivors, deviation }) =>
        row(
          "  besides",
          [],
          `σ ${formatCount(deviation)}, removed from ${formatCount(survivors)} survivors on`,
        ),
      ),
    ],
    figures.noise.overshoot.length === 0
      ? []
      : [
          heading("Noise over what is needed", ["worst", "removed"]),
          ...figures.noise.overshoot.flatMap(({ survivors, worstCase, addThenRemove }) =>
            row(`${formatCount(survivors)} survivors`, [excess(worstCase), excess(addThenRemove)]),
          ),
          ...wrap(
            plain(
              `worst: noise design worst-case; removed: add-then-remove; this plan's is ${figures.noise.design}`,
            ),
            width - 2,
          ).map((line) => paint(`  ${line}`, { look: "dim", color })),
        ],
    [
      heading("Mean of a round", ["entries", "clip", "noise", "signal"]),
      ...blocks.flatMap((block) =>
        row(block.name, [
          formatCount(block.length),
          formatNumber(block.clip),
          formatNumber(block.deviation),
          `${formatNumber(block.signalToNoise)}×`,
        ]),
      ),
      ...wrap(
        plain(
          `noise: deviation of one entry with ${formatCount(cohort.minSurvivors)} survivors; signal: length of the mean over that of its noise if all updates agree and fill the clip norm`,
        ),
        width - 2,
      ).map((line) => paint(`  ${line}`, { look: "dim", color })),
    ],
    [
      heading("Evaluation"),
      ...row("entries", [], evaluationEntries(figures)),
      ...row("costs the others", [], evaluationCost(figures)),
    ],
    figures.signals.length === 0
      ? []
      : [
          heading("Rounds of signals", ["counts", "noise", "kept from"]),
          ...figures.signals.flatMap(({ name, rounds, entries, deviation, keptFrom }) =>
            row(
              name,
              [formatCount(entries), formatNumber(deviation.cohort), formatCount(keptFrom.cohort)],
              `round ${rounds.join(", ")}`,
            ),
          ),
          ...[signalNote(figures), ...carriedNotes(figures)]
            .flatMap((note) => wrap(plain(note), width - 2))
            .map((line) => paint(`  ${line}`, { look: "dim", color })),
        ],
    [
      heading("Vector"),
      ...row("modulus", [], `${figures.modulusBits} bits`),
      ...row(
        "upload, client and round",
        [],
        `${formatBytes(figures.bytesPerClient)} (${formatCount(figures.paddedLength)} entries of ${figures.modulusBits} bits)`,
      ),
      ...row(
        "rounding",
        [],
        `${excess(1 + figures.rounding)} ${figures.noise.overshoot.length === 0 ? "of an entry" : "noise"}`,
      ),
      ...row(
        "overflow, at the worst",
        [],
        `${formatDelta(overflow.coordinate)} per coordinate, ${formatNumber(overflow.perRound)} coordinates in a round`,
      ),
    ],
    [
      ...say(
        "ε against the coordinator after each round (RDP), for a person in every round they may join",
        "bold",
      ),
      ...barPlot({
        values: figures.byRound.map((round) => round.coordinator.rdp),
        limit: promised.epsilon,
        columns: width,
        color,
        unicode,
      }),
    ],
    warnings.flatMap((text) => bullet(plain(text), { width, color, mark: "!" })),
    assumptions(figures).flatMap((text) => bullet(plain(text), { width, color, mark: unicode ? "•" : "*" })),
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

function bullet(
  text: string,
  { width, color, mark }: { width: number; color: boolean; mark: string },
): string[] {
  const look: Look = mark === "!" ? "warn" : "dim";
  return wrap(text, width - 2).map((line, i) => paint(`${i === 0 ? mark : " "} ${line}`, { look, color }));
}
