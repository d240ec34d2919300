/**
 * Prints how well the next interest is foretold, the cluster of the next item: by "the same as last", by the summed scores of
 * an encoder, and by a next-interest head trained beside it; all in one place, leave-last-out, 5-core, epochs chosen on the
 * second-last items. The clusters are those of the first encoder, made of the public items under its weights, for every row.
 * `npx -y pnpm@10 bench:interests --data DIR [--people 1000] [--epochs 10] [--seeds 1] [--weights 0.3,1] [--groups 64]
 * [--clusters 16]`
 */
import { parseArgs } from "node:util";
import { assign, type Matrix, normaliseRows, rowOf } from "@kindred/clustering";
import {
  groupShares,
  InterestEncoder,
  itemFeatures,
  itemGroups,
  loadBackend,
  nextItemRanks,
  rankingMetrics,
  scoresByInterest,
  seededRandom,
} from "@kindred/encoder";
import { publicClusters } from "@kindred/engine";
import { type PlanInput, parsePlanInput } from "@kindred/protocol";
import {
  classificationQuality,
  evaluationUsers,
  kCore,
  leaveLastOut,
  loadPopulation,
  sampleUsers,
  userSequences,
} from "../src/index.ts";

const { values: given } = parseArgs({
  options: {
    data: { type: "string" },
    people: { type: "string", default: "1000" },
    epochs: { type: "string", default: "10" },
    seeds: { type: "string", default: "1" },
    weights: { type: "string", default: "1" },
    groups: { type: "string", default: "64" },
    clusters: { type: "string", default: "16" },
  },
});
if (given.data === undefined) throw new Error("Name the folder of a data set: --data DIR");
const everybody = kCore(loadPopulation(given.data), 5);
const people = Math.min(Number(given.people), everybody.users.length);
const population = kCore(sampleUsers(everybody, people, 1), 5);
const split = leaveLastOut(population);
const items = population.items.map((item) => ({ ...item, tags: [...item.tags] }));
const sequences = userSequences(split.validation.train).filter((own) => own.items.length >= 2);
const validation = evaluationUsers(split.validation);
const test = evaluationUsers(split);
const backend = await loadBackend();

type Training = Record<string, unknown>;
const planOf = (seed: number, training: Training): PlanInput =>
  parsePlanInput({
    task: "bench",
    encoder: { seed },
    training,
    clustering: { clusters: Number(given.clusters) },
  });

const print = (cells: readonly (string | number)[]) =>
  process.stdout.write(
    `| ${cells.map((cell) => (typeof cell === "number" ? cell.toFixed(4) : cell)).join(" | ")} |\n`,
  );

async function trained(
  plan: PlanInput,
): Promise<{ encoder: InterestEncoder; epoch: number; seconds: number }> {
  const encoder = InterestEncoder.create({
    backend,
    shape: plan.encoder,
    training: plan.training,
    features: itemFeatures(items, plan.encoder),
    itemCount: items.length,
  });
  const started = performance.now();
  const { bestEpoch } = await encoder.trainCentralised({
    sequences,
    validation,
    epochs: Number(given.epochs),
    patience: 3,
    batchSize: 32,
    learningRate: 2e-3,
    optimiser: "adam",
    random: seededRandom(plan.encoder.seed),
  });
  return { encoder, epoch: bestEpoch, seconds: (performance.now() - started) / 1000 };
}

/** The cluster of each item under an encoder's weights. */
function clustersOf(encoder: InterestEncoder, plan: PlanInput): { clusterOf: Int32Array; clusters: number } {
  const units: Matrix = normaliseRows({
    rows: items.length,
    columns: encoder.shape.dimension,
    data: encoder.itemVectors(),
  });
  const { centroids, clusters } = publicClusters({
    options: { ...plan.clustering, microClusters: 0 },
    seed: plan.encoder.seed,
    cells: plan.clustering.clusters,
    items: { items, units },
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

type Clusters = ReturnType<typeof clustersOf>;

/** The most probable cluster under item scores. */
function expectedCluster(scores: Float32Array, { clusterOf, clusters }: Clusters): number {
  const largest = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const shares = new Float64Array(clusters);
  scores.forEach((score, item) => {
    shares[clusterOf[item]!]! += Math.exp(score - largest);
  });
  return shares.indexOf(Math.max(...shares));
}

/** What each tested person's next interest is by each way of foretelling it. */
function foretold(encoder: InterestEncoder, clusters: Clusters): Map<string, number[]> {
  const { training, shape } = encoder;
  const found = new Map<string, number[]>();
  const add = (name: string, cluster: number) => found.set(name, [...(found.get(name) ?? []), cluster]);
  const vectors = encoder.userVectors(test.map(({ sequence }) => sequence));
  const head = encoder.interestHead();
  const groups =
    training.interests &&
    itemGroups(itemFeatures(items, shape), {
      columns: shape.dimension,
      groups: training.interests.groups,
      seed: shape.seed,
    });
  const alike = new Float32Array(items.length);
  test.forEach((_, i) => {
    const vector = vectors.slice(i * shape.dimension, (i + 1) * shape.dimension);
    const scores = encoder.scores(vector);
    add("summed scores", expectedCluster(scores, clusters));
    if (head === undefined || groups === undefined) return;
    const shares = groupShares(head, vector);
    add(
      "head, scores within groups",
      expectedCluster(scoresByInterest(scores, { groups, shares }), clusters),
    );
    add("head alone", expectedCluster(scoresByInterest(alike, { groups, shares }), clusters));
  });
  return found;
}

process.stdout.write(`${population.name}: ${population.users.length} people, ${items.length} items\n\n`);
print([
  "foretold by",
  "accuracy",
  "macro precision",
  "macro recall",
  "macro F1",
  "epochs",
  "seconds",
  "NDCG@10",
]);
print(Array.from({ length: 8 }, () => "---"));
for (let seed = 1; seed <= Number(given.seeds); seed++) {
  let clusters: Clusters | undefined;
  const variants: [string, Training][] = [
    ["", {}],
    ...given.weights
      .split(",")
      .map((weight): [string, Training] => [
        `, weight ${weight}`,
        { interests: { weight: Number(weight), groups: Number(given.groups) } },
      ]),
  ];
  for (const [name, training] of variants) {
    const plan = planOf(seed, training);
    const { encoder, epoch, seconds } = await trained(plan);
    const first = clusters === undefined;
    clusters ??= clustersOf(encoder, plan);
    const { clusterOf } = clusters;
    const truth = test.map(({ target }) => clusterOf[target]!);
    const row = (by: string, labels: readonly number[], more: readonly (string | number)[]) => {
      const { accuracy, macroPrecision, macroRecall, macroF1 } = classificationQuality(truth, labels);
      print([by, accuracy, macroPrecision, macroRecall, macroF1, ...more]);
    };
    if (first)
      row(
        "the same as last",
        test.map(({ sequence }) => clusterOf[sequence.items[sequence.items.length - 1]!]!),
        ["", "", ""],
      );
    const { ndcg10 } = rankingMetrics(nextItemRanks({ encoder, users: test }));
    for (const [by, labels] of foretold(encoder, clusters))
      row(`${by}${name}`, labels, [String(epoch), seconds.toFixed(0), ndcg10]);
    encoder.dispose();
  }
}
