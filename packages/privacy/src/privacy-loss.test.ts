import { describe, expect, it } from "vitest";
import refusals from "../test/vectors/accountant-refusals.json" with { type: "json" };
import dpAccounting from "../test/vectors/dp-accounting.json" with { type: "json" };
import { calibrateNoiseMultiplier, gaussianRunEpsilon } from "./noise-multiplier.ts";
import {
  deltaOf,
  discretise,
  epsilonOf,
  fittingStep,
  MAXIMUM_GRID,
  onGrid,
  type PrivacyLossPair,
  truePositiveRate,
} from "./privacy-loss.ts";
import { composePrivacyLoss } from "./privacy-loss-composition.ts";
import {
  discreteGaussianPrivacyLoss,
  distributedDiscreteGaussianEpsilon,
  gaussianDelta,
  gaussianEpsilon,
  gaussianPrivacyLoss,
} from "./privacy-loss-mechanisms.ts";
import { epsilonFromRdp, rdpAt, rdpGaussian, rdpSubsampledGaussian } from "./rdp.ts";
import { restartedTreeSensitivitySquared } from "./tree-aggregation.ts";
import { delta } from "./units.ts";

/** Loss of a finite pair (P, Q), both directions. */
function finitePair(p: readonly number[], q: readonly number[], step = 1e-4): PrivacyLossPair {
  const oneWay = (a: readonly number[], b: readonly number[]) => {
    const losses = a.map((mass, i) => Math.log(mass / b[i]!));
    return discretise({
      step,
      from: Math.min(...losses),
      to: Math.max(...losses),
      infinity: 0,
      outcomes: (consume) => losses.forEach((loss, i) => void consume(loss, a[i]!)),
    });
  };
  return { remove: oneWay(p, q), add: oneWay(q, p) };
}

/** δ(ε) of `times` draws from a finite pair, by enumeration of all outcomes. */
function enumeratedDelta(options: {
  p: readonly number[];
  q: readonly number[];
  times: number;
  epsilon: number;
}): number {
  const { p, q, times, epsilon } = options;
  let outcomes: [number, number][] = [[1, 1]];
  for (let t = 0; t < times; t++)
    outcomes = outcomes.flatMap(([a, b]) => p.map((mass, i): [number, number] => [a * mass, b * q[i]!]));
  const oneWay = (which: 0 | 1) =>
    outcomes.reduce((sum, o) => sum + Math.max(0, o[which]! - Math.exp(epsilon) * o[1 - which]!), 0);
  return Math.max(oneWay(0), oneWay(1));
}

