/** Layers, dense regions, names and identities of clusters: what follows from centroids, sizes and public items. */
import {
  clusterTags,
  dbscan,
  firstIdentities,
  layerCentroids,
  type Matrix,
  matchClusters,
} from "@kindred/clustering";
import type { ClusteringOptions, Model, ModelClustering, ModelLayer } from "@kindred/protocol";
import { diverseLayers } from "./cluster-layers.ts";

/** The public items of a catalogue under the weights of one model. */
export interface DescribedItems {
  readonly items: readonly { readonly tags: readonly string[] }[];
  /** Item vectors of norm 1, items × d; row i is `items[i]`. */
  readonly units: Matrix;
}

/** The parts of a model that clustering makes. */
export type ClusterModel = Pick<Model, "centroids" | "clusters" | "cells" | "clustering">;

/** Least weight of a cluster in a tree, as a share of all; a public cluster may hold no item. */
const LEAST_SHARE = 1e-6;

/** Radius of a neighbourhood, in usual distances to the nearest centroid. */
const RADIUS = 1.5;

/**
 * Describes new clusters; those of `parent` lend them their identities.
 * @param description.sizes share of each cluster, ≥ 0
 * @param description.isDiverse whether a centroid passes among so many clusters; without it, as where nothing is about
 *   people yet, all do
 * @returns with `changes`, what of the coarser layers was merged or left out
 */
export function describeClusters(description: {
  readonly centroids: Matrix;
  readonly sizes: readonly number[];
  readonly options: ClusteringOptions;
  readonly items: DescribedItems;
  readonly parent?: ClusterModel;
  readonly isDiverse?: (centroid: Float32Array, clusters: number) => boolean;
}): Pick<ModelClustering, "sizes" | "layers" | "regions" | "events" | "changes"> {
  const { centroids, sizes, options, items, parent, isDiverse = () => true } = description;
  const weights = sizes.map((size) => Math.max(LEAST_SHARE, size));
  const fine = centroids.rows;
  const ranges = options.layers.filter(({ minimum }) => minimum < fine);
  const { layers: coarser, changes } = diverseLayers(centroids, { weights, ranges, isDiverse });
  const all = [...coarser, { centroids, labels: Int32Array.from(sizes, (_, cluster) => cluster) }];
  const before = parent === undefined ? [] : pastLayers(parent);
  let events: ModelClustering["events"] = [];
  const layers = all.map((layer, i): ModelLayer => {
    // Layers are matched from the fine end, where both versions have the same.
    const past = before[before.length - all.length + i];
    const { nextId, ids, ...matched } =
      past === undefined
        ? { ...firstIdentities(layer.centroids.rows), events: [] }
        : matchClusters(past, layer.centroids);
    if (i === all.length - 1) events = mutableEvents(matched.events);
    const names = clusterTags(items.units, layer.centroids, {
      items: items.items,
      without: options.sensitive,
      // A cluster keeps its name against younger ones wherever its row is.
      order: ids.map((_, row) => row).sort((a, b) => ids[a]! - ids[b]!),
    });
    return { ids: [...ids], nextId, names, parents: parentsOf(layer.labels, all[i - 1]?.labels) };
  });
  return { sizes: [...sizes], layers, regions: denseRegions(centroids, weights), events, changes };
}

/** Identities and centroids of a version's layers, from basic to fine. */
function pastLayers({ centroids, clusters, clustering }: ClusterModel) {
  const fine: Matrix = { rows: clusters, columns: centroids.length / clusters, data: centroids };
  const weights = clustering.sizes.map((size) => Math.max(LEAST_SHARE, size));
  let labels = Array.from({ length: clusters }, (_, cluster) => cluster);
  const { layers } = clustering;
  return layers
    .map(({ ids, nextId }, i) => ({ ids, nextId, finer: layers[i + 1] }))
    .reverse()
    .map(({ ids, nextId, finer }) => {
      if (finer === undefined) return { ids, nextId, centroids: fine };
      labels = labels.map((cluster) => finer.parents[cluster]!);
      return { ids, nextId, centroids: layerCentroids(fine, { labels, weights }).centroids };
    })
    .reverse();
}

/** Per cluster of a layer its cluster in the coarser one, from the fine clusters' labels in both. */
function parentsOf(labels: Int32Array, coarser: Int32Array | undefined): number[] {
  const parents: number[] = [];
  if (coarser !== undefined)
    for (const [cluster, label] of labels.entries()) parents[label] = coarser[cluster]!;
  return parents;
}

/**
 * Regions by density: DBSCAN over the centroids, weighted by size. A cluster of mean size is dense by itself; a smaller
 * one belongs to a region when others lie within one and a half times the usual distance to the nearest. What is small
 * and far from the others is an outlier, −1. (The knee of `kneeRadius` needs more points than there are clusters.)
 */
function denseRegions(centroids: Matrix, weights: readonly number[]): number[] {
  // Of two clusters neither can be the odd one out.
  if (centroids.rows < 3) return weights.map(() => 0);
  const minWeight = weights.reduce((sum, weight) => sum + weight, 0) / centroids.rows;
  const nearest = nearestDistances(centroids).sort((a, b) => a - b);
  const radius = RADIUS * nearest[nearest.length >> 1]!;
  // Centroids that coincide are one region, whatever the radius.
  const options = { metric: "cosine", weights, minWeight, radius: Math.max(radius, 1e-9) } as const;
  return [...dbscan(centroids, options).labels];
}

/** Cosine distance of each centroid to the nearest other one. */
function nearestDistances({ rows, columns, data }: Matrix): number[] {
  return Array.from({ length: rows }, (_, a) => {
    let nearest = Number.POSITIVE_INFINITY;
    for (let b = 0; b < rows; b++) {
      if (a === b) continue;
      let cosine = 0;
      for (let i = 0; i < columns; i++) cosine += data[a * columns + i]! * data[b * columns + i]!;
      nearest = Math.min(nearest, 1 - cosine);
    }
    return nearest;
  });
}

type Events = ModelClustering["events"];

function mutableEvents(events: ReturnType<typeof matchClusters>["events"]): Events {
  return events.map((event): Events[number] => {
    switch (event.kind) {
      case "merge":
        return { ...event, from: [...event.from] };
      case "split":
        return { ...event, into: [...event.into] };
      default:
        return event;
    }
  });
}
