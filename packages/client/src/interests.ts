/** What a person's vectors say: soft membership in the layers of clusters, and interests they have not shown yet. */
import { layerCentroids, type Matrix, rowOf } from "@kindred/clustering";
import { KindredError, type Model, type ModelLayer } from "@kindred/protocol";
import { membershipIn } from "./membership.ts";
import type { PersonalVectors } from "./personal-vectors.ts";

/** A person's relation to one cluster of one layer. */
export interface InterestCluster {
  /** The cluster's identity within its layer, which it keeps from model to model. */
  readonly id: number;
  /** Up to three tags of the public catalogue that set it apart, the most telling first. */
  readonly tags: readonly string[];
  /** Share of the present interests ({@link membershipIn}); over a layer they sum to 1. */
  readonly membership: number;
  /** The same for the whole record, older interactions counting less; over a layer they sum to 1. */
  readonly longTerm: number;
  /** Cosine between the present interests and the centroid, −1 to 1; of several interests the nearest one's. */
  readonly similarity: number;
  /** Identity of the cluster that it is part of, in the layer before; `null` in the first layer. */
  readonly parent: number | null;
  /** Whether it lies by itself, far from the dense regions of interests: a niche. */
  readonly outlier: boolean;
}

/** A fine cluster of which a person has recorded nothing, and that the encoder expects of them. */
export interface LatentInterest {
  /** Identity of the fine cluster. */
  readonly id: number;
  readonly tags: readonly string[];
  /** Probability that the next interaction is with one of its items. */
  readonly expected: number;
  /** Share of all people in the cluster, noisy; before anything was released, its share of the items. */
  readonly usual: number;
}

/** A person's interests under the present model. Computed on the device; no part of it leaves. */
export interface Interests {
  /** The encoder's answer to the latest interactions, length d; all zeros when nothing is recorded. */
  readonly shortTerm: Float32Array;
  /** Mean direction over the record, older interactions counting less, length d, norm 1; zeros as above. */
  readonly longTerm: Float32Array;
  /** The fine clusters, the last of `layers`: largest membership first. Empty when nothing is recorded. */
  readonly clusters: readonly InterestCluster[];
  /** From basic to fine. */
  readonly layers: readonly (readonly InterestCluster[])[];
  /** What the encoder expects more of this person than is usual, though they have not shown it; most unusual first. */
  readonly latent: readonly LatentInterest[];
}

/** What a person did, as the encoder sees it. */
export interface PersonalHistory {
  /** The present interests. */
  readonly present: PersonalVectors;
  /** The encoder's answer to the latest interactions. */
  readonly shortTerm: Float32Array;
  /** Its answers along the record with the weights of recency, which sum to 1. */
  readonly past: readonly { readonly vector: Float32Array; readonly weight: number }[];
  /** Item indices that were recorded. */
  readonly recorded: ReadonlySet<number>;
}

type ClusterParts = Pick<Model, "centroids" | "clusters" | "clustering">;

/** 60 days. */
const HALF_LIFE = 60 * 86_400_000;

/**
 * Milliseconds after which an interaction counts half as much for the long term.
 * @throws KindredError `option-invalid` if it is not above 0
 */
export function halfLifeOf({ halfLife = HALF_LIFE }: { readonly halfLife?: number }): number {
  if (halfLife > 0) return halfLife;
  throw new KindredError({
    code: "option-invalid",
    field: "halfLife",
    rule: "must be above 0 milliseconds",
    fix: "pass 60 * 86_400_000 for sixty days, or leave it out",
  });
}

/** The clusters of a model, as what a person did relates to them. */
export function describeInterests(
  { present, shortTerm, past, recorded }: PersonalHistory,
  options: {
    readonly model: ClusterParts;
    /** Score of every item as the next one, nats up to a constant. */
    readonly scores: Float32Array;
    /** Fine cluster of each item. */
    readonly clusterOf: Int32Array;
  },
): Interests {
  const { model } = options;
  const membership = membershipIn(model);
  const memberships = new Float64Array(model.clusters);
  for (let row = 0; row < present.vectors.rows; row++)
    addScaled(memberships, membership(rowOf(present.vectors, row)), present.weights[row]!);
  const longTerm = new Float64Array(model.clusters);
  const direction = new Float64Array(shortTerm.length);
  for (const { vector, weight } of past) {
    addScaled(longTerm, membership(vector), weight);
    addScaled(direction, vector, weight / (norm(vector) || 1));
  }
  const length = norm(direction) || 1;
  const layers = layersOf(model, { present, memberships, longTerm });
  return {
    shortTerm,
    longTerm: Float32Array.from(direction, (value) => value / length),
    clusters: layers.at(-1)!,
    layers,
    latent: latentInterests({ ...options, recorded }),
  };
}

