import { AesCtrRandom } from "@kindred/privacy";
import { compressWeights, type Model, type Plan, sha256Bytes, unnamedClustering } from "@kindred/protocol";
import { addInto } from "@kindred/secagg";
import { describe, expect, it } from "vitest";
import { testPlan, zeroContribution } from "../test/test-task.ts";
import type { HeldOutResult } from "./held-out.ts";
import { type Contribution, encodeContribution } from "./pipeline.ts";
import { computeRelease, evaluationBlock, lossBound } from "./release.ts";
import { initialOptimiserState, type OptimiserState } from "./server-optimiser.ts";

const sid = sha256Bytes("session");
const server = { optimiser: "fedavg", learningRate: 2, shrinkage: "none" };
const plan = testPlan({ server, privacy: { mechanism: "none", modulusBits: 28 } });
const parent: Model = {
  task: "test",
  round: 4,
  parent: "a".repeat(64),
  weights: Float32Array.from({ length: 25 }, (_, i) => i),
  centroids: Float32Array.of(1, 0, 0, 1, -1, 0, 0, -1),
  clusters: 4,
  cells: new Float32Array(),
  clustering: unnamedClustering(4),
};
/** Items along the axes and between them. */
const items = {
  items: ["east", "north", "west", "south"].map((tag) => ({ tags: [tag] })),
  units: { rows: 4, columns: 2, data: parent.centroids },
};
/** Weights 0–9 and 12–21 are trained; 10, 11 and 22–24 are not. */
const segments = [
  { offset: 0, deltaOffset: 0, length: 10 },
  { offset: 12, deltaOffset: 10, length: 10 },
];

function release(
  contributions: readonly Contribution[],
  of: Plan = plan,
  from: { readonly parent: Model; readonly optimiser: OptimiserState } = {
    parent,
    optimiser: initialOptimiserState(20),
  },
) {
  const sum = new Uint32Array(of.resolved.mechanism.paddedLength);
  contributions.forEach((contribution, i) => {
    const random = new AesCtrRandom(sha256Bytes(`rounding ${i}`));
    addInto(
      sum,
      encodeContribution(contribution, { plan: of, sid, random }),
      of.resolved.mechanism.modulusBits,
    );
  });
  const survivors = contributions.length;
  const parentHash = "c".repeat(64);
  return computeRelease({
    plan: of,
    sid,
    round: 5,
    survivors,
    sum,
    parentHash,
    ...from,
    segments,
    describe: () => items,
  });
}

const model = Float64Array.from({ length: 20 }, (_, i) => (i - 10) / 100);

