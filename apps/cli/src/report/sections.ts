/** What the run achieved, as parts of the report: headline, quality, learning, clusters. */

import { type Bar, barChart, legend, lineChart, type Tone } from "./charts.ts";
import { clusterMap, placeClusters } from "./cluster-map.ts";
import {
  escapeHtml,
  finite,
  formatBytes,
  formatCount,
  formatEpsilon,
  formatNoisy,
  formatPercent,
  formatScore,
  MISSING,
  plural,
} from "./format.ts";
import { layerTreeSvg } from "./layer-tree.ts";
import { figure, section, tile } from "./layout.ts";
import { marginOfShare } from "./narrative.ts";
import type { ClusterQuality, Quality, SimulationResult } from "./simulation-result.ts";
import { promiseState, shareOf, type Totals } from "./totals.ts";

/** The four headline figures. */
export function tiles(result: SimulationResult, totals: Totals): string {
  const { metrics, epsilon } = result;
  const share = shareOf(metrics.after.ndcg10, metrics.centralised.ndcg10);
  const state = promiseState(epsilon);
  const used = shareOf(epsilon.coordinator, epsilon.promised);
  const meter =
    used === null
      ? ""
      : `<div class="meter${state === "exceeded" ? " over" : ""}" aria-hidden="true"><i style="width:${Math.min(100, Math.max(0, used * 100)).toFixed(1)}%"></i></div>`;
  const spent =
    state === "no-noise" || state === "unbounded"
      ? `<p class="figure">none</p>`
      : `<p class="figure">${formatEpsilon(epsilon.coordinator)} <small>of ${formatEpsilon(epsilon.promised)}</small></p>${meter}`;
  const survivors = totals.published.reduce((sum, r) => sum + (finite(r.survivors) ?? 0), 0);
  const cohorts = totals.published.reduce((sum, r) => sum + (finite(r.cohort) ?? 0), 0);
  const range =
    totals.smallestSum === totals.largestSum
      ? formatCount(totals.smallestSum)
      : `${formatCount(totals.smallestSum)} to ${formatCount(totals.largestSum)}`;
  return (
    `<div class="tiles">` +
    tile(
      "NDCG@10, before → after",
      `<p class="figure"><small>${formatScore(metrics.before.ndcg10)} →</small> ${formatScore(metrics.after.ndcg10)}</p>`,
      share === null ? "no centralised baseline" : `${formatPercent(share)} of centralised training`,
    ) +
    tile(
      "ε spent, of promised",
      spent,
      state === "no-noise"
        ? "noise was off: no guarantee"
        : state === "unbounded"
          ? "no finite ε: no guarantee"
          : `${formatEpsilon(epsilon.observer)} against model observers`,
    ) +
    tile(
      "Survivors, of cohort",
      totals.published.length === 0
        ? `<p class="figure">${MISSING}</p>`
        : `<p class="figure">${formatPercent(shareOf(survivors, cohorts))} <small>${formatCount(survivors)} of ${formatCount(cohorts)}</small></p>`,
      totals.published.length === 0 ? "no round was published" : `${range} people in each published sum`,
    ) +
    tile(
      "Bytes per client and round",
      `<p class="figure">${formatBytes(totals.bytesUp)} <small>up</small></p>`,
      `${formatBytes(totals.bytesDown)} down`,
    ) +
    `</div>`
  );
}

function qualityBars(result: SimulationResult, pick: (quality: Quality) => number): Bar[] {
  const { before, after, popularity, centralised, noiseCohort } = result.metrics;
  const bar = (label: string, tone: Tone, value: number): Bar => ({
    label,
    tone,
    value: finite(value),
    text: formatScore(value),
  });
  return [
    bar("popularity", "amber", pick(popularity)),
    bar("before", "slate", pick(before)),
    { ...bar("after", "teal", pick(after)), strong: true },
    ...(noiseCohort
      ? [bar(`after, n=${formatCount(noiseCohort.cohort)}`, "sky", pick(noiseCohort.quality))]
      : []),
    bar("centralised", "indigo", pick(centralised)),
  ];
}