/** For a person without a record. */
export function noInterests(dimension: number): Interests {
  return {
    shortTerm: new Float32Array(dimension),
    longTerm: new Float32Array(dimension),
    clusters: [],
    layers: [],
    latent: [],
  };
}

/** The model's centroids as a matrix, clusters × dimension. */
export function centroidMatrix({ centroids, clusters }: ClusterParts): Matrix {
  return { rows: clusters, columns: centroids.length / clusters, data: centroids };
}

function layersOf(
  model: ClusterParts,
  {
    present,
    memberships,
    longTerm,
  }: { present: PersonalVectors; memberships: Float64Array; longTerm: Float64Array },
): InterestCluster[][] {
  const { layers, regions, sizes } = model.clustering;
  const fine = centroidMatrix(model);
  // From fine to basic: a cluster of a layer gathers those of the next finer one.
  let labels = Array.from({ length: fine.rows }, (_, cluster) => cluster);
  const described: InterestCluster[][] = [];
  for (const [depth, layer] of [...layers.entries()].reverse()) {
    const finer: ModelLayer | undefined = layers[depth + 1];
    if (finer !== undefined) labels = labels.map((cluster) => finer.parents[cluster]!);
    const weights = sizes.map((size) => Math.max(size, Number.EPSILON));
    const { centroids } =
      finer === undefined ? { centroids: fine } : layerCentroids(fine, { labels, weights });
    const gathered = (values: Float64Array): number[] => {
      const sums = new Array<number>(layer.ids.length).fill(0);
      for (const [cluster, label] of labels.entries()) sums[label]! += values[cluster]!;
      return sums;
    };
    const [now, always] = [gathered(memberships), gathered(longTerm)];
    described.unshift(
      layer.ids
        .map((id, cluster) => ({
          id,
          tags: layer.names[cluster]!,
          membership: now[cluster]!,
          longTerm: always[cluster]!,
          similarity: nearestCosine(present.vectors, rowOf(centroids, cluster)),
          parent: depth === 0 ? null : layers[depth - 1]!.ids[layer.parents[cluster]!]!,
          outlier: labels.every((label, own) => label !== cluster || regions[own] === -1),
        }))
        .sort((a, b) => b.membership - a.membership || a.id - b.id),
    );
  }
  return described;
}

function latentInterests({
  model,
  scores,
  clusterOf,
  recorded,
}: Parameters<typeof describeInterests>[1] & Pick<PersonalHistory, "recorded">): LatentInterest[] {
  const { layers, sizes } = model.clustering;
  const { ids, names } = layers.at(-1)!;
  const expected = expectedClusters(scores, { clusterOf, clusters: model.clusters });
  const shown = new Set(Array.from(recorded, (item) => clusterOf[item]!));
  return ids
    .map((id, cluster) => ({
      id,
      tags: names[cluster]!,
      expected: expected[cluster]!,
      usual: sizes[cluster]!,
      shown: shown.has(cluster),
    }))
    .filter((latent) => !latent.shown && latent.expected > latent.usual)
    .sort((a, b) => b.expected * a.usual - a.expected * b.usual || a.id - b.id)
    .map(({ shown: _, ...latent }) => latent);
}

/** Probability of each fine cluster that the next interaction is with one of its items, of sum 1. */
export function expectedClusters(
  scores: Float32Array,
  { clusterOf, clusters }: { readonly clusterOf: Int32Array; readonly clusters: number },
): Float64Array {
  const expected = new Float64Array(clusters);
  let largest = Number.NEGATIVE_INFINITY;
  for (let item = 0; item < scores.length; item++) largest = Math.max(largest, scores[item]!);
  let total = 0;
  for (let item = 0; item < scores.length; item++) {
    const share = Math.exp(scores[item]! - largest);
    expected[clusterOf[item]!]! += share;
    total += share;
  }
  return expected.map((share) => share / total);
}

function nearestCosine(vectors: Matrix, centroid: Float32Array): number {
  let nearest = -1;
  for (let row = 0; row < vectors.rows; row++) {
    const vector = rowOf(vectors, row);
    let product = 0;
    for (let i = 0; i < vector.length; i++) product += vector[i]! * centroid[i]!;
    nearest = Math.max(nearest, product / (norm(vector) || 1));
  }
  return Math.min(1, nearest);
}

function addScaled(to: Float64Array, values: ArrayLike<number>, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i]! += factor * values[i]!;
}

function norm(values: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! ** 2;
  return Math.sqrt(squares);
}
