import {
  InterestEncoder,
  itemFeatures,
  loadBackend,
  nextItemRanks,
  rankingMetrics,
  type Sequence,
} from "@kindred/encoder";
import { planMechanism, resolvePlan } from "@kindred/engine";
import { coordinatorEpsilon, delta } from "@kindred/privacy";
import { parsePlanInput } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { type FederatedRoundReport, simulateFederated } from "./federated.ts";
import { userSequences } from "./sequences.ts";
import { syntheticPopulation } from "./synthetic.ts";

const population = syntheticPopulation({ users: 40, items: 60, groups: 3, seed: 1, eventsPerUser: 8 });
const plan = parsePlanInput({
  task: "test",
  rounds: 6,
  encoder: {
    layers: 1,
    dimension: 8,
    heads: 1,
    feedForward: 16,
    sequenceLength: 8,
    dropout: 0,
    itemDeltaRank: 2,
    textBuckets: 512,
  },
  training: { learningRate: 0.1 },
  server: { learningRate: 0.02 },
  privacy: { epsilon: 8, blocks: { model: { clip: 0.3 } } },
  clustering: { clusters: 3 },
});
const features = itemFeatures(
  population.items.map((item) => ({ ...item, tags: [...item.tags] })),
  plan.encoder,
);
async function run(noiseCohort: number, { clusterFrom = 1, changes = {} as Partial<typeof plan> } = {}) {
  const backend = await loadBackend();
  const encoder = InterestEncoder.create({
    backend,
    shape: plan.encoder,
    training: plan.training,
    features,
    itemCount: 60,
  });
  const before = encoder.getWeights();
  const losses: number[] = [];
  const result = await simulateFederated({
    plan: { ...plan, ...changes },
    encoder,
    sequences: userSequences(population),
    items: population.items,
    cohort: 30,
    noiseCohort,
    clusterFrom,
    seed: 3,
    onRound: ({ loss }) => {
      losses.push(loss);
    },
  });
  const weights = encoder.getWeights();
  const moved = Math.sqrt(weights.reduce((sum, value, i) => sum + (value - before[i]!) ** 2, 0));
  const length = encoder.trainable.length;
  encoder.dispose();
  return { result, losses, moved, length };
}

/** Rounds of everybody, under a plan that holds interactions out or not. */
async function runAll(evaluation: boolean, { noiseCohort = 0, cut = 0 } = {}) {
  const encoder = InterestEncoder.create({
    backend: await loadBackend(),
    shape: plan.encoder,
    training: plan.training,
    features,
    itemCount: 60,
  });
  const sequences = userSequences(population);
  const users = sequences.flatMap((sequence) => {
    const items = Array.from(sequence.items);
    const [target, seen] = [items.at(-1)!, new Set(items.slice(0, -1))];
    return seen.has(target) ? [] : [{ sequence: withoutLast(sequence), target, seen }];
  });
  const untrained = rankingMetrics(nextItemRanks({ encoder, users }));
  const reports: FederatedRoundReport[] = [];
  await simulateFederated({
    plan: { ...plan, ...(evaluation && { evaluation: { holdOut: "last" as const } }) },
    encoder,
    sequences: cut === 0 ? sequences : sequences.map(withoutLast),
    items: population.items,
    cohort: sequences.length,
    noiseCohort,
    seed: 3,
    onRound: (report) => {
      reports.push(report);
    },
    // Counting people into clusters sees what is held out, as on a device.
    clusterFrom: plan.rounds + 1,
  });
  const weights = encoder.getWeights();
  encoder.dispose();
  return { reports, weights, untrained, share: users.length / sequences.length };
}

function withoutLast({ items, actions, times, ratings }: Sequence): Sequence {
  const cut = (values: ArrayLike<number>) => Array.from(values).slice(0, -1);
  return {
    items: cut(items),
    actions: cut(actions),
    times: cut(times),
    ...(ratings && { ratings: cut(ratings) }),
  };
}

