import { describe, expect, it } from "vitest";
import { parsePlanInput } from "./plan.ts";

const parse = (signals: unknown) => parsePlanInput({ task: "films", rounds: 5, signals });

function refusal(signals: unknown): unknown {
  try {
    parse(signals);
    return null;
  } catch (error) {
    const { field, rule } = (error as { rejection: { field: string; rule: string } }).rejection;
    return `${field} ${rule}`;
  }
}

describe("the section signals", () => {
  it("is absent unless an operator writes it", () => {
    expect(parsePlanInput({ task: "films" }).signals).toBeUndefined();
  });

  it("collects popularity first, as the items of transitions are chosen by it", () => {
    expect(parse({ transitions: {} }).signals!.transitions).toEqual({
      rounds: [1],
      window: 5,
      clip: 5,
      significance: 2,
    });
    const both = parse({ popularity: {}, transitions: {} }).signals!;
    expect(both.popularity).toEqual({ rounds: [1], clip: 5, significance: 2 });
    expect(both.transitions!.rounds).toEqual([2]);
    expect(parse({ popularity: {}, transitions: { rounds: [4] } }).signals!.transitions!.rounds).toEqual([4]);
  });

  it("is refused when it contradicts itself or the rounds", () => {
    expect(refusal({})).toBe("plan.signals must name a signal");
    expect(refusal({ transitions: { rounds: [6] } })).toBe(
      "plan.signals.transitions.rounds.0 must not exceed rounds (5)",
    );
    expect(refusal({ popularity: { rounds: [1, 3] }, transitions: { rounds: [3] } })).toBe(
      "plan.signals.popularity.rounds.1 must differ from the others: round 3 collects transitions",
    );
    expect(refusal({ popularity: { rounds: [2, 2] } })).toContain("round 2 collects popularity");
    expect(refusal({ popularity: { rounds: [] } })).toContain("plan.signals.popularity.rounds");
  });
});
