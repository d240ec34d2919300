import { describe, expect, it } from "vitest";
import { calibrateMechanism, coordinatorEpsilon, type MechanismInput, planGuarantees } from "./calibrate.ts";
import { rdpDistributedDiscreteGaussian, summedNoise } from "./rdp.ts";
import {
  guaranteedVariance,
  noiseLevel,
  noiseLevels,
  noiseOvershoot,
  splitNoise,
  sumVariance,
  varianceOf,
} from "./surplus-noise.ts";
import { delta, epsilon } from "./units.ts";

const cohorts = [
  { minSurvivors: 72, cohortMaximum: 100, corrupted: 5, localDeviation: 1717 },
  { minSurvivors: 720, cohortMaximum: 1000, corrupted: 50, localDeviation: 1717 },
  { minSurvivors: 4, cohortMaximum: 8, corrupted: 0, localDeviation: 40 },
  { minSurvivors: 4, cohortMaximum: 8, corrupted: 2, localDeviation: 5 },
  { minSurvivors: 9, cohortMaximum: 10, corrupted: 1, localDeviation: 300 },
];

describe("splitNoise", () => {
  const cases = cohorts.flatMap((cohort) => [1, 2, 4, 16].map((levels) => ({ ...cohort, levels })));

  it.each(cases)("$levels levels of $minSurvivors to $cohortMaximum, σ $localDeviation", (options) => {
    const { minSurvivors, cohortMaximum, corrupted, localDeviation, levels } = options;
    const honest = minSurvivors - corrupted;
    const whole = { localDeviation, honest };
    const split = {
      ...splitNoise(whole, { minSurvivors, cohortMaximum, levels, minimumDeviation: 4 }),
      honest,
    };
    const { surplus } = split;
    expect(surplus.length).toBeGreaterThanOrEqual(1);
    expect(surplus.length).toBeLessThanOrEqual(levels);
    expect(surplus.at(-1)!.survivors).toBe(cohortMaximum);
    for (const [i, component] of surplus.entries()) {
      expect(component.survivors).toBeGreaterThan(surplus[i - 1]?.survivors ?? minSurvivors);
      expect(component.honest).toBe(component.survivors - corrupted);
    }
    const needed = honest * localDeviation ** 2;
    const counts = [minSurvivors, ...surplus.map(({ survivors }) => survivors)];
    for (const [level, { honest: certain, components }] of noiseLevels(split).entries()) {
      for (const deviation of components) expect(Number.isInteger(deviation) && deviation >= 4).toBe(true);
      // Never less than promised; and more only by rounding up, which the least deviation of a component bounds.
      const variance = certain * varianceOf(components);
      expect(variance).toBeGreaterThanOrEqual(needed * (1 - 1e-12));
      const smallest = Math.min(...components);
      const roundedUp = levels * certain * Math.max(2 * smallest + 1, 16 + 2 * localDeviation);
      expect(variance).toBeLessThan(needed + roundedUp);
      expect(noiseLevel(surplus, counts[level]!)).toBe(level);
      expect(noiseLevel(surplus, (counts[level + 1] ?? cohortMaximum + 1) - 1)).toBe(level);
    }
  });

  it("keeps the noise of any number of survivors within one step of what they need", () => {
    const whole = { localDeviation: 1717, honest: 670 };
    const spread = { minSurvivors: 720, cohortMaximum: 1000, minimumDeviation: 4 };
    const levels = 4;
    const split = { honest: 670, ...splitNoise(whole, { ...spread, levels }) };
    const step = (1000 / 720) ** (1 / levels);
    for (let survivors = 720; survivors <= 1000; survivors++) {
      const overshoot = noiseOvershoot(split, { survivors });
      // The survivors' share of colluders is all that a member more or less cannot make up for.
      const colluders = Math.sqrt(survivors / (survivors - 50));
      expect(overshoot).toBeGreaterThanOrEqual(1);
      expect(overshoot).toBeLessThan(colluders * Math.sqrt(step) * 1.01);
      expect(overshoot).toBeLessThanOrEqual(noiseOvershoot(whole, { survivors }) * 1.001);
    }
    expect(noiseOvershoot(whole, { survivors: 1000 })).toBeCloseTo(Math.sqrt(1000 / 670), 12);
    expect(noiseOvershoot(split, { survivors: 1000 })).toBeLessThan(1.03);
  });

  it("counts the surplus of those whose seeds are lost", () => {
    const surplus = [
      { survivors: 6, honest: 6, deviation: 30 },
      { survivors: 8, honest: 8, deviation: 40 },
    ];
    const noise = { localDeviation: 50, honest: 4, surplus };
    expect(sumVariance(noise, { survivors: 5 })).toBe(5 * (2500 + 900 + 1600));
    expect(sumVariance(noise, { survivors: 7 })).toBe(7 * (2500 + 1600));
    expect(sumVariance(noise, { survivors: 7, kept: 2 })).toBe(7 * (2500 + 1600) + 2 * 900);
    expect(sumVariance(noise, { survivors: 8, kept: 1 })).toBe(8 * 2500 + 2500);
    expect(guaranteedVariance(noise)).toBe(Math.min(4 * 5000, 6 * 4100, 8 * 2500));
  });

  it.each([0, 17, 1.5])("refuses %d levels", (levels) => {
    const whole = { localDeviation: 100, honest: 4 };
    expect(() =>
      splitNoise(whole, { minSurvivors: 4, cohortMaximum: 8, levels, minimumDeviation: 4 }),
    ).toThrow(/levels: must be an integer from 1 to 16/);
  });
});