describe("composition against enumeration", () => {
  const p = [0.5, 0.3, 0.15, 0.05];
  const q = [0.3, 0.3, 0.25, 0.15];

  it.each([1, 2, 3, 6])("of a finite mechanism, %d times: above, and close", (times) => {
    const composed = composePrivacyLoss([{ loss: finitePair(p, q), times }]);
    for (const epsilon of [-0.5, 0, 0.3, 1, 2.2, 4]) {
      const exact = enumeratedDelta({ p, q, times, epsilon });
      const found = deltaOf(composed, epsilon);
      expect(found).toBeGreaterThanOrEqual(exact - 1e-15);
      // Connecting dots around an atom costs about a step times its mass.
      expect(found - exact).toBeLessThan(1e-5);
    }
  });

  it("is never below on any grid, however coarse", () => {
    for (const step of [0.5, 0.1, 0.03]) {
      const composed = composePrivacyLoss([{ loss: finitePair(p, q, step), times: 4 }]);
      for (const epsilon of [0, 0.4, 1, 2.5]) {
        const exact = enumeratedDelta({ p, q, times: 4, epsilon });
        expect(deltaOf(composed, epsilon)).toBeGreaterThanOrEqual(exact - 1e-15);
      }
    }
  });

  it("keeps what is revealed outright: masses at infinity compose to 1 − (1 − m)^T", () => {
    const loss = { step: 0.1, lowest: 0, masses: Float64Array.of(0.99), infinity: 0.01 };
    const composed = composePrivacyLoss([{ loss: { remove: loss, add: loss }, times: 5 }]);
    expect(composed.remove.infinity).toBeCloseTo(1 - 0.99 ** 5, 12);
    expect(epsilonOf(composed, delta(0.04))).toBe(Infinity);
    expect(epsilonOf(composed, delta(0.05))).toBe(0);
  });

  it("charges its own rounding: less than 1e−9 after 2250 steps, and not nothing", () => {
    const loss = gaussianPrivacyLoss({ noiseMultiplier: 1.5, samplingRate: 0.04 });
    const { remove } = composePrivacyLoss([{ loss, times: 2250 }]);
    expect(remove.infinity).toBeGreaterThan(1e-12);
    expect(remove.infinity).toBeLessThan(1e-9);
    const total = remove.masses.reduce((sum, mass) => sum + mass, remove.infinity);
    expect(total).toBeGreaterThanOrEqual(1 - 1e-12);
  });

  it("refuses nothing to compose and counts that are none", () => {
    const loss = finitePair(p, q);
    expect(() => composePrivacyLoss([])).toThrow(/terms/);
    expect(() => composePrivacyLoss([{ loss, times: 0 }])).toThrow(/terms\[0\]\.times/);
    expect(() => composePrivacyLoss([{ loss, times: 1.5 }])).toThrow(/integer/);
  });
});

describe("gaussianPrivacyLoss", () => {
  it.each([
    [0.3, 1],
    [1, 1],
    [4, 16],
    [50, 3],
    [1000, 5],
  ])("z = %d, %d times: above the closed form, by less than 1e−5 of it", (z, times) => {
    const composed = composePrivacyLoss([{ loss: gaussianPrivacyLoss({ noiseMultiplier: z }), times }]);
    const noiseMultiplier = z / Math.sqrt(times);
    for (const target of [1e-4, 1e-6, 1e-9].map(delta)) {
      const exact = gaussianEpsilon({ noiseMultiplier, delta: target });
      const found = epsilonOf(composed, target);
      expect(found).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
      expect(found - exact).toBeLessThan(exact * 1e-5 + 1e-4);
      // δ and ε are inverse to each other.
      if (found > 0) expect(deltaOf(composed, found) / target).toBeCloseTo(1, 6);
    }
  });

  it("puts a support that is too wide on a coarser grid, and errs upwards", () => {
    const pair = gaussianPrivacyLoss({ noiseMultiplier: 0.05 });
    expect(pair.remove.step).toBeGreaterThan(1e-4);
    expect(pair.remove.masses.length).toBeLessThanOrEqual(MAXIMUM_GRID);
    const exact = gaussianEpsilon({ noiseMultiplier: 0.05, delta: delta(1e-6) });
    const found = epsilonOf(pair, delta(1e-6));
    expect(found).toBeGreaterThanOrEqual(exact);
    expect(found / exact).toBeLessThan(1 + 1e-5);
  });

  it.each([
    [1, 0.01],
    [0.5, 0.2],
    [3, 0.7],
    [1, 0.999999],
    [0.6, 1e-6],
  ])("z = %d, q = %d: one step by the difference of its densities", (z, q) => {
    const pair = gaussianPrivacyLoss({ noiseMultiplier: z, samplingRate: q });
    const normal = (x: number) => Math.exp((-x * x) / (2 * z * z)) / (z * Math.sqrt(2 * Math.PI));
    for (const epsilon of [0.001, 0.1, 1]) {
      let removed = 0;
      let added = 0;
      const step = z / 2000;
      for (let x = -12 * z; x < 1 + 12 * z; x += step) {
        const mixed = (1 - q) * normal(x) + q * normal(x - 1);
        removed += step * Math.max(0, mixed - Math.exp(epsilon) * normal(x));
        added += step * Math.max(0, normal(x) - Math.exp(epsilon) * mixed);
      }
      expect(deltaOf({ remove: pair.remove, add: pair.remove }, epsilon)).toBeCloseTo(removed, 7);
      expect(deltaOf({ remove: pair.add, add: pair.add }, epsilon)).toBeCloseTo(added, 7);
    }
  });

  it("is below the Rényi bound, which is looser", () => {
    const composed = composePrivacyLoss([
      { loss: gaussianPrivacyLoss({ noiseMultiplier: 2, samplingRate: 0.1 }), times: 50 },
    ]);
    const orders = [2, 3, 4, 6, 8, 12, 16];
    const rdp = rdpAt(
      (alpha) => 50 * rdpSubsampledGaussian({ samplingRate: 0.1, noiseMultiplier: 2, alpha }),
      orders,
    );
    const loose = epsilonFromRdp({ orders, rdp, delta: delta(1e-6) }).epsilon;
    expect(epsilonOf(composed, delta(1e-6))).toBeLessThan(loose);
  });
});

