/** The report of a simulation as one HTML file that opens without a network and without a script. */

import { collected, heldOut } from "./findings-sections.ts";
import { escapeHtml, formatCount, formatDuration, plural } from "./format.ts";
import { bannerBox, glossaryList, list } from "./layout.ts";
import { glossary, privacyBanner, summary } from "./narrative.ts";
import { renderPage } from "./page.ts";
import { participation, privacy, roundTable, time } from "./round-sections.ts";
import { clusters, learning, quality, tiles } from "./sections.ts";
import type { SimulationResult } from "./simulation-result.ts";
import { totalsOf } from "./totals.ts";

function findings({ verdict, notes }: SimulationResult): string {
  const shows = verdict.length > 0 ? `<div class="card"><h3>What it shows</h3>${list(verdict)}</div>` : "";
  const limits =
    notes.length > 0 ? `<div class="card"><h3>What to keep in mind</h3>${list(notes)}</div>` : "";
  if (shows === "" && limits === "") return "";
  return `<section><h2>What this does and does not show</h2><div class="grid">${shows}${limits}</div></section>`;
}

/**
 * Renders the report: inline style sheet and inline SVG, light and dark, from phone to print. Its content security
 * policy forbids scripts and every request. All text of the result is escaped.
 */
export function renderReport(result: SimulationResult): string {
  const totals = totalsOf(result);
  const banner = privacyBanner(result);
  const facts = [
    plural(result.clients, "client"),
    plural(result.items, "item"),
    `cohorts of ${formatCount(result.cohort)}`,
    plural(result.rounds.length, "round"),
    `seed ${result.seed}`,
    `backend ${result.backend}`,
    formatDuration(result.durationMs),
  ];
  const body = [
    bannerBox(banner),
    `<div class="card lead">${summary(result, totals)
      .map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`)
      .join("")}</div>`,
    tiles(result, totals),
    quality(result),
    learning(result),
    heldOut(result),
    collected(result),
    privacy(result),
    participation(result, totals),
    time(result, totals),
    clusters(result),
    roundTable(result),
    findings(result),
    `<section><h2>Words used here</h2><div class="card">${glossaryList(glossary(result))}</div></section>`,
  ].filter((part) => part !== "");
  return renderPage({
    title: `Kindred: ${result.data}, ${plural(result.rounds.length, "round")}`,
    heading: `Private rounds on ${result.data}`,
    facts,
    body,
    footer:
      "A simulation by Kindred. This file is complete in itself: it runs no script and asks no network for anything.",
  });
}
