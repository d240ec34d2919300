/** What to recommend: items by the encoder's scores, or by the clusters' centres, with reasons. */
import { type Matrix, nearestItems, topIndices } from "@kindred/clustering";
import type { Catalogue, CatalogueItem } from "@kindred/protocol";

/** A recommended item and where the recommendation comes from. */
export interface Recommendation {
  readonly item: CatalogueItem;
  /** Comparable within one answer only: a logit with basis `interests`, a cosine with basis `clusters`. */
  readonly score: number;
  /**
   * `interests`: ranked by the encoder from what this person did. `clusters`: nothing is recorded yet, so these are
   * the items nearest to the clusters' centres, one cluster after the other; popularity plays no part.
   */
  readonly basis: "interests" | "clusters";
  /** Recorded items that the recommended one is nearest to, the nearest first. */
  readonly because: readonly { readonly item: CatalogueItem; readonly similarity: number }[];
}

const REASONS = 2;
/** A recorded item is a reason from this cosine on. */
const REASON_SIMILARITY = 0.2;

function dot(
  a: Float32Array,
  b: Float32Array,
  { columns, atA, atB }: { columns: number; atA: number; atB: number },
): number {
  let sum = 0;
  for (let i = 0; i < columns; i++) sum += a[atA + i]! * b[atB + i]!;
  return sum;
}

/** Ranks items by the encoder's scores, without the excluded ones, and gives reasons from what was recorded. */
export function rankByScores(
  scores: Float32Array,
  options: {
    readonly catalogue: Catalogue;
    readonly units: Matrix;
    readonly count: number;
    readonly excluded: ReadonlySet<number>;
    readonly recorded: ReadonlySet<number>;
  },
): Recommendation[] {
  const { catalogue, units, count, excluded, recorded } = options;
  const ranked = topIndices(scores, count + excluded.size).filter((item) => !excluded.has(item));
  return ranked.slice(0, count).map((item) => ({
    item: catalogue.items[item]!,
    score: scores[item]!,
    basis: "interests",
    because: reasons(item, { catalogue, units, recorded }),
  }));
}

function reasons(
  item: number,
  { catalogue, units, recorded }: { catalogue: Catalogue; units: Matrix; recorded: ReadonlySet<number> },
): Recommendation["because"] {
  const { columns, data } = units;
  return [...recorded]
    .filter((other) => other !== item)
    .map((other) => ({
      item: catalogue.items[other]!,
      similarity: dot(data, data, { columns, atA: item * columns, atB: other * columns }),
    }))
    .filter(({ similarity }) => similarity >= REASON_SIMILARITY)
    .sort((a, b) => b.similarity - a.similarity)
    .slice(0, REASONS);
}

/** For a person without a record: the items nearest to each centroid, taken from the clusters in turn. */
export function rankByClusters(
  centroids: Matrix,
  { catalogue, units, count }: { catalogue: Catalogue; units: Matrix; count: number },
): Recommendation[] {
  const { columns } = centroids;
  const queues = nearestItems(units, centroids, count);
  const taken = new Set<number>();
  const picked: Recommendation[] = [];
  for (let rank = 0; rank < count; rank++)
    for (const [cluster, queue] of queues.entries()) {
      const item = queue[rank];
      if (item === undefined || taken.has(item) || picked.length >= count) continue;
      taken.add(item);
      const score = dot(units.data, centroids.data, { columns, atA: item * columns, atB: cluster * columns });
      picked.push({ item: catalogue.items[item]!, score, basis: "clusters", because: [] });
    }
  return picked;
}
