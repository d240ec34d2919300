/** How a person's interests change: a timeline, drift, change points, and what comes next. */
import { changePoints, type Matrix } from "@kindred/clustering";
import type { Model } from "@kindred/protocol";
import type { Milestone } from "./interest-history.ts";
import { expectedClusters } from "./interests.ts";
import type { ItemSpace } from "./item-space.ts";
import { membershipIn } from "./membership.ts";

/** A fine cluster of public items and how much there is of it. */
export interface ClusterShare {
  /** Identity of the fine cluster. */
  readonly id: number;
  readonly tags: readonly string[];
  /** 0 to 1. */
  readonly share: number;
}

/** Interests at one moment of the record. */
export interface EvolutionPoint {
  /** Milliseconds since the epoch, of the interaction that the encoder answered last. */
  readonly time: number;
  /** Interactions until then. */
  readonly interactions: number;
  /** The three fine clusters of largest membership. */
  readonly leading: readonly ClusterShare[];
}

/** Where what a person does became something else. */
export interface InterestChange {
  /** Of the first interaction after it. */
  readonly time: number;
  /** Its position among the recorded interactions with catalogue items, from 0. */
  readonly interaction: number;
  /** Cosine distance of the mean directions before and after, 0 to 2. */
  readonly shift: number;
  /** Fine clusters of the items between the changes on either side, the most frequent first, at the most three. */
  readonly before: readonly ClusterShare[];
  readonly after: readonly ClusterShare[];
}

/** Computed on the device; no part of it leaves. */
export interface Evolution {
  /** Oldest first; a point after every fifth interaction and the last one. */
  readonly timeline: readonly EvolutionPoint[];
  /** Jensen–Shannon distance between the memberships at present and over the record: 0 the same, 1 nothing in common. */
  readonly drift: number;
  /** Oldest first. */
  readonly changes: readonly InterestChange[];
  /** Fine clusters by the probability that the next interaction is with one of their items, at the most three. */
  readonly next: readonly ClusterShare[];
}

const LEADING = 3;
/** Interactions that are searched for changes, from the latest back. */
const SEARCHED = 400;

/** For a person without a record. */
export const NO_EVOLUTION: Evolution = { timeline: [], drift: 0, changes: [], next: [] };

export function describeEvolution(options: {
  readonly model: Pick<Model, "centroids" | "clusters" | "clustering">;
  readonly space: Pick<ItemSpace, "units" | "clusterOf">;
  /** Items and times of the interactions, oldest first. */
  readonly sequence: { readonly items: ArrayLike<number>; readonly times: ArrayLike<number> };
  readonly milestones: readonly Milestone[];
  /** Score of every item as one of the next interest, nats up to a constant; see `interestScores` of the encoder. */
  readonly scores: Float32Array;
}): Evolution {
  const { model, milestones, space, scores } = options;
  const membership = membershipIn(model);
  const memberships = milestones.map(({ vector }) => membership(vector));
  const leading = (values: ArrayLike<number>): ClusterShare[] => leadingClusters(values, model.clustering);
  return {
    timeline: milestones.map(({ time, length }, i) => ({
      time,
      interactions: length,
      leading: leading(memberships[i]!),
    })),
    drift: jensenShannon(memberships.at(-1)!, mean(memberships)),
    changes: interestChanges(options),
    next: leading(expectedClusters(scores, { clusterOf: space.clusterOf, clusters: model.clusters })),
  };
}

function interestChanges({
  model,
  space: { units, clusterOf },
  sequence: { items, times },
}: Parameters<typeof describeEvolution>[0]): InterestChange[] {
  const start = Math.max(0, items.length - SEARCHED);
  const { columns } = units;
  const points: Matrix = {
    rows: items.length - start,
    columns,
    data: new Float32Array((items.length - start) * columns),
  };
  for (let i = start; i < items.length; i++) {
    const item = items[i]!;
    points.data.set(units.data.subarray(item * columns, (item + 1) * columns), (i - start) * columns);
  }
  const found = changePoints(points).map(({ index, shift }) => ({ at: start + index, shift }));
  const between = (from: number, to: number): ClusterShare[] => {
    const counts = new Float64Array(model.clusters);
    for (let i = from; i < to; i++) counts[clusterOf[items[i]!]!]! += 1 / (to - from);
    return leadingClusters(counts, model.clustering).filter(({ share }) => share > 0);
  };
  return found.map(({ at, shift }, i) => ({
    time: times[at]!,
    interaction: at,
    shift,
    before: between(found[i - 1]?.at ?? start, at),
    after: between(at, found[i + 1]?.at ?? items.length),
  }));
}

function leadingClusters(shares: ArrayLike<number>, { layers }: Model["clustering"]): ClusterShare[] {
  const { ids, names } = layers.at(-1)!;
  return ids
    .map((id, cluster) => ({ id, tags: names[cluster]!, share: shares[cluster]! }))
    .sort((a, b) => b.share - a.share || a.id - b.id)
    .slice(0, LEADING);
}

function mean(rows: readonly Float64Array[]): Float64Array {
  return rows[0]!.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);
}

/** Square root of the Jensen–Shannon divergence to base 2 (Endres & Schindelin 2003): a metric in [0, 1]. */
function jensenShannon(p: Float64Array, q: Float64Array): number {
  let divergence = 0;
  for (const [i, a] of p.entries()) {
    const b = q[i]!;
    const middle = (a + b) / 2;
    if (a > 0) divergence += (a / 2) * Math.log2(a / middle);
    if (b > 0) divergence += (b / 2) * Math.log2(b / middle);
  }
  return Math.sqrt(Math.min(1, Math.max(0, divergence)));
}
