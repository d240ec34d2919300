/** The report of a simulation as one HTML file that opens without a network and without a script. */

import { escapeHtml, formatCount, formatDuration, plural } from "./format.ts";
import { glossary, privacyBanner, summary } from "./narrative.ts";
import { participation, privacy, roundTable, time } from "./round-sections.ts";
import { clusters, learning, quality, tiles } from "./sections.ts";
import type { SimulationResult } from "./simulation-result.ts";
import { STYLE } from "./style.ts";
import { totalsOf } from "./totals.ts";

const LOGO =
  `<svg width="26" height="26" viewBox="0 0 26 26" aria-hidden="true"><g fill="none" stroke="currentColor" stroke-width="2.2">` +
  `<circle cx="10" cy="10" r="7"/><circle cx="16" cy="10" r="7"/><circle cx="13" cy="16" r="7"/></g></svg>`;

function list(items: string[]): string {
  return `<ul class="plain">${items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</ul>`;
}

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
  const terms = glossary(result)
    .map(({ term, meaning }) => `<dt>${escapeHtml(term)}</dt><dd>${escapeHtml(meaning)}</dd>`)
    .join("");
  const body = [
    `<header class="top"><div class="brand">${LOGO}Kindred</div>`,
    `<h1>Private rounds on ${escapeHtml(result.data)}</h1>`,
    `<p class="facts">${facts.map((fact) => `<span>${escapeHtml(fact)}</span>`).join(" ")}</p></header>`,
    `<main>`,
    `<div class="banner ${banner.tone}"><strong>${escapeHtml(banner.title)}</strong><span>${escapeHtml(banner.text)}</span></div>`,
    `<div class="card lead">${summary(result, totals)
      .map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`)
      .join("")}</div>`,
    tiles(result, totals),
    quality(result),
    learning(result),
    privacy(result),
    participation(result, totals),
    time(result, totals),
    clusters(result),
    roundTable(result),
    findings(result),
    `<section><h2>Words used here</h2><div class="card"><dl>${terms}</dl></div></section>`,
    `</main>`,
    `<footer>A simulation by Kindred. This file is complete in itself: it runs no script and asks no network for anything.</footer>`,
  ];
  return [
    `<!DOCTYPE html>`,
    `<html lang="en">`,
    `<head>`,
    `<meta charset="utf-8">`,
    `<meta name="viewport" content="width=device-width, initial-scale=1">`,
    `<meta name="color-scheme" content="light dark">`,
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<meta name="referrer" content="no-referrer">`,
    `<title>Kindred: ${escapeHtml(result.data)}, ${plural(result.rounds.length, "round")}</title>`,
    `<style>${STYLE}</style>`,
    `</head>`,
    `<body>`,
    ...body,
    `</body>`,
    `</html>`,
    ``,
  ].join("\n");
}
