import { AesCtrRandom, calibrateMechanism, delta, epsilon } from "@kindred/privacy";
import {
  bytesToHex,
  type Plan,
  parsePlanInput,
  planSigningText,
  type SignedPlan,
  sha256Bytes,
  utf8ToBytes,
} from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { describe, expect, it } from "vitest";
import { testPlan, zeroContribution } from "../test/test-task.ts";
import { encodeContribution } from "./pipeline.ts";
import { type PrivacyFloors, planEpsilon, resolvePlan, verifyPlan } from "./resolve-plan.ts";

const suite = nodeSuite();
const coordinator = suite.signingKeyPair(sha256Bytes("coordinator"));
const plan = testPlan({
  participation: { maximum: 2 },
  cohort: { minimum: 12, target: 16, maximum: 20, minSurvivors: 12, corruption: 0.1, dropout: 0.2 },
  privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 4, modulusBits: 24 },
});
const { resolved: _, ...unresolved } = plan;
const floors: PrivacyFloors = { maximumEpsilon: 4, maximumDelta: 1e-6, minimumSurvivors: 12 };

function signed(of: Plan): SignedPlan {
  const signature = suite.sign(utf8ToBytes(planSigningText(of)), coordinator.secretKey);
  return { plan: of, signature: bytesToHex(signature) };
}
function verdict(of: Plan, own: PrivacyFloors = floors): string {
  const result = verifyPlan(signed(of), { floors: own, suite });
  return result.ok ? "ok" : `${result.rejection.code} ${result.rejection.field}`;
}
type Mechanism = Plan["resolved"]["mechanism"];
const withMechanism = (change: Partial<Mechanism>): Plan => ({
  ...plan,
  resolved: { ...plan.resolved, mechanism: { ...plan.resolved.mechanism, ...change } },
});
const { mechanism } = plan.resolved;

describe("resolvePlan", () => {
  it("lays out the joint vector with weights whose squares sum to 1", () => {
    const { blocks } = plan.resolved;
    expect(blocks.map(({ name, length }) => [name, length])).toEqual([
      ["model", 20],
      ["counts", 4],
      ["sums", 8],
      ["evaluation", 2],
    ]);
    expect(blocks.reduce((sum, { weight }) => sum + weight * weight, 0)).toBeCloseTo(1, 12);
    expect(blocks[0]!.weight / blocks[1]!.weight).toBeCloseTo(1 / 0.25, 12);
    expect(mechanism).toMatchObject({ paddedLength: 34, honest: 10, modulusBits: 24 });
  });

  it("spends the promised ε over all participations, and no more", () => {
    expect(planEpsilon(plan, 2)).toBeLessThanOrEqual(4);
    expect(planEpsilon(plan, 2)).toBeGreaterThan(3.999);
    expect(planEpsilon(plan, 0)).toBe(0);
    expect(planEpsilon(testPlan(), 1)).toBe(Number.POSITIVE_INFINITY);
  });

  it("covers every device of an account in the same rounds, by as much more noise", () => {
    const many = testPlan({ ...unresolved, participation: { maximum: 2, devices: 3 } });
    const noise = many.resolved.mechanism.noiseMultiplier;
    expect(noise / mechanism.noiseMultiplier).toBeCloseTo(3, 1);
    expect(planEpsilon(many, 2)).toBeLessThanOrEqual(4);
    expect(planEpsilon(many, 2)).toBeGreaterThan(3.99);
    // One device without the others costs what so much noise costs, far less than the promise.
    expect(planEpsilon({ ...many, participation: plan.participation }, 2)).toBeLessThan(4 / 2.5);
  });

  it("refuses what no modulus can hold, and lets other failures through", () => {
    const input = parsePlanInput({
      task: "tight",
      privacy: { epsilon: 0.01, modulusBits: 12 },
      cohort: { maximum: 400 },
    });
    const context = {
      coordinatorKey: "a".repeat(64),
      catalogueHash: "b".repeat(64),
      itemCount: 30,
      modelLength: 50_000,
    };
    expect(() => resolvePlan(input, context)).toThrow(
      expect.objectContaining({
        code: "plan-invalid",
        rejection: expect.objectContaining({ field: "plan.privacy" }),
      }),
    );
  });
});

