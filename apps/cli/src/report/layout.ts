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

/** A headline figure; `value` is HTML. */
export function tile(heading: string, value: string, detail: string): string {
  return `<div class="card tile"><h3>${escapeHtml(heading)}</h3>${value}<p>${escapeHtml(detail)}</p></div>`;
}

/** Sentences as a list. */
export function list(items: readonly string[]): string {
  return `<ul class="plain">${items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</ul>`;
}

/** Words and what they mean. */
export function glossaryList(terms: readonly { readonly term: string; readonly meaning: string }[]): string {
  return `<dl>${terms
    .map(({ term, meaning }) => `<dt>${escapeHtml(term)}</dt><dd>${escapeHtml(meaning)}</dd>`)
    .join("")}</dl>`;
}

/** What the reader should know first. */
export interface Banner {
  readonly tone: "good" | "bad" | "warn";
  readonly title: string;
  readonly text: string;
}

/** Draws it. */
export function bannerBox({ tone, title, text }: Banner): string {
  return `<div class="banner ${tone}"><strong>${escapeHtml(title)}</strong><span>${escapeHtml(text)}</span></div>`;
}