describe("rounds whose plan holds interactions out", () => {
  it("judge each model before its update by them, and train on all but them", async () => {
    const held = await runAll(true);
    expect(held.reports).toHaveLength(6);
    const [first, last] = [held.reports[0]!.heldOut!, held.reports.at(-1)!.heldOut!];
    expect(first.share).toBeCloseTo(held.share, 9);
    expect(first.hr10).toBeCloseTo(held.untrained.hr10, 9);
    expect(first.ndcg10).toBeCloseTo(held.untrained.ndcg10, 9);
    expect(first.deviation).toEqual({ hr10: 0, ndcg10: 0, loss: 0, clusterAccuracy: 0 });
    // Another model, which the next round is sent.
    expect(last.loss).not.toBe(first.loss);
    const cut = await runAll(false, { cut: 1 });
    expect(held.weights).toEqual(cut.weights);
    expect(cut.reports[0]).not.toHaveProperty("heldOut");
  });

  it("bear the noise of the noise cohort, or say nothing where it drowns them", async () => {
    const [exact, many, few] = [
      await runAll(true),
      await runAll(true, { noiseCohort: 20_000 }),
      await runAll(true, { noiseCohort: 50 }),
    ].map(({ reports }) => reports[0]!.heldOut);
    expect(many!.deviation.hr10).toBeGreaterThan(0);
    expect(many!.hr10).not.toBe(exact!.hr10);
    expect(Math.abs(many!.hr10 - exact!.hr10)).toBeLessThan(5 * many!.deviation.hr10);
    expect(few).toBeUndefined();
  });
});

describe("federated training in one process", () => {
  it("learns without noise, and reports none", async () => {
    const { result, losses, moved } = await run(0);
    expect(losses).toHaveLength(6);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.1);
    expect(moved).toBeGreaterThan(0);
    expect(result.epsilon).toBeNull();
    expect(result.deviation.model).toBe(0);
  });

  it("puts the noise of the noise cohort on the mean: ten times as many people, about a tenth of the deviation", async () => {
    const small = await run(1_000);
    const large = await run(10_000);
    expect(small.result.epsilon).toBeCloseTo(8, 2);
    expect(small.result.deviation.model / large.result.deviation.model).toBeCloseTo(10, 0);
    // A noise so loud leaves the model nearly where it was.
    const tiny = await run(40);
    expect(tiny.moved).toBeLessThan(large.moved / 2);
  });

  it("learns the same model when clusters are counted late only", async () => {
    const always = await run(0);
    const late = await run(0, { clusterFrom: 5 });
    expect(late.moved).toBe(always.moved);
    expect(always.result.outcomes).toHaveLength(6);
    expect(late.result.outcomes).toHaveLength(2);
    expect(late.result.vector).toEqual(always.result.vector);
    expect(late.result.vector.length).toBeGreaterThan(late.length);
  });

  it("trains in the rounds that collect no signal only", async () => {
    const signals = { popularity: { rounds: [1], clip: 5, significance: 2 } };
    const few = { rounds: 2, participation: { ...plan.participation, maximum: 2 } };
    const collecting = await run(0, { changes: { ...few, signals } });
    expect(collecting.losses).toHaveLength(2);
    expect(collecting.losses[0]).toBe((await run(0)).losses[0]);
    expect(collecting.result.outcomes).toHaveLength(1);
    expect(collecting.moved).toBeGreaterThan(0);
    const all = { ...signals, transitions: { rounds: [2], clip: 5, significance: 2, window: 5 } };
    const untrained = await run(0, { changes: { ...few, signals: all } });
    expect(untrained.moved).toBe(0);
    expect(untrained.result.outcomes).toEqual([]);
  });

  it("takes its deviation from a mechanism that keeps ε over all participations", () => {
    const resolved = resolvePlan(
      parsePlanInput({
        ...plan,
        cohort: { minimum: 900, target: 1000, maximum: 1100, minSurvivors: 800 },
        privacy: { ...plan.privacy, modulusBits: 32 },
      }),
      { coordinatorKey: "0".repeat(64), catalogueHash: "0".repeat(64), itemCount: 60, modelLength: 500 },
    );
    const spent = coordinatorEpsilon(planMechanism(resolved.resolved.mechanism), {
      participations: plan.participation.maximum,
      delta: delta(plan.privacy.delta),
    });
    expect(spent).toBeLessThanOrEqual(8);
    expect(spent).toBeGreaterThan(7.9);
  });
});