describe("verifyPlan", () => {
  it("refuses noise that covers fewer devices than the plan lets an account have", () => {
    const uncovered = { ...plan, participation: { ...plan.participation, devices: 2 } };
    expect(verdict(uncovered)).toBe("plan-invalid plan.resolved.mechanism");
    expect(verdict({ ...plan, participation: { ...plan.participation, devices: 1 } })).toBe("ok");
    expect(verdict(testPlan({ ...unresolved, participation: { maximum: 2, devices: 2 } }))).toBe("ok");
  });

  it("accepts a plan as the coordinator resolved it, at its very limits", () => {
    expect(verdict(plan)).toBe("ok");
    expect(verdict(plan, { ...floors, coordinatorKey: plan.resolved.coordinatorKey })).toBe("ok");
  });

  it("refuses another coordinator than the pinned one, and a signature of anybody else or over anything else", () => {
    expect(verdict(plan, { ...floors, coordinatorKey: "a".repeat(64) })).toBe(
      "signature-invalid plan.resolved.coordinatorKey",
    );
    const { signature } = signed(plan);
    for (const forged of [
      { plan: { ...plan, rounds: 2 }, signature },
      { plan, signature: "0".repeat(128) },
    ])
      expect(verifyPlan(forged, { floors, suite })).toMatchObject({
        rejection: { code: "signature-invalid", field: "signedPlan.signature" },
      });
  });

  it.each([
    ["a clip of the plan and another of the layout", { model: { clip: 2, weight: 1 } }],
    ["a weight of the plan and another of the layout", { counts: { weight: 9 } }],
  ])("refuses %s", (_, blocks) => {
    const changed = { ...plan, privacy: { ...plan.privacy, blocks: { ...plan.privacy.blocks, ...blocks } } };
    expect(verdict(changed as Plan)).toBe("plan-invalid plan.resolved.blocks");
  });

  it("refuses a layout with blocks of another length or missing, or another padding", () => {
    const blocks = plan.resolved.blocks.map((block) =>
      block.name === "evaluation" ? { ...block, length: 3 } : block,
    );
    const missing = plan.resolved.blocks.slice(0, 3);
    const extra = [...plan.resolved.blocks, plan.resolved.blocks[0]!];
    for (const layout of [blocks, missing, extra])
      expect(verdict({ ...plan, resolved: { ...plan.resolved, blocks: layout } })).toBe(
        "plan-invalid plan.resolved.blocks",
      );
    expect(verdict(withMechanism({ paddedLength: 128 }))).toBe("plan-invalid plan.resolved.blocks");
  });

  it("chooses the bits of a plan that leaves them out, and checks that they do", () => {
    const { modulusBits: _, ...privacy } = unresolved.privacy;
    const open = testPlan({ ...unresolved, privacy }, 3000);
    expect(open.privacy.modulusBits).toBe("auto");
    expect(open.resolved.mechanism).toMatchObject({ rotation: "overlapped-hadamard", paddedLength: 3014 });
    expect(open.resolved.mechanism.modulusBits).toBeLessThan(20);
    expect(verdict(open)).toBe("ok");
    expect(planEpsilon(open, 2)).toBeLessThanOrEqual(4);
    const altered = (change: Partial<Mechanism>): Plan => ({
      ...open,
      resolved: { ...open.resolved, mechanism: { ...open.resolved.mechanism, ...change } },
    });
    // One bit less at the same scale: entries wrap.
    const less = altered({ modulusBits: open.resolved.mechanism.modulusBits - 1 });
    expect(verdict(less)).toBe("plan-invalid plan.resolved.mechanism.modulusBits");
    expect(verifyPlan(signed(less), { floors, suite })).toMatchObject({
      rejection: { rule: expect.stringContaining("must keep wrapped entries within 0.05 a round") },
    });
    // A coarser scale: nothing wraps, but rounding makes the noise larger than it has to be.
    const coarse = testPlan({ ...unresolved, privacy: { ...privacy, modulusBits: 12 } }, 3000);
    expect(verdict(coarse)).toBe("ok");
    const drowned = { ...coarse, privacy: open.privacy };
    expect(verdict(drowned)).toBe("plan-invalid plan.resolved.mechanism.modulusBits");
  });

  it("accepts a plan from before rotations were named, padded to a power of two", () => {
    const { cohort } = unresolved;
    const { rotation: _, ...padded } = calibrateMechanism({
      epsilon: epsilon(4),
      delta: delta(1e-6),
      participations: 2,
      cohortMaximum: cohort.maximum,
      minSurvivors: cohort.minSurvivors,
      corruption: cohort.corruption,
      length: 64,
      modulusBits: 24,
    });
    const before: Plan = { ...plan, resolved: { ...plan.resolved, mechanism: padded as Mechanism } };
    expect(verdict(before)).toBe("ok");
    const named = { ...padded, rotation: "overlapped-hadamard" } as Mechanism;
    expect(verdict({ ...plan, resolved: { ...plan.resolved, mechanism: named } })).toBe(
      "plan-invalid plan.resolved.blocks",
    );
    const contribution = { ...zeroContribution(before), model: new Float64Array(20).fill(0.1) };
    const random = new AesCtrRandom(sha256Bytes("padded"));
    expect(encodeContribution(contribution, { plan: before, sid: sha256Bytes("sid"), random })).toHaveLength(
      64,
    );
  });

  it("refuses cells whose sums would be longer than any vector, without counting on", () => {
    const { rotation: _, ...unnamed } = mechanism;
    const blocks = plan.resolved.blocks.map((block) =>
      block.name === "counts" ? { ...block, length: 2 ** 25 } : block,
    );
    const endless: Plan = {
      ...plan,
      encoder: { ...plan.encoder, dimension: 64 },
      clustering: { ...plan.clustering, microClusters: 2 ** 25 },
      privacy: { ...plan.privacy, modulusBits: 9 },
      resolved: {
        ...plan.resolved,
        blocks,
        mechanism: { ...unnamed, modulusBits: 9, paddedLength: 2 ** 26 },
      },
    };
    expect(verdict(endless)).toBe("plan-invalid plan.resolved.blocks");
  });

  it("holds bits that the operator chose against scale and noise: no sum may wrap", () => {
    const withBits = (modulusBits: number): Plan => ({
      ...withMechanism({ modulusBits }),
      privacy: { ...plan.privacy, modulusBits },
    });
    for (const bits of [9, 20, 23])
      expect(verdict(withBits(bits))).toBe("plan-invalid plan.resolved.mechanism.modulusBits");
    for (const bits of [24, 32]) expect(verdict(withBits(bits))).toBe("ok");
    expect(verifyPlan(signed(withBits(9)), { floors, suite })).toMatchObject({
      rejection: { rule: expect.stringContaining("but 9 bits at this scale and noise give 68") },
    });
    const silent = testPlan();
    const generous = { ...floors, maximumEpsilon: Number.POSITIVE_INFINITY, minimumSurvivors: 4 };
    const { resolved } = silent;
    const tight = { ...silent, privacy: { ...silent.privacy, modulusBits: 12 } };
    const narrow = { ...resolved, mechanism: { ...resolved.mechanism, modulusBits: 12 } };
    expect(verdict({ ...tight, resolved: narrow }, generous)).toBe(
      "plan-invalid plan.resolved.mechanism.modulusBits",
    );
  });

  it("refuses fewer survivors than the device's floor", () => {
    expect(verdict(plan, { ...floors, minimumSurvivors: 13 })).toBe("privacy-floor plan.cohort.minSurvivors");
  });

  it("counts honest survivors for itself: those who may collude add no noise", () => {
    for (const honest of [9, 11, 12])
      expect(verdict(withMechanism({ honest }))).toBe("plan-invalid plan.resolved.mechanism");
    const more = { ...plan, cohort: { ...plan.cohort, corruption: 0.3 } };
    expect(verdict(more)).toBe("plan-invalid plan.resolved.mechanism");
    expect(verdict(withMechanism({ modulusBits: 20 }))).toBe(
      "plan-invalid plan.resolved.mechanism.modulusBits",
    );
  });

  it.each([
    ["a bound that only short updates meet", { sensitivity: { l2: mechanism.scale / 2, l1: 1e9 } }],
    ["an L1 bound of another length", { sensitivity: { ...mechanism.sensitivity, l1: 1 } }],
    ["a rounding that hardly ever succeeds", { beta: 0.999 }],
    ["a scale that overflows", { scale: 2 ** 31 }],
    ["a deviation that cannot be sampled", { localDeviation: 2 ** 25 }],
    ["a scale without its sensitivity", { scale: mechanism.scale * 2 }],
  ])("refuses %s: whose encoding fails would tell about the person", (_, change) => {
    expect(verdict(withMechanism(change))).toBe("plan-invalid plan.resolved.mechanism.sensitivity");
  });

  it("does so without noise too", () => {
    const silent = testPlan();
    const generous = { ...floors, maximumEpsilon: Number.POSITIVE_INFINITY, minimumSurvivors: 4 };
    expect(verdict(silent, generous)).toBe("ok");
    const { resolved } = silent;
    const sensitivity = { l2: 1, l1: 1 };
    const narrow = { ...resolved, mechanism: { ...resolved.mechanism, sensitivity } };
    expect(verdict({ ...silent, resolved: narrow }, generous)).toBe(
      "plan-invalid plan.resolved.mechanism.sensitivity",
    );
  });

  it("recomputes ε from the integers: less noise or more participations break the promise", () => {
    for (const localDeviation of [0, mechanism.localDeviation - 1])
      expect(verdict(withMechanism({ localDeviation }))).toBe("plan-invalid plan.resolved.mechanism");
    expect(verdict({ ...plan, participation: { ...plan.participation, maximum: 3 } })).toBe(
      "plan-invalid plan.resolved.mechanism",
    );
    expect(verdict({ ...plan, privacy: { ...plan.privacy, delta: 1e-7 } })).toBe(
      "plan-invalid plan.resolved.mechanism",
    );
    // The multiplier is a figure for people; nothing is computed from it.
    expect(verdict(withMechanism({ noiseMultiplier: 1e9 }))).toBe("ok");
  });

  it("holds the device's floors of ε and δ, and takes no plan without noise unless told to", () => {
    expect(verdict(plan, { ...floors, maximumEpsilon: 3.9 })).toBe("privacy-floor plan.privacy.epsilon");
    expect(verdict(plan, { ...floors, maximumDelta: 1e-7 })).toBe("privacy-floor plan.privacy.delta");
    expect(verdict(testPlan(), { ...floors, maximumEpsilon: 1e9, minimumSurvivors: 4 })).toBe(
      "privacy-floor plan.privacy.epsilon",
    );
  });

  it.each(["maximumEpsilon", "maximumDelta", "minimumSurvivors"] as const)(
    "refuses everything where the floor %s is not a number",
    (floor) => {
      for (const value of [undefined, Number.NaN])
        expect(verdict(plan, { ...floors, [floor]: value } as PrivacyFloors)).toMatch(/^privacy-floor /);
    },
  );
});
