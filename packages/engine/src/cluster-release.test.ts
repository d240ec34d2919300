import { type Matrix, matrixFromRows, sufficientStatistics } from "@kindred/clustering";
import { type ClusteringOptions, parsePlanInput } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import {
  type ClusterModel,
  clusterMixture,
  countInterests,
  publicClusters,
  releaseClusters,
} from "./index.ts";

/** Six bundles of items, two around each of three poles, each with tags of its own. */
const BUNDLES = 6;
const PER_BUNDLE = 10;
const bundleAngle = (bundle: number): number => Math.floor(bundle / 2) * 2 + (bundle % 2) * 0.5;
const angles = Array.from(
  { length: BUNDLES * PER_BUNDLE },
  (_, i) => bundleAngle(Math.floor(i / PER_BUNDLE)) + (i % PER_BUNDLE) * 0.01,
);
const direction = (angle: number): [number, number] => [Math.cos(angle), Math.sin(angle)];
const items = {
  items: angles.map((_, i) => {
    const bundle = Math.floor(i / PER_BUNDLE);
    return { tags: [`pole ${Math.floor(bundle / 2)}`, `bundle ${bundle}`] };
  }),
  units: matrixFromRows(angles.map(direction)),
};
const SEED = 1;
const CELLS = 30;

function optionsOf(changes: Partial<ClusteringOptions> = {}): ClusteringOptions {
  const { clustering } = parsePlanInput({
    task: "x",
    clustering: { clusters: 6, microClusters: CELLS, layers: [{ minimum: 2, maximum: 4 }] },
  });
  return { ...clustering, minimumSize: 5, ...changes };
}

/** Directions that the next round counts by. */
function countedBy({ cells, centroids, clusters }: ClusterModel): Matrix {
  const data = cells.length > 0 ? cells : centroids;
  const columns = centroids.length / clusters;
  return { rows: data.length / columns, columns, data };
}

/** Means of people with these angles, without noise unless a deviation of the mean is given. */
function meanOf(people: readonly number[], model: ClusterModel, deviation = 0) {
  const counts = new Float64Array(CELLS);
  const sums = new Float64Array(CELLS * 2);
  for (const angle of people) {
    const own = countInterests(model, { vectors: matrixFromRows([direction(angle)]), weights: [1] });
    for (const [i, value] of own.counts.entries()) counts[i]! += value / people.length;
    for (const [i, value] of own.sums.entries()) sums[i]! += value / people.length;
  }
  return { counts, sums, deviation: { counts: deviation, sums: deviation } };
}

/** `each[b]` people around bundle b. */
function peopleOf(each: readonly number[]): number[] {
  return each.flatMap((count, bundle) =>
    Array.from({ length: count }, (_, i) => bundleAngle(bundle) + 0.05 + ((i % 9) - 4) * 0.01),
  );
}

function next(
  parent: ClusterModel,
  people: readonly number[],
  { options = optionsOf(), deviation = 0 }: { options?: ClusteringOptions; deviation?: number } = {},
) {
  const mean = meanOf(people, parent, deviation);
  return releaseClusters({
    options,
    seed: SEED,
    cells: CELLS,
    parent,
    mean,
    people: people.length,
    items,
  });
}

const start = publicClusters({ options: optionsOf(), seed: SEED, cells: CELLS, items });
const everybody = peopleOf([50, 40, 30, 40, 50, 60]);

describe("public clusters", () => {
  it("are seeded, layered and named from the catalogue alone, and ask for a count by micro-clusters", () => {
    expect(start.clusters).toBe(6);
    expect(start.cells).toHaveLength(2 * CELLS);
    const { clustering } = start;
    expect(clustering).toMatchObject({ source: "public", refinements: null, events: [], changes: [] });
    expect(clustering.sizes.reduce((sum, size) => sum + size, 0)).toBeCloseTo(1, 12);
    const [basic, fine] = clustering.layers;
    expect(basic!.ids).toEqual([0, 1, 2]);
    expect(basic!.names.map(([first]) => first).sort()).toEqual(["pole 0", "pole 1", "pole 2"]);
    expect(new Set(fine!.names.map(([first]) => first)).size).toBe(6);
    fine!.names.forEach(([first], cluster) => {
      const bundle = Number(first!.split(" ")[1]);
      expect(basic!.names[fine!.parents[cluster]!]![0]).toBe(`pole ${Math.floor(bundle / 2)}`);
    });
  });

  it("ask for no micro-clusters where the plan has none", () => {
    const options = optionsOf({ microClusters: 0 });
    expect(publicClusters({ options, seed: SEED, cells: 6, items }).cells).toHaveLength(0);
  });
});

