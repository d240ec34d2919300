import { parsePlanInput } from "@kindred/protocol";
import { nodeMaskStream, nodeSuite } from "@kindred/secagg/node";
import { beforeAll, describe, expect, it } from "vitest";
import { normalCdf } from "./normal.ts";
import { type AttackOptions, type AttackReport, runAttacks } from "./run-attacks.ts";
import { detectionPower, gaussianEpsilonLowerBound } from "./two-worlds.ts";

const plan = parsePlanInput({
  task: "test",
  rounds: 1,
  cohort: { minimum: 4, target: 6, maximum: 8, minSurvivors: 4, corruption: 0, dropout: 0.2 },
  participation: { maximum: 1 },
  privacy: { epsilon: 6, delta: 1e-6, modulusBits: 24 },
});
/** The same for people who take part in two rounds. */
const twice = parsePlanInput({ ...plan, rounds: 2, participation: { maximum: 2 } });
const options: AttackOptions = {
  plan,
  deviationShare: 1,
  runs: 400,
  canaries: 200,
  alpha: 0.05,
  seed: "test",
  suite: nodeSuite(),
  keystream: nodeMaskStream,
  expired: () => false,
};

function attack(changes: Partial<AttackOptions>): AttackReport {
  const running = runAttacks({ ...options, ...changes });
  for (;;) {
    const step = running.next();
    if (step.done) return step.value;
  }
}

describe("attacks on the client pipeline", () => {
  let promised: AttackReport;
  let halved: AttackReport;
  let off: AttackReport;
  beforeAll(() => {
    promised = attack({});
    halved = attack({ deviationShare: 0.5 });
    off = attack({ deviationShare: 0, runs: 60 });
  });

  it("with the noise as promised, prove less than what is proven, and see little", () => {
    expect(promised.contradicted).toBe(false);
    expect(promised.lowerBound).toBeLessThan(Math.min(promised.proven.rdp, promised.proven.pld));
    // They are no blind attacks either: the Gaussian bound sees a good part of the true ε.
    expect(promised.twoWorlds.gaussianLowerBound).toBeGreaterThan(0.25 * promised.proven.pld);
    expect(promised.proven.rdp).toBeLessThanOrEqual(6);
    for (const { truePositiveRate, allowed } of promised.membership.rates)
      expect(truePositiveRate).toBeLessThan(allowed);
    expect(promised.federatedCanaries.estimate).toBeLessThan(promised.proven.rdp);
  });

  it("face as much noise where some of it can be removed, and an adaptive clip norm", () => {
    const privacy = {
      ...plan.privacy,
      noise: { design: "add-then-remove", levels: 3 } as const,
      blocks: { ...plan.privacy.blocks, model: { ...plan.privacy.blocks.model, adaptive: {} } },
    };
    const removable = attack({ plan: parsePlanInput({ ...plan, privacy }) });
    expect(removable.contradicted).toBe(false);
    expect(removable.twoWorlds.gaussianLowerBound).toBeGreaterThan(0.25 * removable.proven.pld);
    const { proven } = removable;
    expect(removable.lowerBound).toBeLessThan(Math.min(proven.rdp, proven.pld));
    // The long plan is the one that forgotten components would weaken most: ten times at two of two hundred.
    expect(removable.federatedCanaries.estimate / promised.federatedCanaries.estimate).toBeCloseTo(1, 0);
    const { proven: worstCase } = promised;
    expect(proven.rdp).toBeCloseTo(worstCase.rdp, 1);
  });

  it("with noise off, come near their ceilings", () => {
    expect(off.contradicted).toBe(true);
    expect(off.twoWorlds.lowerBound).toBe(off.twoWorlds.ceiling);
    expect(off.twoWorlds.guesses).toMatchObject({ truePositives: 30, falsePositives: 0 });
    expect(off.oneRun.lowerBound).toBe(off.oneRun.ceiling);
    expect(off.oneRun.correct).toBe(off.oneRun.guesses);
    expect(off.membership.area).toBe(1);
  });

  it("with the deviation halved, detect it, as their power foretells", () => {
    expect(halved.contradicted).toBe(true);
    expect(halved.twoWorlds.gaussianLowerBound).toBeGreaterThan(halved.proven.pld);
    const { noiseMultiplier, participations, proven, delta, alpha, twoWorlds } = halved;
    // Half of the deviation doubles µ = √P/z.
    const mu = (2 * Math.sqrt(participations)) / noiseMultiplier;
    const power = detectionPower(
      { truePositiveRate: normalCdf(mu / 2), falsePositiveRate: normalCdf(-mu / 2), runs: twoWorlds.runs },
      {
        claimed: proven.pld,
        bound: (counts) => gaussianEpsilonLowerBound(counts, { delta, alpha: alpha / 3 }),
      },
    );
    expect(power).toBeGreaterThan(0.99);
  });

  it("read a device's input only where nothing hides it", () => {
    for (const { reconstruction } of [promised, off]) {
      expect(Math.abs(reconstruction.masked)).toBeLessThan(reconstruction.chanceLevel);
      expect(reconstruction.unmasked).toBeGreaterThan(0.999);
    }
    expect(promised.reconstruction.unmaskedWithNoise).toBeLessThan(0.2);
  });

  it("repeat with their seed, and differ with another", () => {
    const small = { runs: 4, canaries: 20, plan: twice };
    expect(attack(small)).toEqual(attack(small));
    expect(attack({ ...small, seed: "other" }).reconstruction).not.toEqual(attack(small).reconstruction);
  });

  it("stop when time is up, and say what they found until then", () => {
    let asked = 0;
    const report = attack({ canaries: 20, expired: () => ++asked > 10 });
    expect(report).toMatchObject({ timeUp: true, twoWorlds: { runs: 5 } });
    expect(attack({ canaries: 20, expired: () => true })).toMatchObject({
      timeUp: true,
      twoWorlds: { runs: 0, lowerBound: 0 },
      contradicted: false,
    });
  });

  it("say how far they are", () => {
    const steps = [...runAttacks({ ...options, plan: twice, runs: 2, canaries: 20 })];
    expect(steps.map(({ attack: name, fraction }) => `${name} ${fraction}`)).toEqual([
      "reconstruction 1",
      "one run 0.5",
      "one run 1",
      "federated canaries 0.5",
      "federated canaries 1",
      "two worlds 0.5",
      "two worlds 1",
    ]);
  });

  it("have no claim to test without noise", () => {
    const silent = parsePlanInput({ ...plan, privacy: { mechanism: "none" } });
    expect(() => attack({ plan: silent })).toThrow(RangeError);
  });
});
