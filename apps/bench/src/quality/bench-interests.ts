/**
 * `pnpm bench interests`: how well the next interest is foretold, the cluster of the next item: by "the same as last", by the
 * summed scores of an encoder, and by a next-interest head trained beside it. The clusters are those of the first encoder
 * of a seed, made of the public items under its weights, for every row of that seed.
 */
import { assign, normaliseRows, rowOf } from "@kindred/clustering";
import {
  groupShares,
  type InterestEncoder,
  itemFeatures,
  itemGroups,
  nextItemRanks,
  rankingMetrics,
  scoresByInterest,
} from "@kindred/encoder";
import { publicClusters } from "@kindred/engine";
import { type PlanInput, parsePlanInput } from "@kindred/protocol";
import { classificationQuality } from "@kindred/simulator";
import { type DataFlags, denseDataSet, numberAbove, wholeNumber } from "../flags.ts";
import { MarkdownTable } from "../markdown-table.ts";
import { type CentralisedTrial, centralisedTrial, trainInOnePlace } from "./centralised-trial.ts";

/** What commander hands over. */
export interface InterestsFlags extends DataFlags {
  readonly epochs: string;
  readonly seeds: string;
  readonly weights: string;
  readonly groups: string;
  readonly clusters: string;
  readonly json?: string;
}

/** The cluster of each item, and how many there are. */
interface ItemClusters {
  readonly clusterOf: Int32Array;
  readonly clusters: number;
}

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a flag out of range, `dataset-invalid` for a folder without a data set
 */
export async function benchInterests(
  flags: InterestsFlags,
  out: NodeJS.WritableStream,
): Promise<MarkdownTable> {
  const epochs = wholeNumber("--epochs", flags.epochs, [1, 1000]);
  const seeds = wholeNumber("--seeds", flags.seeds, [1, 100]);
  const groups = wholeNumber("--groups", flags.groups, [2, 1024]);
  const weights = flags.weights
    .split(",")
    .map((text) => numberAbove(0, { flag: "--weights", text, maximum: 1000 }));
  const population = denseDataSet(flags);
  const clusters = wholeNumber("--clusters", flags.clusters, [2, Math.min(1024, population.items.length)]);
  const trial = await centralisedTrial(population, out);
  const table = new MarkdownTable(out, [
    "foretold by",
    "seed",
    "accuracy",
    "macro precision",
    "macro recall",
    "macro F1",
    "epoch",
    "seconds",
    "NDCG@10",
  ]);
  const encoders = [
    { name: "encoder without head", training: {} },
    ...weights.map((weight) => ({
      name: `encoder with head of weight ${weight}`,
      training: { interests: { weight, groups } },
    })),
  ];
  for (let seed = 1; seed <= seeds; seed++) {
    let found: ItemClusters | undefined;
    for (const { name, training } of encoders) {
      const plan = parsePlanInput({ task: "bench", encoder: { seed }, training, clustering: { clusters } });
      const { encoder, bestEpoch, seconds } = await trainInOnePlace(trial, { plan, epochs });
      const first = found === undefined;
      found ??= clustersOf(encoder, { plan, trial });
      const { clusterOf } = found;
      const truth = trial.test.map(({ target }) => clusterOf[target]!);
      const row = (by: string, labels: readonly number[], about: readonly (string | number)[]) => {
        const { accuracy, macroPrecision, macroRecall, macroF1 } = classificationQuality(truth, labels);
        const measured = [accuracy, macroPrecision, macroRecall, macroF1].map((value) => value.toFixed(4));
        table.row([by, seed, ...measured, ...about]);
      };
      if (first)
        row(
          "the same as last",
          trial.test.map(({ sequence }) => clusterOf[sequence.items[sequence.items.length - 1]!]!),
          ["", "", ""],
        );
      const { ndcg10 } = rankingMetrics(nextItemRanks({ encoder, users: trial.test }));
      for (const [by, labels] of foretold(encoder, { trial, found }))
        row(`${by}, ${name}`, labels, [bestEpoch, seconds.toFixed(0), ndcg10.toFixed(4)]);
      encoder.dispose();
    }
  }
  await table.save(flags.json);
  return table;
}

/** The cluster of each item under an encoder's weights. */
function clustersOf(
  encoder: InterestEncoder,
  { plan, trial }: { readonly plan: PlanInput; readonly trial: CentralisedTrial },
): ItemClusters {
  const units = normaliseRows({
    rows: trial.items.length,
    columns: encoder.shape.dimension,
    data: encoder.itemVectors(),
  });
  const { centroids, clusters } = publicClusters({
    options: { ...plan.clustering, microClusters: 0 },
    seed: plan.encoder.seed,
    cells: plan.clustering.clusters,
    items: { items: trial.items, units },
  });
  const matrix = { rows: clusters, columns: units.columns, data: centroids };
  return {
    clusters,
    clusterOf: Int32Array.from(
      { length: units.rows },
      (_, item) => assign(rowOf(units, item), matrix).cluster,
    ),
  };
}

/** The most probable cluster under item scores (logits). */
function expectedCluster(scores: Float32Array, { clusterOf, clusters }: ItemClusters): number {
  const largest = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const shares = new Float64Array(clusters);
  scores.forEach((score, item) => {
    shares[clusterOf[item]!]! += Math.exp(score - largest);
  });
  return shares.indexOf(Math.max(...shares));
}

/** The cluster that each tested person's next item is expected in, by each way of foretelling it. */
function foretold(
  encoder: InterestEncoder,
  { trial, found }: { readonly trial: CentralisedTrial; readonly found: ItemClusters },
): (readonly [by: string, labels: readonly number[]])[] {
  const { training, shape } = encoder;
  const vectors = encoder.userVectors(trial.test.map(({ sequence }) => sequence));
  const people = trial.test.map((_, i) => {
    const vector = vectors.slice(i * shape.dimension, (i + 1) * shape.dimension);
    return { vector, scores: encoder.scores(vector) };
  });
  const summed = people.map(({ scores }) => expectedCluster(scores, found));
  const head = encoder.interestHead();
  if (head === undefined || training.interests === undefined) return [["summed scores", summed]];
  const groups = itemGroups(itemFeatures(trial.items, shape), {
    columns: shape.dimension,
    groups: training.interests.groups,
    seed: shape.seed,
  });
  const alike = new Float32Array(trial.items.length);
  const byHead = people.map(({ vector, scores }) => {
    const shares = groupShares(head, vector);
    const cluster = (within: Float32Array) =>
      expectedCluster(scoresByInterest(within, { groups, shares }), found);
    return { within: cluster(scores), alone: cluster(alike) };
  });
  return [
    ["summed scores", summed],
    ["head, scores within groups", byHead.map(({ within }) => within)],
    ["head alone, items of a group alike", byHead.map(({ alone }) => alone)],
  ];
}
