import { describe, expect, it } from "vitest";
import {
  areaUnder,
  largestTruePositiveRate,
  likelihoodRatioScores,
  lossThresholdScores,
  rocCurve,
  truePositiveRateAt,
} from "./membership.ts";

describe("membership inference", () => {
  it("by loss: the lower the loss, the surer", () => {
    const curve = rocCurve({
      present: lossThresholdScores([1, 2, 3]),
      absent: lossThresholdScores([2.5, 4, 5]),
    });
    expect(curve).toEqual([
      { falsePositiveRate: 0, truePositiveRate: 0 },
      { falsePositiveRate: 0, truePositiveRate: 1 / 3 },
      { falsePositiveRate: 0, truePositiveRate: 2 / 3 },
      { falsePositiveRate: 1 / 3, truePositiveRate: 2 / 3 },
      { falsePositiveRate: 1 / 3, truePositiveRate: 1 },
      { falsePositiveRate: 2 / 3, truePositiveRate: 1 },
      { falsePositiveRate: 1, truePositiveRate: 1 },
    ]);
    expect(areaUnder(curve)).toBeCloseTo(8 / 9, 12);
    expect(truePositiveRateAt(curve, 0.01)).toBeCloseTo(2 / 3, 12);
  });

  it("by likelihood ratio: sees people who are hard to fit, whom a loss threshold misses", () => {
    // The second person's loss is high anyway, and is lower with them than without.
    const scores = likelihoodRatioScores([
      { observed: 0.1, inside: [0.1, 0.12, 0.09], outside: [0.11, 0.1, 0.12] },
      { observed: 5, inside: [5, 5.1, 4.9], outside: [7, 7.1, 6.9] },
      { observed: 7, inside: [5, 5.1, 4.9], outside: [7, 7.1, 6.9] },
    ]);
    expect(scores[1]).toBeCloseTo(200, 6);
    expect(scores[2]).toBeCloseTo(-200, 6);
    expect(Math.abs(scores[0]!)).toBeLessThan(2);
  });

  it("treats equal scores as one threshold", () => {
    const curve = rocCurve({ present: [1, 1], absent: [1, 0] });
    expect(curve).toEqual([
      { falsePositiveRate: 0, truePositiveRate: 0 },
      { falsePositiveRate: 0.5, truePositiveRate: 1 },
      { falsePositiveRate: 1, truePositiveRate: 1 },
    ]);
  });

  it("cannot do better than (ε, δ) allows", () => {
    const claim = { epsilon: 1, delta: 1e-5 };
    expect(largestTruePositiveRate(0.01, claim)).toBeCloseTo(Math.E * 0.01 + 1e-5, 12);
    expect(largestTruePositiveRate(0.9, claim)).toBeCloseTo(1 - Math.exp(-1) * (1 - 1e-5 - 0.9), 12);
    expect(largestTruePositiveRate(1, claim)).toBeCloseTo(1, 4);
  });
});
