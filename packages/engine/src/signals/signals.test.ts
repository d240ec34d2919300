import { AesCtrRandom } from "@kindred/privacy";
import { type Model, type Plan, type SignalName, sha256Bytes, unnamedClustering } from "@kindred/protocol";
import { addInto } from "@kindred/secagg";
import { describe, expect, it } from "vitest";
import { testPlan, zeroContribution } from "../../test/test-task.ts";
import { encodeContribution } from "../pipeline.ts";
import { computeRelease, evaluationBlock } from "../release.ts";
import { planEpsilon, verifyPlan } from "../resolve-plan.ts";
import { initialOptimiserState, type OptimiserState } from "../server-optimiser.ts";
import { carriedOn } from "./carried-signals.ts";
import { checkSignals, contentOfRound, signalBlocks } from "./round-content.ts";
import { countedItems, everybodysPopularity } from "./signal-matrix.ts";
import { popularityCounts, transitionCounts } from "./signal-statistics.ts";

const ITEMS = 30;
const sid = sha256Bytes("session");
const model = (changes: Partial<Model> = {}): Model => ({
  task: "test",
  round: 0,
  parent: "",
  weights: Float32Array.from({ length: 25 }, (_, i) => i),
  centroids: Float32Array.of(1, 0, 0, 1, -1, 0, 0, -1),
  clusters: 4,
  cells: new Float32Array(),
  clustering: unnamedClustering(4),
  ...changes,
});
const withoutNoise = { mechanism: "none", modulusBits: 30 };
const both = { popularity: { rounds: [1] }, transitions: { rounds: [2], items: ITEMS } };
/** A training round's vector of 214 entries, in which every row of popularity has room. */
const roomyPlan = (overrides: Record<string, unknown>): Plan => testPlan(overrides, 200);

/** People's items, oldest first. */
const people = [
  [0, 1, 2, 0],
  [1, 2, 29],
  [5, 1, 2],
  [0, 2],
];

function release(
  plan: Plan,
  {
    signal,
    parent,
    round,
    optimiser = initialOptimiserState(20),
  }: { signal: SignalName; parent: Model; round: number; optimiser?: OptimiserState },
) {
  const sum = new Uint32Array(plan.resolved.mechanism.paddedLength);
  const counted = countedItems(plan, parent);
  const rows = signalBlocks(plan, signal)[0]!.length / ITEMS;
  for (const [i, items] of people.entries()) {
    const values =
      signal === "transitions"
        ? transitionCounts(items, { counted, window: 5 })
        : popularityCounts(items, {
            itemCount: ITEMS,
            rows,
            shares: [i === 0 ? 1 : 0, i === 0 ? 0 : 1, 0, 0],
          });
    const evaluation = evaluationBlock({ loss: 2, silhouette: 0.5 }, plan);
    const contribution = { ...zeroContribution(plan), evaluation, signal: values };
    const random = new AesCtrRandom(sha256Bytes(`rounding ${i}`));
    const encoded = encodeContribution(contribution, { plan, sid, random, content: signal });
    addInto(sum, encoded, plan.resolved.mechanism.modulusBits);
  }
  return computeRelease({
    plan,
    sid,
    round,
    survivors: people.length,
    sum,
    parent,
    parentHash: "c".repeat(64),
    optimiser,
    segments: [{ offset: 0, deltaOffset: 0, length: 20 }],
    describe: () => {
      throw new Error("the items are not described anew");
    },
  });
}

/** Entry → count of a release, rounded to three places; what rounding left of nothing is left out. */
function published({
  entries,
  counts,
}: {
  entries: Uint32Array;
  counts: Float32Array;
}): Record<number, number> {
  const pairs = Array.from(entries, (entry, i) => [entry, Math.round(counts[i]! * 1000) / 1000] as const);
  return Object.fromEntries(pairs.filter(([, count]) => count > 0));
}

