/**
 * What a model file says about its clusters besides their centroids. All of it is public or computed from noisy sums;
 * names are tags of the public catalogue.
 */
import { z } from "zod";

const index = z.number().int().min(0).max(1_000_000_000);
const share = z.number().min(0).max(1);
/** Clusters of a layer at the most. */
const MAX_CLUSTERS = 1024;

const layerSchema = z.strictObject({
  /** Per cluster the identity that it keeps from version to version. */
  ids: z.array(index).min(1).max(MAX_CLUSTERS),
  /** The next identity to be given; above all that were ever given. */
  nextId: index,
  /** Per cluster tags of the public catalogue that set it apart, the most telling first. */
  names: z.array(z.array(z.string().min(1).max(128)).max(8)).max(MAX_CLUSTERS),
  /** Per cluster its cluster in the layer before (the coarser one); empty in the first layer. */
  parents: z.array(index).max(MAX_CLUSTERS),
});

const eventSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("birth"), id: index }),
  z.strictObject({ kind: z.literal("death"), id: index }),
  z.strictObject({ kind: z.literal("merge"), from: z.array(index).min(2), into: index }),
  z.strictObject({ kind: z.literal("split"), from: index, into: z.array(index).min(2) }),
]);

const changeSchema = z.strictObject({
  kind: z.enum(["merged", "suppressed"]),
  reason: z.enum(["below-noise", "no-direction", "below-minimum-size", "not-diverse"]),
  /** How many cells or clusters. */
  count: z.number().int().min(1),
});

export const modelClusteringSchema = z.strictObject({
  /** `public`: made from the catalogue alone, nothing about people was released yet. `released`: from noisy sums. */
  source: z.enum(["public", "released"]),
  /** Releases over these clusters since the last one over micro-clusters; `null` when there was none. */
  refinements: index.nullable(),
  /** Per cluster its share of the people counted last, noisy; with source `public` its share of the items. */
  sizes: z.array(share).max(MAX_CLUSTERS),
  /** With method `mixture`, once something was released: per cluster the variance of its people's vectors, per dimension. */
  spreads: z.array(z.number().positive().max(1)).max(MAX_CLUSTERS).optional(),
  /** From basic to fine; the clusters of the last layer are the centroids. */
  layers: z.array(layerSchema).min(1).max(4),
  /** Per cluster the dense region that it lies in, from 0; −1 for an outlier. */
  regions: z.array(z.number().int().min(-1).max(MAX_CLUSTERS)).max(MAX_CLUSTERS),
  /** What became of the fine clusters' identities since the parent. */
  events: z.array(eventSchema).max(4 * MAX_CLUSTERS),
  /** What the last release did not publish by itself, by reason. */
  changes: z.array(changeSchema).max(16),
});

/** One layer of a model's clusters. */
export type ModelLayer = z.infer<typeof layerSchema>;
/** Everything a model file says about its clusters. */
export type ModelClustering = z.infer<typeof modelClusteringSchema>;

/** Clusters about which nothing is known: of equal sizes, in one layer and one region, without names. */
export function unnamedClustering(clusters: number): ModelClustering {
  const each = <T>(value: (index: number) => T): T[] => Array.from({ length: clusters }, (_, i) => value(i));
  return {
    source: "public",
    refinements: null,
    sizes: each(() => 1 / clusters),
    layers: [{ ids: each((id) => id), nextId: clusters, names: each(() => []), parents: [] }],
    regions: each(() => 0),
    events: [],
    changes: [],
  };
}

/** Why the parts of a clustering do not fit together or its centroids, or `undefined`. */
export function clusteringContradiction(
  { sizes, spreads, layers, regions }: ModelClustering,
  clusters: number,
): { readonly field: string; readonly rule: string } | undefined {
  if (layers.at(-1)!.ids.length !== clusters)
    return { field: "layers", rule: `must end with a layer of ${clusters} clusters, as many as centroids` };
  if (sizes.length !== clusters) return { field: "sizes", rule: `must have ${clusters} entries` };
  if (spreads !== undefined && spreads.length !== clusters)
    return { field: "spreads", rule: `must have ${clusters} entries` };
  if (regions.length !== clusters) return { field: "regions", rule: `must have ${clusters} entries` };
  for (const [i, { ids, nextId, names, parents }] of layers.entries()) {
    const at = (field: string): string => `layers.${i}.${field}`;
    if (new Set(ids).size !== ids.length || ids.some((id) => id >= nextId))
      return { field: at("ids"), rule: "must differ from each other and be below nextId" };
    if (names.length !== ids.length) return { field: at("names"), rule: `must have ${ids.length} entries` };
    const coarser = layers[i - 1]?.ids.length ?? 0;
    if (parents.length !== (coarser === 0 ? 0 : ids.length) || parents.some((parent) => parent >= coarser))
      return { field: at("parents"), rule: "must name a cluster of the layer before for every cluster" };
  }
  return undefined;
}