describe("released clusters", () => {
  it("come from the micro-clusters first, are refined, and then from micro-clusters again", () => {
    const options = optionsOf({ refinements: 2 });
    let model = publicClusters({ options, seed: SEED, cells: CELLS, items });
    const stages = [];
    for (let round = 0; round < 5; round++) {
      const { released, outcome } = next(model, everybody, { options });
      stages.push([outcome.stage, released.clustering.refinements, released.cells.length > 0]);
      expect(outcome).toMatchObject({ moved: true, clusters: 6 });
      model = released;
    }
    expect(stages).toEqual([
      ["micro-clusters", 0, false],
      ["clusters", 1, false],
      ["clusters", 2, true],
      ["micro-clusters", 0, false],
      ["clusters", 1, false],
    ]);
    expect(model.clustering.source).toBe("released");
    const shares = [30, 40, 40, 50, 50, 60].map((count) => count / everybody.length);
    for (const [i, size] of [...model.clustering.sizes].sort((a, b) => a - b).entries())
      expect(size).toBeCloseTo(shares[i]!, 9);
  });

  it("keep their identities and names from version to version", () => {
    const first = next(start, everybody).released;
    const second = next(first, peopleOf([30, 60, 50, 40, 40, 20])).released;
    const named = ({ clustering }: ClusterModel) =>
      new Map(clustering.layers.at(-1)!.ids.map((id, i) => [id, clustering.layers.at(-1)!.names[i]![0]]));
    expect(named(second)).toEqual(named(first));
    expect(second.clustering.events).toEqual([]);
    expect(second.clustering.layers[0]!.ids).toEqual(first.clustering.layers[0]!.ids);
  });

  it("record what died and was born", () => {
    const options = optionsOf({ refinements: 0 });
    const first = next(start, peopleOf([60, 60, 0, 0, 0, 0]), { options }).released;
    const second = next(first, peopleOf([0, 0, 0, 0, 60, 60]), { options }).released;
    const kinds = second.clustering.events.map(({ kind }) => kind);
    expect(kinds).toContain("death");
    expect(kinds).toContain("birth");
    const { ids, nextId } = second.clustering.layers.at(-1)!;
    expect(ids.every((id) => id < nextId)).toBe(true);
    expect(ids.some((id) => first.clustering.layers.at(-1)!.ids.includes(id))).toBe(false);
  });

  it("are a mixture where the plan asks for one: with spreads, and counted softly from then on", () => {
    const options = optionsOf({ method: "mixture" });
    const alice = { vectors: matrixFromRows([direction(bundleAngle(0) + 0.3)]), weights: [1] };
    expect(start.clustering.spreads).toBeUndefined();
    const first = next(start, everybody, { options }).released;
    expect(first.clustering.spreads).toHaveLength(6);
    const second = next(first, everybody, { options }).released;
    // Angles within 0.05 of each other: a variance of about 0.0007 along the circle, none across it.
    for (const spread of second.clustering.spreads!) expect(spread).toBeCloseTo(0.0005, 4);
    const soft = countInterests(second, alice).counts;
    expect(soft.filter((share) => share > 0.01).length).toBeGreaterThan(1);
    expect([...soft].reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    // Where nothing stands out the clusters stay the mixture they were.
    const still = next(second, everybody, { options, deviation: 1 }).released;
    expect(clusterMixture(still)).toEqual(clusterMixture(second));
  });

  it("are those of k-means otherwise: nearest cluster, no spreads", () => {
    const { released } = next(start, everybody);
    expect(released.clustering.spreads).toBeUndefined();
    expect(clusterMixture(released)).toBeUndefined();
    const vectors = matrixFromRows([direction(0.2)]);
    expect(countInterests(released, { vectors, weights: [1] })).toEqual(
      sufficientStatistics(vectors, countedBy(released)),
    );
  });

  it("choose k where the plan asks for it", () => {
    const options = optionsOf({ choice: "silhouette", clusters: 8, minimumClusters: 2 });
    expect(next(start, everybody, { options }).outcome.clusters).toBe(6);
  });

  it("merge what is smaller than the minimum, and say so", () => {
    const { released, outcome } = next(start, peopleOf([50, 3, 40, 40, 40, 40]));
    expect(released.clusters).toBe(5);
    expect(outcome.changes).toContainEqual({ kind: "merged", reason: "below-minimum-size", count: 1 });
    expect(released.clustering.changes).toEqual(outcome.changes);
  });

  it("stay as they were when nothing stands out of the noise, and are counted by micro-clusters once more", () => {
    const { released, outcome } = next(start, everybody, { deviation: 1 });
    expect(outcome).toMatchObject({ stage: "micro-clusters", moved: false, clusters: 6 });
    expect(outcome.changes).toEqual([
      { kind: "suppressed", reason: "below-noise", count: countedBy(start).rows },
    ]);
    expect(released).toMatchObject({ centroids: start.centroids, cells: start.cells });
    expect(released.clustering).toMatchObject({ source: "public", refinements: null });
    const refined = next({ ...start, cells: new Float32Array() }, everybody, { deviation: 1 });
    expect(refined.released.clustering.refinements).toBe(1);
  });

  it("are not described by a sensitive tag alone, nor named by it", () => {
    const options = optionsOf({ sensitive: ["bundle 1"] });
    const { released, outcome } = next(start, everybody, { options });
    expect(outcome.changes).toContainEqual({ kind: "merged", reason: "not-diverse", count: 1 });
    expect(released.clusters).toBe(5);
    expect(JSON.stringify(released.clustering.layers)).not.toContain("bundle 1");
  });

  it("mark the odd one out", () => {
    const lonely = peopleOf([60, 60, 60, 60, 6, 0]);
    const { released } = next(start, lonely, { options: optionsOf({ minimumSize: 2, clusters: 5 }) });
    const odd = released.clustering.layers.at(-1)!.names.findIndex((names) => names.includes("bundle 4"));
    expect(released.clustering.regions[odd]).toBe(-1);
    expect(released.clustering.regions.filter((region) => region >= 0).length).toBeGreaterThanOrEqual(4);
  });
});
