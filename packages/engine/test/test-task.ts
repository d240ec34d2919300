/** The task that tests of the engine play: its plan, its coordinator, where it begins, and a device with nothing to say. */
import type { LedgerSigner } from "@kindred/privacy";
import { bytesToHex, type Plan, parsePlanInput, sha256Bytes } from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { type Contribution, resolvePlan, type TaskHistory } from "../src/index.ts";

export const suite = nodeSuite();
/** Keys of the coordinator of every fleet. */
export const coordinator = suite.signingKeyPair(sha256Bytes("coordinator"));

/** Signs ledgers as the coordinator of every fleet. */
export const coordinatorSigner: LedgerSigner = {
  publicKey: coordinator.publicKey,
  sign: (message) => suite.sign(message, coordinator.secretKey),
};

/** A plan small enough for fast tests: 4 clusters of dimension 2 and `modelLength` weights. */
export function testPlan(overrides: Record<string, unknown> = {}, modelLength = 20): Plan {
  const input = parsePlanInput({
    task: "test",
    rounds: 3,
    encoder: { dimension: 2, heads: 1, itemDeltaRank: 1 },
    clustering: { clusters: 4, microClusters: 0, minimumSize: 1 },
    cohort: {
      minimum: 4,
      target: 6,
      maximum: 8,
      minSurvivors: 4,
      overSelection: 1,
      corruption: 0,
      dropout: 0.2,
      selectionWindow: 100,
    },
    privacy: { mechanism: "none", modulusBits: 20 },
    ...overrides,
  });
  return resolvePlan(input, {
    coordinatorKey: bytesToHex(coordinator.publicKey),
    catalogueHash: "a".repeat(64),
    itemCount: 30,
    modelLength,
  });
}

/** Where a task begins. */
export function freshHistory(): TaskHistory {
  return {
    round: 0,
    modelHash: "c".repeat(64),
    released: 0,
    poisson: true,
    spent: { coordinator: 0, observer: 0 },
    participations: new Map(),
  };
}

/** What a device without a record contributes. */
export function zeroContribution(plan: Plan): Contribution {
  const [model, counts, sums, evaluation] = plan.resolved.blocks.map(
    ({ length }) => new Float64Array(length),
  );
  return { model: model!, counts: counts!, sums: sums!, evaluation: evaluation! };
}