describe("distributedDiscreteGaussianEpsilon", () => {
  it.each([
    [4, 1, 1, 1],
    [4, 3, 2, 1],
    [4, 1, 2, 6],
    [9, 1, 5, 1],
  ])(
    "bounds the exact loss in one dimension: σ = %d, h = 1, Δ = %d, %d releases; %d",
    (sigma, sensitivity, times) => {
      const exact = composePrivacyLoss([
        { loss: discreteGaussianPrivacyLoss({ sigma, sensitivity }), times },
      ]);
      for (const target of [1e-4, 1e-6, 1e-9].map(delta)) {
        const tight = epsilonOf(exact, target);
        const bound = distributedDiscreteGaussianEpsilon({
          l2: sensitivity,
          sigma,
          honest: 1,
          dimension: 1,
          times,
          delta: target,
        });
        expect(bound).toBeGreaterThanOrEqual(tight - 2e-5);
        // A variance less by 4 costs about 2/σ² of ε, and a little more at small σ.
        expect(bound / tight).toBeLessThan(1 + 4 / sigma ** 2);
      }
    },
  );

  it("is tighter than the Rényi bound, and no bound where there is hardly any noise", () => {
    const mechanism = { l2: 3000, sigma: 2000, honest: 39, dimension: 2 ** 17, times: 4, delta: delta(1e-6) };
    const epsilon = distributedDiscreteGaussianEpsilon(mechanism);
    const z = (2000 * Math.sqrt(39)) / 3000;
    expect(epsilon).toBeGreaterThan(gaussianEpsilon({ noiseMultiplier: z / 2, delta: delta(1e-6) }));
    expect(epsilon / gaussianEpsilon({ noiseMultiplier: z / 2, delta: delta(1e-6) })).toBeCloseTo(1, 6);
    const loose = epsilonFromRdp({
      orders: [2, 3, 4, 5, 6, 8, 10, 12, 16],
      rdp: [2, 3, 4, 5, 6, 8, 10, 12, 16].map((alpha) => rdpGaussian({ noiseMultiplier: z / 2, alpha })),
      delta: delta(1e-6),
    });
    expect(epsilon).toBeLessThan(loose.epsilon);
    expect(distributedDiscreteGaussianEpsilon({ ...mechanism, sigma: 2, honest: 1 })).toBe(Infinity);
    // With σ = 1 the sum of 39 is far from a discrete Gaussian in so many dimensions: the slack says so.
    expect(distributedDiscreteGaussianEpsilon({ ...mechanism, sigma: 1, l2: 1 })).toBeGreaterThan(100);
  });
});

