/** The report of an experiment as one HTML file that opens without a network and without a script. */
import { escapeHtml, formatCount, formatDuration, plural } from "../report/format.ts";
import { glossaryList, list, section } from "../report/layout.ts";
import { renderPage } from "../report/page.ts";
import { setFigures } from "./report-figures.ts";
import type { DataSetResult, ExperimentResult, RowResult } from "./result.ts";
import { type TextTable, tablesOf } from "./tables.ts";

/** Renders the report. All text of the result is escaped. */
export function renderExperimentReport(result: ExperimentResult): string {
  const { sets, seeds } = result;
  const body = [
    `<div class="card lead">${summary(sets)
      .map((sentence) => `<p>${escapeHtml(sentence)}</p>`)
      .join("")}</div>`,
    ...sets.map((set, index) => setSection(set, `set${index}`)),
    `<section><h2>Words used here</h2><div class="card">${glossaryList(GLOSSARY)}</div></section>`,
    `<section><h2>How it was run</h2><div class="card"><p><code>${escapeHtml(result.command)}</code></p></div></section>`,
  ];
  return renderPage({
    title: "Kindred: quality",
    heading: "Quality on real data",
    facts: [
      plural(sets.length, "data set"),
      plural(seeds.length, "seed"),
      "leave-last-out, full ranking, 5-core",
      formatDuration(1000 * result.seconds),
    ],
    body,
    footer:
      "An experiment by Kindred. This file is complete in itself: it runs no script and asks no network for anything.",
  });
}

function summary(sets: readonly DataSetResult[]): string[] {
  const sentences = sets.flatMap((set) => {
    const best = bestRow(set.rows);
    if (best === undefined) return [];
    const { mean } = best.columns.ndcg10;
    return [
      `${set.name}: of ${plural(set.rows.length, "row")}, ${best.name} ranks the next item best, with an NDCG@10 of ${mean.toFixed(4)} over ${plural(set.tested, "person", "people")}.`,
    ];
  });
  return sentences.length > 0 ? sentences : ["No row was finished."];
}

function bestRow(rows: readonly RowResult[]): RowResult | undefined {
  return [...rows].sort((a, b) => b.columns.ndcg10.mean - a.columns.ndcg10.mean)[0];
}

function setSection(set: DataSetResult, id: string): string {
  const facts = `${plural(set.people, "person", "people")}, ${plural(set.items, "item")}, ${formatCount(set.interactions)} interactions; ${formatCount(set.tested)} people are tested.`;
  const missing = set.missing.map(({ name, reason }) => `Not run: ${name} (${reason}).`);
  return section(
    set.name,
    `<p>${escapeHtml(facts)}</p>${tablesOf(set).map(tableCard).join("")}` +
      `<div class="grid">${setFigures(set, id).join("")}</div>` +
      `<div class="card spaced"><h3>What to keep in mind</h3>${list([...set.notes, ...missing])}</div>`,
  );
}

function tableCard({ title, head, rows }: TextTable): string {
  const cells = (tag: string, values: readonly string[]): string =>
    `<tr>${values.map((value, column) => `<${tag}${column === 0 ? ' class="name"' : ""}>${escapeHtml(value)}</${tag}>`).join("")}</tr>`;
  return (
    `<div class="card spaced scroll"><h3>${escapeHtml(title)}</h3><table class="rows"><thead>${cells("th", head)}</thead>` +
    `<tbody>${rows.map((row) => cells("td", row)).join("")}</tbody></table></div>`
  );
}

const GLOSSARY = [
  { term: "HR@10", meaning: "Share of people whose next item is among the ten that are shown to them." },
  {
    term: "NDCG@10",
    meaning: "As HR@10, but an item counts by its place: 1 in the first, 1/log₂(1 + place) further down.",
  },
  { term: "MRR", meaning: "Mean of one over the rank of the next item, however far down it is." },
  { term: "Coverage", meaning: "Share of the catalogue that is shown to at least one person." },
  {
    term: "Novelty",
    meaning: "How rare the shown items are: mean of −log₂ of the share of people who have them, in bits.",
  },
  { term: "Diversity", meaning: "Mean cosine distance of two shown items, by their public texts." },
  {
    term: "Native and noise-equivalent people",
    meaning:
      "The people whose devices are simulated, and the population whose noise is added to the mean of each round. Few people stand for many: the noise of a private round shrinks with its cohort.",
  },
  {
    term: "ε",
    meaning:
      "Bound on what the coordinator can learn of a person over all rounds that they take part in; smaller is more private.",
  },
] as const;