describe("what a round carries", () => {
  const plan = testPlan({
    rounds: 5,
    signals: { popularity: { rounds: [1, 4] }, transitions: { rounds: [2] } },
  });
  const released = (round: number) => ({
    round,
    people: 4,
    deviation: 0,
    entries: new Uint32Array(),
    counts: new Float32Array(),
  });
  const popularity = (round: number) => ({ ...released(round), clusters: [] });
  const transitions = (round: number) => ({ ...released(round), items: new Uint32Array() });

  it("follows from the plan's rounds and what was released", () => {
    const at = (round: number, signals: Model["signals"]) =>
      contentOfRound(plan, { round, model: model({ signals: signals! }) });
    expect(at(1, {})).toBe("popularity");
    expect(at(2, { popularity: popularity(1) })).toBe("transitions");
    expect(at(3, { popularity: popularity(1), transitions: transitions(2) })).toBe("training");
    expect(at(4, { popularity: popularity(1), transitions: transitions(2) })).toBe("popularity");
    expect(at(5, { popularity: popularity(4), transitions: transitions(2) })).toBe("training");
  });

  it("is due again after a round that failed, the longest overdue first", () => {
    const at = (round: number, signals: Model["signals"]) =>
      contentOfRound(plan, { round, model: model({ signals: signals! }) });
    expect(at(3, {})).toBe("popularity");
    expect(at(4, { popularity: popularity(3) })).toBe("transitions");
    expect(at(5, { popularity: popularity(3), transitions: transitions(4) })).toBe("popularity");
  });

  it("is training in a plan without signals", () => {
    expect(contentOfRound(testPlan(), { round: 1, model: model() })).toBe("training");
  });
});

describe("a person's counts", () => {
  it("are the transitions within the window between different items that are counted", () => {
    const block = transitionCounts([7, 3, 9, 7, 7, 3], { counted: [3, 7], window: 2 });
    // 3 → 7 at distance 2; 7 → 3 at 1, and at 1 and 2 from the two sevens at the end. 9 is not counted, but takes a step.
    expect([...block]).toEqual([0, 1, 3, 0]);
    expect([...transitionCounts([3, 9, 9, 7], { counted: [3, 7], window: 2 })]).toEqual([0, 0, 0, 0]);
    expect([...transitionCounts([3, 9, 9, 7], { counted: [3, 7], window: 3 })]).toEqual([0, 1, 0, 0]);
  });

  it("are the items once each, in the rows of everybody and of their clusters", () => {
    const block = popularityCounts([2, 0, 2], { itemCount: 3, rows: 3, shares: [0.25, 0.75] });
    expect([...block]).toEqual([1, 0, 1, 0.25, 0, 0.25, 0.75, 0, 0.75]);
    expect([...popularityCounts([1], { itemCount: 3, rows: 1, shares: [1] })]).toEqual([0, 1, 0]);
  });
});