describe("truePositiveRate", () => {
  it("is that of the likelihood ratio test for Gaussians, and never below the false positives", () => {
    const pair = gaussianPrivacyLoss({ noiseMultiplier: 1 });
    // Φ(Φ⁻¹(.1) + 1), Φ⁻¹(.1) = −1.2815515655.
    expect(truePositiveRate(pair, 0.1)).toBeCloseTo(0.389_143_7, 6);
    expect(truePositiveRate(gaussianPrivacyLoss({ noiseMultiplier: 1000 }), 0.2)).toBeGreaterThan(0.2);
  });
});

interface Grid {
  readonly orders: readonly number[];
  readonly deltas: readonly number[];
  readonly subsampledGaussian: readonly {
    noiseMultiplier: number;
    samplingRate: number;
    rdp: (number | null)[];
  }[];
  readonly conversions: readonly (GaussianCase & { epsilon: number[] })[];
  readonly gaussianLosses: readonly (GaussianCase & Losses)[];
  readonly discreteGaussianLosses: readonly ({
    sigma: number;
    sensitivity: number;
    steps: number;
  } & Losses)[];
  readonly mixedLosses: readonly ({ terms: readonly MixedTerm[] } & Losses)[];
  readonly restartedTrees: readonly { noiseMultiplier: number; steps: number; rdp: number[] }[];
  readonly calibratedGaussians: readonly {
    epsilon: number;
    delta: number;
    samplingRate: number;
    steps: number;
    noiseMultiplier: { rdp: number; pld: number };
  }[];
}
interface GaussianCase {
  readonly noiseMultiplier: number;
  readonly samplingRate: number;
  readonly steps: number;
}
interface Losses {
  readonly epsilon: readonly number[];
  readonly delta: Readonly<Record<string, number>>;
}
type MixedTerm = { times: number } & (
  | { sigma: number; sensitivity: number }
  | { noiseMultiplier: number; samplingRate: number }
);

