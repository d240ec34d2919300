/** A plan's promise and price as one HTML file, in the report's style. */
import { legend, lineChart } from "../report/charts.ts";
import {
  escapeHtml,
  formatBytes,
  formatCount,
  formatDelta,
  formatEpsilon,
  formatNumber,
  plural,
} from "../report/format.ts";
import { figure, list, section } from "../report/layout.ts";
import { renderPage } from "../report/page.ts";
import type { PlanFigures } from "./figures.ts";
import {
  assumptions,
  carriedNotes,
  cautions,
  evaluationCost,
  evaluationEntries,
  promise,
  signalNote,
} from "./words.ts";

type Rows = readonly (readonly string[])[];

function table(head: readonly string[], rows: Rows): string {
  const cells = (row: readonly string[]) =>
    row
      .map((cell, i) => (i === 0 ? `<th>${escapeHtml(cell)}</th>` : `<td>${escapeHtml(cell)}</td>`))
      .join("");
  const headings = head.map((cell) => `<th>${escapeHtml(cell)}</th>`).join("");
  return (
    `<div class="card"><table><thead><tr>${headings}</tr></thead>` +
    `<tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join("")}</tbody></table></div>`
  );
}

function budget(figures: PlanFigures): string {
  const series = [
    {
      name: "RDP, promised",
      tone: "indigo" as const,
      of: (r: PlanFigures["byRound"][number]) => r.coordinator.rdp,
    },
    {
      name: "PLD, second opinion",
      tone: "teal" as const,
      of: (r: PlanFigures["byRound"][number]) => r.coordinator.pld,
    },
  ];
  const limit = { name: "promised", tone: "rose" as const, y: figures.promised.epsilon };
  const chart = lineChart(
    {
      id: "epsilon",
      title: "ε over rounds",
      desc: "ε against the coordinator after each round, by both accountants, for a person in every round they may join",
    },
    {
      series: series.map(({ name, tone, of }) => ({
        name,
        tone,
        points: figures.byRound.map((round) => ({ x: round.round, y: of(round) })),
      })),
      references: [limit],
      step: true,
      fromZero: true,
    },
  );
  return figure({
    heading: "ε over rounds",
    about: "Against the coordinator, for a person who takes part in every round they may join.",
    body:
      legend([...series.map(({ name, tone }) => ({ name, tone, line: true })), { ...limit, dash: true }]) +
      chart,
    wide: true,
  });
}

/** The page: inline style sheet and SVG, no script, no request. */
export function renderPlanPage(figures: PlanFigures): string {
  const { promised, cohort, guarantees, overflow, blocks } = figures;
  const { coordinator, observer } = guarantees;
  const facts = [
    plural(figures.rounds, "round"),
    plural(figures.participations, "participation"),
    `cohorts of ${formatCount(cohort.maximum)}`,
    `${formatCount(figures.length)} entries`,
    `δ ${formatDelta(promised.delta)}`,
  ];
  const warnings = cautions(figures);
  const body = [
    `<div class="card lead"><p>${escapeHtml(promise(figures))}</p></div>`,
    warnings.length > 0 ? section("Think about this first", `<div class="card">${list(warnings)}</div>`) : "",
    section(
      "What a person spends",
      table(
        ["ε", "RDP", "PLD"],
        [
          ["against the coordinator", formatEpsilon(coordinator.rdp), formatEpsilon(coordinator.pld)],
          ["against model observers", formatEpsilon(observer.rdp), formatEpsilon(observer.pld)],
        ],
      ) + budget(figures),
    ),
    section(
      `Mean of a round with ${formatCount(cohort.minSurvivors)} survivors`,
      table(
        ["block", "entries", "clip norm", "noise on an entry", "signal to noise at the most"],
        blocks.map((block) => [
          block.name,
          formatCount(block.length),
          formatNumber(block.clip),
          formatNumber(block.deviation),
          formatNumber(block.signalToNoise),
        ]),
      ),
    ),
    section(
      "Evaluation",
      table(
        ["quantity", "value"],
        [
          ["entries", evaluationEntries(figures)],
          ["cost", evaluationCost(figures)],
        ],
      ),
    ),
    figures.signals.length === 0
      ? ""
      : section(
          "What rounds of signals collect",
          `${table(
            ["signal", "round", "counts", "noise on a count", "people for a count to be kept"],
            figures.signals.map(({ name, rounds, entries, deviation, keptFrom }) => [
              name,
              rounds.join(", "),
              formatCount(entries),
              formatNumber(deviation.cohort),
              formatCount(keptFrom.cohort),
            ]),
          )}${[signalNote(figures), ...carriedNotes(figures)]
            .map((note) => `<p class="facts">${escapeHtml(note)}</p>`)
            .join("")}`,
        ),
    section(
      "Mechanism",
      table(
        ["quantity", "value"],
        [
          ["noise multiplier", formatNumber(figures.noiseMultiplier)],
          ["honest survivors counted on", formatCount(cohort.honest)],
          ["deviation of one device's noise, quantised units", formatCount(figures.localDeviation)],
          ["clip norm, quantised units", formatCount(figures.scale)],
          ["modulus, bits", formatCount(figures.modulusBits)],
          ["upload of a client in a round", formatBytes(figures.bytesPerClient)],
          ["overflow at the worst, per coordinate", formatDelta(overflow.coordinate)],
          ["overflow at the worst, coordinates in a round", formatNumber(overflow.perRound)],
        ],
      ),
    ),
    figures.noise.overshoot.length > 0
      ? section(
          `Noise over what the guarantee needs; this plan's design is ${figures.noise.design}`,
          table(
            ["survivors", "worst-case", "add-then-remove"],
            figures.noise.overshoot.map(({ survivors, worstCase, addThenRemove }) => [
              formatCount(survivors),
              formatNumber(worstCase),
              formatNumber(addThenRemove),
            ]),
          ),
        )
      : "",
    section("What this rests on", `<div class="card">${list(assumptions(figures))}</div>`),
  ];
  return renderPage({
    title: "Kindred: privacy plan",
    heading: `Privacy plan: ε ${formatEpsilon(promised.epsilon)}`,
    facts,
    body: body.filter((part) => part !== ""),
    footer:
      "Computed by kindred privacy plan. This file is complete in itself: it runs no script and asks no network for anything.",
  });
}
