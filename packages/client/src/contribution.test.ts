import { resolvePlan } from "@kindred/engine";
import { type Model, parsePlanInput, unnamedClustering } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { stubEncoder } from "../test/stub-encoder.ts";
import { checkModelShape, computeContribution } from "./contribution.ts";

const DIMENSION = 4;
const ITEMS = 8;
const axis = (i: number): number[] => Array.from({ length: DIMENSION }, (_, j) => +(i === j));

function planWith(clustering: Record<string, unknown>) {
  const input = parsePlanInput({
    task: "x",
    encoder: { dimension: DIMENSION, heads: 1, itemDeltaRank: 0 },
    cohort: { minimum: 8, target: 10, maximum: 12, minSurvivors: 6 },
    privacy: { mechanism: "none" },
    clustering: { clusters: 2, ...clustering },
  });
  return resolvePlan(input, {
    coordinatorKey: "a".repeat(64),
    catalogueHash: "b".repeat(64),
    itemCount: ITEMS,
    modelLength: 5,
  });
}

function modelWith(changes: Partial<Model> = {}): Model {
  return {
    task: "x",
    round: 0,
    parent: "",
    weights: new Float32Array(5),
    centroids: Float32Array.from([...axis(0), ...axis(1)]),
    clusters: 2,
    cells: Float32Array.from([0, 1, 2, 3].flatMap(axis)),
    clustering: unnamedClustering(2),
    ...changes,
  };
}

const sequence = (items: readonly number[]) => ({
  items,
  actions: items.map(() => 0),
  times: items.map((_, i) => i * 1000),
});

function contribution(items: readonly number[], clustering = {}, model = modelWith()) {
  return computeContribution({
    plan: planWith(clustering),
    loaded: { hash: "m", file: new Uint8Array(), model },
    round: 1,
    sequence: sequence(items),
    encoder: stubEncoder({ items: ITEMS, dimension: DIMENSION, modelLength: 5 }),
    random: (length) => new Uint8Array(length),
  });
}

describe("the counts of a contribution", () => {
  it("are by the micro-clusters where the model has them", async () => {
    const { counts, sums } = await contribution([2, 6, 2]);
    expect(counts.length).toBeGreaterThan(4);
    expect([...counts.subarray(0, 4)]).toEqual([0, 0, 1, 0]);
    expect(counts.subarray(4).every((value) => value === 0)).toBe(true);
    expect([...sums.subarray(8, 12)]).toEqual([0, 0, 1, 0]);
    expect(sums.reduce((sum, value) => sum + Math.abs(value), 0)).toBe(1);
  });

  it("are by the clusters where it has none, in the first entries of their blocks", async () => {
    const { counts, sums } = await contribution([1, 5], {}, modelWith({ cells: new Float32Array() }));
    expect([...counts.subarray(0, 3)]).toEqual([0, 1, 0]);
    expect([...sums.subarray(4, 8)]).toEqual([0, 1, 0, 0]);
  });

  it("are shared out among several interests, and still sum to one", async () => {
    const { counts, sums } = await contribution([0, 4, 3, 0, 7, 4], { interests: 3 });
    expect(counts[0]).toBeGreaterThan(0.5);
    expect(counts[3]).toBeGreaterThan(0.2);
    expect(counts[0]! + counts[3]!).toBeCloseTo(1, 12);
    expect(Math.hypot(...sums)).toBeLessThanOrEqual(1);
    const one = await contribution([0, 4, 3, 0, 7, 4], { interests: 1 });
    expect([...one.counts.subarray(0, 4)]).toEqual([1, 0, 0, 0]);
  });
});

describe("a model's clusters", () => {
  const loaded = (changes: Partial<Model>) => ({
    hash: "m",
    file: new Uint8Array(),
    model: modelWith(changes),
  });
  const plan = planWith({});
  const field = (changes: Partial<Model>): string => {
    try {
      checkModelShape(loaded(changes), plan);
      return "accepted";
    } catch (error) {
      return (error as { rejection: { field: string } }).rejection.field;
    }
  };

  it("may be fewer than the plan's, and no more", () => {
    expect(field({})).toBe("accepted");
    expect(field({ centroids: Float32Array.from(axis(0)), clusters: 1 })).toBe("accepted");
    const three = Float32Array.from([0, 1, 2].flatMap(axis));
    expect(field({ centroids: three, clusters: 3 })).toBe("model.centroids");
    expect(field({ clusters: 1 })).toBe("model.centroids");
  });

  it("are counted by no more cells than the vector has room for", () => {
    const room = plan.resolved.blocks[1]!.length;
    expect(field({ cells: new Float32Array(room * DIMENSION) })).toBe("accepted");
    expect(field({ cells: new Float32Array((room + 1) * DIMENSION) })).toBe("model.cells");
  });
});

describe("the signal of a contribution", () => {
  const signals = { popularity: {}, transitions: { items: 3 } };
  const planOf = () =>
    resolvePlan(
      parsePlanInput({
        task: "films",
        encoder: { dimension: DIMENSION, heads: 1, itemDeltaRank: 0 },
        privacy: { mechanism: "none" },
        clustering: { clusters: 3 },
        signals,
      }),
      { coordinatorKey: "a".repeat(64), catalogueHash: "b".repeat(64), itemCount: ITEMS, modelLength: 5 },
    );
  const collect = (items: readonly number[], { round, model }: { round: number; model: Model }) =>
    computeContribution({
      plan: planOf(),
      loaded: { hash: "m", file: new Uint8Array(), model },
      round,
      sequence: sequence(items),
      encoder: stubEncoder({ items: ITEMS, dimension: DIMENSION, modelLength: 5 }),
      random: (length) => new Uint8Array(length),
    });
  const popularity = {
    round: 1,
    people: 40,
    deviation: 1,
    entries: Uint32Array.of(2, 4, 6),
    counts: Float32Array.of(5, 30, 9),
    clusters: [0, 1, 2],
  };

  it("is the person's items in the first round, in everybody's row and their cluster's", async () => {
    const { content, signal } = await collect([1, 5], { round: 1, model: modelWith() });
    expect(content).toBe("popularity");
    const rows = Array.from({ length: 4 }, (_, row) => [...signal.subarray(row * ITEMS, (row + 1) * ITEMS)]);
    const own = Array.from({ length: ITEMS }, (_, item) => (item === 1 || item === 5 ? 1 : 0));
    const nobody = own.map(() => 0);
    expect(rows).toEqual([own, nobody, own, nobody]);
  });

  it("is the transitions between the most popular items in the second", async () => {
    const model = modelWith({ round: 1, signals: { popularity } });
    const { content, signal } = await collect([2, 1, 4], { round: 2, model });
    expect(content).toBe("transitions");
    // 4, 6 and 2 by popularity: 2 → 4 is the entry of row 2, column 0.
    expect([...signal]).toEqual([0, 0, 0, 0, 0, 0, 1, 0, 0]);
    expect(await collect([], { round: 2, model })).toMatchObject({ content, signal: new Float64Array(9) });
  });

  it("is nothing once both are collected, and a model with a signal of a later round is refused", async () => {
    const transitions = { ...popularity, round: 2, items: Uint32Array.of(4, 6, 2) };
    const model = modelWith({ round: 2, signals: { popularity, transitions } });
    expect(await collect([1, 2], { round: 3, model })).toMatchObject({ content: "training" });
    const early = modelWith({ round: 1, signals: { popularity, transitions } });
    await expect(collect([], { round: 2, model: early })).rejects.toMatchObject({
      rejection: { code: "model-invalid", field: "model.signals.transitions" },
    });
  });
});
