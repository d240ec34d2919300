/**
 * Clusters of the next model version: from a noisy release over micro-clusters or over the clusters themselves.
 *
 * A cycle begins with one release by public micro-clusters, of which weighted k-means makes the fine clusters; some
 * releases by these refine them; then the next cycle begins (QUALITY, "Clustering design"). Layers, regions, names and
 * identities follow from the centroids, sizes and public items: all of it is post-processing and costs no privacy.
 */
import {
  clusterMicroRelease,
  describesDiversely,
  type Matrix,
  type NoisyRelease,
  nearestItems,
  refineClusters,
  seedCentroids,
  spreadOf,
} from "@kindred/clustering";
import type { ClusteringOptions, ModelClustering } from "@kindred/protocol";
import { type ClusterModel, type DescribedItems, describeClusters } from "./cluster-description.ts";
import type { MeanContribution } from "./pipeline.ts";

/** What a release did to the clusters. */
export interface ClusterOutcome {
  /** What people were counted by. */
  readonly stage: "micro-clusters" | "clusters";
  /** Clusters of the new version. */
  readonly clusters: number;
  /** Whether they come from this release; if nothing stood out of the noise they are those of the version before. */
  readonly moved: boolean;
  /** What was not published by itself, and why. */
  readonly changes: ModelClustering["changes"];
}

/** Lloyd iterations over the public items when clusters or micro-clusters are seeded. */
const SEED_ITERATIONS = 5;

/**
 * The clusters of an initial model: seeded from the public items, with the micro-clusters that the first round counts by.
 * @param options.cells rows of the blocks that hold counts and sums
 */
export function publicClusters(options: {
  readonly options: ClusteringOptions;
  readonly seed: number;
  readonly cells: number;
  readonly items: DescribedItems;
}): ClusterModel {
  const { seed, items } = options;
  const { clusters } = options.options;
  const centroids = seedCentroids({ items: items.units, clusters, seed, iterations: SEED_ITERATIONS });
  return {
    centroids: centroids.data,
    clusters,
    cells: options.options.microClusters === 0 ? new Float32Array() : publicCells(options),
    clustering: {
      ...describeClusters({ centroids, sizes: itemShares(items.units, centroids), ...options }),
      source: "public",
      refinements: null,
    },
  };
}

/**
 * The clusters of the version after `parent`, from the means of a cohort.
 * @param options.mean counts and sums in the order of the parent's cells, or of its centroids if it has none
 * @param options.people how many people the means are over
 */
export function releaseClusters(options: {
  readonly options: ClusteringOptions;
  readonly seed: number;
  readonly cells: number;
  readonly parent: ClusterModel;
  readonly mean: Pick<MeanContribution, "counts" | "sums"> & {
    readonly deviation: Pick<MeanContribution["deviation"], "counts" | "sums">;
  };
  readonly people: number;
  readonly items: DescribedItems;
}): { readonly released: ClusterModel; readonly outcome: ClusterOutcome } {
  const { parent, items, seed } = options;
  const { clusters: k, choice, minimumClusters, significance, minimumSize } = options.options;
  const stage = parent.cells.length > 0 ? "micro-clusters" : "clusters";
  const release = noisyRelease(options);
  const isDiverse = describesDiversely(items, options.options);
  const rules = { significance, minimumSize, isDiverse };
  const clusters = choice === "fixed" ? k : { minimum: minimumClusters, maximum: k, criterion: choice };
  const { centroids, ...found } =
    stage === "micro-clusters"
      ? clusterMicroRelease(release, { ...rules, clusters, seed })
      : refineClusters(release, rules);
  const ofClusters = summarised(found.changes.map(({ kind, reason }) => ({ kind, reason, count: 1 })));
  const moved = centroids.rows > 0;
  const refinements = stage === "clusters" ? (parent.clustering.refinements ?? 0) + 1 : moved ? 0 : null;
  // Nothing came out of the micro-clusters: people are counted by them once more.
  const again = options.options.microClusters > 0 && (refinements ?? Infinity) >= options.options.refinements;
  const cells = again ? publicCells(options) : new Float32Array();
  if (!moved)
    return {
      outcome: { stage, clusters: parent.clusters, moved, changes: ofClusters },
      released: {
        centroids: parent.centroids,
        clusters: parent.clusters,
        cells,
        clustering: { ...parent.clustering, refinements, events: [], changes: ofClusters },
      },
    };
  const sizes = found.clusters.map(({ count }) => Math.min(1, count / options.people));
  const described = describeClusters({
    centroids,
    sizes,
    options: options.options,
    items,
    parent,
    isDiverse,
  });
  const changes = summarised([...ofClusters, ...described.changes]);
  return {
    outcome: { stage, clusters: centroids.rows, moved, changes },
    released: {
      centroids: centroids.data,
      clusters: centroids.rows,
      cells,
      clustering: {
        ...described,
        source: "released",
        refinements,
        ...(options.options.method === "mixture"
          ? { spreads: found.clusters.map(({ concentration }) => spreadOf(concentration, centroids.columns)) }
          : {}),
        changes,
      },
    },
  };
}

/** The means as noisy sums over people, by the directions that the cohort was sent. */
function noisyRelease({
  parent,
  mean,
  people,
}: Pick<Parameters<typeof releaseClusters>[0], "parent" | "mean" | "people">): NoisyRelease {
  const data = parent.cells.length > 0 ? parent.cells : parent.centroids;
  const columns = parent.centroids.length / parent.clusters;
  const directions = { rows: data.length / columns, columns, data };
  return {
    directions,
    counts: mean.counts.slice(0, directions.rows).map((value) => value * people),
    sums: mean.sums.slice(0, data.length).map((value) => value * people),
    countDeviation: mean.deviation.counts * people,
    sumDeviation: mean.deviation.sums * people,
  };
}

/** Micro-clusters from the public items; fewer where the items have fewer directions. */
function publicCells({
  items,
  cells,
  seed,
}: {
  items: DescribedItems;
  cells: number;
  seed: number;
}): Float32Array {
  return seedCentroids({
    items: items.units,
    clusters: cells,
    seed,
    iterations: SEED_ITERATIONS,
    shortage: "accept",
  }).data;
}

/** Share of the items nearest to each centroid. */
function itemShares(units: Matrix, centroids: Matrix): number[] {
  const counts = new Array<number>(centroids.rows).fill(0);
  for (const [nearest] of nearestItems(centroids, units, 1)) counts[nearest!]!++;
  return counts.map((count) => count / units.rows);
}

/** How many cells and clusters were merged or suppressed, by reason; no counts of people. */
function summarised(changes: ModelClustering["changes"]): ModelClustering["changes"] {
  const summary = new Map<string, ModelClustering["changes"][number]>();
  for (const { kind, reason, count } of changes) {
    const key = `${kind} ${reason}`;
    summary.set(key, { kind, reason, count: (summary.get(key)?.count ?? 0) + count });
  }
  return [...summary.values()];
}
