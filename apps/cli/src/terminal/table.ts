/** The summary of a simulation as a table for a terminal. */

import {
  finite,
  formatBytes,
  formatCount,
  formatDelta,
  formatDuration,
  formatEpsilon,
  formatNumber,
  formatPercent,
  formatScore,
  plural,
} from "../report/format.ts";
import { findingWords } from "../report/round-findings.ts";
import {
  type ClusterQuality,
  type LayerNode,
  PHASES,
  type Quality,
  type SimulationResult,
} from "../report/simulation-result.ts";
import { promiseState, shareOf, type Totals, totalsOf } from "../report/totals.ts";
import { personRows } from "./person-rows.ts";
import { fact, fit, heading, type Row } from "./rows.ts";
import { paint, printable, wrap } from "./text.ts";

/** How the table is drawn. */
export interface SummaryStyle {
  /** Width of the terminal; default 80. */
  columns?: number;
  /** Whether escape codes for colour are allowed (see `isRich`); default false. */
  color?: boolean;
}

function qualityRows(result: SimulationResult): Row[] {
  const { before, after, popularity, centralised, noiseCohort } = result.metrics;
  const cells = (q: Quality) => [formatScore(q.hr10), formatScore(q.ndcg10)];
  const ratio = shareOf(after.ndcg10, centralised.ndcg10);
  return [
    heading("Recommendations", ["HR@10", "NDCG@10"]),
    { label: "before", cells: cells(before) },
    {
      label: "after",
      look: "accent",
      cells: cells(after),
      text: ratio === null ? "" : `${formatPercent(ratio)} of centralised`,
      textLook: "dim",
    },
    ...(noiseCohort
      ? [
          {
            label: `after, noise of ${formatCount(noiseCohort.cohort)}`,
            cells: cells(noiseCohort.quality),
            text: `as in a cohort of ${formatCount(noiseCohort.cohort)}, ε ${formatEpsilon(noiseCohort.epsilon)}`,
            textLook: "dim" as const,
          },
        ]
      : []),
    { label: "popularity", cells: cells(popularity) },
    { label: "centralised", cells: cells(centralised), text: "no privacy", textLook: "dim" },
    fact(
      "evaluated on",
      `${plural(result.metrics.users, "person", "people")}, ranked among ${plural(result.items, "item")}`,
    ),
  ];
}

/** Layers and clusters named in a line of the table, at the most. */
const NAMED = 8;

function interestRows({ metrics, layers }: SimulationResult): Row[] {
  const { clusters, noiseCohort } = metrics;
  const { before, after, groups } = clusters;
  const against = groups === "known" ? "the known groups" : "people's most typical tags";
  const [basic = []] = layers;
  return [
    heading("Interest clusters", [
      "before",
      "after",
      ...(noiseCohort ? [formatCount(noiseCohort.cohort)] : []),
    ]),
    ...(
      [
        ["clusters", (of: ClusterQuality) => formatCount(of.clusters)],
        ["from people's sums", (of: ClusterQuality) => (of.released ? "yes" : "no")],
        ["silhouette", (of: ClusterQuality) => formatScore(of.silhouette)],
        ["cosine distance within", (of: ClusterQuality) => formatScore(of.distance)],
        ["Davies–Bouldin", (of: ClusterQuality) => formatNumber(of.daviesBouldin)],
        ["Caliński–Harabasz", (of: ClusterQuality) => formatNumber(of.calinskiHarabasz)],
        ["ARI", (of: ClusterQuality) => formatScore(of.ari)],
        ["AMI", (of: ClusterQuality) => formatScore(of.ami)],
        ["FMI", (of: ClusterQuality) => formatScore(of.fmi)],
      ] as const
    ).map(([name, of]) =>
      figures(name, [before, after, ...(noiseCohort ? [noiseCohort.clusters] : [])].map(of)),
    ),
    fact("ARI, AMI, FMI", `against ${against}`, "dim"),
    ...(noiseCohort
      ? [
          fact(
            formatCount(noiseCohort.cohort),
            `the same training with the noise of ${plural(noiseCohort.cohort, "person", "people")} a round`,
            "dim",
          ),
        ]
      : []),
    ...basic
      .map((node, index) => ({ node, index }))
      .sort((a, b) => b.node.size - a.node.size)
      .slice(0, NAMED)
      .map(({ node, index }) => fact(printable(node.name), childNames(layers[1], { node, index }), "dim")),
  ];
}

/** How many people, or the names of the clusters that a basic one is made of, the largest first. */
function childNames(
  fine: readonly LayerNode[] | undefined,
  { node, index: parent }: { node: LayerNode; index: number },
): string {
  if (fine === undefined) return plural(node.size, "person", "people");
  const own = fine.filter((node) => node.parent === parent).sort((a, b) => b.size - a.size);
  const names = own.slice(0, NAMED).map(({ name, size }) => `${printable(name)} (${formatCount(size)})`);
  return own.length > NAMED ? `${names.join("; ")}; and ${own.length - NAMED} more` : names.join("; ");
}

function figures(label: string, cells: string[]): Row {
  return { label, cells };
}

const PROMISE_LOOK = {
  kept: "good",
  exceeded: "bad",
  unpromised: "warn",
  unbounded: "bad",
  "no-noise": "warn",
} as const;

