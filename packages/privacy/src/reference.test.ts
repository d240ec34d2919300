/**
 * Rows of the table in DIFFERENTIAL_PRIVACY ("Reference values") that concern privacy loss distributions, trees and
 * calibration. The Rényi columns of rows 1 to 6, 13 and 15 to 21 are in rdp.test.ts, row 23 in quantise.test.ts.
 */

import { describe, expect, it } from "vitest";
import { calibrateNoiseMultiplier, gaussianRunEpsilon } from "./noise-multiplier.ts";
import { deltaOf, epsilonOf, truePositiveRate } from "./privacy-loss.ts";
import { composePrivacyLoss } from "./privacy-loss-composition.ts";
import {
  discreteGaussianPrivacyLoss,
  gaussianDelta,
  gaussianEpsilon,
  gaussianPrivacyLoss,
} from "./privacy-loss-mechanisms.ts";
import { epsilonFromRdp, epsilonFromZcdp, rdpAt, rdpGaussian } from "./rdp.ts";
import { restartedTreeSensitivitySquared, treeSensitivitySquared } from "./tree-aggregation.ts";
import { delta } from "./units.ts";

const run = (noiseMultiplier: number, samplingRate: number, times: number) =>
  composePrivacyLoss([{ loss: gaussianPrivacyLoss({ noiseMultiplier, samplingRate }), times }]);

/** ε by the central limit theorem of Gaussian differential privacy (Bu, Dong, Long, Su 2019): not a bound. */
function limitEpsilon(sigma: number, q: number, steps: number, target: number): number {
  const mu = q * Math.sqrt(steps * Math.expm1(1 / sigma ** 2));
  return gaussianEpsilon({ noiseMultiplier: 1 / mu, delta: delta(target) });
}

describe("rows 1 to 3, PRV and GDP columns", () => {
  it("row 1: within the PRV accountant's error of .01 below its bound, and above GDP, which is none", () => {
    const epsilon = epsilonOf(run(1.5, 0.04, 2250), delta(1e-5));
    expect(epsilon).toBeLessThan(6.777395712);
    expect(epsilon).toBeGreaterThan(6.777395712 - 0.01);
    const limit = limitEpsilon(1.5, 0.04, 2250, 1e-5);
    expect(limit).toBeGreaterThan(6.59);
    expect(limit).toBeLessThan(6.605); // 6.60 as published
    expect(epsilon).toBeGreaterThan(limit);
  });

  it.each([
    ["row 2: PRV", 1.34765625, 2250, 0.02],
    ["row 3: PRV", 1.2915, 2000, 0.02],
  ])("%s, σ = %d", (_, sigma, steps, tolerance) => {
    // Their search stops within .01 of the target, and the bound it uses is as wide again.
    const epsilon = epsilonOf(run(sigma, 0.04, steps), delta(1e-5));
    expect(epsilon).toBeLessThanOrEqual(8);
    expect(epsilon).toBeGreaterThan(8 - tolerance);
  });

  it("row 2: GDP calibrates to less noise than ε = 8 takes", () => {
    expect(limitEpsilon(1.3232421875, 0.04, 2250, 1e-5)).toBeCloseTo(8, 1);
    expect(epsilonOf(run(1.3232421875, 0.04, 2250), delta(1e-5))).toBeGreaterThan(8);
  });
});

describe("rows 7, 13 and 14: trees", () => {
  it.each([
    [1.13, 19.74, 18.7096],
    [8.83, 2.04, 1.7732],
  ])("row 7: 1600 steps with z = %d", (z, below, computed) => {
    const orders = [...Array.from({ length: 99 }, (_, i) => 1 + (i + 1) / 10), ...range(12, 64)];
    const noiseMultiplier = z / Math.sqrt(restartedTreeSensitivitySquared(1600));
    const rdp = rdpAt((alpha) => rdpGaussian({ noiseMultiplier, alpha }), orders);
    const { epsilon } = epsilonFromRdp({ orders, rdp, delta: delta(1e-6) });
    expect(epsilon).toBeLessThan(below);
    expect(epsilon).toBeCloseTo(computed, 4);
    expect(gaussianEpsilon({ noiseMultiplier, delta: delta(1e-6) })).toBeLessThan(epsilon);
  });

  it("row 13: zCDP .81 at δ = 1e−10", () => {
    expect(epsilonFromZcdp({ rho: 0.81, delta: delta(1e-10) })).toBeCloseTo(8.92226, 3);
  });

  it.each([
    [1, 7, 8, 4],
    [3, 3, 9, 11],
    [3, 2, 7, 9],
    [8, 2, 24, 88],
  ])("row 14: %d participations, %d apart, %d steps: %d", (participations, separation, steps, expected) => {
    expect(treeSensitivitySquared({ participations, separation, steps })).toBe(expected);
  });
});

