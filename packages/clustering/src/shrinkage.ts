/** What a noisy release says about the directions of its cells, once its noise is allowed for. */

import { checkShapes, type Matrix, rowOf } from "./matrix.ts";

/** Noisy counts and sums of unit vectors, by the public direction that each person's vector was nearest to. */
export interface NoisyRelease {
  /** m × d, rows of norm 1: public seeds, or the centroids of the version before. */
  readonly directions: Matrix;
  /** Length m, in people. */
  readonly counts: Float64Array;
  /** Length m · d, row-major: sums of unit vectors. */
  readonly sums: Float64Array;
  /** Standard deviation of the noise on each count; 0 without noise. */
  readonly countDeviation: number;
  /** Standard deviation of the noise on each entry of the sums; 0 without noise. */
  readonly sumDeviation: number;
}

/**
 * The posterior mean of each cell's sum (empirical Bayes; Efron & Morris, "Data analysis using Stein's estimator and
 * its generalizations", JASA 70, 1975). A small cell's noisy sum points nowhere in particular, while the cell's public
 * direction is known exactly. So the sum of cell i, of count nᵢ, is taken as normal about nᵢ ρ times its direction with
 * deviation nᵢ τ per entry, ρ and τ² estimated from all cells by moments; the release's noise then says how much of
 * the difference to believe:
 *
 *   sᵢ' = nᵢ ρ uᵢ + nᵢ² τ² / (nᵢ² τ² + σ²) · (sᵢ − nᵢ ρ uᵢ).
 *
 * Without noise this is sᵢ. Where the directions say nothing (random seeds), τ comes out large and sᵢ is believed.
 * Post-processing: it costs no privacy.
 *
 * @param cells ascending indices of the cells to estimate, each of positive count and finite sum
 * @returns per cell its estimated sum, length d
 * @throws {RangeError} when the release's shapes do not fit or a deviation is negative
 */
export function shrunkSums(release: NoisyRelease, cells: readonly number[]): Float64Array[] {
  checkRelease(release);
  const { directions, counts, sums, countDeviation, sumDeviation } = release;
  const d = directions.columns;
  const noisy = cells.map((cell) => sums.slice(cell * d, (cell + 1) * d));
  if (sumDeviation === 0) return noisy;
  let along = 0;
  let people = 0;
  cells.forEach((cell, r) => {
    const direction = rowOf(directions, cell);
    for (let i = 0; i < d; i++) along += noisy[r]![i]! * direction[i]!;
    people += counts[cell]!;
  });
  const rho = people > 0 ? Math.max(0, Math.min(1, along / people)) : 0;
  let excess = 0;
  let squaredCounts = 0;
  cells.forEach((cell, r) => {
    const direction = rowOf(directions, cell);
    for (let i = 0; i < d; i++) excess += (noisy[r]![i]! - counts[cell]! * rho * direction[i]!) ** 2;
    excess -= d * sumDeviation ** 2 + (rho * countDeviation) ** 2;
    squaredCounts += counts[cell]! ** 2 - countDeviation ** 2;
  });
  // With more noise than signal the estimates fall below zero; then the directions are all there is.
  const tau2 = Math.max(0, excess) / (d * Math.max(1, squaredCounts));
  return cells.map((cell, r) => {
    const direction = rowOf(directions, cell);
    const n = counts[cell]!;
    const belief = (n * n * tau2) / (n * n * tau2 + sumDeviation ** 2);
    return noisy[r]!.map((value, i) => {
      const expected = n * rho * direction[i]!;
      return expected + belief * (value - expected);
    });
  });
}

/** Refuses a release whose shapes do not fit or whose deviations are no deviations. */
export function checkRelease(release: NoisyRelease): void {
  const { directions, counts, sums } = release;
  checkShapes({ length: directions.columns }, directions);
  if (counts.length !== directions.rows || sums.length !== directions.data.length)
    throw new RangeError(
      `${counts.length} counts and ${sums.length} sums do not fit ${directions.rows} × ${directions.columns} directions.`,
    );
  for (const name of ["countDeviation", "sumDeviation"] as const)
    if (!(release[name] >= 0 && release[name] < Number.POSITIVE_INFINITY))
      throw new RangeError(`${name} must be finite and at least 0, not ${release[name]}.`);
}
