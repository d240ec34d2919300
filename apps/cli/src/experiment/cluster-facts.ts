/** What clusters of a model are worth: metrics over all people, a map, layers, and whether the next interest is foretold. */
import { expectedClusters } from "@kindred/client";
import { assign, type Matrix, normaliseRows, rowOf } from "@kindred/clustering";
import type { InterestEncoder } from "@kindred/encoder";
import { type ClusterModel, publicClusters } from "@kindred/engine";
import type { PlanInput } from "@kindred/protocol";
import { classificationQuality } from "@kindred/simulator";
import { clusterQuality, layerTree, nearestClusters } from "../simulate/cluster-quality.ts";
import { principalPlane } from "../simulate/principal-plane.ts";
import type { ExperimentData } from "./experiment-data.ts";
import type { ClusterFacts, NextInterest } from "./result.ts";

type Clusters = Pick<ClusterModel, "centroids" | "clusters">;

/** Clusters of the public items alone: what a model without a release has. */
export function catalogueClusters(
  encoder: InterestEncoder,
  { data, plan }: { readonly data: ExperimentData; readonly plan: PlanInput },
): ClusterModel {
  return publicClusters({
    options: { ...plan.clustering, microClusters: 0 },
    seed: plan.encoder.seed,
    cells: plan.clustering.clusters,
    items: { items: data.population.items, units: itemUnits(encoder) },
  });
}

/** Metrics, map and layers over everybody with a record. */
export function clusterFacts(
  encoder: InterestEncoder,
  { data, model }: { readonly data: ExperimentData; readonly model: ClusterModel },
): ClusterFacts {
  const recorded = data.sequences.flatMap(({ items }, index) => (items.length > 0 ? [index] : []));
  const columns = encoder.shape.dimension;
  const people = normaliseRows({
    rows: recorded.length,
    columns,
    data: encoder.userVectors(recorded.map((index) => data.sequences[index]!)),
  });
  const groups = recorded.map((index) => data.groups[index]!);
  const layers = layerTree(people, model);
  const positions = principalPlane({ rows: model.clusters, columns, data: model.centroids });
  const sizes = new Array<number>(model.clusters).fill(0);
  for (const cluster of nearestClusters(people, model)) sizes[cluster]! += 1;
  return {
    quality: clusterQuality(people, { model, groups }),
    layers,
    map: layers.at(-1)!.map(({ name }, cluster) => ({
      name,
      size: sizes[cluster]!,
      x: positions[cluster]![0],
      y: positions[cluster]![1],
    })),
  };
}

/**
 * Foretells the cluster of each tested person's next item: the most probable one under the encoder's scores.
 *
 * @returns `take` for the scores of every person, then `result`
 */
export function nextInterestOf(
  encoder: InterestEncoder,
  { data, model }: { readonly data: ExperimentData; readonly model: Clusters },
): { readonly take: (index: number, scores: Float32Array) => void; readonly result: () => NextInterest } {
  const { clusters } = model;
  const clusterOf = itemClusters(itemUnits(encoder), model);
  const truth: number[] = [];
  const last: number[] = [];
  const foretold: number[] = [];
  return {
    take: (index, scores) => {
      const { sequence, target } = data.tested[index]!;
      truth.push(clusterOf[target]!);
      last.push(clusterOf[sequence.items[sequence.items.length - 1]!]!);
      const expected = expectedClusters(scores, { clusterOf, clusters });
      foretold.push(expected.indexOf(Math.max(...expected)));
    },
    result: () => ({
      ...classificationQuality(truth, foretold),
      sameAsLast: classificationQuality(truth, last),
    }),
  };
}

function itemUnits(encoder: InterestEncoder): Matrix {
  return normaliseRows({
    rows: encoder.itemCount,
    columns: encoder.shape.dimension,
    data: encoder.itemVectors(),
  });
}

function itemClusters(units: Matrix, { centroids, clusters }: Clusters): Int32Array {
  const matrix = { rows: clusters, columns: units.columns, data: centroids };
  return Int32Array.from({ length: units.rows }, (_, item) => assign(rowOf(units, item), matrix).cluster);
}
