/** What one person of a simulation sees on their own device, as rows of the summary. */

import { formatPercent, formatScore, plural } from "../report/format.ts";
import type { SimulationResult } from "../report/simulation-result.ts";
import { fact, heading, type Row } from "./rows.ts";
import { printable } from "./text.ts";

/** Interests told in a line, at the most. */
const TOLD = 3;
/** A basic interest below this is not shown. */
const SHOWN = 0.05;

export function personRows({ person }: SimulationResult): Row[] {
  const named = (tags: readonly string[]): string => tags.slice(0, 2).map(printable).join(", ") || "unnamed";
  const basic = person.layers[0] ?? [];
  const latent = person.latent
    .slice(0, TOLD)
    .map(({ tags, expected }) => `${named(tags)} (${formatPercent(expected)} expected)`);
  const next = person.next.map(({ tags, share }) => `${named(tags)} (${formatPercent(share)})`);
  const changes = person.changes.length;
  return [
    heading("On one person's own device"),
    ...(person.cohort === null
      ? []
      : [fact("model", `with the noise of ${plural(person.cohort, "person", "people")} a round`, "dim")]),
    fact("on record", plural(person.interactions, "interaction")),
    ...basic
      .filter(({ membership, longTerm }) => Math.max(membership, longTerm) >= SHOWN)
      .map(({ tags, membership, longTerm }) =>
        fact(
          named(tags),
          `${formatPercent(membership)} at present, ${formatPercent(longTerm)} over the record`,
        ),
      ),
    fact("not shown yet", latent.join("; ") || "nothing"),
    fact("next", next.join("; ") || "unknown"),
    fact(
      "drift",
      `${formatScore(person.drift)}; ${changes === 0 ? "no change point" : plural(changes, "change point")}`,
    ),
    fact("portrait", printable(person.portrait.en)),
    fact("", printable(person.portrait.zh)),
  ];
}
