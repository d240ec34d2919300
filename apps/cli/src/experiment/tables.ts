/** The tables of an experiment, for a terminal and for a document. */
import { formatBytes, formatCount, formatDelta, formatDuration } from "../report/format.ts";
import { displayWidth, pad, wrap } from "../terminal/text.ts";
import type { DataSetResult, ExperimentResult, InterestQuality, Spread, UnseenFacts } from "./result.ts";

/** A table: the first column is text, the others are figures. */
export interface TextTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Decimals of each column of quality. */
const COLUMNS = [
  { key: "hr10", name: "HR@10", decimals: 3 },
  { key: "ndcg10", name: "NDCG@10", decimals: 4 },
  { key: "mrr", name: "MRR", decimals: 3 },
  { key: "coverage", name: "coverage", decimals: 2 },
  { key: "novelty", name: "novelty", decimals: 1 },
  { key: "diversity", name: "diversity", decimals: 2 },
] as const;

/** `0.137`, or `0.1370 ± 0.0021` over several seeds. */
function formatSpread({ mean, deviation }: Spread, decimals: number): string {
  const value = mean.toFixed(decimals);
  return deviation === null ? value : `${value} ± ${deviation.toFixed(decimals)}`;
}

/** All tables of a data set that have something to show. */
export function tablesOf(set: DataSetResult): TextTable[] {
  return [
    qualityTable(set),
    comparisonTable(set),
    federatedTable(set),
    clusterTable(set),
    nextTable(set),
    unseenTable(set),
  ].filter(({ rows }) => rows.length > 0);
}

function qualityTable({ rows, fewEvents }: DataSetResult): TextTable {
  const few = fewEvents > 0 ? [`NDCG@10, ${fewEvents} people with ≤ 5 events`] : [];
  return {
    title: "Quality",
    head: ["row", ...COLUMNS.map(({ name }) => name), ...few],
    rows: rows.map((row) => [
      row.name,
      ...COLUMNS.map(({ key, decimals }) => formatSpread(row.columns[key], decimals)),
      ...(fewEvents > 0 ? [row.fewEvents === null ? "–" : formatSpread(row.fewEvents, 4)] : []),
    ]),
  };
}

function comparisonTable({ rows }: DataSetResult): TextTable {
  return {
    title: "NDCG@10 against another row, paired bootstrap over people",
    head: ["row", "against", "share", "difference", "95 % of resamples"],
    rows: rows.flatMap(({ name, comparison }) =>
      comparison === null
        ? []
        : [
            [
              name,
              comparison.name,
              `${(100 * comparison.share).toFixed(1)} %`,
              signed(comparison.difference),
              `${signed(comparison.low)} to ${signed(comparison.high)}`,
            ],
          ],
    ),
  };
}

function signed(value: number): string {
  return `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(4)}`;
}

function federatedTable({ rows }: DataSetResult): TextTable {
  return {
    title: "Federated rows: the people simulated, and the people whose noise is on their means",
    head: [
      "row",
      "rounds",
      "native people (a round)",
      "noise-equivalent people (a round)",
      "ε",
      "upload a round",
    ],
    rows: rows.flatMap(({ name, detail: { federated } }) =>
      federated === null
        ? []
        : [
            [
              name,
              formatCount(federated.rounds),
              populationText(federated.native),
              federated.noise === null ? "no noise" : populationText(federated.noise),
              federated.epsilon === null
                ? "none"
                : `${federated.epsilon} at δ ${formatDelta(federated.delta)}`,
              formatBytes(federated.bytesPerRound),
            ],
          ],
    ),
  };
}

function populationText({ people, cohort }: { readonly people: number; readonly cohort: number }): string {
  return `${formatCount(people)} (${formatCount(cohort)})`;
}

function clusterTable({ rows }: DataSetResult): TextTable {
  const figure = (value: number | null, decimals = 3): string =>
    value === null ? "–" : value.toFixed(decimals);
  return {
    title: "Clusters; ARI, AMI and FMI against the tag that is most typical of each person",
    head: [
      "row",
      "clusters",
      "silhouette",
      "distance",
      "Davies–Bouldin",
      "Caliński–Harabasz",
      "ARI",
      "AMI",
      "FMI",
    ],
    rows: rows.flatMap(({ name, detail: { clusters } }) => {
      if (clusters === null) return [];
      const of = clusters.quality;
      return [
        [
          name,
          formatCount(of.clusters),
          figure(of.silhouette),
          figure(of.distance),
          figure(of.daviesBouldin, 2),
          figure(of.calinskiHarabasz, 0),
          figure(of.ari),
          figure(of.ami),
          figure(of.fmi),
        ],
      ];
    }),
  };
}