describe("rows 8, 9 and 15 to 17: privacy loss distributions", () => {
  it("row 8: three Gaussians of σ = √3", () => {
    const composed = run(Math.sqrt(3), 1, 3);
    expect(deltaOf(composed, 1)).toBeCloseTo(0.126936, 5);
    expect(truePositiveRate(composed, 0.1)).toBeCloseTo(0.38914, 4);
  });

  it("row 9: three subsampled Gaussians", () => {
    expect(Math.abs(deltaOf(run(0.5, 0.2, 3), 1) - 0.15594)).toBeLessThan(1e-3);
  });

  it.each([
    ["row 15", 1, 0.01, 1000, 1e-5, 1.828244],
    ["row 16", 1, 1, 1, 1e-5, 4.377178],
    ["row 17", 4, 1, 16, 1e-6, 4.886554],
  ])("%s", (_, sigma, q, steps, target, expected) => {
    expect(epsilonOf(run(sigma, q, steps), delta(target))).toBeCloseTo(expected, 5);
  });

  it("row 22: the discrete Gaussian of σ = 1", () => {
    expect(epsilonOf(discreteGaussianPrivacyLoss({ sigma: 1 }), delta(1e-5))).toBeCloseTo(4.430238, 6);
  });
});

describe("rows 6 and 10 to 12: calibration", () => {
  it("finds by bisection what meets ε, by the tighter accountant with less noise", () => {
    const options = { samplingRate: 0.05, steps: 20, delta: delta(1e-5), epsilon: 1, tolerance: 1e-2 };
    const [pld, rdp] = (["pld", "rdp"] as const).map((accountant) => {
      const noiseMultiplier = calibrateNoiseMultiplier({ ...options, accountant });
      const at = (share: number) =>
        gaussianRunEpsilon({ ...options, accountant, noiseMultiplier: noiseMultiplier * share });
      expect(at(1)).toBeLessThanOrEqual(1);
      expect(at(0.99)).toBeGreaterThan(1);
      return noiseMultiplier;
    });
    expect(pld!).toBeLessThan(rdp!);
  });

  it("row 6: RDP, one step", () => {
    const options = { steps: 1, delta: delta(1e-6), accountant: "rdp" } as const;
    const z = calibrateNoiseMultiplier({ ...options, epsilon: 1 });
    expect(z).toBeCloseTo(4.530877117, 5);
    expect(gaussianRunEpsilon({ ...options, noiseMultiplier: z })).toBeLessThanOrEqual(1);
  });

  it.each([
    ["row 10", 0.01, 1, 1, 0.67379294682],
    ["row 11", 0.001, 6, 25, 3.20956502598],
  ])(
    "%s: as much noise as published meets ε = 1, a thousandth less does not",
    (_, samplingRate, sensitivity, steps, sigma) => {
      const at = (share: number) =>
        gaussianRunEpsilon({
          samplingRate,
          steps,
          delta: delta(1e-5),
          accountant: "pld",
          noiseMultiplier: (sigma / sensitivity) * share,
        });
      expect(at(1)).toBeLessThanOrEqual(1);
      expect(at(0.999)).toBeGreaterThan(1);
    },
  );

  it.each([
    ["row 12: sensitivity 1", 1, 1, 1 / 3],
    ["row 12: sensitivity 6, 25 queries", 6, 25, 10],
  ])("%s", (_, sensitivity, steps, expected) => {
    const options = { steps, delta: delta(0.78760074), accountant: "pld" } as const;
    expect(calibrateNoiseMultiplier({ ...options, epsilon: 1 }) * sensitivity).toBeCloseTo(expected, 5);
    expect(gaussianDelta({ noiseMultiplier: 1 / 3, epsilon: 1 })).toBeCloseTo(0.78760074, 8);
  });
});

describe("the table of composition against the coordinator, δ = 1e−6", () => {
  it.each([
    [4, [1.06, 2.25, 3.75, 5.55]],
    [8, [0.504, 1.06, 1.74, 2.55]],
  ])("z = %d", (z, expected) => {
    for (const [i, times] of [1, 4, 10, 20].entries()) {
      const epsilon = epsilonOf(run(z, 1, times), delta(1e-6));
      expect(Math.abs(epsilon - expected[i]!)).toBeLessThan(0.0051);
    }
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
