/**
 * Prints what privacy costs the clustering at the sizes of the quality targets: 32 clusters in 8 groups, d = 32,
 * three seeds. `npx -y pnpm@10 bench:clusters`
 */
import { adjustedRandIndex } from "../src/agreement.ts";
import { testPopulation } from "./population.ts";
import { clusterPrivately, type PrivateClustering, withoutPrivacy } from "./private-clusters.ts";

const CLUSTERS = 32;
const SEEDS = [1, 2, 3];
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const print = (cells: readonly (string | number)[]) => process.stdout.write(`| ${cells.join(" | ")} |\n`);

print([
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
print(Array.from({ length: 11 }, () => "---"));
for (const users of [1000, 5000, 20_000]) {
  const prepared = SEEDS.map((seed) => {
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
  });
  for (const epsilon of [1, 8])
    for (const seeds of ["items", "random"] as const)
      for (const significance of users === 1000 ? [3, 1] : [3]) {
        const runs: readonly (PrivateClustering & { share: number })[] = prepared.map((each) => {
          const run = clusterPrivately(each.population, {
            epsilon,
            seeds,
            significance,
            clusters: CLUSTERS,
            minimumSize: 0,
            reference: each.reference,
            seed: each.seed,
          });
          return { ...run, share: run.refined.ari / each.ari };
        });
        print([
          users,
          epsilon,
          seeds,
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
