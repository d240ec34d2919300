/** Whether an auditor finds out where a coordinator claims of collected counts what its ledger does not prove. */
import { type Model, planDigest, type ReleasedSignal, type SignalName } from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { describe, expect, it } from "vitest";
import { coordinatorSigner } from "../../engine/test/test-task.ts";
import { verifyLedger } from "../src/verify/index.ts";
import { modelFiles, republished, type SignalLedger, signed, simulateSignalLedger } from "./signal-ledger.ts";

const { verify } = nodeSuite();
const noisy = { mechanism: "distributed-discrete-gaussian", epsilon: 8, modulusBits: 28 };

/** Rounds and rules of what is found wrong. */
function found({ entries, models }: SignalLedger): (string | number | undefined)[][] {
  const audit = { verify, key: coordinatorSigner.publicKey, models: modelFiles(models) };
  const { tasks, violations } = verifyLedger(entries, audit);
  const rounds = new Map(tasks[0]!.models.map(({ entry, round }) => [entry, round]));
  return violations.map(({ entry, rule }) => [rounds.get(entry), rule]);
}

/** What the releases of a signal say of themselves. */
function releases({ models }: SignalLedger, name: SignalName): ReleasedSignal[] {
  return [...models.values()].flatMap(({ round, signals }) => {
    const signal = signals?.[name];
    return signal?.round === round ? [signal] : [];
  });
}

const roundsAndPeople = (task: SignalLedger, name: SignalName) =>
  releases(task, name).map(({ round, people }) => [round, people]);

/** Popularity in rounds 1, 2, 4 and 6, transitions between the four most popular items in 3 and 5; 7 trains. */
const planned = (carry: number | undefined) => {
  const carried = carry === undefined ? {} : { carry };
  return {
    rounds: 7,
    signals: {
      popularity: { rounds: [1, 2, 4, 6], ...carried },
      transitions: { rounds: [3, 5], items: 4, ...carried },
    },
  };
};

/** Somebody vanishes in round 2, before masking. */
const deliver = (client: number, message: { readonly type: string; readonly round?: number }) =>
  client > 0 || message.type !== "inbox" || message.round !== 2;

const newest = simulateSignalLedger({ ...planned(undefined), privacy: noisy, deliver });
const carried = simulateSignalLedger({ ...planned(1), privacy: noisy, deliver });

/** A coordinator that changes what a round says of the signal that it collected. */
function claiming(
  task: SignalLedger,
  round: number,
  change: (signal: ReleasedSignal) => Partial<ReleasedSignal>,
): SignalLedger {
  return republished(task, (model) => {
    if (model.round !== round) return model;
    const changed = Object.entries(model.signals!).map(([name, signal]) =>
      signal.round === round ? [name, { ...signal, ...change(signal) }] : [name, signal],
    );
    return { ...model, signals: Object.fromEntries(changed) as NonNullable<Model["signals"]> };
  });
}

describe("the signals of an honest coordinator", () => {
  it("pass where the newest stands for all, over the survivors of its round", () => {
    expect(found(newest)).toEqual([]);
    expect(roundsAndPeople(newest, "popularity")).toEqual([
      [1, 6],
      [2, 5],
      [4, 6],
      [6, 6],
    ]);
    expect([...newest.models.values()].at(-1)!.signals!.popularity!.round).toBe(6);
  });

  it("pass where sums are carried on, and begin anew where other items are counted", () => {
    expect(found(carried)).toEqual([]);
    expect(roundsAndPeople(carried, "popularity").map(([, people]) => people)).toEqual([6, 11, 17, 23]);
    const [one, , , four] = releases(carried, "popularity");
    expect(four!.deviation / one!.deviation).toBeCloseTo(Math.sqrt(23 / 6), 9);
    const [before, after] = [...carried.models.values()].filter(({ round }) => round === 3 || round === 5);
    expect(after!.signals!.transitions!.items).not.toEqual(before!.signals!.transitions!.items);
    expect(after!.signals!.transitions!.people).toBe(6);
  });

  it("pass where a share of the sums is carried on, and where surplus noise is removed", () => {
    const privacy = { ...noisy, noise: { design: "add-then-remove", levels: 2 } };
    const task = simulateSignalLedger({ ...planned(0.5), privacy, deliver });
    expect(found(task)).toEqual([]);
    expect(roundsAndPeople(task, "popularity").map(([, people]) => people)).toEqual([6, 8, 10, 11]);
  });
});

describe.each([
  ["popularity of one round", newest, 4],
  ["transitions of one round", newest, 5],
  ["popularity that was carried on", carried, 4],
  ["popularity of which others follow", carried, 1],
  ["transitions that begin anew", carried, 5],
] as const)("%s", (_, task, round) => {
  it.each<[string, (signal: ReleasedSignal) => Partial<ReleasedSignal>]>([
    ["more people", ({ people }) => ({ people: people + 1 })],
    ["fewer people", ({ people }) => ({ people: people - 1 })],
    ["less noise", ({ deviation }) => ({ deviation: 0.999 * deviation })],
    ["no noise", () => ({ deviation: 0 })],
    ["more noise", ({ deviation }) => ({ deviation: 1.001 * deviation })],
  ])("is caught with %s than the ledger proves", (__, change) => {
    expect(found(claiming(task, round, () => ({})))).toEqual([]);
    expect(found(claiming(task, round, change))).toEqual([[round, "model-signal"]]);
  });
});

