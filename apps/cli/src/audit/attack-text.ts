/** What the attacks found, as text for a terminal, and in sentences that the report shares. */
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
import { type AttackFindings, isContradicted } from "./findings.ts";
import type { ReleasedModelReport } from "./released-models.ts";

/** What noise the members added, in words. */
export function noiseInWords(share: number): string {
  if (share === 1) return "the noise as promised";
  return share === 0
    ? "the noise turned off"
    : `noise of ${formatNumber(share)} times the promised deviation`;
}

/** The outcome in one sentence. */
export function attackHeadline(report: AttackFindings): string {
  const { contradicted, lowerBound, proven, alpha, released } = report;
  const claim = formatEpsilon(Math.min(proven.rdp, proven.pld));
  const confidence = formatPercent(1 - alpha);
  if (!contradicted && released?.contradicted)
    return `The attacks contradict the proof: released models show an ε of at least ${formatEpsilon(released.lowerBound)} (${confidence} confidence), where at most ${formatEpsilon(released.promised)} was promised.`;
  return contradicted
    ? `The attacks contradict the proof: they show an ε of at least ${formatEpsilon(lowerBound)} (${confidence} confidence), where at most ${claim} was proven.`
    : `The attacks found nothing that contradicts the proof: at least ε ${formatEpsilon(lowerBound)} is shown (${confidence} confidence), at most ${claim} is proven.`;
}

/** Outcome of the attempts to read one person's input. */
export function reconstructionInWords({ reconstruction }: AttackFindings): {
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

/** What membership inference on released models came to, in a sentence. */
export function releasedInWords(released: ReleasedModelReport | null): string {
  if (released === null) return "Released models were not attacked.";
  const { attacks, people, shadows, deviationShare, promised, lowerBound } = released;
  const best = attacks.reduce((a, b) => (b.area > a.area ? b : a));
  return `From what a small task of ${plural(people, "person", "people")} publishes, encoder and centroids, with ${noiseInWords(deviationShare)}, the best of four attacks tells members from others with an area under the curve of ${formatNumber(best.area)} (a coin has 0.5), helped by ${formatCount(shadows - 1)} models it trained itself. It shows an ε of ${formatEpsilon(lowerBound)} or more, where ${formatEpsilon(promised)} or less is promised.`;
}

function releasedRows({ released }: AttackFindings): Row[] {
  const title = heading("Who is in a released model?");
  if (released === null) return [title, fact("released models", "not attacked", "warn")];
  const { attacks, people, rounds, shadows, promised, lowerBound } = released;
  return [
    title,
    fact(
      "attacked",
      `${plural(shadows, "model")} of ${plural(people, "person", "people")} over ${plural(rounds, "round")}, each with the help of all others${released.timeUp ? "; time was up before the rest" : ""}`,
    ),
    ...attacks.map(({ attack, area, rateAtOnePercent }) =>
      fact(
        attack,
        `area ${formatNumber(area)}; at 1 % false alarms ${formatPercent(rateAtOnePercent)} are found`,
      ),
    ),
    fact(
      "lower bound of ε",
      `${formatEpsilon(lowerBound)}, where at most ${formatEpsilon(promised)} is promised`,
      released.contradicted ? "bad" : "plain",
    ),
  ];
}

function rows(report: AttackFindings): Row[][] {
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
    releasedRows(report),
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
  report: AttackFindings,
  { columns, color }: { columns: number; color: boolean },
): string {
  const width = Math.max(40, columns);
  const title = wrap(attackHeadline(report), width).map((line) =>
    paint(line, { look: isContradicted(report) ? "bad" : "good", color }),
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