describe("the release of a signal", () => {
  it("is the plain sum over the people where there is no noise, and nothing else changes", () => {
    const plan = roomyPlan({ signals: both, privacy: withoutNoise });
    const parent = model();
    const first = release(plan, { signal: "popularity", parent, round: 1 });
    const { popularity } = first.model.signals!;
    const row = (number: number, counts: Record<number, number>) =>
      Object.fromEntries(
        Object.entries(counts).map(([item, count]) => [number * ITEMS + Number(item), count]),
      );
    expect(published(popularity!)).toEqual({
      ...row(0, { 0: 2, 1: 3, 2: 4, 5: 1, 29: 1 }),
      ...row(1, { 0: 1, 1: 1, 2: 1 }),
      ...row(2, { 0: 1, 1: 2, 2: 3, 5: 1, 29: 1 }),
    });
    expect(popularity).toMatchObject({ round: 1, people: 4, clusters: [0, 1, 2, 3] });
    expect(first.model).toMatchObject({
      round: 1,
      parent: "c".repeat(64),
      weights: parent.weights,
      centroids: parent.centroids,
    });
    expect(first).toMatchObject({ clusters: null, signal: { signal: "popularity", entries: 5 * ITEMS } });
    expect(first.optimiser.steps).toBe(0);
    expect(first.loss).toBeCloseTo(2, 3);
    expect(first.silhouette).toBeCloseTo(0.5, 3);

    const second = release(plan, { signal: "transitions", parent: first.model, round: 2 });
    expect(second.model.signals!.popularity).toEqual(popularity);
    const plain: Record<number, number> = {};
    for (const items of people)
      for (let t = 1; t < items.length; t++)
        for (let s = Math.max(0, t - 5); s < t; s++)
          if (items[s] !== items[t])
            plain[items[s]! * ITEMS + items[t]!] = (plain[items[s]! * ITEMS + items[t]!] ?? 0) + 1;
    expect(published(second.model.signals!.transitions!)).toEqual(plain);
  });

  it("counts transitions between the most popular items where the plan says how many", () => {
    const signals = { popularity: { rounds: [1] }, transitions: { rounds: [2], items: 2 } };
    const plan = roomyPlan({ signals, privacy: withoutNoise });
    const { model: parent } = release(plan, { signal: "popularity", parent: model(), round: 1 });
    expect([...countedItems(plan, parent)]).toEqual([2, 1]);
    const { transitions } = release(plan, { signal: "transitions", parent, round: 2 }).model.signals!;
    expect([...transitions!.items]).toEqual([2, 1]);
    expect(published(transitions!)).toEqual({ 2: 3 });
  });

  it("bounds what one person adds by the clip norm", () => {
    const clipped = roomyPlan({ signals: { popularity: { rounds: [1], clip: 0.5 } }, privacy: withoutNoise });
    const { model: next } = release(clipped, { signal: "popularity", parent: model(), round: 1 });
    const everybody = everybodysPopularity(next.signals!.popularity, ITEMS);
    // Four people of 3, 3, 3 and 2 items, each item in two rows.
    expect(everybody[2]).toBeCloseTo((3 * 0.5) / Math.sqrt(6) + 0.5 / Math.sqrt(4), 3);
  });

  it("keeps what stands out of the noise, whose deviation is what the release says", () => {
    const privacy = { mechanism: "distributed-discrete-gaussian", epsilon: 8, modulusBits: 28 };
    const plan = roomyPlan({ signals: { popularity: { rounds: [1], significance: 0 } }, privacy });
    const { popularity } = release(plan, { signal: "popularity", parent: model(), round: 1 }).model.signals!;
    const { deviation, entries, counts } = popularity!;
    expect(deviation).toBeGreaterThan(1);
    // Of noise around zero about half is above it; a count is off by a few deviations at the most.
    expect(entries.length).toBeGreaterThan(40);
    expect(entries.length).toBeLessThan(110);
    const squares = counts.reduce((sum, count) => sum + (count / deviation) ** 2, 0) / counts.length;
    expect(squares).toBeGreaterThan(0.5);
    expect(squares).toBeLessThan(2);
    const strict = roomyPlan({ signals: { popularity: { rounds: [1], significance: 2 } }, privacy });
    const kept = release(strict, { signal: "popularity", parent: model(), round: 1 }).model.signals!
      .popularity!;
    expect(kept.entries.length).toBeLessThan(20);
    expect(Math.min(...kept.counts)).toBeGreaterThanOrEqual(2 * deviation * (1 - 1e-6));
  });
});