describe("sums that do not follow", () => {
  it("are caught in every round that goes on from them", () => {
    let inflated = carried;
    for (const round of [2, 4, 6])
      inflated = claiming(inflated, round, ({ people }) => ({ people: people + 40 }));
    expect(found(inflated)).toEqual([2, 4, 6].map((round) => [round, "model-signal"]));
  });

  it("are caught where they are carried on although other items are counted, or by a plan that carries nothing", () => {
    const [before] = releases(carried, "transitions");
    const joined = ({ people, deviation }: ReleasedSignal) => ({
      people: people + before!.people,
      deviation: Math.hypot(deviation, before!.deviation),
    });
    expect(found(claiming(carried, 5, joined))).toEqual([[5, "model-signal"]]);
    const [, { people, deviation }] = releases(carried, "popularity") as [ReleasedSignal, ReleasedSignal];
    expect(found(claiming(newest, 2, () => ({ people, deviation })))).toEqual([[2, "model-signal"]]);
  });

  it("are caught where the items are said to be those of before", () => {
    const { items } = [...carried.models.values()].find(({ round }) => round === 3)!.signals!.transitions!;
    expect(found(claiming(carried, 5, () => ({ items }) as object))).toEqual([[5, "model-content"]]);
  });

  it("are caught where the identities of clusters are made up", () => {
    expect(found(claiming(newest, 2, () => ({ clusters: [7] }) as object))).toEqual([[2, "model-content"]]);
  });
});

describe("rounds", () => {
  const forRoom = { ...planned(1), rounds: 8 };
  const rolledBack = simulateSignalLedger({ ...forRoom, rollBack: { after: 2, to: 1 } });

  it("that failed add nothing, and hand their duty on", () => {
    const task = simulateSignalLedger({ ...forRoom, breaksAt: [2] });
    expect(found(task)).toEqual([]);
    expect(roundsAndPeople(task, "popularity").map(([round]) => round)).not.toContain(2);
    expect(releases(task, "popularity").at(1)!.people).toBe(12);
    expect(found(claiming(task, 3, ({ people }) => ({ people: people + 6 })))).toEqual([[3, "model-signal"]]);
  });

  it("after a roll-back add to nothing from before it", () => {
    expect(found(rolledBack)).toEqual([]);
    const [, , first, second] = roundsAndPeople(rolledBack, "popularity");
    expect(first).toEqual([4, 6]);
    expect(second![1]).toBe(12);
    for (const more of [6, 12])
      expect(found(claiming(rolledBack, 4, ({ people }) => ({ people: people + more })))).toEqual([
        [4, "model-signal"],
      ]);
  });

  it("that trained cannot have collected anything, and those that collected cannot hide it", () => {
    const madeUp = republished(newest, (model) => {
      const { popularity } = model.signals ?? {};
      if (model.round !== 7 || popularity === undefined) return model;
      return { ...model, signals: { ...model.signals, popularity: { ...popularity, round: 7 } } };
    });
    expect(found(madeUp)).toEqual([[7, "model-content"]]);
    const hidden = republished(newest, (model) => {
      if (model.round !== 5) return model;
      const { transitions: _, ...signals } = model.signals!;
      return { ...model, signals };
    });
    expect(found(hidden)[0]).toEqual([5, "model-content"]);
  });
});

describe("where a model file is not there", () => {
  const without = (task: SignalLedger, missing: number): SignalLedger => ({
    ...task,
    models: new Map([...task.models].filter(([, { round }]) => round !== missing)),
  });
  const gone = [2, "model-missing"];

  it("what the next release says is held between its own round and all of them", () => {
    expect(found(without(carried, 2))).toEqual([gone]);
    const inflated = (by: number) =>
      without(
        claiming(carried, 4, ({ people }) => ({ people: people + by })),
        2,
      );
    // Rounds 1 to 4 have 23 people, of which round 3 collected something else.
    expect(found(inflated(6))).toEqual([gone, [6, "model-signal"]]);
    expect(found(inflated(7))).toEqual([gone, [4, "model-signal"], [6, "model-signal"]]);
    const [own] = releases(newest, "popularity");
    const quieter = claiming(carried, 4, () => ({ deviation: 0.9 * own!.deviation }));
    expect(found(without(quieter, 2))).toContainEqual([4, "model-signal"]);
  });

  it("a signal that is not carried on is held to its round all the same", () => {
    const inflated = claiming(newest, 4, ({ people }) => ({ people: people + 1 }));
    expect(found(without(inflated, 2))).toEqual([gone, [4, "model-signal"]]);
  });
});

it("does not rely on a plan whose blocks do not follow from it", () => {
  const contents = newest.entries.map(({ body, time }) => {
    if (body.kind !== "plan-accepted") return { body, time };
    const { resolved } = body.plan;
    const signals = { ...resolved.signals };
    signals.popularity = signals.popularity!.map((block) => ({ ...block, clip: block.clip / 2 }));
    const plan = { ...body.plan, resolved: { ...resolved, signals } };
    return { time, body: { ...body, plan, planDigest: planDigest(plan) } };
  });
  const rules = found({ entries: signed(contents), models: newest.models }).map(([, rule]) => rule);
  expect(rules).toContain("plan");
  expect(rules).not.toContain("model-signal");
});
