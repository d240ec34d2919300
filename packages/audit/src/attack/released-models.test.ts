import { describe, expect, it } from "vitest";
import { attackReleasedModels, type ShadowModel } from "./released-models.ts";

/** SplitMix-like draws, enough for statistics of tests. */
function draws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** Models on which membership shifts each statistic by `effect` deviations, people differing far more from each other. */
function shadows(options: { models: number; people: number; effect: number; seed: number }): ShadowModel[] {
  const random = draws(options.seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const levels = Array.from({ length: options.people }, () => 20 * normal());
  return Array.from({ length: options.models }, () => {
    const included = levels.map(() => random() < 0.5);
    const shifted = (person: number, sign: number) =>
      levels[person]! + (included[person] ? sign * options.effect : 0) + normal();
    return {
      included,
      statistics: levels.map((_, person) => ({
        loss: shifted(person, -1),
        direction: shifted(person, 1),
        nearness: shifted(person, 1),
      })),
    };
  });
}

describe("membership inference on released models", () => {
  it("finds members by likelihood ratio where the loss alone says little: people differ", () => {
    const models = shadows({ models: 40, people: 100, effect: 4, seed: 1 });
    const [threshold, ...ratios] = attackReleasedModels(models, { delta: 1e-6, alpha: 0.05 });
    expect(threshold!.area).toBeLessThan(0.62);
    for (const { area, rateAtOnePercent, lowerBound } of ratios) {
      expect(area).toBeGreaterThan(0.98);
      expect(rateAtOnePercent).toBeGreaterThan(0.8);
      // Φ(2)-right guesses of a hundred people rule out a small ε.
      expect(lowerBound).toBeGreaterThan(1.5);
    }
  });

  it("finds nothing where there is nothing, and claims no ε", () => {
    for (const seed of [2, 3, 4]) {
      const models = shadows({ models: 40, people: 100, effect: 0, seed });
      for (const { area, lowerBound } of attackReleasedModels(models, { delta: 1e-6, alpha: 0.05 })) {
        expect(area).toBeGreaterThan(0.45);
        expect(area).toBeLessThan(0.55);
        expect(lowerBound).toBe(0);
      }
    }
  });

  it("bounds ε rightly: randomised response at ε = 1 is not shown to cost more", () => {
    const random = draws(9);
    let exceeded = 0;
    for (let run = 0; run < 40; run++) {
      const models = Array.from({ length: 8 }, (): ShadowModel => {
        const included = Array.from({ length: 120 }, () => random() < 0.5);
        const told = included.map((isIn) => (random() < Math.E / (1 + Math.E) ? isIn : !isIn));
        const value = (isIn: boolean) => (isIn ? 1 : 0) + 0.001 * random();
        return {
          included,
          statistics: told.map((isIn) => ({
            loss: -value(isIn),
            direction: value(isIn),
            nearness: value(isIn),
          })),
        };
      });
      for (const { lowerBound } of attackReleasedModels(models, { delta: 1e-9, alpha: 0.05 }))
        if (lowerBound > 1) exceeded++;
    }
    expect(exceeded).toBeLessThanOrEqual(2);
  });

  it("needs shadows", () => {
    const models = shadows({ models: 7, people: 10, effect: 0, seed: 1 });
    expect(() => attackReleasedModels(models, { delta: 1e-6, alpha: 0.05 })).toThrow(RangeError);
  });
});
