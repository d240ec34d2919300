import { verifyLedgerChain } from "@kindred/privacy";
import { nodeSuite } from "@kindred/secagg/node";
import { describe, expect, it } from "vitest";
import { Fleet } from "./fleet.ts";
import { coordinatorSigner, testPlan } from "./test-task.ts";

const initial = "a".repeat(64);

/** A fleet whose operator goes back to the initial model when it sees a phase of round 2. */
function rolledBackIn(phase: string) {
  const fleet = new Fleet({ plan: testPlan({ rounds: 3 }), clients: 6, history: { modelHash: initial } });
  let given: { from: string; outputs: readonly { type: string }[] } | undefined;
  const submit = fleet.submit.bind(fleet);
  fleet.submit = (event) => {
    const outputs = submit(event);
    const reached = outputs.some(
      (output) => output.type === "phase" && output.phase === phase && output.round === 2,
    );
    if (reached && given === undefined) {
      const from = fleet.state.modelHash;
      given = { from, outputs: [] };
      const wish = { type: "roll-back", to: initial, from, reason: "worse", operator: "ada" } as const;
      given = { from, outputs: fleet.submit(wish) };
      expect(fleet.submit(wish).map(({ type }) => type)).toEqual(["accepted"]);
    }
    return outputs;
  };
  fleet.run();
  return { fleet, given: given! };
}

describe("rolling back", () => {
  it.each(["selecting", "training", "sharing", "masking", "unmasking", "aggregating"])(
    "while a round is %s fails it, and the next one starts from the older model",
    (phase) => {
      const { fleet, given } = rolledBackIn(phase);
      const types = given.outputs.map(({ type }) => type);
      expect(types.indexOf("ledger")).toBeLessThan(types.indexOf("rolled-back"));
      const entries = fleet.ledger();
      const bodies = entries.map(({ body }) => body);
      const rounds = bodies.flatMap((body) =>
        body.kind === "round-started" ? [[body.round, body.modelHash]] : [],
      );
      expect(rounds).toEqual([
        [1, initial],
        [2, given.from],
        [3, initial],
      ]);
      const failed = bodies.filter(({ kind }) => kind === "round-failed");
      expect(failed).toMatchObject([{ round: 2, reason: "cancelled" }]);
      const named = { verify: nodeSuite().verify, publicKey: coordinatorSigner.publicKey };
      // The only thing missing from this ledger is who gave ada her role.
      expect(new Set(verifyLedgerChain(entries, named).map(({ rule }) => rule))).toEqual(
        new Set(["operator"]),
      );
    },
  );

  it("is refused from a model that is not in use", () => {
    const { fleet } = rolledBackIn("selecting");
    const wish = {
      type: "roll-back",
      to: initial,
      from: "b".repeat(64),
      reason: "x",
      operator: "ada",
    } as const;
    const before = fleet.state.modelHash;
    expect(fleet.submit(wish)).toMatchObject([
      { type: "rejected", rejection: { code: "message-unexpected" } },
    ]);
    expect(fleet.state.modelHash).toBe(before);
  });
});
