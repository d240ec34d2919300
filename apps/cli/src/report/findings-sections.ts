/** What rounds found out and collected besides training, as parts of the report: held-out interactions, signals. */
import type { HeldOutRecord } from "@kindred/engine";
import { legend, lineChart, type Tone } from "./charts.ts";
import {
  escapeHtml,
  finite,
  formatCount,
  formatNoisy,
  formatNumber,
  formatPercent,
  plural,
} from "./format.ts";
import { figure, section } from "./layout.ts";
import { BAND, describe } from "./sections.ts";
import type { RoundResult, SimulationResult } from "./simulation-result.ts";
import { shareOf } from "./totals.ts";

/** A figure of a held-out record over the rounds, with its noise. */
interface Curve {
  readonly name: string;
  readonly tone: Tone;
  readonly of: (record: HeldOutRecord) => { readonly value: number; readonly deviation: number } | undefined;
}

interface CurveFigure {
  readonly id: string;
  readonly heading: string;
  readonly about: string;
  readonly curves: readonly Curve[];
}

const FIGURES: readonly CurveFigure[] = [
  {
    id: "held-ranking",
    heading: "Held-out ranking",
    about:
      "HR@10 and NDCG@10 of the held-out item among all items that its person has not seen; higher is better.",
    curves: [
      {
        name: "HR@10",
        tone: "teal",
        of: ({ hr10, deviation }) => ({ value: hr10, deviation: deviation.hr10 }),
      },
      {
        name: "NDCG@10",
        tone: "indigo",
        of: ({ ndcg10, deviation }) => ({ value: ndcg10, deviation: deviation.ndcg10 }),
      },
    ],
  },
  {
    id: "held-interest",
    heading: "Next interest",
    about: "Share of held-out items that lie in the cluster that was expected most; higher is better.",
    curves: [
      {
        name: "right cluster",
        tone: "teal",
        of: ({ clusterAccuracy, deviation }) => ({
          value: clusterAccuracy,
          deviation: deviation.clusterAccuracy,
        }),
      },
    ],
  },
  {
    id: "held-loss",
    heading: "Held-out loss",
    about: "Mean cross-entropy of the held-out item in nats; lower is better.",
    curves: [
      {
        name: "loss",
        tone: "teal",
        of: ({ loss, deviation }) => ({ value: loss, deviation: deviation.loss }),
      },
    ],
  },
  {
    id: "held-ratings",
    heading: "Held-out ratings",
    about: "Errors of predicted ratings in shares of the best one; lower is better.",
    curves: [
      {
        name: "RMSE",
        tone: "teal",
        of: ({ ratings }) => ratings && { value: ratings.rmse, deviation: ratings.deviation.rmse },
      },
      {
        name: "MAE",
        tone: "indigo",
        of: ({ ratings }) => ratings && { value: ratings.mae, deviation: ratings.deviation.mae },
      },
    ],
  },
];

/** How well the rounds' models foresaw what people held out; empty string of a plan that holds nothing out. */
export function heldOut({ rounds }: SimulationResult): string {
  const evaluated = rounds.filter((round) => round.heldOut !== undefined);
  if (evaluated.length === 0) return "";
  const known = evaluated.filter((round) => round.heldOut !== null);
  const facts =
    known.length === evaluated.length
      ? `All ${plural(evaluated.length, "published round")} could be read.`
      : `In ${formatCount(evaluated.length - known.length)} of ${plural(evaluated.length, "published round")} the count of held-out interactions does not stand out of its noise: nothing can be said of them.`;
  const figures = known.length === 0 ? "" : FIGURES.map((one) => curveFigure(rounds, one)).join("");
  return section(
    "How well did it foresee what people held out?",
    `${figures === "" ? "" : `<div class="grid">${figures}</div>`}<p class="facts" style="margin-top:14px">` +
      `Each device kept its last interaction out of training and judged the model by it, as it was sent. ` +
      `Only sums over a cohort could be read. ${escapeHtml(facts)}</p>`,
  );
}

function curveFigure(rounds: readonly RoundResult[], { id, heading, about, curves }: CurveFigure): string {
  const points = (curve: Curve) =>
    rounds.map(({ round, heldOut: record }) => {
      const found = record ? curve.of(record) : undefined;
      return { x: round, y: found?.value ?? null, deviation: found?.deviation ?? null };
    });
  const series = curves.map((curve) => ({ name: curve.name, tone: curve.tone, points: points(curve) }));
  if (series.every((one) => one.points.every(({ y }) => finite(y) === null))) return "";
  const last = series.map(({ name, tone, points: own }) => {
    const point = own.filter(({ y }) => finite(y) !== null).at(-1);
    return { name: `${name}: ${formatNoisy(point?.y, point?.deviation)}`, tone, line: true };
  });
  const words = series.map(
    (one) =>
      `${one.name}. ${describe(
        one.points.map(({ y }) => y),
        (y) => y.toPrecision(3),
      )}`,
  );
  return figure({
    heading,
    about: series.some((one) => one.points.some(({ deviation }) => (finite(deviation) ?? 0) > 0))
      ? `${about} ${BAND}`
      : about,
    body:
      legend(last) + lineChart({ id, title: `${heading} over rounds`, desc: words.join(" ") }, { series }),
    caption: "The key has the last round's.",
  });
}

/** What rounds collected in place of training; empty string if none did. */
export function collected({ rounds }: SimulationResult): string {
  const found = rounds.flatMap(({ round, survivors, signal }) =>
    signal === undefined ? [] : [{ round, survivors, ...signal }],
  );
  if (found.length === 0) return "";
  const rows = found.map(
    ({ round, survivors, signal, kept, entries, deviation }) =>
      `<tr><th scope="row">${formatCount(round)}</th><td class="text">${escapeHtml(signal)}</td>` +
      [
        formatCount(survivors),
        formatCount(entries),
        formatNumber(deviation),
        formatCount(kept),
        formatPercent(shareOf(kept, entries)),
      ]
        .map((cell) => `<td>${cell}</td>`)
        .join("") +
      `</tr>`,
  );
  const heads = ["round", "signal", "people", "counts", "noise on each", "kept", "share"].map(
    (head) => `<th scope="col"${head === "signal" ? ' class="text"' : ""}>${head}</th>`,
  );
  return section(
    "What else did rounds collect?",
    `<div class="scroll" tabindex="0" role="region" aria-label="Signals"><table class="rounds"><caption>Signals</caption>` +
      `<thead><tr>${heads.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>` +
      `<p class="facts" style="margin-top:14px">A count is kept where it stands out of the noise; the others are not published. ` +
      `Recommendations use them on the device.</p>`,
  );
}
