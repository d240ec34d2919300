import { directionalMixture, matrixFromRows, mixtureMembership } from "@kindred/clustering";
import { unnamedClustering } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { describeInterests, type PersonalHistory } from "./interests.ts";

/** Three clusters along the axes; the first two lie in one basic cluster, the third is an outlier in another. */
const model = {
  clusters: 3,
  centroids: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1),
  clustering: {
    ...unnamedClustering(3),
    sizes: [0.5, 0.3, 0.2],
    layers: [
      { ids: [4, 9], nextId: 10, names: [["x and y"], ["z"]], parents: [] },
      { ids: [2, 0, 1], nextId: 3, names: [["x"], ["y"], ["z"]], parents: [0, 0, 1] },
    ],
    regions: [0, 0, -1],
  },
};
/** Six items, two of each cluster. */
const clusterOf = Int32Array.of(0, 0, 1, 1, 2, 2);

function history(changes: Partial<PersonalHistory> = {}): PersonalHistory {
  const shortTerm = Float32Array.of(0, 3, 0);
  return {
    present: { vectors: matrixFromRows([shortTerm]), weights: Float64Array.of(1) },
    shortTerm,
    past: [
      { vector: Float32Array.of(2, 0, 0), weight: 0.75 },
      { vector: shortTerm, weight: 0.25 },
    ],
    recorded: new Set([0, 2]),
    ...changes,
  };
}

const describeOf = (changes: Partial<PersonalHistory> = {}, scores = new Float32Array(6)) =>
  describeInterests(history(changes), { model, scores, clusterOf });

describe("the layers of a person's interests", () => {
  it("sum to one, present and past, and nest", () => {
    const { layers, clusters } = describeOf();
    for (const layer of layers)
      for (const kind of ["membership", "longTerm"] as const)
        expect(layer.reduce((sum, cluster) => sum + cluster[kind], 0)).toBeCloseTo(1, 12);
    for (const basic of layers[0]!) {
      const parts = clusters.filter(({ parent }) => parent === basic.id);
      expect(parts.reduce((sum, { membership }) => sum + membership, 0)).toBeCloseTo(basic.membership, 12);
    }
  });

  it("are ordered by the present, and keep identities, names and places", () => {
    const { layers, clusters } = describeOf();
    expect(clusters.map(({ id }) => id)).toEqual([0, 1, 2]);
    expect(clusters[0]).toMatchObject({ tags: ["y"], similarity: 1, parent: 4, outlier: false });
    expect(clusters.find(({ id }) => id === 1)).toMatchObject({ tags: ["z"], parent: 9, outlier: true });
    expect(layers[0]![0]).toMatchObject({ id: 4, tags: ["x and y"], parent: null, outlier: false });
    expect(layers[0]![1]).toMatchObject({ id: 9, outlier: true });
    // The centre of two axes, weighted 5 to 3.
    expect(layers[0]![0]!.similarity).toBeCloseTo(3 / Math.hypot(3, 5), 6);
  });

  it("are responsibilities where the clusters are a mixture", () => {
    const spreads = [0.3, 0.01, 0.01];
    const mixed = { ...model, clustering: { ...model.clustering, spreads } };
    const between = Float32Array.of(1, 1, 0);
    const present = { vectors: matrixFromRows([between]), weights: Float64Array.of(1) };
    const described = describeInterests(history({ present }), {
      model: mixed,
      scores: new Float32Array(6),
      clusterOf,
    });
    const { sizes: shares } = model.clustering;
    const centroids = { rows: 3, columns: 3, data: model.centroids };
    const expected = mixtureMembership(between, directionalMixture(centroids, { shares, spreads }));
    // Of two directions as near the wide one takes it; by nearness alone they share it.
    expect(expected[0]).toBeGreaterThan(0.99);
    for (const { id, membership } of described.clusters)
      expect(membership).toBeCloseTo(expected[[2, 0, 1].indexOf(id)]!, 12);
    const plain = describeOf({ present }).clusters;
    expect(plain[0]!.membership).toBeCloseTo(plain[1]!.membership, 6);
  });

  it("hold the past by its weights", () => {
    const { longTerm, clusters } = describeOf();
    expect(longTerm[0]! / longTerm[1]!).toBeCloseTo(3, 6);
    expect(Math.hypot(...longTerm)).toBeCloseTo(1, 6);
    expect(clusters.find(({ id }) => id === 2)!.longTerm).toBeGreaterThan(0.74);
  });

  it("share out among several interests", () => {
    const { clusters } = describeOf({
      present: {
        vectors: matrixFromRows([
          [1, 0, 0],
          [0, 0, 1],
        ]),
        weights: Float64Array.of(0.6, 0.4),
      },
    });
    expect(clusters.map(({ id }) => id)).toEqual([2, 1, 0]);
    expect(clusters[0]!.membership).toBeCloseTo(0.6, 3);
    expect(clusters[1]).toMatchObject({ similarity: 1 });
  });
});

describe("latent interests", () => {
  it("are clusters without a record that the encoder expects more than is usual", () => {
    const scores = Float32Array.of(0, 0, 5, 0, 2, 2);
    const { latent } = describeOf({}, scores);
    const total = 3 + Math.exp(5) + 2 * Math.exp(2);
    expect(latent).toEqual([]);
    const fewer = describeOf({ recorded: new Set([0]) }, scores).latent;
    expect(fewer).toEqual([
      { id: 0, tags: ["y"], expected: expect.closeTo((Math.exp(5) + 1) / total, 6), usual: 0.3 },
    ]);
    const even = describeOf({ recorded: new Set([2]) }, Float32Array.of(1, 1, 0, 0, 1, 1)).latent;
    // A third and more of the expectation each: twice what is usual for z, less than that for x.
    expect(even.map(({ id }) => id)).toEqual([1]);
  });

  it("hold scores of any size", () => {
    const { latent } = describeOf({ recorded: new Set([0]) }, Float32Array.of(0, 0, 0, 0, 2000, 0));
    expect(latent).toEqual([{ id: 1, tags: ["z"], expected: 1, usual: 0.2 }]);
  });
});
