import { AesCtrRandom } from "@kindred/privacy";
import { type Model, sha256Bytes, unnamedClustering } from "@kindred/protocol";
import { addInto } from "@kindred/secagg";
import { describe, expect, it } from "vitest";
import { Fleet } from "../test/fleet.ts";
import { freshHistory, testPlan, zeroContribution } from "../test/test-task.ts";
import { clipOf, followsRule, nextClip } from "./adaptive-clip.ts";
import { blockDeviation, decodeAggregate, encodeContribution } from "./pipeline.ts";
import { computeRelease } from "./release.ts";
import { planEpsilon } from "./resolve-plan.ts";
import { startTask } from "./round-machine.ts";
import { initialOptimiserState } from "./server-optimiser.ts";

const sid = sha256Bytes("session");
const COHORT = 60;

/** A plan of 60 people whose clip norm follows a quantile. */
function adaptivePlan(
  adaptive: Record<string, number> | undefined,
  { mechanism = "distributed-discrete-gaussian" } = {},
) {
  const blocks = { model: { clip: 1, ...(adaptive && { adaptive }) } };
  return testPlan({
    rounds: 100,
    cohort: { minimum: 50, target: COHORT, maximum: COHORT, minSurvivors: 50, corruption: 0 },
    participation: { maximum: 2 },
    privacy: { mechanism, epsilon: 8, modulusBits: 24, blocks },
  });
}

const ADAPTIVE = { quantile: 0.5, learningRate: 0.2, minimum: 0.001, maximum: 100, weight: 0.1 };

describe("nextClip", () => {
  it("is the geometric update, within the bounds, whatever the noise does to the share", () => {
    expect(nextClip(ADAPTIVE, { norm: 2, fraction: 0.5 })).toBe(2);
    expect(nextClip(ADAPTIVE, { norm: 2, fraction: 0.75 })).toBeCloseTo(2 * Math.exp(-0.05), 14);
    expect(nextClip(ADAPTIVE, { norm: 2, fraction: 0.1 })).toBeCloseTo(2 * Math.exp(0.08), 14);
    expect(nextClip(ADAPTIVE, { norm: 2, fraction: 9 })).toBe(nextClip(ADAPTIVE, { norm: 2, fraction: 1 }));
    expect(nextClip(ADAPTIVE, { norm: 2, fraction: -9 })).toBe(nextClip(ADAPTIVE, { norm: 2, fraction: 0 }));
    expect(nextClip({ ...ADAPTIVE, minimum: 1.99 }, { norm: 2, fraction: 1 })).toBe(1.99);
    expect(nextClip({ ...ADAPTIVE, maximum: 2.01 }, { norm: 2, fraction: 0 })).toBe(2.01);
  });

  it("is what followsRule accepts, and nothing a millionth off it", () => {
    const record = { norm: 2, fraction: 0.3, next: nextClip(ADAPTIVE, { norm: 2, fraction: 0.3 }) };
    expect(followsRule(ADAPTIVE, record)).toBe(true);
    expect(followsRule(ADAPTIVE, { ...record, next: record.next * (1 + 1e-6) })).toBe(false);
  });
});

describe("clipOf", () => {
  const plan = adaptivePlan(ADAPTIVE);
  const verdict = (model: Pick<Model, "clip" | "round">, of = plan) => {
    const found = clipOf(of, model);
    return found.ok ? found.value : `${found.rejection.code} ${found.rejection.field}`;
  };

  it("is the model's where the plan adapts it, and the plan's where it does not", () => {
    expect(verdict({ clip: 1, round: 0 })).toBe(1);
    expect(verdict({ clip: 1.3, round: 5 })).toBe(1.3);
    expect(verdict({ round: 5 }, adaptivePlan(undefined))).toBe(1);
  });

  it("refuses one that is missing or too much, out of bounds, or farther than the rounds can have moved it", () => {
    const refused = "model-invalid model.clip";
    expect(verdict({ round: 0 })).toBe(refused);
    expect(verdict({ clip: 1, round: 0 }, adaptivePlan(undefined))).toBe(refused);
    expect(verdict({ clip: 1.01, round: 0 })).toBe(refused);
    expect(verdict({ clip: Math.exp(0.1) * 1.001, round: 1 })).toBe(refused);
    expect(verdict({ clip: Math.exp(-0.1) * 0.999, round: 1 })).toBe(refused);
    expect(verdict({ clip: 0.0009, round: 1000 })).toBe(refused);
    expect(verdict({ clip: 101, round: 1000 })).toBe(refused);
  });
});

