import { describe, expect, it } from "vitest";
import { calibrateMechanism, coordinatorEpsilon } from "./calibrate.ts";
import { jointEpsilon } from "./joint-epsilon.ts";
import { epsilonFromZcdp } from "./rdp.ts";
import { mechanismWithoutNoise } from "./silent-mechanism.ts";
import { delta, epsilon } from "./units.ts";

const D = delta(1e-6);
const of = (target: number, participations: number) =>
  calibrateMechanism({
    epsilon: epsilon(target),
    delta: D,
    participations,
    cohortMaximum: 1200,
    minSurvivors: 800,
    corruption: 0,
    length: 5000,
    modulusBits: 32,
  });
const signals = { mechanism: of(3, 2), participations: 2 };
const training = { mechanism: of(6, 10), participations: 10 };

describe("what several tasks cost together", () => {
  it("is what one costs where there is one, however its participations are split", () => {
    const alone = coordinatorEpsilon(training.mechanism, { participations: 10, delta: D });
    expect(jointEpsilon([training], { delta: D })).toBe(alone);
    const halves = [4, 6].map((participations) => ({ ...training, participations }));
    expect(jointEpsilon(halves, { delta: D })).toBeCloseTo(alone, 10);
    expect(jointEpsilon([training, { ...signals, participations: 0 }], { delta: D })).toBe(alone);
  });

  it("is more than the larger and less than the sum, and that of Gaussians whose divergences add up", () => {
    const joint = jointEpsilon([signals, training], { delta: D });
    expect(joint).toBeGreaterThan(6);
    expect(joint).toBeLessThan(3 + 6);
    // Rounding makes the discrete mechanisms a little more costly than the Gaussians of their noise multipliers.
    const rho = [signals, training].reduce(
      (sum, { mechanism, participations }) => sum + participations / (2 * mechanism.noiseMultiplier ** 2),
      0,
    );
    expect(joint / epsilonFromZcdp({ rho, delta: D })).toBeCloseTo(1, 1);
  });

  it("counts every device of a person", () => {
    const one = jointEpsilon([signals, training], { delta: D });
    expect(jointEpsilon([signals, { ...training, devices: 2 }], { delta: D })).toBeGreaterThan(1.5 * one);
  });

  it("is nothing without a participation, and no bound where one has no noise", () => {
    expect(jointEpsilon([], { delta: D })).toBe(0);
    expect(jointEpsilon([{ ...signals, participations: 0 }], { delta: D })).toBe(0);
    const silent = mechanismWithoutNoise({
      ...{ length: 5000, cohortMaximum: 1200, modulusBits: 32 },
    });
    expect(jointEpsilon([signals, { mechanism: silent, participations: 1 }], { delta: D })).toBe(Infinity);
  });

  it("refuses participations that cannot be", () => {
    expect(() => jointEpsilon([{ ...signals, participations: 1.5 }], { delta: D })).toThrow("count");
  });
});
