/** What the rounds were like, as parts of the report: privacy, participation, traffic, time, and every round. */

import { columnChart, legend, lineChart, stackedChart, type Tone } from "./charts.ts";
import {
  escapeHtml,
  finite,
  formatBytes,
  formatCount,
  formatDuration,
  formatEpsilon,
  formatNoisy,
  formatPercent,
  formatScore,
  plural,
} from "./format.ts";
import { figure, section } from "./layout.ts";
import { noiseSentence } from "./narrative.ts";
import { findingWords } from "./round-findings.ts";
import { PHASES, type Phase, type RoundResult, type SimulationResult } from "./simulation-result.ts";
import { promiseState, shareOf, type Totals } from "./totals.ts";

/** ε over rounds against the promise. */
export function privacy(result: SimulationResult): string {
  const { epsilon, rounds } = result;
  const state = promiseState(epsilon);
  if (state === "no-noise" || state === "unbounded") {
    return section(
      "What did it cost in privacy?",
      `<div class="card"><p>${state === "no-noise" ? "Noise was off in this run: no ε was spent, because no guarantee was given. " : "No finite ε is known for this run: no guarantee was given. "}` +
        `What protected people was secure aggregation alone, which hides single contributions inside a sum but does not limit what the sum reveals.</p></div>`,
    );
  }
  const line = (pick: (r: RoundResult) => number | null) => [
    { x: 0, y: 0 },
    ...rounds.map((r) => ({ x: r.round, y: pick(r) })),
  ];
  const promised = finite(epsilon.promised);
  const chart = lineChart(
    {
      id: "epsilon",
      title: "ε spent over rounds",
      desc: `Against the coordinator ${formatEpsilon(epsilon.coordinator)}, against model observers ${formatEpsilon(epsilon.observer)}, promised ${formatEpsilon(promised)}.`,
    },
    {
      fromZero: true,
      step: true,
      series: [
        { name: "against model observers", tone: "sky", dash: true, points: line((r) => r.observerEpsilon) },
        { name: "against the coordinator", tone: "teal", points: line((r) => r.epsilon) },
      ],
      references: [{ name: "promised", tone: "rose", y: promised }],
    },
  );
  const key = legend([
    { name: `against the coordinator: ${formatEpsilon(epsilon.coordinator)}`, tone: "teal", line: true },
    { name: `against model observers: ${formatEpsilon(epsilon.observer)}`, tone: "sky", dash: true },
    ...(promised === null
      ? []
      : [{ name: `promised: ${formatEpsilon(promised)}`, tone: "rose" as const, dash: true }]),
  ]);
  return section(
    "What did it cost in privacy?",
    `<div class="grid">${figure({
      heading: "ε after each round",
      about:
        "The most that any one person can have spent. The promise concerns the coordinator, which sees the most.",
      body: chart && key + chart,
      caption: noiseSentence(result),
      wide: true,
    })}</div>`,
  );
}

/** Cohorts and traffic per round. */
export function participation(result: SimulationResult, totals: Totals): string {
  const { rounds, vector } = result;
  const note = (r: RoundResult) => (r.status === "published" ? {} : { note: r.status });
  const parts = [
    { name: "survivors", tone: "teal" as const },
    { name: "dropped", tone: "rose" as const },
    { name: "neither", tone: "slate" as const },
  ];
  const rest = (r: RoundResult) => Math.max(0, r.cohort - r.survivors - r.dropped);
  const shown = rounds.some((r) => rest(r) > 0) ? parts : parts.slice(0, 2);
  const cohort = columnChart(
    {
      id: "cohort",
      title: "Survivors and dropped clients per round",
      desc: `${formatCount(totals.dropped)} of ${formatCount(totals.selected)} selected clients dropped over ${plural(rounds.length, "round")}.`,
    },
    {
      parts: shown,
      columns: rounds.map((r) => ({ round: r.round, values: [r.survivors, r.dropped, rest(r)], ...note(r) })),
      format: formatCount,
    },
  );
  const bytes = columnChart(
    {
      id: "bytes",
      title: "Bytes per client and round",
      desc: `On average ${formatBytes(totals.bytesUp)} up and ${formatBytes(totals.bytesDown)} down.`,
    },
    {
      parts: [
        { name: "up", tone: "indigo" },
        { name: "down", tone: "amber" },
      ],
      columns: rounds.map((r) => ({
        round: r.round,
        values: [r.bytesUpPerClient, r.bytesDownPerClient],
        ...note(r),
      })),
      format: formatBytes,
    },
  );
  const masked = (vector.padded * vector.bits) / 8;
  return section(
    "Who took part, and what crossed the wire?",
    `<div class="grid">${figure({
      heading: "Cohort",
      about: `Clients of each round. ${plural(totals.dropped, "client")} dropped in all.`,
      body: cohort && legend(shown) + cohort,
      ...(totals.failed.length + totals.cancelled.length > 0
        ? { caption: "✕ marks a round that was not published." }
        : {}),
    })}${figure({
      heading: "Traffic",
      about: `Mean per client: ${formatBytes(totals.bytesUp)} up, ${formatBytes(totals.bytesDown)} down.`,
      body:
        bytes &&
        legend([
          { name: "up", tone: "indigo" },
          { name: "down", tone: "amber" },
        ]) + bytes,
      caption: `The masked vector is ${formatBytes(masked)}: ${formatCount(vector.padded)} numbers of ${formatCount(vector.bits)} bits each.`,
    })}</div>`,
  );
}