describe("the account", () => {
  const input: MechanismInput = {
    epsilon: epsilon(4),
    delta: delta(1e-6),
    participations: 4,
    cohortMaximum: 1000,
    minSurvivors: 720,
    corruption: 0.05,
    length: 65_536,
    modulusBits: 20,
  };
  const worstCase = calibrateMechanism(input);
  const levelled = calibrateMechanism({ ...input, surplusLevels: 4 });
  const spentBy = (mechanism: typeof levelled, accountant: "rdp" | "pld" = "rdp") =>
    coordinatorEpsilon(mechanism, { participations: 4, delta: delta(1e-6), accountant });

  it("keeps the promise with the least noise that does, and every device can recompute it", () => {
    expect(levelled.surplus).toHaveLength(4);
    expect(worstCase.surplus).toBeUndefined();
    for (const mechanism of [worstCase, levelled]) {
      expect(spentBy(mechanism)).toBeLessThanOrEqual(4);
      expect(spentBy(mechanism)).toBeGreaterThan(3.98);
      expect(spentBy(mechanism, "pld")).toBeLessThan(spentBy(mechanism));
    }
    const { coordinator, observer } = planGuarantees(levelled, {
      participations: 4,
      releases: 20,
      devices: 1,
      delta: delta(1e-6),
    });
    expect(coordinator.rdp).toBe(spentBy(levelled));
    expect(observer.pld).toBe(coordinator.pld);
  });

  it("is of the level that costs most: less noise at any of them is seen", () => {
    const weaker = (change: (index: number) => number) => ({
      ...levelled,
      surplus: levelled.surplus!.map((component, i) => ({ ...component, deviation: change(i) })),
    });
    for (const accountant of ["rdp", "pld"] as const) {
      const honest = spentBy(levelled, accountant);
      for (const weak of levelled.surplus!.keys()) {
        const { deviation } = levelled.surplus![weak]!;
        const less = weaker((i) =>
          i === weak ? Math.floor(deviation / 2) : levelled.surplus![i]!.deviation,
        );
        expect(spentBy(less, accountant)).toBeGreaterThan(honest * 1.01);
      }
      const staying = { ...levelled, localDeviation: Math.floor(levelled.localDeviation * 0.98) };
      expect(spentBy(staying, accountant)).toBeGreaterThan(honest * 1.005);
    }
  });

  it("bounds what summing discrete Gaussians of several deviations costs", () => {
    // Two members with components 1 and 1: four summands of variance 1, exactly the sum of four single ones.
    const single = summedNoise({ sigma: 1, honest: 4 });
    const split = summedNoise({ sigma: [1, 1], honest: 2 });
    expect(split.variance).toBe(2);
    expect(split.divergence).toBeGreaterThanOrEqual(single.divergence);
    expect(summedNoise({ sigma: [4, 4, 300], honest: 1000 }).divergence).toBeLessThan(1e-60);
    expect(summedNoise({ sigma: [7], honest: 9 })).toEqual(summedNoise({ sigma: 7, honest: 9 }));
    const shape = { l2: 100, l1: 3200, dimension: 1024, alpha: 8 };
    const one = rdpDistributedDiscreteGaussian({ ...shape, sigma: 50, honest: 10 });
    const two = rdpDistributedDiscreteGaussian({ ...shape, sigma: [30, 40], honest: 10 });
    expect(two / one).toBeCloseTo(1, 12);
  });
});
