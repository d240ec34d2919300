/** The page around every report: one HTML file that opens without a network and without a script. */

import { escapeHtml } from "./format.ts";
import { STYLE } from "./style.ts";

const LOGO =
  `<svg width="26" height="26" viewBox="0 0 26 26" aria-hidden="true"><g fill="none" stroke="currentColor" stroke-width="2.2">` +
  `<circle cx="10" cy="10" r="7"/><circle cx="16" cy="10" r="7"/><circle cx="13" cy="16" r="7"/></g></svg>`;

/** What a page holds. */
export interface Page {
  /** Of the window. */
  readonly title: string;
  readonly heading: string;
  /** Short facts under the heading. */
  readonly facts: readonly string[];
  /** HTML, part by part. */
  readonly body: readonly string[];
  readonly footer: string;
}

/**
 * Renders a page with inline style sheet, light and dark, from phone to print. Its content security policy forbids scripts
 * and every request. Title, heading, facts and footer are escaped.
 */
export function renderPage({ title, heading, facts, body, footer }: Page): string {
  return [
    `<!DOCTYPE html>`,
    `<html lang="en">`,
    `<head>`,
    `<meta charset="utf-8">`,
    `<meta name="viewport" content="width=device-width, initial-scale=1">`,
    `<meta name="color-scheme" content="light dark">`,
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<meta name="referrer" content="no-referrer">`,
    `<title>${escapeHtml(title)}</title>`,
    `<style>${STYLE}</style>`,
    `</head>`,
    `<body>`,
    `<header class="top"><div class="brand">${LOGO}Kindred</div>`,
    `<h1>${escapeHtml(heading)}</h1>`,
    `<p class="facts">${facts.map((fact) => `<span>${escapeHtml(fact)}</span>`).join(" ")}</p></header>`,
    `<main>`,
    ...body,
    `</main>`,
    `<footer>${escapeHtml(footer)}</footer>`,
    `</body>`,
    `</html>`,
    ``,
  ].join("\n");
}