describe("signals of several rounds", () => {
  const carrying = (carry: number | undefined, privacy: object = withoutNoise) =>
    roomyPlan({
      rounds: 4,
      signals: {
        popularity: { rounds: [1, 2, 4], ...(carry !== undefined && { carry }) },
        transitions: { rounds: [3], items: ITEMS },
      },
      privacy,
    });
  const after = (plan: Plan, rounds: readonly [SignalName, number][]) => {
    let last: ReturnType<typeof release> | undefined;
    for (const [signal, round] of rounds) {
      const { model: parent = model(), optimiser } = last ?? {};
      last = release(plan, { signal, parent, round, ...(optimiser && { optimiser }) });
    }
    return last!;
  };
  const everybody = ({ model }: ReturnType<typeof release>) => [
    ...everybodysPopularity(model.signals!.popularity, ITEMS).subarray(0, 6),
  ];

  it("add up as far as the plan carries them on, other signals between them", () => {
    const rounds: [SignalName, number][] = [
      ["popularity", 1],
      ["popularity", 2],
      ["transitions", 3],
      ["popularity", 4],
    ];
    const whole = after(carrying(1), rounds);
    expect(everybody(whole).map(Math.round)).toEqual([6, 9, 12, 0, 0, 3]);
    expect(whole.model.signals!.popularity).toMatchObject({ round: 4, people: 12 });
    const half = after(carrying(0.5), rounds);
    // 1 + .5 + .25 times the counts of one round, and of its people.
    expect(everybody(half)[2]).toBeCloseTo(4 * 1.75, 3);
    expect(half.model.signals!.popularity!.people).toBe(7);
    const newest = after(carrying(undefined), rounds);
    expect(everybody(newest).map(Math.round)).toEqual([2, 3, 4, 0, 0, 1]);
    expect(newest.optimiser.carried).toBeUndefined();
  });

  it("have the noise of a sum of rounds, below which counts are kept back and carried on all the same", () => {
    const noisy = carrying(1, { mechanism: "distributed-discrete-gaussian", epsilon: 8, modulusBits: 28 });
    const one = after(noisy, [["popularity", 1]]);
    const two = after(noisy, [
      ["popularity", 1],
      ["popularity", 2],
    ]);
    const { deviation } = one.model.signals!.popularity!;
    expect(two.model.signals!.popularity!.deviation).toBeCloseTo(Math.SQRT2 * deviation, 9);
    expect(one.model.signals!.popularity!.entries.length).toBeLessThan(20);
    expect(one.optimiser.carried!.popularity!.sums).toHaveLength(5 * ITEMS);
    expect(one.optimiser.carried!.popularity!.sums.filter((sum) => sum < 0).length).toBeGreaterThan(40);
    expect(two.signal!.deviation).toBe(two.model.signals!.popularity!.deviation);
  });

  it("begin anew where they count something else", () => {
    const counts = (counted: number[], sum: number) => ({
      ...{ sums: Float32Array.of(sum, 0), people: 3, deviation: 2 },
      counted: Uint32Array.from(counted),
    });
    const latest = counts([4, 5], 2);
    expect(carriedOn(undefined, { latest, carry: 1 })).toBe(latest);
    expect(carriedOn(counts([5, 4], 7), { latest, carry: 1 })).toBe(latest);
    expect(carriedOn({ ...latest, sums: Float32Array.of(1) }, { latest, carry: 1 })).toBe(latest);
    expect(carriedOn(counts([4, 5], 7), { latest, carry: 1 }).sums[0]).toBe(9);
  });
});

