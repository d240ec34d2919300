/**
 * A population of known clusters for the simulation of private clustering, and the noise of its releases.
 *
 * `groups` random directions, `clusters` directions around them, people and items around these: unit vectors
 * normalise(centre + spread · g / √d) with g standard normal, so that `spread` is the norm of what is added.
 */
import { type Matrix, matrixFromRows, normaliseRows } from "../src/matrix.ts";
import { type PublicRandom, publicRandom } from "../src/random.ts";

export interface TestPopulation {
  readonly people: Matrix;
  /** The cluster that each person comes from. */
  readonly labels: Int32Array;
  /** Public items of the same clusters, other draws. */
  readonly items: Matrix;
}

export function testPopulation(options: {
  readonly users: number;
  readonly items: number;
  readonly clusters: number;
  readonly groups: number;
  readonly dimension: number;
  /** Distance scale of the clusters of a group, and of the people of a cluster. */
  readonly spread: { readonly clusters: number; readonly people: number };
  readonly seed: number;
}): TestPopulation {
  const { clusters, groups, dimension, spread } = options;
  const random = publicRandom(options.seed);
  const around = (centre: ArrayLike<number> | undefined, scale: number): Float32Array => {
    const row = Array.from(
      { length: dimension },
      (_, i) => (centre?.[i] ?? 0) + (scale / Math.sqrt(dimension)) * gaussian(random),
    );
    return normaliseRows(matrixFromRows([row])).data;
  };
  const directions = Array.from({ length: groups }, () => around(undefined, 1));
  const centres = Array.from({ length: clusters }, (_, c) => around(directions[c % groups], spread.clusters));
  // Sizes between half and one and a half times the mean.
  const shares = centres.map(() => 0.5 + random());
  const draw = () => weightedIndex(shares, random);
  const labels = Int32Array.from({ length: options.users }, draw);
  const people = matrixFromRows(Array.from(labels, (label) => around(centres[label], spread.people)));
  const items = matrixFromRows(
    Array.from({ length: options.items }, () => around(centres[draw()], spread.people)),
  );
  return { people, labels, items };
}

/** Random directions, the seeds of somebody who knows nothing about the items. */
export function randomDirections(count: number, dimension: number, seed: number): Matrix {
  const random = publicRandom(seed);
  const rows = Array.from({ length: count }, () => Array.from({ length: dimension }, () => gaussian(random)));
  return normaliseRows(matrixFromRows(rows));
}

/** Adds Gaussian noise of a deviation. */
export function addNoise(values: Float64Array, deviation: number, random: PublicRandom): Float64Array {
  return values.map((value) => value + deviation * gaussian(random));
}

/**
 * The deviation of Gaussian noise on counts and sums, at L2 sensitivity √2 for the joint vector, for `releases` of
 * them under one (ε, δ): the analytic Gaussian mechanism (Balle & Wang, ICML 2018), whose releases compose exactly
 * into one of √releases times the sensitivity.
 */
export function jointDeviation(options: {
  readonly epsilon: number;
  readonly delta: number;
  readonly releases: number;
}): number {
  const { epsilon, delta } = options;
  const deltaOf = (sigma: number) =>
    normalCdf(0.5 / sigma - epsilon * sigma) - Math.exp(epsilon) * normalCdf(-0.5 / sigma - epsilon * sigma);
  let [low, high] = [1e-3, 1e3];
  for (let i = 0; i < 100; i++) {
    const middle = Math.sqrt(low * high);
    if (deltaOf(middle) > delta) low = middle;
    else high = middle;
  }
  return high * Math.SQRT2 * Math.sqrt(options.releases);
}

/** Φ by the complementary error function of Numerical Recipes (relative error below 1.2e−7). */
function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + z / 2);
  const coefficients = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277,
  ];
  const polynomial = coefficients.reduceRight((sum, coefficient) => sum * t + coefficient, 0);
  const tail = (t * Math.exp(-z * z + polynomial)) / 2;
  return x >= 0 ? 1 - tail : tail;
}

/** Box & Muller (1958). */
function gaussian(random: PublicRandom): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function weightedIndex(weights: readonly number[], random: PublicRandom): number {
  let remaining = random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, weight] of weights.entries()) {
    remaining -= weight;
    if (remaining < 0) return index;
  }
  return weights.length - 1;
}
