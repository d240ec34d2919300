import { encoderLayout } from "@kindred/encoder/layout";
import { resolvePlan } from "@kindred/engine";
import { parsePlanInput, unnamedClustering } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { stubEncoder } from "../test/stub-encoder.ts";
import { DIMENSION as AXES, ITEMS as CATALOGUE } from "../test/test-task.ts";
import { createWorld } from "../test/world.ts";
import { computeContribution } from "./contribution.ts";
import { evaluateHeldOut } from "./held-out-evaluation.ts";

const DIMENSION = 4;
const ITEMS = 8;
const axis = (i: number): number[] => Array.from({ length: DIMENSION }, (_, j) => +(i === j));

const RATING_TENSORS = 1 + ITEMS;
const plan = resolvePlan(
  parsePlanInput({
    task: "x",
    encoder: {
      dimension: DIMENSION,
      heads: 1,
      layers: 1,
      feedForward: 4,
      sequenceLength: 4,
      itemDeltaRank: 0,
    },
    training: { ratings: {} },
    evaluation: {},
    cohort: { minimum: 8, target: 10, maximum: 12, minSurvivors: 6 },
    privacy: { mechanism: "none" },
    clustering: { clusters: 2 },
  }),
  { coordinatorKey: "a".repeat(64), catalogueHash: "b".repeat(64), itemCount: ITEMS, modelLength: 5 },
);
const { length } = encoderLayout(plan.encoder, ITEMS, plan.training);
const weights = new Float32Array(length);
weights[length - RATING_TENSORS] = 0.5;

const loaded = {
  hash: "m",
  file: new Uint8Array(),
  model: {
    task: "x",
    round: 0,
    parent: "",
    weights,
    centroids: Float32Array.from([...axis(0), ...axis(1)]),
    clusters: 2,
    cells: new Float32Array(),
    clustering: unnamedClustering(2),
  },
};
const encoder = stubEncoder({ items: ITEMS, dimension: DIMENSION, modelLength: 5 });
const sequence = (items: readonly number[], ratings?: readonly number[]) => ({
  items,
  actions: items.map(() => 0),
  times: items.map((_, i) => i * 1000),
  ...(ratings && { ratings }),
});
const evaluate = (...args: Parameters<typeof sequence>) =>
  evaluateHeldOut(sequence(...args), { plan, loaded, encoder });

describe("the interaction that a device holds out", () => {
  it("is ranked by what came before it, among what was not seen", async () => {
    // Item 0 was seen, so item 4, on its axis, comes first of the unseen.
    expect(await evaluate([0, 4])).toMatchObject({ rank: 1, expectedCluster: true });
    expect(await evaluate([0, 5])).toMatchObject({ rank: 5, expectedCluster: false });
    const { loss } = (await evaluate([0, 4]))!;
    const scores = Array.from({ length: ITEMS }, (_, i) => +(i % DIMENSION === 0) - i / 1000);
    expect(loss).toBeCloseTo(Math.log(scores.reduce((sum, s) => sum + Math.exp(s), 0)) - scores[4]!, 5);
  });

  it("is none where nothing came before it, or where it is no news", async () => {
    expect(await evaluate([3])).toBeUndefined();
    expect(await evaluate([])).toBeUndefined();
    expect(await evaluate([3, 2, 3])).toBeUndefined();
  });

  it("lies in the expected cluster by the next-interest head, where there is one, and is ranked by the scores", async () => {
    const saying = {
      ...encoder,
      interestScores: async () =>
        Float32Array.from({ length: ITEMS }, (_, item) => (item % DIMENSION === 1 ? 9 : 0)),
    };
    const interested = { ...plan, training: { ...plan.training, interests: { weight: 1, groups: 2 } } };
    const evaluated = (of: typeof plan, items: readonly number[]) =>
      evaluateHeldOut(sequence(items), { plan: of, loaded, encoder: saying });
    expect(await evaluated(interested, [0, 4])).toMatchObject({ rank: 1, expectedCluster: false });
    expect(await evaluated(interested, [0, 5])).toMatchObject({ rank: 5, expectedCluster: true });
    expect(await evaluated(plan, [0, 5])).toMatchObject({ rank: 5, expectedCluster: false });
  });

  it("has the error of its predicted rating where it was rated", async () => {
    expect(await evaluate([0, 4], [Number.NaN, 0.8])).toMatchObject({ ratingError: expect.closeTo(-0.3, 6) });
    const { ratingError } = (await evaluate([0, 4], [1, 0.8]))!;
    expect(ratingError).toBeGreaterThan(-0.3);
    expect(await evaluate([0, 4])).not.toHaveProperty("ratingError");
  });

  it("is kept out of training, and enters the contribution as entries of the evaluation block", async () => {
    const trainedOn: number[][] = [];
    const watched = {
      ...encoder,
      train: (...args: Parameters<typeof encoder.train>) => {
        trainedOn.push(Array.from(args[1].sequence.items));
        return encoder.train(...args);
      },
    };
    const contribution = (items: readonly number[]) =>
      computeContribution({
        plan,
        loaded,
        round: 1,
        sequence: sequence(items),
        encoder: watched,
        random: (size) => new Uint8Array(size),
      });
    const { evaluation } = await contribution([1, 0, 5]);
    expect(trainedOn).toEqual([[1, 0]]);
    expect(evaluation).toHaveLength(10);
    expect([...evaluation.subarray(2, 5)]).toEqual([1, 1, expect.closeTo(1 / Math.log2(3), 6)]);
    const short = await contribution([0, 4]);
    expect(trainedOn).toHaveLength(1);
    expect(short.model.every((value) => value === 0)).toBe(true);
    expect(short.evaluation[2]).toBe(1);
    expect((await contribution([])).evaluation.every((value) => value === 0)).toBe(true);
  });
});

describe("a round whose plan holds interactions out", () => {
  it("publishes what the cohort found in its record, and nothing of it otherwise", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 1, evaluation: {} } });
    await world.begin();
    await world.reach("finished");
    const { heldOut } = world.coordinator.records.at(-1)!;
    // Person p recorded items p, p + 1 and p + 2. The stub scores by the axes of the first two, lower items first, so
    // that p + 2 comes behind the unseen items on those axes and some of its own score.
    const ranks = [0, 1, 2, 3, 4].map((person) => {
      const known = [person, person + 1];
      const scores = Array.from(
        { length: CATALOGUE },
        (_, item) => known.filter((one) => item % AXES === one % AXES).length / 2 - item / 1000,
      );
      const target = person + 2;
      return scores.filter((score, item) => !known.includes(item) && score >= scores[target]!).length;
    });
    expect(heldOut?.share).toBeCloseTo(1, 3);
    expect(heldOut?.hr10).toBeCloseTo(ranks.filter((rank) => rank <= 10).length / 5, 2);
    const gains = ranks.map((rank) => (rank <= 10 ? 1 / Math.log2(rank + 1) : 0));
    expect(heldOut?.ndcg10).toBeCloseTo(gains.reduce((sum, gain) => sum + gain, 0) / 5, 2);
    const plain = await createWorld({ people: 5, plan: { rounds: 1 } });
    await plain.begin();
    await plain.reach("finished");
    expect(plain.coordinator.records.at(-1)).not.toHaveProperty("heldOut");
  });
});