/** Quality against the baselines. */
export function quality(result: SimulationResult): string {
  const { metrics } = result;
  const words = (bars: Bar[]) => bars.map((b) => `${b.label} ${b.text}`).join(", ");
  const compare = (id: string, name: string, about: string, pick: (q: Quality) => number) => {
    const bars = qualityBars(result, pick);
    return figure({
      heading: name,
      about,
      body: barChart({ id, title: `${name} compared`, desc: words(bars) }, bars),
    });
  };
  const margin = marginOfShare(metrics.after.hr10, metrics.users);
  const noise = metrics.noiseCohort;
  const remarks = [
    `Each person's last item is held out and ranked among all items they have not seen, out of ${formatCount(result.items)}.`,
    margin === null
      ? ""
      : `Measured on ${plural(metrics.users, "person", "people")}: HR@10 after carries a 95 % margin of about ± ${formatScore(margin)}; smaller differences may be chance.`,
    noise
      ? `“after, n=${formatCount(noise.cohort)}” is the same training with the noise that the mean over a cohort of ${formatCount(noise.cohort)} would see (ε = ${formatEpsilon(noise.epsilon)}); this run itself had cohorts of ${formatCount(result.cohort)}.`
      : "",
  ].filter((text) => text !== "");
  return section(
    "How good are the recommendations?",
    `<div class="grid">${compare("hr", "HR@10", "How often the held-out item is among the first ten.", (q) => q.hr10)}` +
      `${compare("ndcg", "NDCG@10", "The same, with more credit for a higher place.", (q) => q.ndcg10)}</div>` +
      `<p class="facts" style="margin-top:14px">${remarks.map(escapeHtml).join(" ")}</p>`,
  );
}

/** What the band around a line is. */
export const BAND = "Shaded: one standard deviation of the noise to either side.";

/** Loss and quality over rounds. */
export function learning(result: SimulationResult): string {
  const loss = lineChart(
    {
      id: "loss",
      title: "Training loss per round",
      desc: describe(
        result.rounds.map((r) => r.loss),
        (x) => x.toPrecision(4),
      ),
    },
    {
      series: [
        {
          name: "loss",
          tone: "teal",
          points: result.rounds.map((r) => ({ x: r.round, y: r.loss, deviation: r.lossDeviation })),
        },
      ],
    },
  );
  const known = result.rounds.filter((r) => finite(r.loss) !== null);
  const only = known.length === 1 ? known[0] : undefined;
  const body = only
    ? `<p>${formatNoisy(only.loss, only.lossDeviation)} in round ${formatCount(only.round)}, the only one with a published loss.</p>`
    : loss && legend([{ name: "federated", tone: "teal", line: true }]) + loss;
  const lossFigure = figure({
    heading: "Training loss",
    about: result.rounds.some((r) => (finite(r.lossDeviation) ?? 0) > 0)
      ? `Mean over the survivors of a round, as decoded from the noisy sum; lower is better. ${BAND}`
      : "Mean over the survivors of a round; lower is better.",
    body,
    ...(known.length > 1 && known.length < result.rounds.length
      ? { caption: "A gap is a round without a published loss." }
      : {}),
    ...(result.learning.length === 0 ? { wide: true } : {}),
  });
  if (result.learning.length === 0)
    return section("How did it learn?", `<div class="grid">${lossFigure}</div>`);
  const { popularity, centralised } = result.metrics;
  const chart = lineChart(
    {
      id: "curve",
      title: "NDCG@10 over rounds",
      desc: describe(
        result.learning.map((l) => l.ndcg10),
        formatScore,
      ),
    },
    {
      fromZero: true,
      series: [
        { name: "NDCG@10", tone: "teal", points: result.learning.map((l) => ({ x: l.round, y: l.ndcg10 })) },
      ],
      references: [
        { name: "popularity", tone: "amber", y: popularity.ndcg10 },
        { name: "centralised", tone: "indigo", y: centralised.ndcg10 },
      ],
    },
  );
  const key = legend([
    { name: "federated", tone: "teal", line: true },
    { name: "centralised", tone: "indigo", dash: true },
    { name: "popularity", tone: "amber", dash: true },
  ]);
  const curve = figure({
    heading: "NDCG@10",
    about: "Recommendation quality of the published model; higher is better.",
    body: chart && key + chart,
  });
  return section("How did it learn?", `<div class="grid">${lossFigure}${curve}</div>`);
}

