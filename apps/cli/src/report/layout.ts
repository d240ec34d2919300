/** The frame around the parts of the report. */

import { escapeHtml } from "./format.ts";

/** A chart with what a reader needs around it. */
export interface Figure {
  heading: string;
  /** One sentence under the heading. */
  about: string;
  /** HTML; empty if nothing was measured. */
  body: string;
  caption?: string;
  /** As wide as the page. */
  wide?: boolean;
}

/** A card with a chart. */
export function figure({ heading, about, body, caption, wide }: Figure): string {
  const foot = caption ? `<figcaption>${escapeHtml(caption)}</figcaption>` : "";
  return (
    `<figure class="card${wide ? " wide" : ""}"><h3>${escapeHtml(heading)}</h3>` +
    `<p class="about">${escapeHtml(about)}</p>${body || `<p>Nothing was measured.</p>`}${foot}</figure>`
  );
}

/** A part of the report under its own heading; `body` is HTML. */
export function section(heading: string, body: string): string {
  return `<section><h2>${escapeHtml(heading)}</h2>${body}</section>`;
}