function nextTable({ rows }: DataSetResult): TextTable {
  const measures = ["accuracy", "macro precision", "macro recall", "macro F1"];
  const cells = ({ accuracy, macroPrecision, macroRecall, macroF1 }: InterestQuality): string[] =>
    [accuracy, macroPrecision, macroRecall, macroF1].map((value) => value?.toFixed(3) ?? "–");
  return {
    title: "Next interest: the cluster of the next item",
    head: ["row", ...measures, ...measures.map((name) => `same as last: ${name}`)],
    rows: rows.flatMap(({ name, detail: { nextInterest: next } }) =>
      next === null ? [] : [[name, ...cells(next), ...cells(next.sameAsLast)]],
    ),
  };
}

function unseenTable({ rows }: DataSetResult): TextTable {
  const shares = ({ unseen, seen }: UnseenFacts["amongAll"]): string[] => [
    unseen.toFixed(4),
    seen.toFixed(4),
    `${((100 * unseen) / seen).toFixed(0)} %`,
  ];
  return {
    title:
      "NDCG@10 of items never seen in training, among all items, and among the unseen ones (as many seen ones)",
    head: ["row", "people", "unseen", "seen", "share", "among unseen", "among as many", "share"],
    rows: rows.flatMap(({ name, detail: { unseen } }) =>
      unseen === null
        ? []
        : [[name, formatCount(unseen.people), ...shares(unseen.amongAll), ...shares(unseen.amongKind)]],
    ),
  };
}

function introduction({ people, items, interactions, tested }: DataSetResult): string {
  return `${formatCount(people)} people, ${formatCount(items)} items, ${formatCount(interactions)} interactions; ${formatCount(tested)} people tested.`;
}

function durations({ rows }: DataSetResult): string[] {
  return rows.map((row) => {
    const { settings } = row.detail;
    const seeds = row.seeds > 1 ? `, ${row.seeds} seeds` : "";
    return `${row.name}: ${formatDuration(1000 * row.seconds)}${seeds}${settings === "" ? "" : ` (${settings})`}`;
  });
}

function missingRows({ missing }: DataSetResult): string[] {
  return missing.map(({ name, reason }) => `Not run: ${name} (${reason}).`);
}

/** All tables as Markdown. */
export function markdownTables(result: ExperimentResult): string {
  const blocks = result.sets.flatMap((set) => [
    `## ${set.name}`,
    introduction(set),
    ...tablesOf(set).flatMap((table) => [`**${table.title}**`, markdownTable(table)]),
    durations(set)
      .map((line) => `- ${line}`)
      .join("\n"),
    ...missingRows(set),
  ]);
  return `${[`\`${result.command}\`, ${formatDuration(1000 * result.seconds)}`, ...blocks].join("\n\n").replaceAll("\u00A0", " ")}\n`;
}

function markdownTable({ head, rows }: TextTable): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

/** All tables for a terminal; columns are as wide as what is in them. */
export function terminalTables(result: ExperimentResult): string {
  const blocks = result.sets.flatMap((set) => [
    `${set.name}: ${introduction(set)}`,
    ...tablesOf(set).map(terminalTable),
    [...durations(set), ...missingRows(set)].map((line) => `  ${line}`).join("\n"),
  ]);
  return `${blocks.join("\n\n").replaceAll("\u00A0", " ")}\n`;
}

/** A heading does not make a column of figures wider than this; it breaks into lines instead. */
const HEADING = 16;

function terminalTable({ title, head, rows }: TextTable): string {
  const headings = head.map((text, column) => (column === 0 ? [text] : wrap(text, HEADING)));
  const height = Math.max(...headings.map((lines) => lines.length));
  const tall = headings.map((lines) => [...new Array<string>(height - lines.length).fill(""), ...lines]);
  const all = [...Array.from({ length: height }, (_, i) => tall.map((lines) => lines[i]!)), ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((cells) => displayWidth(cells[column]!))));
  const lines = all.map((cells) =>
    `  ${cells.map((cell, column) => pad(cell, widths[column]!, column === 0 ? "left" : "right")).join("  ")}`.trimEnd(),
  );
  return [title, ...lines].join("\n");
}