describe("the cost of the quantile", () => {
  it("is part of the joint norm: the same ε, and a little more noise on every other block", () => {
    const fixed = adaptivePlan(undefined);
    const adaptive = adaptivePlan(ADAPTIVE);
    const weights = adaptive.resolved.blocks.map(({ weight }) => weight);
    expect(weights).toHaveLength(5);
    expect(Math.hypot(...weights)).toBeCloseTo(1, 12);
    expect(planEpsilon(adaptive, 2)).toBeLessThanOrEqual(8);
    const share = weights[0]! / fixed.resolved.blocks[0]!.weight;
    const raw = Math.hypot(1, 0.25, 0.35, 0.25);
    expect(share).toBeCloseTo(raw / Math.hypot(raw, 0.1), 12);
  });

  it("asks for the round's clip norm, so that nobody clips by the first round's for ever", () => {
    const plan = adaptivePlan(ADAPTIVE);
    const random = new AesCtrRandom(sha256Bytes("one"));
    const contribution = zeroContribution(plan);
    expect(() => encodeContribution(contribution, { plan, sid, random })).toThrow(/clip must be/);
    const sum = new Uint32Array(plan.resolved.mechanism.paddedLength);
    expect(() => decodeAggregate(sum, { plan, sid, survivors: 1 })).toThrow(/clip must be/);
  });
});

/** Norms of the people's updates: log-normal, so that their mean is far above their median. */
function skewedNorms(random: AesCtrRandom): number[] {
  return Array.from({ length: COHORT }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
    return 0.05 * Math.exp(1.2 * normal);
  });
}

/** Normal quantiles at .5 and .8: the quantiles of the norms above are 0.05·exp(1.2·these). */
const NORMAL_QUANTILE: Readonly<Record<number, number>> = { 0.5: 0, 0.8: 0.8416 };

it.each([0.5, 0.8])("converges to the quantile %d of skewed norms, under noise", (quantile) => {
  const plan = adaptivePlan({ ...ADAPTIVE, quantile, learningRate: 0.3 });
  const { paddedLength, modulusBits } = plan.resolved.mechanism;
  const random = new AesCtrRandom(sha256Bytes(`people ${quantile}`));
  let model: Model = {
    task: "test",
    round: 0,
    parent: "",
    weights: new Float32Array(20),
    centroids: Float32Array.of(1, 0, 0, 1, -1, 0, 0, -1),
    clusters: 4,
    cells: new Float32Array(),
    clustering: unnamedClustering(4),
    clip: 1,
  };
  const items = { items: [{ tags: [] }], units: { rows: 1, columns: 2, data: Float32Array.of(1, 0) } };
  let optimiser = initialOptimiserState(20);
  const logs: number[] = [];
  for (let round = 1; round <= 100; round++) {
    const clip = clipOf(plan, model);
    if (!clip.ok) throw new Error(clip.rejection.rule);
    const sum = new Uint32Array(paddedLength);
    for (const norm of skewedNorms(random)) {
      const contribution = {
        ...zeroContribution(plan),
        model: new Float64Array(20).fill(norm / Math.sqrt(20)),
      };
      addInto(sum, encodeContribution(contribution, { plan, sid, random, clip: clip.value }), modulusBits);
    }
    const release = computeRelease({
      plan,
      sid,
      round,
      survivors: COHORT,
      sum,
      parent: model,
      parentHash: "c".repeat(64),
      optimiser,
      segments: [{ offset: 0, deltaOffset: 0, length: 20 }],
      describe: () => items,
    });
    expect(release.clipping).toMatchObject({ norm: clip.value, next: release.model.clip });
    ({ model, optimiser } = release);
    if (round > 60) logs.push(Math.log(model.clip!));
  }
  const settled = logs.reduce((total, log) => total + log, 0) / logs.length;
  const wanted = Math.log(0.05) + 1.2 * NORMAL_QUANTILE[quantile]!;
  // From ln 1 = 0 to about −3; what is left is the noise of forty rounds that depend on each other.
  expect(Math.abs(settled - wanted)).toBeLessThan(0.25);
  // The noise is there: the share of a round is known to no better than this.
  const deviation = blockDeviation(plan.resolved.mechanism, {
    block: plan.resolved.blocks[4]!,
    survivors: COHORT,
  });
  expect(deviation).toBeGreaterThan(0.03);
});

it("is recorded with each release, and a replay of the journal gives the same", () => {
  const plan = testPlan({
    privacy: { mechanism: "none", modulusBits: 20, blocks: { model: { adaptive: ADAPTIVE } } },
  });
  const contribution = () => ({ ...zeroContribution(plan), model: new Float64Array(20).fill(1) });
  const fleet = new Fleet({ plan, clients: 8, contribution }).run();
  const released = fleet
    .ledger()
    .flatMap(({ body }) => (body.kind === "round-released" ? [body.clipping!] : []));
  expect(released).toHaveLength(3);
  expect(released.map(({ norm }) => norm)).toEqual([1, released[0]!.next, released[1]!.next]);
  // All norms are √20: nobody is within the clip norm, and it grows by exp(η·γ) a round.
  for (const { norm, next, fraction } of released) {
    expect(fraction).toBeCloseTo(0, 3);
    expect(next / norm).toBeCloseTo(Math.exp(0.1), 3);
  }
  const replay = new Fleet({ plan, clients: 0 });
  replay.state = startTask(freshHistory());
  for (const entry of fleet.journal) replay.step(structuredClone(entry));
  expect(replay.outputs).toEqual(fleet.outputs);
});
