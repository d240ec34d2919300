/** What the attacks found, as text for a terminal, and in sentences that the report shares. */
import type { AttackReport } from "@kindred/audit/attack";
import {
  formatCount,
  formatDelta,
  formatEpsilon,
  formatNumber,
  formatPercent,
  plural,
} from "../report/format.ts";
import { fact, fit, heading, type Row } from "../terminal/rows.ts";
import { paint, wrap } from "../terminal/text.ts";

/** What noise the members added, in words. */
export function noiseInWords(share: number): string {
  if (share === 1) return "the noise as promised";
  return share === 0
    ? "the noise turned off"
    : `noise of ${formatNumber(share)} times the promised deviation`;
}

/** The outcome in one sentence. */
export function attackHeadline(report: AttackReport): string {
  const { contradicted, lowerBound, proven, alpha } = report;
  const claim = formatEpsilon(Math.min(proven.rdp, proven.pld));
  const confidence = formatPercent(1 - alpha);
  return contradicted
    ? `The attacks contradict the proof: they show an ε of at least ${formatEpsilon(lowerBound)} (${confidence} confidence), where at most ${claim} was proven.`
    : `The attacks found nothing that contradicts the proof: at least ε ${formatEpsilon(lowerBound)} is shown (${confidence} confidence), at most ${claim} is proven.`;
}

/** Outcome of the attempts to read one person's input. */
export function reconstructionInWords({ reconstruction }: AttackReport): {
  readonly text: string;
  readonly safe: boolean;
} {
  const { masked, unmasked, chanceLevel } = reconstruction;
  const safe = Math.abs(masked) < chanceLevel;
  const works = unmasked > 0.9;
  if (!works) return { text: "the attack itself did not work, so it shows nothing", safe: false };
  return safe
    ? { text: `nothing: cosine ${masked.toFixed(3)} with the truth, no more than chance`, safe }
    : { text: `something: cosine ${masked.toFixed(3)} with the truth`, safe };
}

function rows(report: AttackReport): Row[][] {
  const { twoWorlds, oneRun, federatedCanaries, membership, reconstruction, proven, noiseMultiplier } =
    report;
  const masked = reconstructionInWords(report);
  return [
    [
      heading("The claim"),
      fact(
        "proven for each person",
        `ε at most ${formatEpsilon(Math.min(proven.rdp, proven.pld))} at δ ${formatDelta(report.delta)}, over ${plural(report.participations, "round")}`,
      ),
      fact("noise multiplier promised", formatNumber(noiseMultiplier)),
      fact(
        "attacked with",
        noiseInWords(report.deviationShare),
        report.deviationShare === 1 ? "plain" : "warn",
      ),
    ],
    [
      heading("Lower bounds of ε"),
      fact(
        "two worlds",
        `${formatEpsilon(twoWorlds.lowerBound)} whatever the noise; no more than ${formatEpsilon(twoWorlds.ceiling)} can be shown with ${plural(twoWorlds.runs, "run")} of each`,
      ),
      fact("two worlds, Gaussian", `${formatEpsilon(twoWorlds.gaussianLowerBound)} for noise of this shape`),
      fact(
        "one run",
        `${formatEpsilon(oneRun.lowerBound)} from ${formatCount(oneRun.correct)} of ${formatCount(oneRun.guesses)} guesses right; no more than ${formatEpsilon(oneRun.ceiling)} can be shown`,
      ),
    ],
    [
      heading("Estimate, no bound"),
      fact("federated canaries", `ε about ${formatEpsilon(federatedCanaries.estimate)}`),
    ],
    [
      heading("Was this person in it?"),
      fact("likelihood ratio", `area under the curve ${formatNumber(membership.area)}; 0.5 is a coin`),
      ...membership.rates.map(({ falsePositiveRate, truePositiveRate, allowed }) =>
        fact(
          `at ${formatPercent(falsePositiveRate)} false alarms`,
          `${formatPercent(truePositiveRate)} are found; the proof allows up to ${formatPercent(allowed)}`,
        ),
      ),
    ],
    [
      heading("What does one input show?"),
      fact("masked, as it is sent", masked.text, masked.safe ? "good" : "bad"),
      fact(
        "not masked, noise off",
        `cosine ${reconstruction.unmasked.toFixed(3)}: without protection the attack works`,
      ),
      fact("not masked, with noise", `cosine ${reconstruction.unmaskedWithNoise.toFixed(3)}`),
    ],
  ];
}

/** The findings; ends with a line break. */
export function renderAttack(
  report: AttackReport,
  { columns, color }: { columns: number; color: boolean },
): string {
  const width = Math.max(40, columns);
  const title = wrap(attackHeadline(report), width).map((line) =>
    paint(line, { look: report.contradicted ? "bad" : "good", color }),
  );
  const late = report.timeUp
    ? wrap("Time was up before all runs were made; the bounds hold for those that were.", width)
    : [];
  const blocks = rows(report).map((block) => block.flatMap((row) => fit(row, { width, color })));
  return `\n${[title, late, ...blocks]
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")
    .replaceAll("\u00A0", " ")}\n`;
}