describe("against dp-accounting", () => {
  const grid = dpAccounting as unknown as Grid;

  const agree = (pair: PrivacyLossPair, { epsilon, delta: deltas }: Losses) => {
    for (const [i, target] of grid.deltas.entries()) {
      const difference = epsilonOf(pair, delta(target)) - epsilon[i]!;
      // Theirs rounds the discrete Gaussian up where ours connects the dots; ours charges a bound on its rounding
      // error, about 1e−11 to 3e−10 of δ, where theirs charges none.
      expect(difference).toBeGreaterThan(-3e-4);
      expect(difference).toBeLessThan(target < 1e-6 ? 0.11 : 1e-4);
    }
    for (const [at, expected] of Object.entries(deltas))
      expect(Math.abs(deltaOf(pair, Number(at)) - expected)).toBeLessThan(1e-9 + 2e-3 * expected);
  };

  it.each(grid.subsampledGaussian)("RDP, z = $noiseMultiplier, q = $samplingRate", (vector) => {
    const { noiseMultiplier, samplingRate } = vector;
    for (const [i, alpha] of grid.orders.entries()) {
      const found = rdpSubsampledGaussian({ samplingRate, noiseMultiplier, alpha, binomialSigns: "drop" });
      const expected = vector.rdp[i];
      const signed = rdpSubsampledGaussian({ samplingRate, noiseMultiplier, alpha });
      expect(signed).toBeLessThanOrEqual(found * (1 + 1e-9));
      if (expected == null) expect(signed).toBeLessThanOrEqual(rdpGaussian({ noiseMultiplier, alpha }));
      else expect(Math.min(found, signed) / expected).toBeLessThan(1 + 1e-8);
      if (Number.isInteger(alpha)) expect(found / expected!).toBeCloseTo(1, 9);
    }
  });

  it.each(grid.conversions)("RDP to ε, z = $noiseMultiplier, q = $samplingRate, $steps steps", (vector) => {
    const { noiseMultiplier, samplingRate, steps } = vector;
    const rdp = grid.orders.map(
      (alpha) =>
        steps * rdpSubsampledGaussian({ samplingRate, noiseMultiplier, alpha, binomialSigns: "drop" }),
    );
    for (const [i, target] of grid.deltas.entries()) {
      const { epsilon } = epsilonFromRdp({ orders: grid.orders, rdp, delta: delta(target) });
      expect(epsilon / vector.epsilon[i]!).toBeCloseTo(1, 6);
    }
  });

  it.each(grid.gaussianLosses)("PLD, z = $noiseMultiplier, q = $samplingRate, $steps steps", (vector) => {
    agree(composePrivacyLoss([{ loss: gaussianPrivacyLoss(vector), times: vector.steps }]), vector);
  });

  it.each(grid.discreteGaussianLosses)(
    "PLD, discrete, σ = $sigma, Δ = $sensitivity, $steps steps",
    (vector) => {
      agree(composePrivacyLoss([{ loss: discreteGaussianPrivacyLoss(vector), times: vector.steps }]), vector);
    },
  );

  it.each(grid.mixedLosses)("PLD of a mixture of mechanisms", ({ terms, ...losses }) => {
    const composed = composePrivacyLoss(
      terms.map((term) => ({
        loss: "sigma" in term ? discreteGaussianPrivacyLoss(term) : gaussianPrivacyLoss(term),
        times: term.times,
      })),
    );
    agree(composed, losses);
  });

  it.each(grid.restartedTrees)(
    "trees of $steps steps, z = $noiseMultiplier",
    ({ noiseMultiplier: z, steps, rdp }) => {
      const noiseMultiplier = z / Math.sqrt(restartedTreeSensitivitySquared(steps));
      for (const [i, alpha] of grid.orders.entries())
        expect(rdpGaussian({ noiseMultiplier, alpha })).toBeCloseTo(rdp[i]!, 10);
    },
  );

  it.each(grid.calibratedGaussians)("noise for ε = $epsilon, q = $samplingRate, $steps steps", (vector) => {
    const { noiseMultiplier, epsilon, ...rest } = vector;
    const run = { ...rest, delta: delta(rest.delta) };
    // Cheaper than a search: their multiplier meets the target, and one part in a thousand less does not.
    const at = (share: number) =>
      gaussianRunEpsilon({ ...run, accountant: "pld", noiseMultiplier: noiseMultiplier.pld * share });
    expect(at(1.0001)).toBeLessThanOrEqual(epsilon);
    expect(at(0.999)).toBeGreaterThan(epsilon);
    // They searched eight orders, we more: ours is less, and meets the target too.
    const ours = calibrateNoiseMultiplier({ ...run, epsilon, accountant: "rdp", tolerance: 1e-3 });
    expect(ours).toBeLessThan(noiseMultiplier.rdp * 1.001);
    expect(ours).toBeGreaterThan(noiseMultiplier.pld);
    expect(gaussianRunEpsilon({ ...run, accountant: "rdp", noiseMultiplier: ours })).toBeLessThanOrEqual(
      epsilon,
    );
  });
});

describe("refusals", () => {
  const functions: Record<string, (input: never) => unknown> = {
    gaussianPrivacyLoss,
    discreteGaussianPrivacyLoss,
    distributedDiscreteGaussianEpsilon,
    gaussianDelta,
    calibrateNoiseMultiplier,
    rdpSubsampledGaussian,
  };

  it.each(refusals)("$function names $field", ({ function: name, input, field }) => {
    expect(() => functions[name]!(input as never)).toThrow(RangeError);
    expect(() => functions[name]!(input as never)).toThrow(new RegExp(`^${field}: .+; .+`));
  });

  it("a δ or a rate that is no probability, and a step that is none", () => {
    const pair = gaussianPrivacyLoss({ noiseMultiplier: 1 });
    expect(() => epsilonOf(pair, 0 as never)).toThrow(/delta/);
    expect(() => truePositiveRate(pair, 1)).toThrow(/falsePositiveRate/);
    expect(() => fittingStep(0, 1)).toThrow(/step/);
    expect(onGrid(pair.remove, pair.remove.step)).toBe(pair.remove);
  });
});
