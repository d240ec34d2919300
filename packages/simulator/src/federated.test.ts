import { InterestEncoder, itemFeatures, loadBackend } from "@kindred/encoder";
import { planMechanism, resolvePlan } from "@kindred/engine";
import { coordinatorEpsilon, delta } from "@kindred/privacy";
import { parsePlanInput } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { simulateFederated } from "./federated.ts";
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
async function run(noiseCohort: number, clusterFrom = 1) {
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
    plan,
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
    const late = await run(0, 5);
    expect(late.moved).toBe(always.moved);
    expect(always.result.outcomes).toHaveLength(6);
    expect(late.result.outcomes).toHaveLength(2);
    expect(late.result.vector).toEqual(always.result.vector);
    expect(late.result.vector.length).toBeGreaterThan(late.length);
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
