import type { ParticipationEntry } from "@kindred/privacy";
import { type Plan, planDigest } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { testPlan } from "../test/test-task.ts";
import { isExhausted, mayParticipate } from "./personal-ledger.ts";
import { planEpsilon } from "./resolve-plan.ts";

const plan = testPlan({
  rounds: 9,
  participation: { maximum: 3, minimumSeparation: 2 },
  privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 4, modulusBits: 24 },
});
const entry = (round: number, of: Plan = plan): ParticipationEntry => ({
  task: of.task,
  planDigest: planDigest(of),
  round,
  time: 0,
  epsilon: 1,
  delta: 1e-6,
});
const ask = (entries: readonly ParticipationEntry[], round: number, of: Plan = plan) =>
  mayParticipate(entries, { plan: of, planDigest: planDigest(of), round });

describe("mayParticipate", () => {
  it("tells ε after the participation, by composition of the device's own", () => {
    expect(ask([], 1)).toEqual({ ok: true, value: { epsilon: planEpsilon(plan, 1) } });
    const third = ask([entry(1), entry(3)], 5);
    expect(third).toEqual({ ok: true, value: { epsilon: planEpsilon(plan, 3) } });
    expect(planEpsilon(plan, 3)).toBeGreaterThan(3.9);
    expect(planEpsilon(plan, 3)).toBeLessThanOrEqual(4);
    expect(ask([], 1, testPlan())).toEqual({ ok: true, value: { epsilon: null } });
  });

  it.each([
    ["the cap", [entry(1), entry(3), entry(5)], 9, "participations"],
    ["the separation", [entry(3)], 4, "round"],
    ["a round once", [entry(3)], 3, "round"],
    ["the order of rounds", [entry(3)], 1, "round"],
  ] as const)("keeps %s", (_, entries, round, field) => {
    expect(ask(entries, round)).toMatchObject({ ok: false, rejection: { code: "participation-cap", field } });
  });

  it("counts nothing of other tasks, and refuses a second plan of the same one", () => {
    const other = testPlan({ task: "other" });
    expect(ask([entry(1, other), entry(2, other), entry(3, other)], 1).ok).toBe(true);
    // A plan that the coordinator signs anew, with a cap of its own: the promise would be spent twice.
    const again = testPlan({ rounds: 9, participation: { maximum: 9 } });
    expect(ask([entry(1)], 5, again)).toMatchObject({
      rejection: { code: "participation-cap", field: "planDigest" },
    });
  });
});

describe("isExhausted", () => {
  const exhausted = (entries: readonly ParticipationEntry[], of = plan) =>
    isExhausted(entries, { plan: of, planDigest: planDigest(of) });

  it("is for ever: a cap or another plan, not the separation", () => {
    expect(exhausted([])).toBe(false);
    expect(exhausted([entry(1), entry(8)])).toBe(false);
    expect(exhausted([entry(1), entry(3), entry(5)])).toBe(true);
    expect(exhausted([entry(1)], testPlan({ title: "changed" }))).toBe(true);
  });
});
