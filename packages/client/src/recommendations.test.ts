import { directionalMixture, mixtureMembership, softMembership } from "@kindred/clustering";
import { type Model, unnamedClustering } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { collaborativeScores, collaborativeTable, popularShares } from "./collaborative.ts";
import { type RecommendationContext, scoredBy } from "./recommendations.ts";

const ITEMS = 4;
/** Two clusters along the axes, a wide and a narrow one; a vector between them. */
const centroids = { rows: 2, columns: 2, data: Float32Array.of(1, 0, 0, 1) };
const clustering = { ...unnamedClustering(2), sizes: [0.5, 0.5], spreads: [0.3, 0.01] };
const between = Float32Array.of(1, 1);
const released = { round: 1, people: 10, deviation: 0 };
/** Nothing follows anything; items 1 and 2 are popular in one cluster each. */
const signals = {
  transitions: {
    ...released,
    entries: new Uint32Array(),
    counts: new Float32Array(),
    items: Uint32Array.of(0),
  },
  popularity: {
    ...released,
    entries: Uint32Array.of(ITEMS + 1, 2 * ITEMS + 2),
    counts: Float32Array.of(5, 5),
    clusters: clustering.layers.at(-1)!.ids,
  },
};
const table = collaborativeTable(signals, ITEMS)!;

function contextOf(clusters: Model["clustering"]): RecommendationContext {
  const model: Model = {
    task: "films",
    round: 1,
    parent: "",
    weights: new Float32Array(),
    centroids: centroids.data,
    clusters: 2,
    cells: new Float32Array(),
    clustering: clusters,
    signals,
  };
  const items = Array.from({ length: ITEMS }, (_, i) => ({ id: `item-${i}`, title: `Film ${i}`, tags: [] }));
  return {
    catalogue: { schema: "kindred.catalogue/1", items },
    index: new Map(items.map(({ id }, i) => [id, i])),
    model,
    space: {
      hash: "m",
      units: { rows: ITEMS, columns: 2, data: new Float32Array(2 * ITEMS) },
      clusterOf: new Int32Array(ITEMS),
    },
    table,
    encoder: { userVectors: async () => between, scores: async () => new Float32Array(ITEMS) },
  };
}

async function scoresWith(clusters: Model["clustering"]): Promise<Float32Array> {
  const sequence = { items: [3], actions: [0], times: [0] };
  return (await scoredBy(contextOf(clusters), { sequence, mode: "collaborative" })).scores;
}

function expectedFrom(shares: ArrayLike<number>): Float32Array {
  const ids = clustering.layers.at(-1)!.ids;
  const popular = popularShares(table, new Map(ids.map((id, cluster) => [id, shares[cluster]!])));
  return collaborativeScores(table, [3], { halfLife: 2, popular });
}

describe("what is popular in a person's clusters", () => {
  it("is by responsibilities where the clusters are a mixture", async () => {
    const { sizes: shares, spreads } = clustering;
    const mixture = directionalMixture(centroids, { shares, spreads });
    const scores = await scoresWith(clustering);
    expect(scores).toEqual(expectedFrom(mixtureMembership(between, mixture)));
    // Of two clusters as near the wide one takes the person.
    expect(scores[1]! - scores[2]!).toBeGreaterThan(0.5);
  });

  it("is by nearness where they are those of k-means", async () => {
    const { spreads: _, ...plain } = clustering;
    const scores = await scoresWith(plain);
    expect(scores).toEqual(expectedFrom(softMembership(between, centroids, 0.1)));
    expect(scores[1]).toBeCloseTo(scores[2]!, 6);
  });
});