export function describe(values: (number | null)[], format: (x: number) => string): string {
  const known = values.map(finite).filter((x) => x !== null);
  const [first, last] = [known[0], known.at(-1)];
  if (first === undefined || last === undefined) return "No values.";
  return `From ${format(first)} to ${format(last)} over ${plural(values.length, "round")}; lowest ${format(Math.min(...known))}, highest ${format(Math.max(...known))}.`;
}

/** Where clusters come from and how well they agree with groups, in two sentences. */
function origin({ released, ari, ami, fmi }: ClusterQuality): string {
  const from = released
    ? "Made from the noisy sums of cohorts."
    : "Made from the catalogue alone: nothing stood out of the noise.";
  return `${from} ARI ${formatScore(ari)}, AMI ${formatScore(ami)}, FMI ${formatScore(fmi)}.`;
}

function layerFigure(
  id: string,
  layers: SimulationResult["layers"],
  { heading, about }: { heading: string; about: string },
): string {
  return figure({
    heading,
    about,
    body: layerTreeSvg({ id, title: heading, desc: layerWords(layers) }, layers),
    caption:
      "Basic interests on the left, fine ones on the right; a bar is as long as its share of the people.",
    wide: true,
  });
}

/** The layers in words. */
export function layerWords(layers: SimulationResult["layers"]): string {
  const [basic = []] = layers;
  const names = basic.map(({ name, size }) => `${name} (${formatCount(size)})`).join(", ");
  return `${layers.map((nodes) => formatCount(nodes.length)).join(", then ")} clusters; basic: ${names || "none"}.`;
}

/** Names shown beside the map. */
const LISTED_CLUSTERS = 18;

/** The cluster map with its list. */
export function clusters(result: SimulationResult): string {
  const placed = placeClusters(result.clusters);
  const { silhouette, ari, noiseCohort } = result.metrics;
  const map = clusterMap(
    {
      id: "map",
      title: "Interest clusters in a plane",
      desc: `${plural(placed.length, "cluster")}; the largest are ${
        placed
          .slice(0, 5)
          .map((c) => `${c.name} (${formatCount(c.size)})`)
          .join(", ") || "none"
      }.`,
    },
    placed,
  );
  const rest = placed.length - LISTED_CLUSTERS;
  const list = placed
    .slice(0, LISTED_CLUSTERS)
    .map((c) => `<li><b>${c.number}</b><span>${escapeHtml(c.name)}</span>${formatCount(c.size)}</li>`)
    .join("");
  const more = rest > 0 ? `<li><b></b><span>and ${plural(rest, "smaller cluster")}</span></li>` : "";
  const agreement =
    finite(ari) === null
      ? "No groups are known beforehand for this data, so there is no ARI."
      : `Agreement with the known groups (ARI): ${formatScore(ari)}.`;
  return section(
    "Which interests did it find?",
    figure({
      heading: "Interest clusters",
      about: "Near means similar; area stands for the number of people. Axes have no unit.",
      body: map && `<div class="mapped">${map}<ol class="clusters">${list}${more}</ol></div>`,
      caption: `Silhouette ${formatScore(silhouette.before)} before, ${formatScore(silhouette.after)} after. ${agreement}`,
    }) +
      layerFigure("layers", result.layers, {
        heading: "Layers of interests",
        about: origin(result.metrics.clusters.after),
      }) +
      (noiseCohort === undefined
        ? ""
        : layerFigure("noisy-layers", noiseCohort.layers, {
            heading: `Layers with the noise of ${plural(noiseCohort.cohort, "person", "people")} a round`,
            about: `The same training in process. ${origin(noiseCohort.clusters)}`,
          })),
  );
}
