import { describe, expect, it } from "vitest";
import { testPopulation } from "../test/population.ts";
import { clusterPrivately, withoutPrivacy } from "../test/private-clusters.ts";
import { type Matrix, matrixFromRows, normaliseRows } from "./matrix.ts";
import { clusterMicroRelease, microClusterCount, refineClusters } from "./micro-clusters.ts";
import type { NoisyRelease } from "./shrinkage.ts";

const CLUSTERS = 32;

function population(users: number) {
  const made = testPopulation({
    users,
    items: 1500,
    clusters: CLUSTERS,
    groups: 8,
    dimension: 32,
    spread: { clusters: 0.8, people: 0.6 },
    seed: 1,
  });
  const plain = withoutPrivacy(made.people, { clusters: CLUSTERS, starts: 2 });
  return { made, reference: 1 - plain.meanSimilarity };
}

describe("private clusters of a known population", () => {
  const small = population(1000);
  const medium = population(4000);
  const rules = { clusters: CLUSTERS, minimumSize: 0, seed: 1 } as const;

  it.each([
    { users: 4000, epsilon: 1, cost: 1.05, ari: 0.97, of: medium },
    { users: 1000, epsilon: 8, cost: 1.05, ari: 0.97, of: small },
  ])("finds 32 clusters of $users people at ε = $epsilon from two releases", ({ epsilon, cost, ari, of }) => {
    const { made, reference } = of;
    const found = clusterPrivately(made, { ...rules, epsilon, reference, seeds: "items" });
    expect(found.refined.cost).toBeLessThan(cost);
    expect(found.refined.ari).toBeGreaterThan(ari);
    expect(found.standing).toBeLessThan(found.seeds);
  });

  it("finds coarser clusters where the noise hides the fine ones", () => {
    const { made, reference } = small;
    const strict = clusterPrivately(made, { ...rules, epsilon: 1, reference, seeds: "items" });
    expect(strict.result.clusters.length).toBeLessThan(CLUSTERS);
    expect(strict.refined.ari).toBeGreaterThan(0.4);
    expect(strict.refined.cost).toBeLessThan(2.2);
    const daring = clusterPrivately(made, {
      ...rules,
      significance: 1,
      epsilon: 1,
      reference,
      seeds: "items",
    });
    expect(daring.refined.ari).toBeGreaterThan(0.85);
  });

  it("does worse from seeds that know nothing of the items, and better by the refinement", () => {
    const { made, reference } = medium;
    const found = clusterPrivately(made, { ...rules, epsilon: 8, reference, seeds: "random" });
    expect(found.micro.cost).toBeGreaterThan(1.05);
    expect(found.refined.cost).toBeLessThan(found.micro.cost);
    expect(found.refined.ari).toBeGreaterThan(0.6);
  });

  it("keeps the minimum size, surely", () => {
    const { made, reference } = medium;
    const found = clusterPrivately(made, {
      ...rules,
      minimumSize: 150,
      epsilon: 1,
      reference,
      seeds: "items",
    });
    expect(found.result.clusters.length).toBeGreaterThan(4);
    for (const { count, deviation } of found.result.clusters)
      expect(count - 3 * deviation).toBeGreaterThanOrEqual(150);
  });
});

/** Cells along given angles in the plane, whose sums are `count` times the angle's direction. */
function release(
  cells: readonly (readonly [angle: number, count: number])[],
  deviation: number,
): NoisyRelease {
  const directions: Matrix = normaliseRows(
    matrixFromRows(cells.map(([angle]) => [Math.cos(angle), Math.sin(angle)])),
  );
  return {
    directions,
    counts: Float64Array.from(cells, ([, count]) => count),
    sums: Float64Array.from(cells.flatMap(([angle, n]) => [n * Math.cos(angle), n * Math.sin(angle)])),
    countDeviation: deviation,
    sumDeviation: deviation,
  };
}