const PHASE_TONE: Record<Phase, Tone> = {
  selecting: "slate",
  training: "teal",
  enrolling: "sky",
  sharing: "indigo",
  masking: "amber",
  consistency: "moss",
  unmasking: "violet",
  aggregating: "rose",
};

const CLIENT_PARTS = [
  { key: "train", name: "training", tone: "teal" },
  { key: "encode", name: "encoding and noise", tone: "amber" },
  { key: "crypto", name: "cryptography", tone: "indigo" },
] as const;

/** Where the time goes. */
export function time(result: SimulationResult, totals: Totals): string {
  const server = PHASES.map((phase) => ({
    name: phase,
    tone: PHASE_TONE[phase],
    value: totals.serverMs[phase],
  }));
  const client = CLIENT_PARTS.map(({ key, name, tone }) => ({ name, tone, value: totals.clientMs[key] }));
  const rows = [
    { label: "coordinator, waiting included", parts: server },
    { label: "one client", parts: client },
  ];
  const chart = stackedChart(
    {
      id: "time",
      title: "Time per phase, mean of a round",
      desc: rows
        .map((r) => `${r.label}: ${r.parts.map((p) => `${p.name} ${formatDuration(p.value)}`).join(", ")}`)
        .join("; "),
    },
    { rows, format: formatDuration },
  );
  const whole = (parts: { value: number | null }[]) => parts.reduce((sum, p) => sum + (p.value ?? 0), 0);
  const table = (caption: string, parts: typeof server | typeof client) => {
    const body = parts.map(
      (p) =>
        `<tr><th scope="row"><span class="swatch tone-${p.tone}"></span>${escapeHtml(p.name)}</th>` +
        `<td>${formatDuration(p.value)}</td><td>${formatPercent(shareOf(p.value, whole(parts)))}</td></tr>`,
    );
    return (
      `<div><table><caption>${escapeHtml(caption)}</caption><thead><tr><th scope="col">phase</th><th scope="col">mean</th>` +
      `<th scope="col">share</th></tr></thead><tbody>${body.join("")}</tbody></table></div>`
    );
  };
  return section(
    "Where did the time go?",
    `<div class="grid">${figure({
      heading: "Time per phase",
      about: `Mean of ${plural((totals.published.length > 0 ? totals.published : result.rounds).length, "round")}; a round took ${formatDuration(totals.roundMs)}.`,
      body:
        chart &&
        `${chart}<div class="grid" style="margin-top:8px">${table("Coordinator", server)}${table("Client", client)}</div>`,
      wide: true,
    })}</div>`,
  );
}

const STATUS_MARK = { published: "✓", failed: "✕", cancelled: "–" } as const;

/** Every round as a row. */
export function roundTable({ rounds }: SimulationResult): string {
  if (rounds.length === 0) return section("Every round", `<div class="card"><p>No round was run.</p></div>`);
  const columns = [
    "round",
    "status",
    "cohort",
    "survivors",
    "dropped",
    "ε coordinator",
    "ε observer",
    "loss",
    "silhouette",
    "time",
    "up",
    "down",
  ];
  const heads = columns.map((c) => `<th scope="col"${c === "status" ? ' class="text"' : ""}>${c}</th>`);
  const rows = rounds.map((r) => {
    const cells = [
      formatCount(r.cohort),
      formatCount(r.survivors),
      formatCount(r.dropped),
      formatEpsilon(r.epsilon),
      formatEpsilon(r.observerEpsilon),
      formatNoisy(r.loss, r.lossDeviation),
      formatScore(r.silhouette),
      formatDuration(r.ms.total),
      formatBytes(r.bytesUpPerClient),
      formatBytes(r.bytesDownPerClient),
    ];
    const found = findingWords(r).map(({ name, words }) => `${name}: ${words.join(", ")}`);
    const row =
      `<tr${r.reason || found.length > 0 ? ' class="explained"' : ""}><th scope="row">${formatCount(r.round)}</th>` +
      `<td class="text ${r.status}">${STATUS_MARK[r.status]} ${r.status}</td>` +
      `${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
    const below = [...(found.length > 0 ? [found.join("; ")] : []), ...(r.reason ? [r.reason] : [])].map(
      (text) =>
        `<tr><td></td><td class="reason" colspan="${columns.length - 1}">${escapeHtml(text)}</td></tr>`,
    );
    return row + below.join("");
  });
  return section(
    "Every round",
    `<div class="scroll" tabindex="0" role="region" aria-label="Every round"><table class="rounds"><caption>Every round</caption>` +
      `<thead><tr>${heads.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`,
  );
}
