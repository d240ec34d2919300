/** The figures of an experiment's report, per data set. */
import { type Bar, barChart, legend, lineChart, type Series, type Tone } from "../report/charts.ts";
import { clusterMap, placeClusters } from "../report/cluster-map.ts";
import { formatBytes } from "../report/format.ts";
import { layerTreeSvg } from "../report/layer-tree.ts";
import { figure } from "../report/layout.ts";
import type { DataSetResult, RowResult } from "./result.ts";

const TONES: readonly Tone[] = ["teal", "amber", "indigo", "rose", "violet", "sky", "moss", "slate"];

/** The figures that the rows have something to show in. */
export function setFigures(set: DataSetResult, id: string): string[] {
  return [
    bars(set, id),
    learning(set, id),
    bytes(set, id),
    epsilons(set, id),
    ...clusterFigures(set, id),
  ].filter((html) => html !== "");
}

function bars({ rows, name }: DataSetResult, id: string): string {
  if (rows.length === 0) return "";
  const best = Math.max(...rows.map(({ columns }) => columns.ndcg10.mean));
  const entries = rows.map(
    ({ name, columns: { ndcg10 }, detail }): Bar => ({
      label: name,
      value: ndcg10.mean,
      text: ndcg10.mean.toFixed(4),
      tone: detail.federated !== null ? "teal" : detail.curve.length > 0 ? "indigo" : "slate",
      strong: ndcg10.mean === best,
    }),
  );
  return figure({
    heading: "NDCG@10 by row",
    about:
      "Grey needs no training, blue is trained with everybody's data in one place, green by federated rounds.",
    body: `<div class="wide-labels">${barChart({ id: `${id}-bars`, title: `NDCG@10 on ${name}`, desc: "One bar per row of the table." }, entries)}</div>`,
    wide: true,
  });
}

function seriesOf(
  rows: readonly RowResult[],
  x: (point: RowResult["detail"]["curve"][number]) => number,
): Series[] {
  return rows.map(({ name, detail }, i) => ({
    name,
    tone: TONES[i % TONES.length]!,
    dash: i >= TONES.length,
    points: detail.curve.map((point) => ({ x: x(point), y: point.ndcg10 })),
  }));
}

function lines(
  { rows, name }: { rows: readonly RowResult[]; name: string },
  figureText: { id: string; heading: string; about: string },
  axis: {
    x: (point: RowResult["detail"]["curve"][number]) => number;
    label: string;
    format?: (value: number) => string;
  },
): string {
  const series = seriesOf(rows, axis.x);
  if (series.length === 0) return "";
  const largest = Math.max(...series.flatMap(({ points }) => points.map(({ x }) => x)));
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => share * largest);
  const chart = lineChart(
    { id: figureText.id, title: `${figureText.heading} on ${name}`, desc: figureText.about },
    {
      series,
      fromZero: true,
      horizontal: {
        label: axis.label,
        ticks,
        format: axis.format ?? ((value) => String(Math.round(value))),
      },
    },
  );
  return figure({
    heading: figureText.heading,
    about: figureText.about,
    body:
      legend(series.map(({ name, tone, dash }) => ({ name, tone, line: true, ...(dash ? { dash } : {}) }))) +
      chart,
  });
}

function learning({ rows, name }: DataSetResult, id: string): string {
  const federated = rows.filter(({ detail }) => detail.federated !== null);
  const centralised = rows.filter(({ detail }) => detail.federated === null && detail.curve.length > 0);
  const about =
    "NDCG@10 of a fixed sample of the tested people, by the first seed. Nothing was chosen by it.";
  return (
    lines(
      { rows: federated, name },
      { id: `${id}-rounds`, heading: "Learning by rounds", about },
      { x: ({ step }) => step, label: "round" },
    ) +
    lines(
      { rows: centralised, name },
      { id: `${id}-epochs`, heading: "Learning in one place", about },
      { x: ({ step }) => step, label: "epoch" },
    )
  );
}

function bytes({ rows, name }: DataSetResult, id: string): string {
  return lines(
    { rows: rows.filter(({ detail }) => detail.federated !== null), name },
    {
      id: `${id}-bytes`,
      heading: "Quality against bytes",
      about: "What a person of the data set has uploaded until then, on average over all people.",
    },
    { x: ({ bytes }) => bytes, label: "uploaded per person", format: formatBytes },
  );
}

/** One line per noise-equivalent population. */
function epsilons({ rows, name }: DataSetResult, id: string): string {
  const lines = new Map<number, { x: number; y: number }[]>();
  for (const { columns, detail } of rows) {
    const { noise = null, epsilon = null } = detail.federated ?? {};
    if (noise === null || epsilon === null) continue;
    lines.set(noise.people, [...(lines.get(noise.people) ?? []), { x: epsilon, y: columns.ndcg10.mean }]);
  }
  if (lines.size === 0) return "";
  const series = [...lines].map(
    ([people, points], i): Series => ({
      name: `noise of ${people.toLocaleString("en")} people`,
      tone: TONES[i % TONES.length]!,
      points: points.sort((a, b) => a.x - b.x).map(({ x, y }) => ({ x: Math.log2(x), y })),
    }),
  );
  const without = rows.find(({ detail }) => detail.federated !== null && detail.federated.noise === null);
  const ticks = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const references =
    without === undefined
      ? []
      : [{ name: without.name, tone: "slate" as const, y: without.columns.ndcg10.mean }];
  const chart = lineChart(
    {
      id: `${id}-epsilon`,
      title: `Quality against ε on ${name}`,
      desc: "NDCG@10 by ε, one line per population.",
    },
    {
      series,
      references,
      fromZero: true,
      horizontal: { label: "ε", ticks, format: (value) => String(Number((2 ** value).toPrecision(3))) },
    },
  );
  return figure({
    heading: "Quality against ε",
    about: "NDCG@10 after all rounds; each line is the noise of another population.",
    body:
      legend([
        ...series.map(({ name, tone }) => ({ name, tone, line: true })),
        ...references.map(({ name, tone }) => ({ name, tone, dash: true })),
      ]) + chart,
  });
}

/** Map and tree of one model: the noisy one of the largest population, else the one without noise. */
function clusterFigures({ rows, name }: DataSetResult, id: string): string[] {
  const noiseOf = ({ detail }: RowResult): number => detail.federated?.noise?.people ?? 0;
  const [row] = rows.filter(({ detail }) => detail.clusters !== null).sort((a, b) => noiseOf(b) - noiseOf(a));
  if (row === undefined) return [];
  const { map, layers } = row.detail.clusters!;
  const by = `Of the row "${row.name}".`;
  return [
    figure({
      heading: "Map of the clusters",
      about: `Centroids in the plane in which they lie farthest apart; area is people. ${by}`,
      body: clusterMap(
        {
          id: `${id}-map`,
          title: `Clusters on ${name}`,
          desc: "Every circle is a cluster, named by public tags.",
        },
        placeClusters([...map]),
      ),
      wide: true,
    }),
    figure({
      heading: "Layers of interests",
      about: `Basic interests on the left, fine ones on the right; a bar is the share of people. ${by}`,
      body: layerTreeSvg(
        { id: `${id}-tree`, title: `Layers on ${name}`, desc: "A tree of clusters." },
        layers,
      ),
      wide: true,
    }),
  ];
}
