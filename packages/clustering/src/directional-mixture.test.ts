import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { directionalMixture, mixtureMembership, softStatistics, spreadOf } from "./directional-mixture.ts";
import { type Matrix, matrixFromRows, normalised, rowOf } from "./matrix.ts";
import { type GaussianMixture, mixtureFromAggregate, mixtureStatistics } from "./mixture.ts";
import { publicRandom } from "./random.ts";
import { type SufficientStatistics, sufficientStatistics } from "./statistics.ts";

const D = 3;
const TRUTH = [
  { direction: [1, 0, 0], people: 900, deviation: 0.5 },
  { direction: [0.6, 0.8, 0], people: 300, deviation: 0.08 },
];

/** People around two directions that overlap, one wide and one narrow. */
function population(): Matrix {
  const random = publicRandom(7);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return matrixFromRows(
    TRUTH.flatMap(({ direction, people, deviation }) =>
      Array.from({ length: people }, () =>
        normalised(Float64Array.from(direction, (value) => value + deviation * normal())),
      ),
    ),
  );
}

function one(points: Matrix, row: number): Matrix {
  return { rows: 1, columns: points.columns, data: rowOf(points, row) };
}

function total(points: Matrix, statistics: (person: Matrix) => SufficientStatistics) {
  const counts = new Float64Array(TRUTH.length);
  const sums = new Float64Array(TRUTH.length * D);
  for (let row = 0; row < points.rows; row++) {
    const own = statistics(one(points, row));
    own.counts.forEach((value, i) => {
      counts[i]! += value;
    });
    own.sums.forEach((value, i) => {
      sums[i]! += value;
    });
  }
  return { counts, sums };
}

/** Centroids, shares and spreads from what all people counted. */
function described({ counts, sums }: SufficientStatistics) {
  const rows = [...counts].map((_, c) => sums.subarray(c * D, (c + 1) * D));
  const centroids = matrixFromRows(rows.map((sum) => normalised(sum)));
  const spreads = rows.map((sum, c) => spreadOf(Math.hypot(...sum) / counts[c]!, D));
  return { centroids, shares: counts, spreads };
}

const start = (): GaussianMixture =>
  directionalMixture(matrixFromRows([normalised(Float64Array.of(1, -0.2, 0.1)), [0, 1, 0]]), {
    shares: [1, 1],
    spreads: [0.2, 0.2],
  });

describe("a mixture about directions", () => {
  it("takes the very step of the spherical mixture, from counts and sums alone", () => {
    const points = population();
    let mixture = start();
    for (let step = 0; step < 5; step++) {
      const soft = total(points, (person) => softStatistics(person, mixture));
      const squares = new Float64Array(TRUTH.length);
      for (let row = 0; row < points.rows; row++)
        mixtureStatistics(one(points, row), mixture).squares.forEach((value, i) => {
          squares[i]! += value;
        });
      const { mixture: expected } = mixtureFromAggregate(
        { ...soft, squares },
        { previous: mixture, floor: 0 },
      );
      const { centroids, ...rest } = described(soft);
      mixture = directionalMixture(centroids, rest);
      for (const part of ["weights", "means", "variances"] as const)
        mixture[part].forEach((value, i) => {
          // The spherical mixture adds a regularisation of 1e-6, and centroids are float32.
          expect(value).toBeCloseTo(expected[part][i]!, 5);
        });
    }
  });

  it("finds the people of a wide cluster that a narrow one lies in, where k-means divides them by distance", () => {
    const points = population();
    const truth = TRUTH[0]!.people / points.rows;
    let mixture = start();
    let hard = matrixFromRows([normalised(Float64Array.of(1, -0.2, 0.1)), [0, 1, 0]]);
    let shares = { soft: 0, hard: 0 };
    for (let step = 0; step < 60; step++) {
      const soft = described(total(points, (person) => softStatistics(person, mixture)));
      mixture = directionalMixture(soft.centroids, soft);
      const nearest = total(points, (person) => sufficientStatistics(person, hard));
      hard = described(nearest).centroids;
      shares = { soft: mixture.weights[0]!, hard: nearest.counts[0]! / points.rows };
    }
    expect(Math.abs(shares.soft - truth)).toBeLessThan(0.03);
    expect(Math.abs(shares.hard - truth)).toBeGreaterThan(0.1);
  });

  it("bounds what one person adds, in both blocks, whatever the vectors and weights", () => {
    const value = fc.double({ noNaN: true, min: -1e6, max: 1e6 });
    const vector = fc.array(value, { minLength: D, maxLength: D });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(vector, fc.double({ noNaN: true, min: 0, max: 1e6 })), {
          minLength: 1,
          maxLength: 4,
        }),
        (own) => {
          const vectors = matrixFromRows(own.map(([row]) => row));
          const { counts, sums } = softStatistics(
            vectors,
            start(),
            own.map(([, weight]) => weight),
          );
          expect(Math.hypot(...counts)).toBeLessThanOrEqual(1 + 1e-12);
          expect(Math.hypot(...sums)).toBeLessThanOrEqual(1 + 1e-12);
        },
      ),
      { seed: 3 },
    );
  });

  it("leaves out vectors without a direction, and counts nobody without any", () => {
    const mixture = start();
    const both = softStatistics(
      matrixFromRows([
        [0, 0, 0],
        [3, 4, 0],
      ]),
      mixture,
    );
    const alone = softStatistics(matrixFromRows([[3, 4, 0]]), mixture);
    expect(both).toEqual(alone);
    expect([...alone.counts].reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    const nothing = softStatistics(matrixFromRows([[0, 0, 0]]), mixture);
    expect([...nothing.counts, ...nothing.sums].every((value) => value === 0)).toBe(true);
    expect(mixtureMembership(new Float32Array(D), mixture)).toEqual(mixture.weights);
  });

  it("gives a spread of 1/d to people with nothing in common, and never none", () => {
    expect(spreadOf(0, 4)).toBe(0.25);
    expect(spreadOf(1, 4)).toBe(0.001 / 4);
    expect(spreadOf(1.5, 4)).toBe(0.001 / 4);
  });

  it("refuses what does not fit", () => {
    const centroids = matrixFromRows([[1, 0, 0]]);
    expect(() => directionalMixture(centroids, { shares: [1, 1], spreads: [0.1] })).toThrow(/2 shares/);
    expect(() => softStatistics(matrixFromRows([[1, 0]]), start())).toThrow(/dimension 2/);
    expect(() => softStatistics(centroids, start(), [1, 2])).toThrow(/2 weights/);
    expect(() => softStatistics(centroids, start(), [-1])).toThrow(/Weight 0/);
    expect(() => mixtureMembership(Float32Array.of(1, 0), start())).toThrow(/dimension 2/);
  });
});
