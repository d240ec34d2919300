/** Tasks whose plan removes surplus noise, in memory: what devices check, what stays in the sum, what the ledger says. */
import { centredLift, noiseLevel, verifyLedgerChain } from "@kindred/privacy";
import { bytesToHex, type Plan, planSigningText, utf8ToBytes } from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { describe, expect, it } from "vitest";
import { blockDeviation, planEpsilon, verifyPlan } from "../src/index.ts";
import { Fleet } from "./fleet.ts";
import { coordinatorSigner, testPlan, zeroContribution } from "./test-task.ts";

const suite = nodeSuite();
const plan = testPlan(
  {
    privacy: {
      mechanism: "distributed-discrete-gaussian",
      epsilon: 6,
      modulusBits: 24,
      noise: { design: "add-then-remove", levels: 2 },
    },
  },
  500,
);
const { mechanism } = plan.resolved;
const surplus = mechanism.surplus!;

describe("a device that is shown the plan", () => {
  const floors = { maximumEpsilon: 10, maximumDelta: 1e-5, minimumSurvivors: 3 };
  const verdict = (change: Partial<typeof mechanism>) => {
    const changed: Plan = { ...plan, resolved: { ...plan.resolved, mechanism: { ...mechanism, ...change } } };
    const signature = bytesToHex(coordinatorSigner.sign(utf8ToBytes(planSigningText(changed))));
    const verified = verifyPlan({ plan: changed, signature }, { floors, suite });
    return verified.ok ? "accepted" : `${verified.rejection.code} ${verified.rejection.field}`;
  };

  it("accepts it, with ε recomputed from what remains at every level", () => {
    expect(surplus.map(({ survivors }) => survivors)).toEqual([6, 8]);
    expect(verdict({})).toBe("accepted");
    expect(planEpsilon(plan, plan.participation.maximum)).toBeLessThanOrEqual(6);
  });

  it("refuses less noise at any level, and noise too fine to be accounted", () => {
    for (const i of surplus.keys()) {
      const weaker = surplus.map((one, j) =>
        i === j ? { ...one, deviation: Math.floor(one.deviation * 0.9) } : one,
      );
      expect(verdict({ surplus: weaker })).toBe("plan-invalid plan.resolved.mechanism");
    }
    expect(verdict({ localDeviation: Math.floor(mechanism.localDeviation * 0.99) })).toMatch(/^plan-invalid/);
    const { surplus: _, ...without } = mechanism;
    expect(without.honest).toBe(4);
    const fine = surplus.map((one) => ({ ...one, deviation: 3 }));
    expect(verdict({ surplus: fine })).toBe("plan-invalid plan.resolved.mechanism.sensitivity");
  });
});

describe("a task", () => {
  const rounds = (vanishing: number) => {
    const vanished = new Set<number>();
    return new Fleet({
      plan,
      clients: 8,
      contribution: () => ({ ...zeroContribution(plan), model: new Float64Array(500).fill(0.01) }),
      // Some of those selected never hear the inbox.
      deliver: (client, message) => {
        if (message.type === "inbox" && message.round === 1 && vanished.size < vanishing)
          vanished.add(client);
        return !(message.type === "inbox" && vanished.has(client));
      },
    }).run();
  };

  it.each([0, 1])("keeps in the sum what the level of its survivors keeps; %d vanish", (vanishing) => {
    const fleet = rounds(vanishing);
    const survivors = 6 - vanishing;
    const [round] = fleet.released;
    expect(round!.survivors).toHaveLength(survivors);
    const level = noiseLevel(surplus, survivors);
    expect(level).toBe(vanishing === 0 ? 1 : 0);
    // The fleet knows the vectors without surplus noise: the difference is what remains of it.
    const difference = centredLift(
      round!.sum.map((value, i) => (value - round!.expected[i]!) & (2 ** 24 - 1)),
      24,
    );
    const staying = surplus.slice(level).reduce((sum, { deviation }) => sum + deviation ** 2, 0);
    const found = difference.reduce((sum, value) => sum + value * value, 0) / difference.length;
    expect(Math.abs(found / (survivors * staying) - 1)).toBeLessThan(5 * Math.sqrt(2 / difference.length));
    const block = plan.resolved.blocks[0]!;
    expect(round!.mean.deviation.model).toBe(blockDeviation(mechanism, { block, survivors }));
    const total =
      Math.sqrt(survivors * (staying + mechanism.localDeviation ** 2)) / (mechanism.scale * survivors);
    expect(round!.mean.deviation.model).toBeCloseTo((total * block.clip) / block.weight, 12);
  });

  it("says in the ledger how many components were removed", () => {
    const ledger = rounds(1).ledger();
    const removed = ledger.flatMap(({ body }) =>
      body.kind === "round-released" ? [[body.survivors, body.removed]] : [],
    );
    expect(removed[0]).toEqual([5, { components: 0, kept: 0 }]);
    expect(removed.at(-1)).toEqual([6, { components: 1, kept: 0 }]);
    const { verify } = suite;
    expect(verifyLedgerChain(ledger, { verify, publicKey: coordinatorSigner.publicKey })).toEqual([]);
  });
});
