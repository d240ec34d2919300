/** Starting centroids from the public item space, at no privacy cost. */

import { lloyd } from "./lloyd.ts";
import { type Matrix, matrixFromRows, normalised, rowOf } from "./matrix.ts";
import { type PublicRandom, publicRandom } from "./random.ts";

/** Items beyond this number are subsampled before seeding. */
const LARGEST_SAMPLE = 20_000;

/** Below this remaining weight 1 − cosine an item counts as a duplicate of a chosen seed (float32 rounding). */
const DUPLICATE = 1e-6;

/**
 * Spherical k-means++ on the public item vectors, then some Lloyd iterations.
 *
 * k-means++ (Arthur & Vassilvitskii 2007) draws the next seed with probability proportional to the squared
 * distance to the nearest chosen one; on the unit sphere that is ‖x − c‖² = 2 (1 − cos), so the weight is
 * 1 − cos. Only +, −, ×, ÷ and square roots are used, so that the result is the same, bit for bit, on every
 * JavaScript engine.
 *
 * Items without direction are ignored. Above 20,000 items a uniform sample of 20,000 is used.
 *
 * @param options.items n × d public item vectors of any length
 * @param options.clusters k, from 1 to the number of distinct item directions
 * @param options.shortage what to do about fewer distinct directions: `refuse` (default), or `accept` as many as there are
 * @param options.seed integer in [0, 2⁵³); public
 * @param options.iterations Lloyd iterations after seeding, ≥ 0
 * @returns k × d, rows of norm 1
 * @throws {RangeError} when there are fewer distinct item directions than clusters (with `accept`: none), or on
 *   malformed arguments
 */
export function seedCentroids(options: {
  readonly items: Matrix;
  readonly clusters: number;
  readonly seed: number;
  readonly iterations: number;
  readonly shortage?: "refuse" | "accept";
}): Matrix {
  const { items, clusters, seed, iterations, shortage = "refuse" } = options;
  if (!Number.isInteger(clusters) || clusters < 1)
    throw new RangeError(`The number of clusters must be a whole number of at least 1, not ${clusters}.`);
  const random = publicRandom(seed);
  const units = sampleRows(items.rows, random)
    .map((r) => normalised(rowOf(items, r)))
    .filter((unit) => unit.some((value) => value !== 0));

  const chosen = spreadSeeds(units, { clusters, random });
  if (chosen.length < (shortage === "accept" ? 1 : clusters))
    throw new RangeError(
      `${clusters} clusters need as many distinct item directions; the catalogue has ${chosen.length}.`,
    );
  return lloyd({ points: matrixFromRows(units), centroids: matrixFromRows(chosen), iterations }).centroids;
}

/**
 * Seeds far apart: k-means++ among unit vectors, each weighing `weights[r]` times its 1 − cosine to the nearest seed
 * chosen before; the first by weight alone. Fewer than asked when there are fewer distinct directions.
 */
export function spreadSeeds(
  units: readonly Float64Array[],
  options: {
    readonly clusters: number;
    readonly random: PublicRandom;
    /** Length of `units`, ≥ 0; all 1 when absent. */
    readonly weights?: Float64Array;
  },
): Float64Array[] {
  const { clusters, random } = options;
  const mass = options.weights ?? new Float64Array(units.length).fill(1);
  const chosen: Float64Array[] = [];
  const nearest = new Float64Array(units.length).fill(1);
  while (chosen.length < clusters) {
    const seedPoint =
      units[
        drawIndex(
          nearest.map((value, r) => value * mass[r]!),
          random,
        )
      ];
    if (!seedPoint) break;
    chosen.push(seedPoint);
    units.forEach((unit, r) => {
      let cosine = 0;
      for (let i = 0; i < unit.length; i++) cosine += unit[i]! * seedPoint[i]!;
      const away = 1 - cosine;
      nearest[r] = away < DUPLICATE ? 0 : chosen.length === 1 ? away : Math.min(nearest[r]!, away);
    });
  }
  return chosen;
}

/** Indices of all rows, or of a uniform sample without replacement (partial Fisher–Yates shuffle). */
function sampleRows(rows: number, random: PublicRandom): number[] {
  const indices = Array.from({ length: rows }, (_, r) => r);
  if (rows <= LARGEST_SAMPLE) return indices;
  for (let i = 0; i < LARGEST_SAMPLE; i++) {
    const j = i + Math.floor(random() * (rows - i));
    [indices[i], indices[j]] = [indices[j]!, indices[i]!];
  }
  return indices.slice(0, LARGEST_SAMPLE);
}

/** An index drawn with probability proportional to its weight, or −1 when all weights are zero. */
function drawIndex(weights: Float64Array, random: PublicRandom): number {
  let total = 0;
  for (const weight of weights) total += weight;
  if (total === 0) return -1;
  let remaining = random() * total;
  let last = -1;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    last = i;
    remaining -= weights[i]!;
    if (remaining < 0) return i;
  }
  // Rounding of the running difference may leave a crumb beyond the last positive weight.
  return last;
}
