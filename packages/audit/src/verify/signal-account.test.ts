import { describe, expect, it } from "vitest";
import { testPlan } from "../../../engine/test/test-task.ts";
import { SignalAccount } from "./signal-account.ts";
import type { ModelVersion } from "./task-account.ts";

const plan = testPlan({
  rounds: 4,
  signals: { popularity: { rounds: [1, 2, 3, 4], carry: 0.5, clip: 3 } },
  privacy: {
    mechanism: "distributed-discrete-gaussian",
    epsilon: 6,
    modulusBits: 24,
    noise: { design: "add-then-remove", levels: 2 },
  },
});

const version = (round: number, survivors: number, kept = 0): ModelVersion => ({
  ...{ round, survivors, kept, hash: `${round}`, parent: `${round - 1}`, entry: 3 * round, clip: null },
});

/** The deviation of PROTOCOL.md, section 8, written out. */
function deviationOf(survivors: number, kept: number): number {
  const { localDeviation, surplus = [], scale } = plan.resolved.mechanism;
  const { clip, weight } = plan.resolved.signals!.popularity![0]!;
  let variance = survivors * localDeviation ** 2;
  for (const component of surplus)
    variance += (survivors >= component.survivors ? kept : survivors) * component.deviation ** 2;
  return (Math.sqrt(variance + survivors / 4) * clip) / (weight * scale);
}

const claim = (round: number, people: number, deviation: number) => ({
  popularity: { round, people, deviation, counted: new Uint32Array() },
});

describe("what a signal says about itself", () => {
  it.each([
    [4, 0],
    [6, 0],
    [6, 2],
    [8, 8],
  ])("has the noise of %i survivors, of which the surplus of %i stayed", (survivors, kept) => {
    const follow = (deviation: number) =>
      new SignalAccount(plan, []).follow(version(1, survivors, kept), claim(1, survivors, deviation));
    const due = deviationOf(survivors, kept);
    expect(follow(due)).toBeUndefined();
    for (const wrong of [0.9999 * due, 1.0001 * due, Number.NaN])
      expect(follow(wrong)).toEqual({
        found: `popularity of ${survivors} people with noise of deviation ${wrong}`,
        expected: expect.stringMatching(`^${survivors} people .* by the survivors and the plan's noise$`),
      });
  });

  it("adds up what the plan carries on, up to a roll-back", () => {
    const rollBacks = [{ entry: 8 }];
    const account = new SignalAccount(plan, rollBacks);
    const [six, four] = [deviationOf(6, 0), deviationOf(4, 0)];
    expect(account.follow(version(1, 6), claim(1, 6, six))).toBeUndefined();
    expect(account.follow(version(2, 4), claim(2, 7, Math.hypot(0.5 * six, four)))).toBeUndefined();
    expect(account.follow(version(3, 4), claim(3, 4, four))).toBeUndefined();
    // What is handed on says nothing new.
    expect(account.follow(version(4, 4), claim(3, 4, four))).toBeUndefined();
  });
});
