import { describe, expect, it } from "vitest";
import { type ParticipationEntry, personalMayJoin, personalSpent } from "./personal-ledger.ts";

const entry = (round: number, epsilon: number | null, task = "films"): ParticipationEntry => ({
  task,
  round,
  time: Date.UTC(2025, 0, 1),
  planDigest: "plan-1",
  epsilon,
  delta: 1e-6,
});
const entries = [entry(2, 1), entry(1, 0.5, "books"), entry(5, 1.7), entry(5, 1.7)];

describe("personalSpent", () => {
  it("counts every masked input for the task, two of the same round twice", () => {
    expect(personalSpent(entries, { task: "films" })).toEqual({
      participations: 3,
      lastRound: 5,
      epsilon: 1.7,
    });
    expect(personalSpent(entries, { task: "books" })).toEqual({
      participations: 1,
      lastRound: 1,
      epsilon: 0.5,
    });
    expect(personalSpent(entries, { task: "music" })).toEqual({
      participations: 0,
      lastRound: undefined,
      epsilon: 0,
    });
  });

  it("has no ε once a round had no guarantee", () => {
    expect(personalSpent([entry(1, null), entry(2, 3)], { task: "films" }).epsilon).toBeNull();
    expect(personalSpent([entry(1, 3), entry(2, null)], { task: "films" }).epsilon).toBeNull();
  });
});

describe("personalMayJoin", () => {
  const ask = (change: Partial<Parameters<typeof personalMayJoin>[0]>) => {
    const planDigest = "plan-1";
    const query = { entries, task: "films", planDigest, round: 8, cap: 4, minimumSeparation: 3, ...change };
    const verdict = personalMayJoin(query);
    return verdict.ok ? "ok" : verdict.reason;
  };

  it("allows up to the cap", () => {
    expect(ask({})).toBe("ok");
    expect(ask({ cap: 3 })).toBe("cap-reached");
    expect(ask({ cap: 3, round: Number.POSITIVE_INFINITY })).toBe("cap-reached");
    expect(ask({ round: Number.POSITIVE_INFINITY })).toBe("ok");
    expect(ask({ cap: 0, task: "music" })).toBe("cap-reached");
    expect(ask({ cap: 1, task: "music" })).toBe("ok");
    expect(ask({ cap: Number.NaN })).toBe("cap-reached");
  });

  it("keeps the separation, exactly", () => {
    expect(ask({ round: 7 })).toBe("too-soon");
    expect(ask({ round: 6, minimumSeparation: 1 })).toBe("ok");
    expect(ask({ round: 3, minimumSeparation: 1 })).toBe("too-soon");
    expect(ask({ round: 1, minimumSeparation: 99, task: "music" })).toBe("ok");
  });

  it("contributes to a round once, even if it was not the latest", () => {
    expect(ask({ round: 5 })).toBe("already-contributed");
    expect(ask({ round: 2 })).toBe("already-contributed");
  });

  it("spends under one plan of a task only", () => {
    expect(ask({ planDigest: "plan-2", cap: 99 })).toBe("plan-changed");
    expect(ask({ planDigest: "plan-2", task: "music" })).toBe("ok");
  });

  it("holds the owner's own limit, boundary included", () => {
    expect(ask({ epsilonAfter: 2, epsilonLimit: 2 })).toBe("ok");
    expect(ask({ epsilonAfter: 2.0001, epsilonLimit: 2 })).toBe("over-budget");
    expect(ask({ epsilonAfter: Number.NaN, epsilonLimit: 2 })).toBe("over-budget");
    expect(ask({ epsilonAfter: null, epsilonLimit: 2 })).toBe("no-guarantee");
    expect(ask({ epsilonLimit: 2 })).toBe("no-guarantee");
    expect(ask({ epsilonAfter: null })).toBe("ok");
  });

  it("tags a refusal for the wire", () => {
    const planDigest = "plan-1";
    const query = { entries, task: "films", planDigest, round: 8, cap: 2, minimumSeparation: 1 };
    expect(personalMayJoin(query)).toMatchObject({
      ok: false,
      rejection: { code: "participation-cap", field: "participations" },
    });
    expect(personalMayJoin({ ...query, cap: 9, epsilonLimit: 1, epsilonAfter: 3 })).toMatchObject({
      rejection: { code: "privacy-floor" },
    });
  });
});