describe("clusters of a micro-release", () => {
  it("drops what is under the noise or has no direction, and says why", () => {
    const base = release(
      [
        [0, 200],
        [0.1, 29.9],
        [2, 300],
        [2.1, -12],
        [4, 250],
        [4.1, 30],
      ],
      10,
    );
    const sums = base.sums.map((value, i) => (i >= 8 && i < 10 ? Number.NaN : value));
    const found = clusterMicroRelease({ ...base, sums }, { clusters: 6, seed: 1, minimumSize: 0 });
    expect(found.changes).toEqual([
      expect.objectContaining({ kind: "suppressed", reason: "below-noise", cells: [1], threshold: 30 }),
      expect.objectContaining({ kind: "suppressed", reason: "below-noise", cells: [3], count: -12 }),
      expect.objectContaining({ kind: "suppressed", reason: "no-direction", cells: [4], into: null }),
    ]);
    expect(found.clusters.map(({ cells }) => cells)).toEqual([[0], [2], [5]]);
    expect(found.choice).toBeNull();
  });

  it("merges the smallest upward into the nearest until all are large enough", () => {
    const found = clusterMicroRelease(
      release(
        [
          [0, 400],
          [0.3, 90],
          [2, 60],
          [2.4, 80],
          [4.2, 500],
        ],
        0,
      ),
      { clusters: 5, seed: 3, minimumSize: 100 },
    );
    /** Norm of the mean of so many people at each of two directions. */
    const alike = (a: number, b: number, angle: number): unknown =>
      expect.closeTo(Math.hypot(a + b * Math.cos(angle), b * Math.sin(angle)) / (a + b), 6);
    expect(found.clusters).toEqual([
      { count: 490, deviation: 0, concentration: alike(400, 90, 0.3), cells: [0, 1] },
      { count: 140, deviation: 0, concentration: alike(60, 80, 0.4), cells: [2, 3] },
      { count: 500, deviation: 0, concentration: alike(500, 0, 0), cells: [4] },
    ]);
    expect(found.changes).toEqual([
      {
        kind: "merged",
        reason: "below-minimum-size",
        cells: [2],
        count: 60,
        deviation: 0,
        threshold: 100,
        into: 1,
      },
      {
        kind: "merged",
        reason: "below-minimum-size",
        cells: [1],
        count: 90,
        deviation: 0,
        threshold: 100,
        into: 0,
      },
    ]);
    const [x, y] = found.centroids.data;
    const angle = Math.atan2(90 * Math.sin(0.3), 400 + 90 * Math.cos(0.3));
    expect(Math.atan2(y!, x!)).toBeCloseTo(angle, 6);
  });

  it("counts the noise of all cells against the minimum size", () => {
    const cells = [
      [0, 70],
      [0.05, 70],
      [3, 200],
    ] as const;
    const at = (deviation: number) =>
      clusterMicroRelease(release(cells, deviation), { clusters: 2, seed: 1, minimumSize: 100 }).clusters;
    expect(at(9)).toHaveLength(2);
    expect(at(9)[0]!.deviation).toBeCloseTo(9 * Math.SQRT2, 12);
    // 140 − 3 · 10 · √2 = 97.6
    expect(at(10)).toHaveLength(1);
  });

  it("merges what describes its people too well, and publishes nothing that still does", () => {
    const cells = release(
      [
        [0, 300],
        [0.4, 300],
        [2, 300],
      ],
      0,
    );
    const options = { clusters: 3, seed: 1, minimumSize: 10 };
    const beyond = (angle: number) => (centroid: Float32Array) =>
      Math.atan2(centroid[1]!, centroid[0]!) > angle;
    const merged = clusterMicroRelease(cells, { ...options, isDiverse: beyond(0.1) });
    expect(merged.clusters.map(({ cells: own }) => own)).toEqual([[0, 1], [2]]);
    expect(merged.changes).toEqual([
      expect.objectContaining({ kind: "merged", reason: "not-diverse", cells: [0], into: 0 }),
    ]);
    // Fewer clusters are described by more items each: every one is judged by as many as it is published with.
    const few = clusterMicroRelease(cells, { ...options, isDiverse: (_, clusters) => clusters <= 2 });
    expect(few.clusters).toHaveLength(2);
    const none = clusterMicroRelease(cells, { ...options, isDiverse: () => false });
    expect(none.clusters).toEqual([]);
    expect(none.changes.map(({ kind, reason }) => [kind, reason])).toEqual([
      ["merged", "not-diverse"],
      ["merged", "not-diverse"],
      ["suppressed", "not-diverse"],
    ]);
  });

  it("drops cells of which neither sum nor direction can be believed", () => {
    const base = release(
      [
        [0, 200],
        [2, 300],
      ],
      10,
    );
    // Sums against their directions and no longer than the noise: nothing is left of them.
    const sums = base.sums.map((value) => -value / 100);
    const found = clusterMicroRelease({ ...base, sums }, { clusters: 2, seed: 1, minimumSize: 10 });
    expect(found.clusters).toEqual([]);
    expect(found.changes.map(({ reason }) => reason)).toEqual(["no-direction", "no-direction"]);
  });

  it("publishes nothing rather than a crowd that is too small", () => {
    const few = release(
      [
        [0, 40],
        [1, 30],
      ],
      0,
    );
    const found = clusterMicroRelease(few, { clusters: 2, seed: 1 });
    expect(found.clusters).toEqual([]);
    expect(found.centroids).toEqual({ rows: 0, columns: 2, data: new Float32Array() });
    expect(found.changes.at(-1)).toMatchObject({
      kind: "suppressed",
      count: 70,
      cells: [0, 1],
      threshold: 100,
    });
    const lost = clusterMicroRelease(
      { ...few, countDeviation: 20 },
      { clusters: 2, seed: 1, minimumSize: 0 },
    );
    expect(lost.clusters).toEqual([]);
  });

  it("chooses k by the silhouette when given a range", () => {
    const cells = [0, 1.5, 3, 4.5].flatMap((angle) =>
      [0, 0.05, 0.1].map((step) => [angle + step, 200] as const),
    );
    const found = clusterMicroRelease(release(cells, 1), {
      clusters: { minimum: 2, maximum: 10, criterion: "silhouette" },
      seed: 1,
    });
    expect(found.choice?.clusters).toBe(4);
    expect(found.choice?.curve.map(({ clusters }) => clusters)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(found.clusters.map(({ cells: own }) => own)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7, 8],
      [9, 10, 11],
    ]);
  });

  it("moves the centroids by one refinement and merges under the same rules", () => {
    const before = release(
      [
        [0, 300],
        [1.5, 300],
        [1.8, 50],
      ],
      0,
    );
    const sums = Float64Array.from(before.sums);
    sums.set([300 * Math.cos(0.2), 300 * Math.sin(0.2)]);
    const after = refineClusters({ ...before, sums }, {});
    expect(after.centroids.rows).toBe(2);
    expect(after.centroids.data[1]).toBeCloseTo(Math.sin(0.2), 6);
    expect(after.changes).toEqual([expect.objectContaining({ kind: "merged", cells: [2], into: 1 })]);
  });

  it("refuses options and releases outside their bounds", () => {
    const fine = release([[0, 300]], 1);
    expect(() => clusterMicroRelease(fine, { clusters: 0, seed: 1 })).toThrow("number of clusters");
    expect(() => clusterMicroRelease(fine, { clusters: 1, seed: 1, minimumSize: -1 })).toThrow("minimumSize");
    expect(() => refineClusters(fine, { significance: Number.NaN })).toThrow("significance");
    expect(() => refineClusters({ ...fine, counts: new Float64Array(2) }, {})).toThrow("2 counts");
    expect(() => refineClusters({ ...fine, sumDeviation: -1 }, {})).toThrow("sumDeviation");
    expect(() => refineClusters({ ...fine, countDeviation: Number.NaN }, {})).toThrow("countDeviation");
  });
});

describe("the number of micro-clusters", () => {
  it("leaves four deviations to a cell, within 2 and 256", () => {
    expect(microClusterCount({ users: 1000, countDeviation: 5 })).toBe(50);
    expect(microClusterCount({ users: 1000, countDeviation: 5, significance: 1 })).toBe(100);
    expect(microClusterCount({ users: 100_000, countDeviation: 5 })).toBe(256);
    expect(microClusterCount({ users: 10, countDeviation: 50 })).toBe(2);
    expect(microClusterCount({ users: 100, countDeviation: 0 })).toBe(100);
    expect(() => microClusterCount({ users: 0, countDeviation: 1 })).toThrow(RangeError);
  });
});
