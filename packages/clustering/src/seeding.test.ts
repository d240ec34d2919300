import { describe, expect, it } from "vitest";
import { type Matrix, matrixFromRows, rowOf } from "./matrix.ts";
import { publicRandom } from "./random.ts";
import { seedCentroids } from "./seeding.ts";

function randomItems(rows: number, columns: number, seed: number): Matrix {
  const random = publicRandom(seed);
  return { rows, columns, data: Float32Array.from({ length: rows * columns }, () => random() - 0.5) };
}

describe("seeding", () => {
  it("returns unit rows, the same for the same seed and others for another", () => {
    const items = randomItems(400, 8, 1);
    const first = seedCentroids({ items, clusters: 16, seed: 7, iterations: 3 });
    expect(first).toMatchObject({ rows: 16, columns: 8 });
    for (let c = 0; c < 16; c++) expect(Math.hypot(...rowOf(first, c))).toBeCloseTo(1, 6);
    expect(seedCentroids({ items, clusters: 16, seed: 7, iterations: 3 })).toEqual(first);
    expect(seedCentroids({ items, clusters: 16, seed: 8, iterations: 3 }).data).not.toEqual(first.data);
  });

  it("spreads: on well separated bundles it takes one seed from each", () => {
    // 12 orthogonal bundles of very unequal size; uniform seeding would miss the small ones.
    const rows = Array.from({ length: 12 }, (_, bundle) =>
      Array.from({ length: 1 + bundle * 10 }, (_, copy) =>
        Array.from({ length: 13 }, (_, i) => (i === bundle ? 1 : i === 12 ? copy * 1e-4 : 0)),
      ),
    ).flat();
    const centroids = seedCentroids({ items: matrixFromRows(rows), clusters: 12, seed: 3, iterations: 0 });
    const taken = Array.from({ length: 12 }, (_, c) =>
      rowOf(centroids, c).indexOf(Math.max(...rowOf(centroids, c))),
    );
    expect(new Set(taken).size).toBe(12);
  });

  it("never takes the same direction twice and refuses more clusters than directions", () => {
    const items = matrixFromRows([
      [1, 0],
      [2, 0],
      [0, 0],
      [0, 5],
      [0.1, 0],
      [0, 1],
    ]);
    const two = seedCentroids({ items, clusters: 2, seed: 1, iterations: 0 });
    expect(Array.from(rowOf(two, 0))).not.toEqual(Array.from(rowOf(two, 1)));
    expect(() => seedCentroids({ items, clusters: 3, seed: 1, iterations: 0 })).toThrow(
      "3 clusters need as many distinct item directions; the catalogue has 2",
    );
    expect(seedCentroids({ items, clusters: 3, seed: 1, iterations: 0, shortage: "accept" })).toEqual(two);
  });

  it("samples a large catalogue and still seeds every cluster", () => {
    const items = randomItems(20_500, 3, 2);
    const centroids = seedCentroids({ items, clusters: 4, seed: 1, iterations: 1 });
    expect(centroids.rows).toBe(4);
    expect(centroids.data.every(Number.isFinite)).toBe(true);
  });

  it("refuses a number of clusters or a seed that is no such number", () => {
    const items = randomItems(4, 2, 1);
    expect(() => seedCentroids({ items, clusters: 0, seed: 1, iterations: 0 })).toThrow("number of clusters");
    expect(() => seedCentroids({ items, clusters: 1.5, seed: 1, iterations: 0 })).toThrow(
      "number of clusters",
    );
    expect(() => seedCentroids({ items, clusters: 1, seed: -1, iterations: 0 })).toThrow("seed");
  });
});

describe("public randomness", () => {
  it("is the documented generator", () => {
    // sfc32 of PractRand, state (1, 0, 0x9e3779b9, 1), after 15 warm-up steps, computed with 64-bit integers.
    const reference = (seed: bigint, draws: number): number[] => {
      const mask = 0xffff_ffffn;
      let [a, b, c, counter] = [seed & mask, seed >> 32n, 0x9e3779b9n, 1n];
      const values: number[] = [];
      for (let i = 0; i < 15 + draws; i++) {
        const t = (a + b + counter) & mask;
        counter = (counter + 1n) & mask;
        a = b ^ (b >> 9n);
        b = (c + (c << 3n)) & mask;
        c = ((((c << 21n) | (c >> 11n)) & mask) + t) & mask;
        if (i >= 15) values.push(Number(t) / 2 ** 32);
      }
      return values;
    };
    for (const seed of [0, 1, 42, 2 ** 40 + 3]) {
      const random = publicRandom(seed);
      expect(Array.from({ length: 50 }, random)).toEqual(reference(BigInt(seed), 50));
    }
  });

  it("is uniform enough to sample with", () => {
    const random = publicRandom(11);
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const bin = Math.floor(random() * 10);
      bins[bin] = bins[bin]! + 1;
    }
    const chiSquared = bins.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
    // The 99.99 % quantile for 9 degrees of freedom.
    expect(chiSquared).toBeLessThan(33.7);
  });
});
