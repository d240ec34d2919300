import { describe, expect, it } from "vitest";
import { addNoise, randomDirections } from "../test/population.ts";
import { rowOf } from "./matrix.ts";
import { publicRandom } from "./random.ts";
import { type NoisyRelease, shrunkSums } from "./shrinkage.ts";

const CELLS = 60;
const D = 16;

/** True sums n (ρ u + τ g) with g standard normal, and the same with noise. */
function planted(options: { rho: number; tau: number; count: number; deviation: number }) {
  const { rho, tau, count, deviation } = options;
  const directions = randomDirections(CELLS, D, 5);
  const random = publicRandom(6);
  const truth = addNoise(new Float64Array(CELLS * D), count * tau, random);
  for (let i = 0; i < truth.length; i++) truth[i]! += count * rho * directions.data[i]!;
  const release: NoisyRelease = {
    directions,
    counts: addNoise(new Float64Array(CELLS).fill(count), deviation, random),
    sums: addNoise(truth, deviation, random),
    countDeviation: deviation,
    sumDeviation: deviation,
  };
  const cells = Array.from({ length: CELLS }, (_, i) => i);
  const shrunk = shrunkSums(release, cells);
  let [before, after] = [0, 0];
  for (const cell of cells)
    for (let i = 0; i < D; i++) {
      before += (release.sums[cell * D + i]! - truth[cell * D + i]!) ** 2;
      after += (shrunk[cell]![i]! - truth[cell * D + i]!) ** 2;
    }
  return { release, shrunk, ratio: after / before };
}

describe("estimates of noisy sums", () => {
  it("are much nearer to the truth where the noise is large", () => {
    expect(planted({ rho: 0.8, tau: 0.05, count: 30, deviation: 7 }).ratio).toBeLessThan(0.25);
  });

  it("do no harm where the directions say nothing or the noise is small", () => {
    expect(planted({ rho: 0, tau: 0.25, count: 30, deviation: 7 }).ratio).toBeLessThan(1);
    expect(planted({ rho: 0.8, tau: 0.2, count: 1000, deviation: 1 }).ratio).toBeCloseTo(1, 1);
  });

  it("are the sums themselves without noise", () => {
    const { release, shrunk } = planted({ rho: 0.5, tau: 0.1, count: 10, deviation: 0 });
    expect(shrunk[7]).toEqual(release.sums.slice(7 * D, 8 * D));
  });

  it("are the directions when nothing else stands out", () => {
    const { release, shrunk } = planted({ rho: 0.9, tau: 0, count: 40, deviation: 7 });
    const direction = rowOf(release.directions, 3);
    const norm = Math.hypot(...shrunk[3]!);
    const cosine = shrunk[3]!.reduce((sum, value, i) => sum + value * direction[i]!, 0) / norm;
    expect(cosine).toBeGreaterThan(0.98);
  });
});