describe("computeRelease", () => {
  it("adds the server's step to the trained weights and to no others", () => {
    const { model: next, optimiser } = release([
      { ...zeroContribution(plan), model },
      zeroContribution(plan),
    ]);
    for (let i = 0; i < 25; i++) {
      const trained = i < 10 ? model[i]! : i >= 12 && i < 22 ? model[i - 2]! : 0;
      expect(next.weights[i]).toBeCloseTo(i + trained, 4); // twice the mean of two, one of them zero
    }
    expect(next).toMatchObject({ task: "test", round: 5, parent: "c".repeat(64), clusters: 4 });
    expect(optimiser.steps).toBe(1);
    expect(parent.weights[1]).toBe(1);
  });

  it("makes the clusters from counts and sums, and the items under the new weights describe them", () => {
    const { model: next, clusters } = release([
      { ...zeroContribution(plan), counts: [1, 0, 0, 0], sums: [0.6, 0.8, 0, 0, 0, 0, 0, 0] },
      { ...zeroContribution(plan), counts: [1, 0, 0, 0], sums: [0.8, 0.6, 0, 0, 0, 0, 0, 0] },
    ]);
    expect(next.clusters).toBe(1);
    expect(next.centroids[0]).toBeCloseTo(Math.SQRT1_2, 4);
    expect(next.centroids[1]).toBeCloseTo(Math.SQRT1_2, 4);
    expect(next.clustering).toMatchObject({ source: "released", refinements: 1 });
    expect(next.clustering.sizes[0]).toBeCloseTo(1, 4);
    expect(next.clustering.layers[0]!.names[0]!.slice(0, 2).sort()).toEqual(["east", "north"]);
    expect(clusters).toMatchObject({
      stage: "clusters",
      clusters: 1,
      moved: true,
    });
    // What the rounding of the encoding leaves of the other three is nobody.
    expect(clusters!.changes.reduce((sum, { count }) => sum + count, 0)).toBe(3);
  });

  it("leaves the clusters where they were when nothing stands out of the noise", () => {
    const noisy = testPlan({
      server,
      privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 1, modulusBits: 24 },
    });
    const counted = { ...zeroContribution(noisy), counts: [1, 0, 0, 0], sums: [1, 0, 0, 0, 0, 0, 0, 0] };
    const { clusters, model: next } = release(new Array(4).fill(counted), noisy);
    expect(clusters).toMatchObject({ moved: false, clusters: 4 });
    expect(next.centroids).toEqual(parent.centroids);
    expect(next.clustering).toMatchObject({ source: "public", layers: parent.clustering.layers });
  });

  it("reports the cohort's loss in nats and its silhouette", () => {
    const evaluation = (loss: number, silhouette: number): Contribution => ({
      ...zeroContribution(plan),
      evaluation: evaluationBlock({ loss, silhouette }, plan),
    });
    const { loss, silhouette } = release([evaluation(3, 0.5), evaluation(2, 0.3)]);
    expect(loss).toBeCloseTo(2.5, 3);
    expect(silhouette).toBeCloseTo(0.4, 3);
  });

  it("reports what the cohort held out, where the plan says so", () => {
    const evaluating = testPlan({
      server,
      privacy: { mechanism: "none", modulusBits: 28, blocks: { model: { clip: 1, weight: 1 } } },
      evaluation: {},
    });
    const device = (heldOut: HeldOutResult | undefined): Contribution => ({
      ...zeroContribution(evaluating),
      evaluation: evaluationBlock({ loss: 1, silhouette: 0, heldOut }, evaluating),
    });
    const { heldOut } = release(
      [
        device({ rank: 1, loss: 2, expectedCluster: true }),
        device({ rank: 20, loss: 3, expectedCluster: true }),
        device(undefined),
        device(undefined),
      ],
      evaluating,
    );
    const expected = { share: 0.5, hr10: 0.5, ndcg10: 0.5, loss: 2.5, clusterAccuracy: 1 };
    for (const [name, value] of Object.entries(expected))
      expect(heldOut?.[name as keyof typeof expected], name).toBeCloseTo(value, 2);
    expect(release([zeroContribution(plan)])).not.toHaveProperty("heldOut");
  });

  it("publishes compressed weights where the plan says so, and carries what they lack into the next release", () => {
    const download = { precision: "int8", sparsity: 0.4 } as const;
    const small = testPlan({ server, privacy: { mechanism: "none", modulusBits: 28 }, model: { download } });
    // Steps far smaller than a level of 24/127: alone they would be lost each time.
    const step = { ...zeroContribution(small), model: new Float64Array(20).fill(0.01) };
    let from = { parent, optimiser: initialOptimiserState(20) };
    for (let round = 1; round <= 30; round++) {
      const { model: next, optimiser } = release([step, step], small, from);
      expect(compressWeights(next.weights, { ...download, sparsity: 0 })).toEqual(next.weights);
      expect(next.weights.filter((weight) => weight === 0).length).toBeGreaterThanOrEqual(10);
      expect(next.compressed).toBe(true);
      const exact = next.weights.map((weight, i) => weight + optimiser.residual![i]!);
      exact.forEach((weight, i) => {
        const trained = i < 10 || (i >= 12 && i < 22);
        expect(weight).toBeCloseTo(i + (trained ? 0.02 * round : 0), 3);
      });
      from = { parent: next, optimiser };
    }
    expect(from.parent.weights[21]).toBeGreaterThan(21.4);
  });

  it("keeps what signals carry on while it trains", () => {
    const counts = { ...{ sums: Float32Array.of(1), people: 1, deviation: 0 }, counted: Uint32Array.of(0) };
    const carried = { popularity: counts };
    const optimiser = { ...initialOptimiserState(20), carried };
    const trained = release([zeroContribution(plan)], plan, { parent, optimiser });
    expect(trained.optimiser).toMatchObject({ steps: 1, carried });
    expect(release([zeroContribution(plan)]).optimiser).not.toHaveProperty("carried");
  });

  it("publishes no weight that is not finite", () => {
    const plan = testPlan({
      server: { ...server, learningRate: 100 },
      privacy: { mechanism: "none", modulusBits: 28, blocks: { model: { clip: 1, weight: 1 } } },
    });
    // No plan of today allows such a norm; the model is guarded all the same.
    const blocks = plan.resolved.blocks.map((block) =>
      block.name === "model" ? { ...block, clip: 1e38 } : block,
    );
    const wild = { ...plan, resolved: { ...plan.resolved, blocks } };
    const contribution = { ...zeroContribution(wild), model: new Float64Array(20).fill(1e38) };
    expect(() => release([contribution], wild)).toThrow(
      expect.objectContaining({
        code: "model-invalid",
        rejection: expect.objectContaining({ field: "model.weights" }),
      }),
    );
  });
});

describe("evaluationBlock", () => {
  it("reports a loss as a share of its bound, a quarter above the loss of a uniform guess, both entries within [−1, 1]", () => {
    expect(lossBound(100)).toBeCloseTo(1.25 * Math.log(100), 12);
    const hundred = { ...plan, resolved: { ...plan.resolved, itemCount: 100 } };
    expect(evaluationBlock({ loss: lossBound(100) / 2, silhouette: -0.25 }, hundred)).toEqual([0.5, -0.25]);
    expect(evaluationBlock({ loss: 1e9, silhouette: 7 }, hundred)).toEqual([1, 1]);
    expect(evaluationBlock({ loss: -1e9, silhouette: -7 }, hundred)).toEqual([-1, -1]);
  });
});