describe("a plan with signals", () => {
  const privacy = { mechanism: "distributed-discrete-gaussian", epsilon: 8, modulusBits: 24 };
  const accepts = { maximumEpsilon: 10, maximumDelta: 1e-5, minimumSurvivors: 3 };
  const suite = { verify: () => true };
  const verify = (plan: Plan) => verifyPlan({ plan, signature: "0".repeat(128) }, { floors: accepts, suite });

  it("costs a round that collects what a round that trains costs, and is accepted", () => {
    const plan = testPlan({ signals: both, privacy });
    expect(verify(plan).ok).toBe(true);
    expect(planEpsilon(plan, 3)).toBeLessThanOrEqual(8);
    for (const name of ["popularity", "transitions"] as const) {
      const blocks = signalBlocks(plan, name);
      expect(blocks.map((block) => block.name)).toEqual([name, "evaluation"]);
      expect(blocks.reduce((sum, { weight }) => sum + weight ** 2, 0)).toBeCloseTo(1, 12);
    }
  });

  it("makes no round larger unless the operator says so", () => {
    const training = testPlan({ privacy }).resolved.mechanism.paddedLength;
    const signals = { popularity: { rounds: [1] }, transitions: { rounds: [2] } };
    const plan = roomyPlan({ signals, privacy });
    expect(plan.resolved.mechanism.paddedLength).toBe(214);
    expect(signalBlocks(plan, "popularity")[0]!.length).toBe(5 * ITEMS);
    expect(signalBlocks(plan, "transitions")[0]!.length).toBe(14 ** 2);
    expect(signalBlocks(testPlan({ signals, privacy }), "popularity")[0]!.length).toBe(ITEMS);
    const larger = testPlan({ signals: { transitions: { items: ITEMS } }, privacy });
    expect(larger.resolved.mechanism.paddedLength).toBe(ITEMS ** 2 + 2);
    expect(training).toBeLessThan(ITEMS ** 2);
  });

  it("is refused when its items are more than any vector holds", () => {
    const plan = testPlan({ signals: { popularity: {} }, privacy });
    expect(verify({ ...plan, resolved: { ...plan.resolved, itemCount: 2 ** 40 } })).toMatchObject({
      ok: false,
      rejection: { code: "plan-invalid", field: "plan.resolved.blocks" },
    });
  });

  it("is refused when its blocks do not follow from it", () => {
    const plan = testPlan({ signals: both, privacy });
    const { signals } = plan.resolved;
    const altered = (change: object): Plan => ({
      ...plan,
      resolved: {
        ...plan.resolved,
        signals: { ...signals, popularity: signals!.popularity!.map((block) => ({ ...block, ...change })) },
      },
    });
    for (const change of [{ clip: 1e-6 }, { length: 7 }, { weight: 0.5 }])
      expect(verify(altered(change))).toMatchObject({
        ok: false,
        rejection: { code: "plan-invalid", field: "plan.resolved.blocks" },
      });
    expect(verify(plan).ok).toBe(true);
  });

  it("must release a popularity before transitions between the most popular items", () => {
    expect(() => testPlan({ signals: { transitions: { items: 4 } } })).toThrow(
      expect.objectContaining({
        rejection: expect.objectContaining({ field: "plan.signals.popularity.rounds" }),
      }),
    );
  });
});

describe("the signals of a model", () => {
  const plan = roomyPlan({ signals: both, privacy: withoutNoise });
  const released = {
    round: 1,
    people: 4,
    deviation: 0,
    entries: Uint32Array.of(3),
    counts: Float32Array.of(1),
  };
  const transitions = { ...released, items: countedItems(plan, model()) };
  const popularity = { ...released, clusters: [0] };

  it("are refused when they are not the plan's", () => {
    const field = (signals: Model["signals"], of: Plan = plan) => {
      const checked = checkSignals(of, { signals: signals!, round: 1 });
      return checked.ok ? null : checked.rejection.field;
    };
    expect(field({ transitions, popularity })).toBeNull();
    expect(field({ popularity }, testPlan())).toBe("model.signals.popularity");
    expect(field({ popularity: { ...popularity, round: 2 } })).toBe("model.signals.popularity");
    expect(field({ popularity: { ...popularity, entries: Uint32Array.of(5 * ITEMS) } })).toBe(
      "model.signals.popularity",
    );
    expect(field({ popularity: { ...popularity, clusters: [0, 1, 2, 3, 4] } })).toBe(
      "model.signals.popularity",
    );
    expect(field({ transitions: { ...transitions, items: transitions.items.slice(1) } })).toBe(
      "model.signals.transitions",
    );
    expect(field({ transitions: { ...transitions, items: transitions.items.map(() => 0) } })).toBe(
      "model.signals.transitions",
    );
  });
});
