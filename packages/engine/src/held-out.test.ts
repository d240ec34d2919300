import { publicRandom } from "@kindred/clustering";
import { parsePlanInput } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { type HeldOutResult, heldOutEntries, heldOutLength, heldOutRecord } from "./held-out.ts";
import { resolvePlan } from "./resolve-plan.ts";

const BOUND = 5;

function planWith(changes: Record<string, unknown>) {
  return resolvePlan(parsePlanInput({ task: "x", ...changes }), {
    coordinatorKey: "a".repeat(64),
    catalogueHash: "b".repeat(64),
    itemCount: 300,
    modelLength: 5,
  });
}
const plain = planWith({});
const ranked = planWith({ evaluation: {} });
const rated = planWith({ evaluation: {}, training: { ratings: {} } });

const hit: HeldOutResult = { rank: 3, loss: 2, expectedCluster: true, ratingError: -0.1 };
const miss: HeldOutResult = { rank: 11, loss: 40, expectedCluster: false, ratingError: 0.9 };

function meanOf(plan: typeof ranked, results: (HeldOutResult | undefined)[]): number[] {
  const all = results.map((result) => heldOutEntries(plan, { result, lossBound: BOUND }));
  return all[0]!.map((_, i) => all.reduce((sum, entries) => sum + entries[i]!, 0) / all.length);
}

/** Standard normal deviates (Box–Muller). */
function gaussian(seed: number): () => number {
  const uniform = publicRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

describe("evaluation on held-out interactions", () => {
  it("takes entries only where the plan asks for it, and lengthens the evaluation block by them", () => {
    expect([plain, ranked, rated].map(heldOutLength)).toEqual([0, 5, 8]);
    const blocks = [plain, ranked, rated].map(({ resolved }) => resolved.blocks[3]!);
    expect(blocks.map(({ length }) => length)).toEqual([2, 7, 10]);
    expect(blocks[2]!.clip).toBeCloseTo(Math.sqrt(10), 12);
    expect(heldOutEntries(plain, { result: hit, lossBound: BOUND })).toEqual([]);
  });

  it("keeps every entry within the bound that the block is clipped to", () => {
    for (const result of [hit, miss, undefined])
      for (const entry of heldOutEntries(rated, { result, lossBound: BOUND })) {
        expect(entry).toBeGreaterThanOrEqual(0);
        expect(entry).toBeLessThanOrEqual(1);
      }
  });

  it("reads means over those who held something out, whoever did not", () => {
    const mean = meanOf(rated, [hit, miss, undefined, undefined]);
    const record = heldOutRecord(mean, { plan: rated, deviation: 0, lossBound: BOUND })!;
    expect(record).toEqual({
      share: 0.5,
      hr10: 0.5,
      ndcg10: expect.closeTo(0.25, 12),
      loss: expect.closeTo((2 + BOUND) / 2, 12),
      clusterAccuracy: 0.5,
      deviation: { hr10: 0, ndcg10: 0, loss: 0, clusterAccuracy: 0 },
      // The larger error counts as one half.
      ratings: {
        rmse: expect.closeTo(Math.sqrt((0.01 + 0.25) / 2), 12),
        mae: expect.closeTo(0.3, 12),
        deviation: { rmse: 0, mae: 0 },
      },
    });
  });

  it("says of every figure how much noise is on it, as it turns out when noise is drawn", () => {
    const mean = [0.5, 0.3, 0.12, 0.35, 0.2, 0.4, 0.1, 0.04];
    const deviation = 0.01;
    const read = (entries: number[]) => heldOutRecord(entries, { plan: rated, deviation, lossBound: BOUND })!;
    const figures = (entries: number[]) => {
      const { hr10, ndcg10, loss, clusterAccuracy, ratings } = read(entries);
      return { hr10, ndcg10, loss, clusterAccuracy, rmse: ratings!.rmse, mae: ratings!.mae };
    };
    const { deviation: ranking, ratings } = read(mean);
    const said = { ...ranking, ...ratings!.deviation };
    const gauss = gaussian(5);
    const draws = Array.from({ length: 4000 }, () =>
      figures(mean.map((value) => value + deviation * gauss())),
    );
    for (const name of Object.keys(said) as (keyof typeof said)[]) {
      const values = draws.map((draw) => draw[name]);
      const centre = values.reduce((sum, value) => sum + value, 0) / values.length;
      const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / values.length);
      expect(said[name] / spread, name).toBeGreaterThan(0.93);
      expect(said[name] / spread, name).toBeLessThan(1.07);
    }
  });

  it("bounds the noise on a root-mean-square error that noise has brought to nothing", () => {
    const mean = [0.5, 0.3, 0.12, 0.35, 0.2, 0.5, 0, -0.01];
    const { ratings } = heldOutRecord(mean, { plan: rated, deviation: 0.02, lossBound: BOUND })!;
    expect(ratings!.rmse).toBe(0);
    expect(ratings!.deviation.rmse).toBeCloseTo(Math.sqrt(0.04) / 2, 12);
  });

  it("says nothing where the count is lost in noise, or nothing was rated", () => {
    const mean = meanOf(ranked, [hit, undefined]);
    expect(heldOutRecord(mean, { plan: ranked, deviation: 0.2, lossBound: BOUND })).toBeUndefined();
    const record = heldOutRecord(mean, { plan: ranked, deviation: 0.1, lossBound: BOUND });
    // Every ratio is 1 but the gain, 1/log₂(4), and the loss, 2 of 5 nats.
    expect(record?.deviation).toEqual({
      hr10: expect.closeTo(0.2 * Math.SQRT2, 12),
      ndcg10: expect.closeTo(0.2 * Math.hypot(1, 0.5), 12),
      loss: expect.closeTo(0.2 * Math.hypot(1, 0.4) * BOUND, 12),
      clusterAccuracy: expect.closeTo(0.2 * Math.SQRT2, 12),
    });
    const { ratingError: _, ...unrated } = hit;
    const without = meanOf(rated, [unrated]);
    expect(heldOutRecord(without, { plan: rated, deviation: 0, lossBound: BOUND })).not.toHaveProperty(
      "ratings",
    );
    expect(heldOutRecord([], { plan: plain, deviation: 0, lossBound: BOUND })).toBeUndefined();
  });
});