function privacyRows({ epsilon, noise }: SimulationResult): Row[] {
  const state = promiseState(epsilon);
  const look = PROMISE_LOOK[state];
  if (state === "no-noise" || state === "unbounded") {
    const text =
      state === "no-noise" ? "none: noise was off, no guarantee" : "no finite ε is known, no guarantee";
    return [
      heading("Privacy"),
      fact("ε against the coordinator", text, look),
      fact("ε against model observers", text, look),
    ];
  }
  const promised =
    finite(epsilon.promised) === null
      ? "nothing was promised"
      : `${formatEpsilon(epsilon.promised)} promised${state === "exceeded" ? ", EXCEEDED" : ""}`;
  return [
    heading("Privacy"),
    fact(
      "ε against the coordinator",
      `${formatEpsilon(epsilon.coordinator)} at δ ${formatDelta(epsilon.delta)}; ${promised}`,
      look,
    ),
    fact("ε against model observers", formatEpsilon(epsilon.observer)),
    ...(noise === null
      ? []
      : [
          fact(
            "noise",
            `multiplier ${formatNumber(noise.multiplier)}, signal to noise ${formatNumber(noise.signalToNoise)}`,
          ),
        ]),
  ];
}

function roundRows(result: SimulationResult, totals: Totals): Row[] {
  const { published, failed, cancelled, smallestSum, largestSum } = totals;
  const outcome = [
    `${formatCount(published.length)} published`,
    ...(failed.length > 0 ? [`${formatCount(failed.length)} failed`] : []),
    ...(cancelled.length > 0 ? [`${formatCount(cancelled.length)} cancelled`] : []),
  ];
  const sums =
    smallestSum === null || largestSum === null
      ? "none was published"
      : smallestSum === largestSum
        ? plural(smallestSum, "person", "people")
        : `${formatCount(smallestSum)} to ${plural(largestSum, "person", "people")}`;
  const { vector, rounds } = result;
  const evaluated = rounds.filter(({ heldOut }) => heldOut !== undefined && heldOut !== null).at(-1);
  const found = [...rounds.filter(({ signal }) => signal !== undefined), ...(evaluated ? [evaluated] : [])];
  return [
    heading("Rounds"),
    fact("outcome", outcome.join(", "), outcome.length > 1 ? "warn" : "plain"),
    fact("in each published sum", sums),
    ...found.flatMap(({ round, signal, heldOut }) =>
      findingWords(signal === undefined ? { heldOut } : { signal }).map(({ name, words }) =>
        fact(`${name}, round ${round}`, words.join(", ")),
      ),
    ),
    fact("dropped", `${formatCount(totals.dropped)} of ${formatCount(totals.selected)} selected clients`),
    fact("up, per client and round", formatBytes(totals.bytesUp)),
    fact("down, per client and round", formatBytes(totals.bytesDown)),
    fact(
      "masked vector",
      `${formatCount(vector.padded)} numbers of ${formatCount(vector.bits)} bits, ${formatBytes((vector.padded * vector.bits) / 8)}`,
    ),
  ];
}

function timeRows(title: string, parts: { name: string; ms: number | null }[]): Row[] {
  const whole = parts.reduce((sum, part) => sum + (part.ms ?? 0), 0);
  const total = whole > 0 ? whole : null;
  return [
    heading(title, [formatDuration(total)]),
    ...parts.map(({ name, ms }) => {
      const share = shareOf(ms, total);
      return { label: name, cells: [formatDuration(ms), formatPercent(share)], share };
    }),
  ];
}

/**
 * The summary: quality against its baselines, clusters, both epsilons, traffic, time per phase on the server and on a
 * client, then the verdict. Lines are at most `columns` wide; ends with a line break.
 */
export function renderSummary(
  result: SimulationResult,
  { columns = 80, color = false }: SummaryStyle = {},
): string {
  const width = Math.max(20, Math.floor(columns));
  const totals = totalsOf(result);
  const counted = totals.published.length > 0 ? totals.published : result.rounds;
  const blocks: Row[][] = [
    qualityRows(result),
    interestRows(result),
    personRows(result),
    privacyRows(result),
    roundRows(result, totals),
    timeRows(
      counted.length === 1 ? "Server, the round" : `Server, mean of ${plural(counted.length, "round")}`,
      PHASES.map((name) => ({ name, ms: totals.serverMs[name] })),
    ),
    timeRows("Client, mean of a round", [
      { name: "training", ms: totals.clientMs.train },
      { name: "encoding and noise", ms: totals.clientMs.encode },
      { name: "cryptography", ms: totals.clientMs.crypto },
    ]),
  ];
  const title = wrap(
    [
      printable(result.data),
      plural(result.clients, "client"),
      plural(result.rounds.length, "round"),
      `cohorts of ${formatCount(result.cohort)}`,
      formatDuration(result.durationMs),
      printable(result.backend),
    ].join(" · "),
    width,
  ).map((text) => paint(text, { look: "bold", color }));
  const tables = blocks.map((block) => block.flatMap((row) => fit(row, { width, color })));
  const verdict = result.verdict.flatMap((sentence) =>
    wrap(printable(sentence), width - 2).map((text, i) => (i === 0 ? `• ${text}` : `  ${text}`)),
  );
  return `${[title, ...tables, verdict]
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")
    .replaceAll("\u00A0", " ")}\n`;
}
