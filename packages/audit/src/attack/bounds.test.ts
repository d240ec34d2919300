import { delta, gaussianEpsilon } from "@kindred/privacy";
import { describe, expect, it } from "vitest";
import { binomialMasses, binomialTail, clopperPearson } from "./binomial.ts";
import { federatedCanaryEstimate } from "./federated-canary.ts";
import { normalCdf, normalQuantile } from "./normal.ts";
import { guessExtremes, oneRunEpsilon, oneRunPValue } from "./one-run.ts";
import {
  chooseThreshold,
  detectionPower,
  epsilonLowerBound,
  gaussianEpsilonLowerBound,
  guessesAt,
  lowerBoundCeiling,
  middleThreshold,
} from "./two-worlds.ts";

const perfect = (runs: number) => ({
  truePositives: runs,
  positives: runs,
  falsePositives: 0,
  negatives: runs,
});

describe("binomial", () => {
  it("has tails that are the sums of its masses", () => {
    for (const [trials, probability] of [
      [10, 0.3],
      [200, 0.01],
      [500, 0.9],
    ] as const) {
      const masses = binomialMasses(trials, probability);
      expect(masses.reduce((sum, mass) => sum + mass, 0)).toBeCloseTo(1, 11);
      for (const k of [1, 2, 5, Math.round(trials * probability), Math.round(trials * probability) + 3]) {
        const sum = masses.subarray(k).reduce((total, mass) => total + mass, 0);
        expect(binomialTail(k, { trials, probability }) / sum).toBeCloseTo(1, 9);
      }
    }
    expect(binomialTail(0, { trials: 5, probability: 0.5 })).toBe(1);
    expect(binomialTail(6, { trials: 5, probability: 0.5 })).toBe(0);
  });

  it("has the interval of Clopper and Pearson", () => {
    const { lower, upper } = clopperPearson(5, { trials: 10, alpha: 0.05 });
    expect(lower).toBeCloseTo(0.187086, 6);
    expect(upper).toBeCloseTo(0.812914, 6);
    expect(clopperPearson(0, { trials: 100, alpha: 0.05 })).toMatchObject({
      lower: 0,
      upper: expect.closeTo(1 - 0.025 ** 0.01, 12),
    });
    expect(clopperPearson(100, { trials: 100, alpha: 0.05 })).toMatchObject({
      lower: expect.closeTo(0.025 ** 0.01, 12),
      upper: 1,
    });
  });
});

describe("two worlds", () => {
  it("gives the published bound of 500 of 500", () => {
    expect(epsilonLowerBound(perfect(500), { delta: 0, alpha: 0.01 })).toBeCloseTo(4.541915810224, 11);
  });

  it.each([
    [100, 3.28],
    [1000, 5.6],
    [10_000, 7.9],
  ])("cannot exceed its ceiling with %i runs", (runs, ceiling) => {
    expect(lowerBoundCeiling(runs, { delta: 1e-5, alpha: 0.05 })).toBeCloseTo(ceiling, 2);
  });

  it("takes the better of the two forms, and nothing from a coin", () => {
    const confidence = { delta: 1e-5, alpha: 0.05 };
    const rare = { truePositives: 400, positives: 1000, falsePositives: 0, negatives: 1000 };
    const mirrored = { truePositives: 1000, positives: 1000, falsePositives: 600, negatives: 1000 };
    expect(epsilonLowerBound(rare, confidence)).toBeGreaterThan(4.5);
    expect(epsilonLowerBound(mirrored, confidence)).toBeCloseTo(epsilonLowerBound(rare, confidence), 9);
    const coin = { truePositives: 500, positives: 1000, falsePositives: 500, negatives: 1000 };
    expect(epsilonLowerBound(coin, confidence)).toBe(0);
    expect(gaussianEpsilonLowerBound(coin, confidence)).toBe(0);
  });

  it("comes nearer to a Gaussian's ε with more runs, by its shape, and stays below", () => {
    const mu = 1.25;
    const claimed = gaussianEpsilon({ noiseMultiplier: 1 / mu, delta: delta(1e-6) });
    let last = 0;
    for (const runs of [200, 2000, 20_000]) {
      const counts = {
        truePositives: Math.round(runs * normalCdf(mu / 2)),
        positives: runs,
        falsePositives: Math.round(runs * normalCdf(-mu / 2)),
        negatives: runs,
      };
      const bound = gaussianEpsilonLowerBound(counts, { delta: 1e-6, alpha: 0.05 });
      expect(bound).toBeGreaterThan(last);
      expect(bound).toBeLessThan(claimed);
      last = bound;
    }
    expect(last).toBeGreaterThan(0.93 * claimed);
  });

  it("chooses a threshold on its own scores and counts guesses at it", () => {
    const scores = { present: [3, 4, 5, 6], absent: [0, 1, 2, 3.5] };
    const threshold = chooseThreshold(scores, (counts) => counts.truePositives - counts.falsePositives);
    expect(guessesAt(scores, threshold)).toEqual({
      truePositives: threshold > 3 ? 3 : 4,
      positives: 4,
      falsePositives: threshold > 3 ? 0 : 1,
      negatives: 4,
    });
    expect(middleThreshold(scores)).toBeCloseTo((4.5 + 1.625) / 2, 12);
    expect(() => chooseThreshold({ present: [], absent: [] }, () => 0)).toThrow(RangeError);
  });

  it("knows its power: the chance that a halved deviation is caught, and that an honest one is accused", () => {
    const confidence = { delta: 1e-6, alpha: 0.05 };
    const bound = (counts: Parameters<typeof epsilonLowerBound>[0]) =>
      gaussianEpsilonLowerBound(counts, confidence);
    const claimed = gaussianEpsilon({ noiseMultiplier: 0.8, delta: delta(1e-6) });
    const power = (mu: number, runs: number) =>
      detectionPower(
        { truePositiveRate: normalCdf(mu / 2), falsePositiveRate: normalCdf(-mu / 2), runs },
        { claimed, bound },
      );
    expect(power(1.25, 200)).toBeLessThan(0.05);
    expect(power(2.5, 20)).toBeLessThan(0.8);
    expect(power(2.5, 200)).toBeGreaterThan(0.999);
  });
});

