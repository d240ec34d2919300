import { describe, expect, it } from "vitest";
import { sampleResult, sampleRound } from "./sample-result.ts";
import { PHASES, toJson } from "./simulation-result.ts";
import { promiseState, totalsOf } from "./totals.ts";

describe("toJson", () => {
  it("has the fields of the contract under their names", () => {
    const result = sampleResult();
    const document = JSON.parse(JSON.stringify(toJson(result)));
    expect(document).toMatchObject({
      data: "ml-latest-small",
      clients: 200,
      backend: "tensorflow",
      metrics: {
        before: { hr10: 0.011, ndcg10: 0.0052 },
        after: { hr10: 0.0967, ndcg10: 0.0541 },
        popularity: { hr10: 0.044, ndcg10: 0.021 },
        centralised: { hr10: 0.108, ndcg10: 0.059 },
        silhouette: 0.087,
        ari: 0.612,
      },
      epsilon: { coordinator: 3.18, observer: 1.36, delta: 1e-6 },
    });
    expect(document.rounds).toHaveLength(5);
    for (const round of document.rounds) {
      for (const key of ["round", "status", "cohort", "survivors", "dropped", "epsilon", "loss"])
        expect(round).toHaveProperty(key);
      expect(Object.keys(round.ms).sort()).toEqual([...PHASES, "total"].sort());
      expect(round.bytesUpPerClient).toBeGreaterThan(0);
      expect(round.bytesDownPerClient).toBeGreaterThan(0);
    }
  });

  it("is unchanged by serialisation and turns what is not finite into null", () => {
    const odd = toJson(
      sampleResult({ rounds: [sampleRound(1, { loss: Number.NaN })], durationMs: Infinity }),
    );
    expect(JSON.parse(JSON.stringify(odd))).toEqual(odd);
    expect(odd).toMatchObject({ rounds: [{ loss: null }], durationMs: null });
  });
});

describe("totalsOf", () => {
  it("means over published rounds and counts over all", () => {
    const slow = sampleRound(2, {
      status: "failed",
      cohort: 64,
      survivors: 4,
      dropped: 60,
      bytesUpPerClient: 0,
    });
    const totals = totalsOf(
      sampleResult({
        rounds: [
          sampleRound(1, { cohort: 64, survivors: 60, dropped: 4, bytesUpPerClient: 100 }),
          slow,
          sampleRound(3, { cohort: 64, survivors: 50, dropped: 14, bytesUpPerClient: 300 }),
        ],
      }),
    );
    expect(totals).toMatchObject({
      smallestSum: 50,
      largestSum: 60,
      selected: 192,
      dropped: 78,
      bytesUp: 200,
    });
    expect(totals.failed).toEqual([slow]);
  });
});

describe("promiseState", () => {
  it("tells kept, exceeded, unpromised, unbounded and no noise apart", () => {
    const state = (coordinator: number | null, promised: number | null) =>
      promiseState({ coordinator, promised, observer: null, delta: 1e-6 });
    expect([state(4, 4), state(4.01, 4), state(4, null), state(Infinity, 4), state(null, 4)]).toEqual([
      "kept",
      "exceeded",
      "unpromised",
      "unbounded",
      "no-noise",
    ]);
  });
});
