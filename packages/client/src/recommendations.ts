/** What to recommend: by the encoder, by what others did, or by both; and for those who have done nothing yet. */
import { type Matrix, nearestItems, rowOf, topIndices } from "@kindred/clustering";
import type { Sequence } from "@kindred/encoder";
import { type Catalogue, type CatalogueItem, KindredError, type Model } from "@kindred/protocol";
import {
  type ClusterShares,
  type CollaborativeTable,
  collaborativeScores,
  hybridScores,
  learnedHalfLife,
  logProbabilities,
  popularShares,
} from "./collaborative.ts";
import { diversified } from "./diversity.ts";
import { centroidMatrix } from "./interests.ts";
import type { ItemSpace } from "./item-space.ts";
import { membershipIn } from "./membership.ts";

/** Of a person with a record: what the ranking is from. */
export type RecommendationMode = "content" | "collaborative" | "hybrid";

/** A recommended item and where the recommendation comes from. */
export interface Recommendation {
  readonly item: CatalogueItem;
  /** Comparable within one answer only: nats; a cosine with basis `clusters` and `picked`. */
  readonly score: number;
  /**
   * `content`: ranked by the encoder from what this person did; `collaborative`: by what others did next; `hybrid`: by
   * both. Without a record: `picked`, nearest to the interests that were picked; `popularity`, most popular among
   * everybody; `clusters`, nearest to the clusters' centres, one after the other, where no popularity was released.
   */
  readonly basis: RecommendationMode | "picked" | "popularity" | "clusters";
  /** The list was asked to have this many items. */
  readonly among: number;
  /** Recorded items that the recommended one is nearest to, the nearest first. */
  readonly because: readonly { readonly item: CatalogueItem; readonly similarity: number }[];
}

export interface RecommendOptions {
  /** At the most this many, at least 1. */
  readonly count: number;
  /** `seen` leaves out every recorded item (default), `nothing` ranks all. */
  readonly exclude?: "seen" | "nothing";
  /** Ids of the items to choose from; the whole catalogue by default. */
  readonly candidates?: readonly string[];
  /**
   * `hybrid` by default. Where no transitions have been released yet the encoder ranks alone, as the basis of each
   * recommendation says.
   */
  readonly mode?: RecommendationMode;
  /** λ of maximal marginal relevance: 0 (default) as ranked, 1 as different from each other as can be. */
  readonly diversity?: number;
  /** Ids or tags of fine clusters that a person without a record has picked. */
  readonly picked?: readonly (number | string)[];
}

/** What recommendations are made from. */
export interface RecommendationContext {
  readonly catalogue: Catalogue;
  readonly index: ReadonlyMap<string, number>;
  /** The encoder with the model's weights and the person's own parameters; see `EncoderRuntime`. */
  readonly encoder: {
    userVectors(sequences: readonly Sequence[]): Promise<Float32Array>;
    scores(vector: Float32Array): Promise<Float32Array>;
  };
  readonly model: Model;
  readonly space: ItemSpace;
  /** `undefined` where nothing was released yet. */
  readonly table: CollaborativeTable | undefined;
}

const REASONS = 2;
/** A recorded item is a reason from this cosine on. */
const REASON_SIMILARITY = 0.2;

function refuse(field: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field, rule, fix });
}

/**
 * Ranks items for a person, best first.
 * @throws KindredError `option-invalid` on a candidate or a picked interest that is not there, or a value out of range
 */
export async function recommendItems(
  context: RecommendationContext,
  sequence: Sequence,
  options: RecommendOptions,
): Promise<Recommendation[]> {
  checkOptions(options);
  const { count, exclude = "seen", diversity = 0, mode = "hybrid" } = options;
  const recorded = new Set(Array.from(sequence.items));
  const excluded = exclude === "seen" ? recorded : new Set<number>();
  const candidates = candidateItems(context, options.candidates);
  const isOffered = (item: number): boolean => !excluded.has(item) && (candidates?.has(item) ?? true);
  const { scores, basis } =
    sequence.items.length === 0
      ? coldScores(context, options.picked)
      : await scoredBy(context, { sequence, mode });
  if (scores === undefined) return rankByClusters(context, { count, isOffered });
  const offered = scores.map((score, item) => (isOffered(item) ? score : Number.NEGATIVE_INFINITY));
  const available = offered.reduce((sum, score) => sum + Number(score > Number.NEGATIVE_INFINITY), 0);
  const wanted = Math.min(available, diversity > 0 ? 10 * count : count);
  const { units } = context.space;
  const list = diversified(topIndices(offered, wanted), { scores, units, count, diversity });
  return list.map((item) => ({
    item: context.catalogue.items[item]!,
    score: scores[item]!,
    basis,
    among: count,
    because: reasons(item, { context, recorded }),
  }));
}

function checkOptions({ count, mode, diversity = 0 }: RecommendOptions): void {
  if (!Number.isInteger(count) || count < 1)
    refuse("count", "must be a positive integer", "ask for 10 items, for example");
  if (mode !== undefined && !["content", "collaborative", "hybrid"].includes(mode))
    refuse("mode", "must be content, collaborative or hybrid", "leave it out for hybrid");
  if (!(diversity >= 0 && diversity <= 1))
    refuse("diversity", "must lie between 0 and 1", "pass 0.3, for example, or leave it out");
}

