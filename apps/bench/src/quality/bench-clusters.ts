/** `pnpm bench clusters`: what privacy costs clusters at the sizes of the quality targets, 32 in 8 groups, d = 32. */
import { adjustedRandIndex } from "@kindred/clustering";
import { testPopulation } from "@kindred/clustering/testing/population";
import {
  clusterPrivately,
  type PrivateClustering,
  withoutPrivacy,
} from "@kindred/clustering/testing/private-clusters";
import { wholeNumber } from "../flags.ts";
import { MarkdownTable } from "../markdown-table.ts";

/** What commander hands over. */
export interface ClustersFlags {
  readonly users: string;
  readonly seeds: string;
  readonly json?: string;
}

const CLUSTERS = 32;
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a flag out of range
 */
export async function benchClusters(
  flags: ClustersFlags,
  out: NodeJS.WritableStream,
): Promise<MarkdownTable> {
  const sizes = flags.users.split(",").map((text) => wholeNumber("--users", text, [100, 1_000_000]));
  const seeds = Array.from({ length: wholeNumber("--seeds", flags.seeds, [1, 100]) }, (_, i) => i + 1);
  const table = new MarkdownTable(out, [
    "users",
    "ε",
    "seeds",
    "dropped under",
    "deviation",
    "micro-clusters",
    "standing",
    "clusters",
    "cost",
    "ARI",
    "ARI over non-private",
  ]);
  for (const users of sizes) {
    const prepared = seeds.map((seed) => knownPopulation(users, seed));
    for (const epsilon of [1, 8])
      for (const source of ["items", "random"] as const)
        for (const significance of users <= 1000 ? [3, 1] : [3]) {
          const runs: readonly (PrivateClustering & { share: number })[] = prepared.map((each) => {
            const run = clusterPrivately(each.population, {
              epsilon,
              seeds: source,
              significance,
              clusters: CLUSTERS,
              minimumSize: 0,
              reference: each.reference,
              seed: each.seed,
            });
            return { ...run, share: run.refined.ari / each.ari };
          });
          table.row([
            users,
            epsilon,
            source,
            `${significance}σ`,
            runs[0]!.deviation.toFixed(2),
            runs[0]!.seeds,
            Math.round(mean(runs.map(({ standing }) => standing))),
            mean(runs.map(({ refined }) => refined.clusters)).toFixed(1),
            mean(runs.map(({ refined }) => refined.cost)).toFixed(2),
            mean(runs.map(({ refined }) => refined.ari)).toFixed(2),
            mean(runs.map(({ share }) => share)).toFixed(2),
          ]);
        }
  }
  await table.save(flags.json);
  return table;
}

/** People of known clusters, and how well they are found without privacy. */
function knownPopulation(users: number, seed: number) {
  const population = testPopulation({
    users,
    items: 4000,
    clusters: CLUSTERS,
    groups: 8,
    dimension: 32,
    spread: { clusters: 0.8, people: 0.6 },
    seed,
  });
  const plain = withoutPrivacy(population.people, { clusters: CLUSTERS, starts: 5 });
  return {
    seed,
    population,
    reference: 1 - plain.meanSimilarity,
    ari: adjustedRandIndex(population.labels, plain.assignments),
  };
}