describe("one run", () => {
  it.each([
    [{ canaries: 1000, guesses: 100, correct: 75 }, 1e-4, 0.672985],
    [{ canaries: 100_000, guesses: 1510, correct: 1439 }, 1e-5, 2.675851],
  ])("gives the published bound of %o", (guesses, delta_, expected) => {
    expect(oneRunEpsilon(guesses, { delta: delta_, alpha: 0.05 })).toBeCloseTo(expected, 5);
  });

  it("proves nothing from guesses of a coin, and less the larger δ is", () => {
    const coin = { canaries: 1000, guesses: 1000, correct: 510 };
    expect(oneRunEpsilon(coin, { delta: 1e-6, alpha: 0.05 })).toBe(0);
    const good = { canaries: 1000, guesses: 100, correct: 90 };
    const bounds = [0, 1e-5, 1e-4].map((d) => oneRunEpsilon(good, { delta: d, alpha: 0.05 }));
    expect(bounds).toEqual([...bounds].sort((a, b) => b - a));
    expect(oneRunPValue(good, { epsilon: 0, delta: 0 })).toBeLessThan(1e-15);
    expect(oneRunPValue(good, { epsilon: 60, delta: 0 })).toBeCloseTo(1, 9);
  });

  it("commits on the canaries at both ends", () => {
    const scores = [0.9, 0.1, 0.5, 0.8, 0.2, 0.4];
    const included = [true, false, true, false, false, false];
    expect(guessExtremes(scores, included, 4)).toEqual({ canaries: 6, guesses: 4, correct: 3 });
  });
});

describe("normal distributions", () => {
  it("have quantiles that undo the distribution function", () => {
    for (const p of [1e-12, 1e-4, 0.025, 0.5, 0.975])
      expect(normalCdf(normalQuantile(p)) / p).toBeCloseTo(1, 10);
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 10);
    expect(normalQuantile(0)).toBe(-Infinity);
  });
});

describe("federated canaries", () => {
  it("show nothing where they left no trace, and more the more they left", () => {
    const estimate = (mean: number) =>
      federatedCanaryEstimate([mean - 0.03, mean, mean + 0.03], { dimension: 1024, delta: 1e-5 });
    expect(estimate(0)).toBeLessThan(1e-6);
    expect(estimate(-0.01)).toBe(0);
    expect(estimate(1 / 32)).toBeCloseTo(gaussianEpsilon({ noiseMultiplier: 1, delta: delta(1e-5) }), 9);
    expect(estimate(2 / 32)).toBeGreaterThan(2 * estimate(1 / 32));
  });
});
