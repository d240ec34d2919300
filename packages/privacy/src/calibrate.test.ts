import { describe, expect, it } from "vitest";
import {
  calibrateMechanism,
  coordinatorEpsilon,
  type Mechanism,
  type MechanismInput,
  observerEpsilon,
  planGuarantees,
  planTruePositiveRate,
} from "./calibrate.ts";
import { logErfc } from "./log-space.ts";
import { ROUNDING_SHARE, WRAP_BOUND } from "./modulus.ts";
import { isFrugal, modulusCost } from "./modulus-cost.ts";
import { gaussianEpsilon } from "./privacy-loss-mechanisms.ts";
import { epsilonFromRdp, RDP_ORDERS, rdpGaussian } from "./rdp.ts";
import { mechanismWithoutNoise } from "./silent-mechanism.ts";
import { delta, epsilon, type NoiseMultiplier } from "./units.ts";

const plan = {
  epsilon: epsilon(4),
  delta: delta(1e-6),
  participations: 4,
  cohortMaximum: 64,
  minSurvivors: 45,
  corruption: 0.1,
  length: 130_000,
  modulusBits: 20,
} satisfies MechanismInput;

describe("calibrateMechanism", () => {
  it.each([
    ["the plan", {}],
    ["a small ε", { epsilon: epsilon(0.5) }],
    ["a large ε", { epsilon: epsilon(60) }],
    ["one participation", { participations: 1 }],
    ["many participations", { participations: 100 }],
    ["a large cohort", { cohortMaximum: 10_000, minSurvivors: 7_000 }],
    ["one honest survivor", { cohortMaximum: 2, minSurvivors: 2, corruption: 0.5 }],
    ["a cohort of one", { cohortMaximum: 1, minSurvivors: 1, corruption: 0 }],
    ["one coordinate", { length: 1 }],
    ["32 bits", { modulusBits: 32 }],
    ["16 bits", { modulusBits: 16 }],
  ] satisfies [string, Partial<MechanismInput>][])("meets ε tightly: %s", (_, change) => {
    const input = { ...plan, ...change };
    const mechanism = calibrateMechanism(input);
    const spent = coordinatorEpsilon(mechanism, input);
    expect(spent).toBeLessThanOrEqual(input.epsilon);
    expect(spent).toBeGreaterThan(input.epsilon * 0.999);
    expect(Number.isInteger(mechanism.localDeviation)).toBe(true);
    expect(mechanism.localDeviation).toBeGreaterThanOrEqual(4);
    const { honest, localDeviation, scale, noiseMultiplier, sensitivity } = mechanism;
    expect(noiseMultiplier).toBeCloseTo((Math.sqrt(honest) * localDeviation) / scale, 12);
    expect(sensitivity.l2).toBeGreaterThan(scale);
    expect(mechanism.paddedLength).toBe(input.length);
    expect(mechanism.rotation).toBe("overlapped-hadamard");
    expect(modulusCost(mechanism, input.cohortMaximum).wraps).toBeLessThanOrEqual(WRAP_BOUND * (1 + 1e-9));
  });

  it("costs little more noise than the continuous Gaussian of the same ε", () => {
    const { noiseMultiplier } = calibrateMechanism(plan);
    const continuous = (z: number) =>
      epsilonFromRdp({
        orders: RDP_ORDERS,
        rdp: RDP_ORDERS.map((alpha) => 4 * rdpGaussian({ noiseMultiplier: z, alpha })),
        delta: plan.delta,
      }).epsilon;
    expect(continuous(noiseMultiplier)).toBeGreaterThan(3.97);
    expect(continuous(noiseMultiplier)).toBeLessThanOrEqual(4);
  });

  it("counts on honest survivors only, and on no colluder too few", () => {
    expect(calibrateMechanism(plan).honest).toBe(45 - 6);
    // 0.29 · 100 is 28.999… in floating point.
    expect(calibrateMechanism({ ...plan, cohortMaximum: 100, corruption: 0.29 }).honest).toBe(45 - 29);
    const per = (corruption: number) => calibrateMechanism({ ...plan, corruption });
    const [trusting, wary] = [per(0), per(0.5)];
    expect(wary.localDeviation / wary.scale).toBeGreaterThan(trusting.localDeviation / trusting.scale);
    expect(wary.noiseMultiplier).toBeCloseTo(trusting.noiseMultiplier, 1);
  });

  it.each([
    ["no honest survivor", { minSurvivors: 6 }, /minSurvivors: must exceed the 6 participants of 64/],
    ["more survivors than cohort", { minSurvivors: 65 }, /minSurvivors/],
    ["a modulus too small for any noise", { modulusBits: 8 }, /modulusBits: no noise within 8 bits/],
    [
      "rounding that drowns the signal",
      { modulusBits: 12, participations: 1, cohortMaximum: 80 },
      /modulusBits: in 12 bits rounding makes the sensitivity 2\.56 times larger/,
    ],
    [
      "a deviation too small to add up",
      { modulusBits: 12, length: 64, cohortMaximum: 2000, minSurvivors: 1000, epsilon: epsilon(90) },
      /modulusBits: 12 bits leave a local deviation of/,
    ],
    ["an ε out of reach", { epsilon: epsilon(1e-4) }, /modulusBits: no noise within 20 bits/],
    ["no participation", { participations: 0 }, /participations/],
    ["corruption of everyone", { corruption: 1 }, /corruption/],
    ["no length", { length: 0 }, /length/],
    ["a δ of one", { delta: 1 as never }, /delta/],
    ["a negative ε", { epsilon: -1 as never }, /epsilon/],
  ] satisfies [string, Partial<MechanismInput>, RegExp][])("refuses %s", (_, change, message) => {
    expect(() => calibrateMechanism({ ...plan, ...change })).toThrow(RangeError);
    expect(() => calibrateMechanism({ ...plan, ...change })).toThrow(message);
  });
});

