import type { Plan } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { Fleet } from "../test/fleet.ts";
import { freshHistory, testPlan } from "../test/test-task.ts";
import { planEpsilon } from "./resolve-plan.ts";
import { checkRoundBudget, epsilonAfter, mostExposed } from "./round-budget.ts";
import { startTask } from "./round-machine.ts";

const noise = { mechanism: "distributed-discrete-gaussian", epsilon: 4, modulusBits: 24 } as const;
const plan = testPlan({ rounds: 5, participation: { maximum: 3 }, privacy: noise });
const after = (released: number, exposed = released, of: Plan = plan) =>
  epsilonAfter(of, { released, exposed });

describe("epsilonAfter", () => {
  it("composes the rounds of one person up to the cap, where it meets the promise", () => {
    expect(after(0)).toEqual({ coordinator: 0, observer: 0 });
    for (const released of [1, 2, 3]) {
      const epsilon = planEpsilon(plan, released);
      expect(after(released)).toEqual({ coordinator: epsilon, observer: epsilon });
      expect(epsilon).toBeGreaterThan(after(released - 1).coordinator!);
    }
    expect(after(5)).toEqual(after(3));
    expect(after(3).coordinator).toBeLessThanOrEqual(4);
  });

  it("counts against the coordinator what a failed round exposed, and not against observers", () => {
    expect(after(1, 3)).toEqual({ coordinator: planEpsilon(plan, 3), observer: planEpsilon(plan, 1) });
    expect(after(1, 99)).toEqual(after(1, 3));
    expect(after(2, 1)).toEqual(after(2));
  });

  it("is for the person who has as many devices as the plan lets an account have", () => {
    const two: Plan = { ...plan, participation: { ...plan.participation, devices: 2 } };
    expect(after(1, 1, two)).toEqual({ coordinator: planEpsilon(two, 1), observer: planEpsilon(two, 1) });
    expect(after(1, 1, two).coordinator!).toBeGreaterThan(2 * after(1).coordinator!);
  });

  it("is no guarantee without noise", () => {
    expect(after(0, 0, testPlan())).toEqual({ coordinator: null, observer: null });
  });
});

describe("checkRoundBudget", () => {
  const state = (counts: readonly number[], released = 0) =>
    startTask({
      ...freshHistory(),
      released,
      participations: new Map(counts.map((count, i) => [`device ${i}`, { count, lastRound: count }])),
    });

  it("promises for the person who took part most", () => {
    expect(mostExposed(state([]))).toBe(0);
    expect(mostExposed(state([1, 2, 1]))).toBe(2);
    expect(checkRoundBudget(state([1, 1]), plan)).toEqual({
      ok: true,
      value: { coordinator: planEpsilon(plan, 2), observer: planEpsilon(plan, 1) },
    });
  });

  it("refuses a round that would overspend", () => {
    const tight = { ...plan, privacy: { ...plan.privacy, epsilon: planEpsilon(plan, 2) } };
    expect(checkRoundBudget(state([], 1), tight).ok).toBe(true);
    expect(checkRoundBudget(state([2], 1), tight)).toMatchObject({
      rejection: { code: "budget-exhausted", field: "plan.privacy.epsilon" },
    });
    expect(checkRoundBudget(state([], 2), tight).ok).toBe(false);
  });
});

describe("a round that fails after masked inputs arrived", () => {
  const ledger = (fleet: Fleet) =>
    fleet.outputs.flatMap((output) => (output.type === "ledger" ? [output.body] : []));
  const failures = (fleet: Fleet) =>
    ledger(fleet).flatMap((body) => (body.kind === "round-failed" ? [body] : []));

  it("counts although its sum was computed and nothing released: nobody can prove it was not kept", () => {
    const fleet = new Fleet({
      plan: testPlan({ rounds: 3, privacy: noise }),
      clients: 6,
      breaksAt: [1],
    }).run();
    const [first, ...rest] = fleet.records();
    const [one, two, three] = [1, 2, 3].map((participations) => planEpsilon(fleet.plan, participations));
    expect(first).toMatchObject({ status: "failed", epsilon: { coordinator: one, observer: 0 } });
    expect(rest.map(({ status, epsilon }) => [status, epsilon])).toEqual([
      ["published", { coordinator: two, observer: one }],
      ["published", { coordinator: three, observer: two }],
    ]);
    expect(failures(fleet)).toEqual([
      expect.objectContaining({
        spent: { before: { coordinator: 0, observer: 0 }, after: { coordinator: one, observer: 0 } },
      }),
    ]);
    for (const device of fleet.devices)
      expect(device.ledger.map(({ epsilon }) => epsilon)).toEqual([one, two, three]);
    expect(fleet.ledgerViolations()).toEqual([]);
  });

  it("counts although too few revealed their shares", () => {
    const fleet = new Fleet({
      plan: testPlan({ rounds: 1, privacy: noise }),
      clients: 6,
      deliver: (_, message) => message.type !== "unmask",
    }).run();
    const one = planEpsilon(fleet.plan, 1);
    expect(fleet.records()).toEqual([
      expect.objectContaining({ status: "failed", epsilon: { coordinator: one, observer: 0 } }),
    ]);
    expect(fleet.ledgerViolations()).toEqual([]);
  });

  it("costs nothing where it fails before the first of them", () => {
    const fleet = new Fleet({
      plan: testPlan({ rounds: 1, privacy: noise }),
      clients: 6,
      deliver: (_, message) => message.type !== "inbox",
    }).run();
    const nothing = { coordinator: 0, observer: 0 };
    expect(failures(fleet)).toEqual([
      expect.objectContaining({ spent: { before: nothing, after: nothing } }),
    ]);
    for (const device of fleet.devices) expect(device.ledger).toEqual([]);
  });
});
