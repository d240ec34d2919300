import { describe, expect, it } from "vitest";
import { testPopulation } from "../test/population.ts";
import { adjustedRandIndex } from "./agreement.ts";
import { type FederatedClustering, gaussianMixture, sphericalKMeans } from "./federated.ts";
import { lloyd } from "./lloyd.ts";
import { type Matrix, rowOf } from "./matrix.ts";
import { mixtureFromCentroids } from "./mixture.ts";
import type { SufficientStatistics } from "./statistics.ts";
import { weightedKMeans } from "./weighted-kmeans.ts";

const { people, labels, items } = testPopulation({
  users: 400,
  items: 200,
  clusters: 5,
  groups: 5,
  dimension: 8,
  spread: { clusters: 0, people: 0.5 },
  seed: 9,
});
const start = weightedKMeans(
  { points: items, weights: new Float64Array(items.rows).fill(1) },
  { clusters: 5, seed: 1 },
).centroids;

/** Rounds over everybody, without noise. */
function run<Model, Statistics extends SufficientStatistics>(
  clustering: FederatedClustering<Model, Statistics>,
  { model: first, rounds }: { model: Model; rounds: number },
): { model: Model; assigned: Int32Array } {
  let model = first;
  const rowMatrix = (r: number): Matrix => ({ rows: 1, columns: people.columns, data: rowOf(people, r) });
  for (let round = 0; round < rounds; round++) {
    const sum = clustering.statistics(rowMatrix(0), model);
    for (let r = 1; r < people.rows; r++) {
      const own = clustering.statistics(rowMatrix(r), model);
      for (const [name, block] of Object.entries(own) as [keyof Statistics, Float64Array][])
        block.forEach((value, i) => {
          (sum[name] as Float64Array)[i]! += value;
        });
    }
    model = clustering.update(sum, { model, floor: 0 }).model;
  }
  const assigned = Int32Array.from({ length: people.rows }, (_, r) => {
    const membership = clustering.membership(rowOf(people, r), model);
    return membership.indexOf(Math.max(...membership));
  });
  return { model, assigned };
}

describe("clustering in rounds", () => {
  it("by spherical k-means is Lloyd's algorithm", () => {
    const { model, assigned } = run(sphericalKMeans({ temperature: 0.1 }), { model: start, rounds: 3 });
    const central = lloyd({ points: people, centroids: start, iterations: 3 });
    model.data.forEach((value, i) => {
      expect(value).toBeCloseTo(central.centroids.data[i]!, 6);
    });
    expect(adjustedRandIndex(assigned, labels)).toBeGreaterThan(0.95);
  });

  it.each(["spherical", "diagonal"] as const)(
    "by a %s Gaussian mixture finds the same groups",
    (covariance) => {
      const model = mixtureFromCentroids(start, { covariance, variance: 0.05 });
      const { assigned } = run(gaussianMixture, { model, rounds: 6 });
      expect(adjustedRandIndex(assigned, labels)).toBeGreaterThan(0.95);
    },
  );
});
