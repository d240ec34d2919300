import fc from "fast-check";
import { describe, expect, it } from "vitest";
import vectors from "../test/vectors/mixture.json" with { type: "json" };
import { gaussianMixture } from "./federated.ts";
import { type Matrix, matrixFromRows } from "./matrix.ts";
import {
  type Covariance,
  type GaussianMixture,
  type MixtureStatistics,
  mixtureFromAggregate,
  mixtureFromCentroids,
  mixtureStatistics,
  responsibilities,
} from "./mixture.ts";

/** The sum of the statistics of people with one vector each. */
function total(points: Matrix, mixture: GaussianMixture): MixtureStatistics {
  const sum = mixtureStatistics({ rows: 0, columns: points.columns, data: new Float32Array() }, mixture);
  for (let r = 0; r < points.rows; r++) {
    const data = points.data.subarray(r * points.columns, (r + 1) * points.columns);
    const own = gaussianMixture.statistics({ rows: 1, columns: points.columns, data }, mixture);
    for (const block of ["counts", "sums", "squares"] as const)
      own[block].forEach((value, i) => {
        sum[block][i]! += value;
      });
  }
  return sum;
}

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(actual[i]).toBeCloseTo(value, 8);
  });
}

describe(`Gaussian mixture by federated EM (${vectors.generator})`, () => {
  it.each(vectors.cases)("$name", (vector) => {
    const points = matrixFromRows(vector.points);
    let mixture = mixtureFromCentroids(matrixFromRows(vector.start), {
      covariance: vector.covariance as Covariance,
      variance: vector.variance,
    });
    for (let i = 0; i < vector.iterations; i++) {
      const next = gaussianMixture.update(total(points, mixture), { model: mixture, floor: 0 });
      expect(next.suppressed).toEqual([]);
      mixture = next.model;
    }
    expectClose(mixture.weights, vector.weights);
    expectClose(mixture.means, vector.means);
    expectClose(mixture.variances, vector.variances);
    vector.points.forEach((point, r) => {
      const { logDensity } = responsibilities(Float32Array.from(point), mixture);
      expect(logDensity).toBeCloseTo(vector.logDensities[r]!, 6);
    });
    expectClose(
      gaussianMixture.membership(Float32Array.from(vector.points[0]!), mixture),
      vector.responsibilities,
    );
  });
});

describe("the statistics of one user", () => {
  const component = fc.float({ noNaN: true, noDefaultInfinity: true });
  const rows = (count: number, d: number) =>
    fc.array(fc.array(component, { minLength: d, maxLength: d }), { minLength: count, maxLength: count });
  const shape = fc
    .record({
      d: fc.integer({ min: 1, max: 5 }),
      k: fc.integer({ min: 1, max: 4 }),
      m: fc.integer({ min: 1, max: 6 }),
      covariance: fc.constantFrom<Covariance>("diagonal", "spherical"),
    })
    .chain(({ d, k, m, covariance }) =>
      fc.record({ vectors: rows(m, d), centroids: rows(k, d), covariance: fc.constant(covariance) }),
    );
  it("never exceed norm 1 in any block, however many and however long the vectors", () => {
    fc.assert(
      fc.property(shape, ({ vectors: own, centroids, covariance }) => {
        const bounded = matrixFromRows(centroids.map((row) => row.map((value) => Math.tanh(value))));
        const mixture = mixtureFromCentroids(bounded, { covariance });
        const { counts, sums, squares } = mixtureStatistics(matrixFromRows(own), mixture);
        expect(counts.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 9);
        for (const block of [counts, sums, squares])
          expect(Math.hypot(...block)).toBeLessThanOrEqual(1 + 1e-9);
      }),
      { numRuns: 300 },
    );
  });

  it("refuse another dimension and values that are not finite", () => {
    const mixture = mixtureFromCentroids(matrixFromRows([[1, 0]]), { covariance: "spherical" });
    expect(() => mixtureStatistics(matrixFromRows([[1]]), mixture)).toThrow("dimension 1");
    expect(() => mixtureStatistics(matrixFromRows([[1, Number.NaN]]), mixture)).toThrow("Component 1");
    const nothing = { rows: 0, columns: 2, data: new Float32Array() };
    expect(() => mixtureFromCentroids(nothing, { covariance: "diagonal" })).toThrow("at least one component");
    expect(() =>
      mixtureFromCentroids(matrixFromRows([[1]]), { covariance: "diagonal", variance: 0 }),
    ).toThrow("variance");
  });
});

describe("the M step under noise", () => {
  const previous = mixtureFromCentroids(
    matrixFromRows([
      [1, 0],
      [0, 1],
      [-1, 0],
    ]),
    { covariance: "diagonal" },
  );

  it("keeps what it cannot move, means in the ball and variances positive", () => {
    const { mixture, suppressed } = mixtureFromAggregate(
      {
        counts: Float64Array.of(10, 4, -2),
        sums: Float64Array.of(30, 40, 1, 1, 1, 1),
        squares: Float64Array.of(-5, 20, 1, 1, 1, 1),
      },
      { previous, floor: 5 },
    );
    expect(suppressed).toEqual([1, 2]);
    expect(Array.from(mixture.means)).toEqual([
      expect.closeTo(0.6, 12),
      expect.closeTo(0.8, 12),
      0,
      1,
      -1,
      0,
    ]);
    expect(Array.from(mixture.variances)).toEqual([1e-6, expect.closeTo(1.360001, 9), 0.5, 0.5, 0.5, 0.5]);
    expectClose(mixture.weights, [10 / 14, 4 / 14, 0]);
  });

  it("gives a component without weight no responsibility, and keeps the weights when all are lost", () => {
    const weightless = { ...previous, weights: Float64Array.of(0.5, 0.5, 0) };
    expect(responsibilities(Float64Array.of(-1, 0), weightless).responsibilities[2]).toBe(0);
    const { mixture, suppressed } = mixtureFromAggregate(
      {
        counts: Float64Array.of(-1, Number.NaN, 0),
        sums: new Float64Array(6),
        squares: new Float64Array(6),
      },
      { previous: weightless, floor: 0 },
    );
    expect(suppressed).toEqual([0, 1, 2]);
    expect(mixture.weights).toEqual(weightless.weights);
  });

  it("refuses shapes that do not fit and a floor below zero", () => {
    const zeros = { counts: new Float64Array(3), sums: new Float64Array(6), squares: new Float64Array(6) };
    expect(() =>
      mixtureFromAggregate({ ...zeros, squares: new Float64Array(3) }, { previous, floor: 0 }),
    ).toThrow("3 diagonal components");
    expect(() => mixtureFromAggregate(zeros, { previous, floor: -1 })).toThrow("floor");
  });
});