/** Indices of candidates; `undefined` where all are. */
export function candidateItems(
  { index }: Pick<RecommendationContext, "index">,
  candidates: readonly string[] | undefined,
): ReadonlySet<number> | undefined {
  if (candidates === undefined) return undefined;
  return new Set(
    candidates.map(
      (id, at) =>
        index.get(id) ??
        refuse(
          `candidates.${at}`,
          "must be the id of a catalogue item",
          "offer items of the task's catalogue",
        ),
    ),
  );
}

/**
 * Scores of every item for a person with a record, in nats.
 * @param options.sequence at least one interaction
 * @returns with the mode that they are from: `content` where no transitions were released
 */
export async function scoredBy(
  { encoder, model, table }: RecommendationContext,
  { sequence, mode }: { readonly sequence: Sequence; readonly mode: RecommendationMode },
): Promise<{ readonly scores: Float32Array; readonly basis: RecommendationMode }> {
  const vector = await encoder.userVectors([sequence]);
  const known = model.signals?.transitions !== undefined ? table : undefined;
  const basis = known === undefined ? "content" : mode;
  const content = basis === "collaborative" ? undefined : logProbabilities(await encoder.scores(vector));
  if (known === undefined || basis === "content") return { scores: content!, basis };
  const popular = popularShares(known, clusterShares(model, vector));
  const halfLife = learnedHalfLife(known, sequence.items);
  const collaborative = collaborativeScores(known, sequence.items, { halfLife, popular });
  return { scores: content === undefined ? collaborative : hybridScores(content, collaborative), basis };
}

/** Membership of a vector in the fine clusters, as in `interests()`, by identity. */
function clusterShares(model: Model, vector: Float32Array): ClusterShares {
  const shares = membershipIn(model)(vector);
  return new Map(model.clustering.layers.at(-1)!.ids.map((id, cluster) => [id, shares[cluster]!]));
}

/** For a person without a record: what they picked, or what is popular; no scores where nothing is known of either. */
function coldScores(
  { model, space, table }: RecommendationContext,
  picked: readonly (number | string)[] = [],
): { scores?: Float32Array; basis: Recommendation["basis"] } {
  if (picked.length > 0) {
    const clusters = pickedClusters(model, picked);
    const popular = table && popularShares(table);
    return { scores: nearness(model, { space, clusters, popular }), basis: "picked" };
  }
  if (table === undefined) return { basis: "clusters" };
  return {
    scores: popularShares(table).map((share) => Math.log(share + Number.EPSILON)),
    basis: "popularity",
  };
}

/** Positions of the fine clusters that ids or tags name. */
function pickedClusters(model: Model, picked: readonly (number | string)[]): number[] {
  const { ids, names } = model.clustering.layers.at(-1)!;
  return picked.flatMap((wanted, at) => {
    const found = ids.flatMap((id, cluster) =>
      id === wanted || names[cluster]!.includes(String(wanted)) ? [cluster] : [],
    );
    if (found.length > 0) return found;
    return refuse(
      `picked.${at}`,
      "must be the id or a tag of a fine cluster",
      "offer the person the clusters that interests() names",
    );
  });
}

/** Weight of popularity beside nearness, where both are known: the most popular item counts like a cosine of 0.2. */
const POPULARITY_BONUS = 0.2;

/** Cosine of each item to the nearest of the clusters, with a bonus for what is popular. */
function nearness(
  model: Model,
  {
    space: { units },
    clusters,
    popular,
  }: { space: ItemSpace; clusters: readonly number[]; popular: Float32Array | undefined },
): Float32Array {
  const centroids = centroidMatrix(model);
  const most = popular?.reduce((a, b) => Math.max(a, b), 0) ?? 0;
  return Float32Array.from({ length: units.rows }, (_, item) => {
    const nearest = Math.max(
      ...clusters.map((cluster) => dot(rowOf(units, item), rowOf(centroids, cluster))),
    );
    return nearest + (most > 0 ? (POPULARITY_BONUS * popular![item]!) / most : 0);
  });
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function reasons(
  item: number,
  { context, recorded }: { context: RecommendationContext; recorded: ReadonlySet<number> },
): Recommendation["because"] {
  const { units } = context.space;
  const own = rowOf(units, item);
  return [...recorded]
    .filter((other) => other !== item)
    .map((other) => ({
      item: context.catalogue.items[other]!,
      similarity: dot(own, rowOf(units, other)),
    }))
    .filter(({ similarity }) => similarity >= REASON_SIMILARITY)
    .sort((a, b) => b.similarity - a.similarity)
    .slice(0, REASONS);
}

/** For a person without a record: the items nearest to each centroid, taken from the clusters in turn. */
function rankByClusters(
  { catalogue, model, space: { units } }: RecommendationContext,
  { count, isOffered }: { readonly count: number; readonly isOffered: (item: number) => boolean },
): Recommendation[] {
  const centroids: Matrix = centroidMatrix(model);
  const queues = nearestItems(units, centroids, catalogue.items.length).map((queue) =>
    queue.filter(isOffered),
  );
  const taken = new Set<number>();
  const picked: Recommendation[] = [];
  for (let rank = 0; rank < count; rank++)
    for (const [cluster, queue] of queues.entries()) {
      const item = queue[rank];
      if (item === undefined || taken.has(item) || picked.length >= count) continue;
      taken.add(item);
      const score = dot(rowOf(units, item), rowOf(centroids, cluster));
      picked.push({ item: catalogue.items[item]!, score, basis: "clusters", among: count, because: [] });
    }
  return picked;
}
