/** Private clustering of a known population, against the same clustering without privacy. */
import { adjustedRandIndex } from "../src/agreement.ts";
import { type LloydResult, lloyd } from "../src/lloyd.ts";
import { type Matrix, rowOf } from "../src/matrix.ts";
import {
  clusterMicroRelease,
  microClusterCount,
  type PublicationRules,
  type ReleasedClusters,
  refineClusters,
} from "../src/micro-clusters.ts";
import { publicRandom } from "../src/random.ts";
import { seedCentroids } from "../src/seeding.ts";
import type { NoisyRelease } from "../src/shrinkage.ts";
import { sufficientStatistics } from "../src/statistics.ts";
import { addNoise, jointDeviation, randomDirections, type TestPopulation } from "./population.ts";

export interface Score {
  /** Clusters in the result. */
  readonly clusters: number;
  /** Mean cosine distance of the people to their nearest centroid, over that of the clustering without privacy. */
  readonly cost: number;
  /** Adjusted Rand index against the clusters that the people come from. */
  readonly ari: number;
}

export interface PrivateClustering {
  /** Deviation of the noise on each count and each entry of a sum. */
  readonly deviation: number;
  readonly seeds: number;
  /** Micro-clusters that stood out of the noise. */
  readonly standing: number;
  readonly result: ReleasedClusters;
  /** After the micro-clusters, and after one more release. */
  readonly micro: Score;
  readonly refined: Score;
}

/** k-means on the people themselves, the best of some k-means++ starts. */
export function withoutPrivacy(
  people: Matrix,
  { clusters, starts }: { clusters: number; starts: number },
): LloydResult {
  let best: LloydResult | undefined;
  for (let seed = 1; seed <= starts; seed++) {
    const centroids = seedCentroids({ items: people, clusters, seed, iterations: 0 });
    const result = lloyd({ points: people, centroids, iterations: 30 });
    if (best === undefined || result.meanSimilarity > best.meanSimilarity) best = result;
  }
  return best!;
}

export function clusterPrivately(
  population: TestPopulation,
  options: PublicationRules & {
    readonly epsilon: number;
    readonly clusters: number;
    /** Where the public seeds come from. */
    readonly seeds: "items" | "random";
    /** Mean cosine distance without privacy. */
    readonly reference: number;
    readonly seed: number;
  },
): PrivateClustering {
  const { people, items } = population;
  // One release over the micro-clusters and one of refinement, under the same (ε, 1e−5).
  const deviation = jointDeviation({ epsilon: options.epsilon, delta: 1e-5, releases: 2 });
  // Streams of their own: the population was drawn from `seed` itself.
  const random = publicRandom(1000 + options.seed);
  const count = microClusterCount({ ...options, users: people.rows, countDeviation: deviation });
  const directions =
    options.seeds === "items"
      ? seedCentroids({ items, clusters: count, seed: 2000 + options.seed, iterations: 5 })
      : randomDirections(count, people.columns, 3000 + options.seed);
  const release = (over: Matrix): NoisyRelease => {
    const counts = new Float64Array(over.rows);
    const sums = new Float64Array(over.data.length);
    for (let r = 0; r < people.rows; r++) {
      const own = sufficientStatistics({ rows: 1, columns: people.columns, data: rowOf(people, r) }, over);
      const cell = own.counts.indexOf(1);
      counts[cell] = counts[cell]! + 1;
      for (let i = cell * over.columns; i < (cell + 1) * over.columns; i++) sums[i] = sums[i]! + own.sums[i]!;
    }
    return {
      directions: over,
      counts: addNoise(counts, deviation, random),
      sums: addNoise(sums, deviation, random),
      countDeviation: deviation,
      sumDeviation: deviation,
    };
  };
  const score = ({ centroids }: ReleasedClusters): Score => {
    const { assignments, meanSimilarity } = lloyd({ points: people, centroids, iterations: 0 });
    return {
      clusters: centroids.rows,
      cost: (1 - meanSimilarity) / options.reference,
      ari: adjustedRandIndex(population.labels, assignments),
    };
  };
  const micro = clusterMicroRelease(release(directions), options);
  const refined = refineClusters(release(micro.centroids), options);
  return {
    deviation,
    seeds: count,
    standing: micro.clusters.reduce((sum, { cells }) => sum + cells.length, 0),
    result: refined,
    micro: score(micro),
    refined: score(refined),
  };
}