describe("calibrateMechanism without a modulus", () => {
  const { modulusBits: _, ...open } = plan;

  it.each([
    ["the plan", {}],
    ["the default encoder", { length: 95_160, cohortMaximum: 96, minSurvivors: 40, epsilon: epsilon(8) }],
    ["a short vector", { length: 51 }],
    ["one coordinate", { length: 1 }],
    ["a large cohort", { cohortMaximum: 10_000, minSurvivors: 7_000 }],
    ["surplus noise", { surplusLevels: 3 }],
    ["one participant", { cohortMaximum: 1, minSurvivors: 1, corruption: 0 }],
  ] satisfies [string, Partial<MechanismInput>][])(
    "takes the fewest bits that cost next to nothing: %s",
    (_, change) => {
      const input = { ...open, ...change };
      const mechanism = calibrateMechanism(input);
      const { modulusBits: bits } = mechanism;
      const { wraps, rounding } = modulusCost(mechanism, input.cohortMaximum);
      expect(wraps).toBeLessThanOrEqual(WRAP_BOUND * (1 + 1e-6));
      expect(rounding).toBeLessThanOrEqual(ROUNDING_SHARE * (1 + 1e-6));
      expect(mechanism).toEqual(calibrateMechanism({ ...input, modulusBits: bits }));
      expect(coordinatorEpsilon(mechanism, input)).toBeLessThanOrEqual(input.epsilon);
      // One bit less drowns, or is refused.
      const less = (): boolean =>
        isFrugal(calibrateMechanism({ ...input, modulusBits: bits - 1 }), input.cohortMaximum);
      let frugal = false;
      try {
        frugal = less();
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
      expect(frugal).toBe(false);
      // The noise is within the stated share, and what an integer deviation adds, of that of 32 bits.
      const fine = calibrateMechanism({ ...input, modulusBits: 32 });
      expect(mechanism.noiseMultiplier / fine.noiseMultiplier).toBeLessThan(1 + ROUNDING_SHARE + 0.005);
    },
  );

  it("names what is out of reach, as with any modulus", () => {
    expect(() => calibrateMechanism({ ...open, minSurvivors: 6 })).toThrow(/minSurvivors/);
    expect(() => calibrateMechanism({ ...open, length: 0 })).toThrow(/length/);
    expect(() => calibrateMechanism({ ...open, length: 2 ** 27, epsilon: epsilon(1e-8) })).toThrow(
      /no noise within 32 bits/,
    );
  });
});

describe("coordinatorEpsilon", () => {
  const mechanism = calibrateMechanism(plan);
  const at = (participations: number, m: Mechanism = mechanism) =>
    coordinatorEpsilon(m, { participations, delta: plan.delta });

  it("grows with participations from 0 and depends on nothing but the mechanism's own numbers", () => {
    expect(at(0)).toBe(0);
    const values = [1, 2, 4, 8, 100].map((p) => at(p));
    expect([...values].sort((a, b) => a - b)).toEqual(values);
    expect(at(4, { ...mechanism, noiseMultiplier: 1e9 as NoiseMultiplier })).toBe(at(4));
    expect(at(4, { ...mechanism, sensitivity: { ...mechanism.sensitivity, l1: 0 } })).toBe(at(4));
  });

  it("rises when the noise is weakened in any way", () => {
    expect(at(4, { ...mechanism, localDeviation: mechanism.localDeviation - 1 })).toBeGreaterThan(at(4));
    expect(at(4, { ...mechanism, honest: mechanism.honest - 1 })).toBeGreaterThan(at(4));
    const l2 = mechanism.sensitivity.l2 * 1.01;
    expect(at(4, { ...mechanism, sensitivity: { l2, l1: l2 } })).toBeGreaterThan(at(4));
    expect(at(4, { ...mechanism, localDeviation: 0 })).toBe(Infinity);
  });
});

describe("the second accountant", () => {
  const mechanism = calibrateMechanism(plan);
  const at = (accountant: "rdp" | "pld", devices = 1, participations = 4) =>
    coordinatorEpsilon(mechanism, { participations, devices, delta: plan.delta, accountant });

  it("is below the first, and hardly above the continuous Gaussian", () => {
    expect(at("pld")).toBeLessThan(at("rdp"));
    const exact = gaussianEpsilon({
      noiseMultiplier: mechanism.noiseMultiplier / Math.sqrt(4),
      delta: plan.delta,
    });
    expect(at("pld")).toBeGreaterThan(exact);
    expect(at("pld") / exact).toBeLessThan(1.01);
    expect(at("pld", 1, 0)).toBe(0);
  });

  it("calibrates to less noise, which it and not the first finds within ε", () => {
    const lean = calibrateMechanism({ ...plan, accountant: "pld" });
    expect(lean.noiseMultiplier).toBeLessThan(mechanism.noiseMultiplier);
    const spent = (accountant: "rdp" | "pld") =>
      coordinatorEpsilon(lean, { participations: 4, delta: plan.delta, accountant });
    expect(spent("pld")).toBeLessThanOrEqual(plan.epsilon);
    expect(spent("pld")).toBeGreaterThan(plan.epsilon * 0.999);
    expect(spent("rdp")).toBeGreaterThan(plan.epsilon);
  });

  it("counts k devices in the same rounds as k² participations, not as k", () => {
    // A Gaussian of k times the sensitivity, P times, is one of z/(k√P): exact up to rounding.
    expect(at("pld", 2)).toBeCloseTo(at("pld", 1, 16), 4);
    expect(at("rdp", 3, 1)).toBeCloseTo(at("rdp", 1, 9), 4);
    expect(() => at("rdp", 0)).toThrow(/devices/);
  });
});

describe("planGuarantees", () => {
  const mechanism = calibrateMechanism(plan);
  const of = (releases: number, devices = 1) =>
    planGuarantees(mechanism, { participations: 4, releases, devices, delta: plan.delta });

  it("gives both epsilons by both accountants; only released rounds count for observers", () => {
    const { coordinator, observer } = of(20);
    expect(coordinator.rdp).toBe(coordinatorEpsilon(mechanism, { participations: 4, delta: plan.delta }));
    expect(coordinator.pld).toBeLessThan(coordinator.rdp);
    expect(observer).toEqual(coordinator); // nobody is in more than four of the twenty
    expect(of(2).coordinator).toEqual(coordinator);
    expect(of(2).observer.rdp).toBeLessThan(coordinator.rdp);
    expect(of(0).observer).toEqual({ rdp: 0, pld: 0 });
    expect(of(20, 2).coordinator.rdp).toBeGreaterThan(1.9 * coordinator.rdp);
  });

  it("promises nothing without noise", () => {
    const silent = mechanismWithoutNoise({ cohortMaximum: 64, length: 100, modulusBits: 20 });
    const none = { rdp: Infinity, pld: Infinity };
    expect(planGuarantees(silent, { participations: 1, releases: 1, devices: 1, delta: plan.delta })).toEqual(
      { coordinator: none, observer: none },
    );
  });
});

describe("planTruePositiveRate", () => {
  const mechanism = calibrateMechanism(plan);
  const at = (falsePositiveRate: number, devices = 1, m = mechanism) =>
    planTruePositiveRate(m, { participations: 4, devices, falsePositiveRate });

  it("is that of the Gaussian it amounts to, and less than (ε, δ) allows", () => {
    // Φ(Φ⁻¹(.01) + μ), Φ⁻¹(.01) = −2.3263478740, μ = √4/z: for z = 1.5 it is .16015.
    const z = mechanism.noiseMultiplier / 2;
    const normal = (x: number) => 1 - Math.exp(logErfc(x / Math.SQRT2)) / 2;
    expect(at(0.01)).toBeCloseTo(normal(-2.326347874 + 1 / z), 4);
    expect(at(0.01)).toBeLessThan(Math.exp(plan.epsilon) * 0.01 + plan.delta);
    expect(at(0.01, 2)).toBeGreaterThan(at(0.01));
    expect(at(0.01, 1, { ...mechanism, localDeviation: 0 })).toBe(1);
    expect(at(0.01, 1, { ...mechanism, localDeviation: 2, honest: 1 })).toBe(1);
  });
});

describe("observerEpsilon", () => {
  const mechanism = calibrateMechanism(plan);
  const at = (options: { rounds: number; samplingRate: number; poisson: boolean }) =>
    observerEpsilon(mechanism, { ...options, delta: plan.delta });

  it("is amplified under Poisson sampling only, and never above plain composition", () => {
    const plain = coordinatorEpsilon(mechanism, { participations: 20, delta: plan.delta });
    expect(at({ rounds: 20, samplingRate: 0.01, poisson: false })).toBe(plain);
    expect(at({ rounds: 20, samplingRate: 1, poisson: true })).toBe(plain);
    expect(at({ rounds: 20, samplingRate: 0.01, poisson: true })).toBeLessThan(plain / 10);
    for (const samplingRate of [0.2, 0.5, 0.95]) {
      expect(at({ rounds: 20, samplingRate, poisson: true })).toBeLessThanOrEqual(plain);
    }
  });

  it("covers all devices of a person, without amplification", () => {
    const { delta: few } = plan;
    const plain = coordinatorEpsilon(mechanism, { participations: 20, devices: 2, delta: few });
    for (const poisson of [true, false]) {
      const options = { rounds: 20, samplingRate: 0.01, devices: 2, poisson, delta: few };
      expect(observerEpsilon(mechanism, options)).toBe(plain);
    }
  });

  it("is 0 before the first round and Infinity without noise", () => {
    expect(at({ rounds: 0, samplingRate: 0.1, poisson: true })).toBe(0);
    const silent = mechanismWithoutNoise({ cohortMaximum: 64, length: 100, modulusBits: 20 });
    const options = { rounds: 1, samplingRate: 0.1, delta: plan.delta, poisson: true };
    expect(observerEpsilon(silent, options)).toBe(Infinity);
    expect(coordinatorEpsilon(silent, { participations: 1, delta: plan.delta })).toBe(Infinity);
  });
});

describe("mechanismWithoutNoise", () => {
  it.each([
    [64, 20],
    [1, 32],
    [10_000, 20],
    [100, 12],
  ])("cannot overflow with n = %d in %d bits", (cohortMaximum, modulusBits) => {
    const mechanism = mechanismWithoutNoise({ cohortMaximum, length: 1000, modulusBits });
    expect(mechanism.localDeviation).toBe(0);
    expect(mechanism.noiseMultiplier).toBe(0);
    expect(mechanism.paddedLength).toBe(1000);
    expect(modulusCost(mechanism, cohortMaximum).wraps).toBe(0);
    expect(cohortMaximum * (mechanism.scale + 1)).toBeLessThan(2 ** (modulusBits - 1));
    expect(cohortMaximum * Math.ceil(mechanism.scale)).toBeLessThan(2 ** (modulusBits - 1));
  });

  it.each([
    [96, 95_160],
    [2, 1000],
    [10_000, 1000],
    [50, 3],
    [1, 1],
  ])(
    "takes the fewest bits that cost next to nothing with n = %d and %d entries",
    (cohortMaximum, length) => {
      const mechanism = mechanismWithoutNoise({ cohortMaximum, length });
      const { wraps, rounding } = modulusCost(mechanism, cohortMaximum);
      expect(wraps).toBeLessThanOrEqual(WRAP_BOUND * (1 + 1e-6));
      expect(rounding).toBeLessThanOrEqual(ROUNDING_SHARE);
      // One bit less halves the scale: unless 8 bits are the least, it would not do.
      expect(rounding > ROUNDING_SHARE / 2.1 || mechanism.modulusBits === 8).toBe(true);
    },
  );

  it("refuses a modulus that leaves less than one unit", () => {
    expect(() => mechanismWithoutNoise({ cohortMaximum: 100, length: 10, modulusBits: 8 })).toThrow(
      /modulusBits: 8 bits cannot hold the sum of 100 vectors/,
    );
  });
});
