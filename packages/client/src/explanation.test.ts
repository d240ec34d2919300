import { seededRandom } from "@kindred/encoder";
import { type Model, unnamedClustering } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { collaborativeTable } from "./collaborative.ts";
import { explainRecommendation } from "./explanation.ts";
import {
  type RecommendationContext,
  type RecommendationMode,
  recommendItems,
  scoredBy,
} from "./recommendations.ts";

const ITEMS = 40;
const DIMENSION = 8;
const random = seededRandom(7);
const vectors = Float32Array.from({ length: ITEMS * DIMENSION }, () => random() - 0.5);

/** Item i follows from items whose index is near, the more the nearer. */
const entries: number[] = [];
const counts: number[] = [];
for (let from = 0; from < ITEMS; from++)
  for (let to = 0; to < ITEMS; to++) {
    const distance = Math.abs(from - to);
    if (distance === 0 || distance > 3) continue;
    entries.push(from * ITEMS + to);
    counts.push(12 / distance + 3 * random());
  }
const signals = {
  transitions: {
    round: 1,
    people: 100,
    deviation: 0,
    entries: Uint32Array.from(entries),
    counts: Float32Array.from(counts),
    items: Uint32Array.from({ length: ITEMS }, (_, item) => item),
  },
};
const model = {
  task: "films",
  round: 1,
  parent: "",
  weights: new Float32Array(),
  centroids: Float32Array.from({ length: 2 * DIMENSION }, (_, i) => Number(i === 0 || i === DIMENSION + 1)),
  clusters: 2,
  cells: new Float32Array(),
  clustering: unnamedClustering(2),
  signals,
} satisfies Model;
const names = Array.from({ length: ITEMS }, (_, i) => `item-${i}`);
const context: RecommendationContext = {
  catalogue: {
    schema: "kindred.catalogue/1",
    items: names.map((id, i) => ({ id, title: `Film ${i}`, tags: [i % 2 ? "odd" : "even", "film"] })),
  },
  index: new Map(names.map((id, i) => [id, i])),
  model,
  space: {
    hash: "m",
    units: { rows: ITEMS, columns: DIMENSION, data: vectors },
    clusterOf: new Int32Array(ITEMS),
  },
  table: collaborativeTable(signals, ITEMS),
  encoder: {
    // The mean of the items' vectors, the latest counting most; a score is three times the product.
    async userVectors([sequence]) {
      const vector = new Float32Array(DIMENSION);
      const items = Array.from(sequence!.items);
      for (const [at, item] of items.entries())
        for (let i = 0; i < DIMENSION; i++)
          vector[i]! += 0.8 ** (items.length - at) * vectors[item * DIMENSION + i]!;
      return vector;
    },
    async scores(vector) {
      return Float32Array.from({ length: ITEMS }, (_, item) =>
        vector.reduce((sum, value, i) => sum + 3 * value * vectors[item * DIMENSION + i]!, 0),
      );
    },
  },
};
const sequenceOf = (items: readonly number[]) => ({
  items,
  actions: items.map(() => 0),
  times: items.map((_, i) => i * 60_000),
});
const draw = (count: number): number[] => {
  const order = Array.from({ length: ITEMS }, (_, item) => item);
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (ITEMS - i));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order.slice(0, count);
};

describe("an explanation", () => {
  it("cites the interactions that the recommendation came from, in both languages", async () => {
    const sequence = sequenceOf([30, 11, 20]);
    const list = await recommendItems(context, sequence, { count: 5, mode: "collaborative" });
    const recommendation = list.find(({ item }) => item.id === "item-12" || item.id === "item-10")!;
    const explanation = await explainRecommendation(context, { recommendation, sequence });
    expect(explanation.interactions[0]!.item.id).toBe("item-11");
    expect(explanation.features).toContain("film");
    expect(explanation.counterfactual).toMatchObject({ without: [{ id: "item-11" }] });
    expect(explanation.text).toContain("mostly because of “Film 11”");
    expect(explanation.text).toContain("Without “Film 11” it would not be among the first 5.");
    const { text } = await explainRecommendation(context, { recommendation, sequence, language: "zh" });
    expect(text).toContain("如果没有《Film 11》，它不会进入前5名。");
  });

  it("makes no claim about a list that came from no record", async () => {
    const sequence = sequenceOf([]);
    const [recommendation] = await recommendItems(context, sequence, { count: 2 });
    const explanation = await explainRecommendation(context, { recommendation: recommendation!, sequence });
    expect(explanation).toMatchObject({ interactions: [], counterfactual: null });
    expect(explanation.text).toContain("is popular");
  });

  it.each(["content", "collaborative", "hybrid"] as const)(
    "of %s: removing what it cites drops the score more than removing others, and the counterfactual holds",
    async (mode: RecommendationMode) => {
      let wins = 0;
      let claims = 0;
      const cases = 60;
      for (let i = 0; i < cases; i++) {
        const sequence = sequenceOf(draw(8));
        const [recommendation] = await recommendItems(context, sequence, { count: 5, mode });
        const { interactions, completeness, counterfactual } = await explainRecommendation(context, {
          recommendation: recommendation!,
          sequence,
        });
        const target = context.index.get(recommendation!.item.id)!;
        const scoreWithout = async (left: ReadonlySet<number>) => {
          const kept = sequenceOf(sequence.items.filter((item) => !left.has(item)));
          return (await scoredBy(context, { sequence: kept, mode })).scores;
        };
        const cited = new Set(interactions.map(({ item }) => context.index.get(item.id)!));
        const others = new Set(sequence.items.filter((item) => !cited.has(item)).slice(0, cited.size));
        const [byCited, byOthers] = [await scoreWithout(cited), await scoreWithout(others)];
        wins += Number(byCited[target]! < byOthers[target]!);
        expect(completeness.explained).toBeCloseTo(recommendation!.score - byCited[target]!, 4);
        if (counterfactual === null) continue;
        claims++;
        const left = new Set(counterfactual.without.map(({ id }) => context.index.get(id)!));
        const scores = await scoreWithout(left);
        const better = names.filter(
          (_, item) => !sequence.items.includes(item) && scores[item]! > scores[target]!,
        );
        expect(better.length + 1).toBe(counterfactual.place);
        expect(counterfactual.place).toBeGreaterThan(5);
      }
      expect(wins / cases).toBeGreaterThanOrEqual(0.95);
      expect(claims).toBeGreaterThan(5);
    },
  );
});

describe("recommendations", () => {
  const sequence = sequenceOf([3, 9]);
  const ids = (list: readonly { item: { id: string } }[]) => list.map(({ item }) => item.id);

  it("are by the mode that was asked for, and by the encoder alone until transitions are released", async () => {
    for (const mode of ["content", "collaborative", "hybrid"] as const)
      expect((await recommendItems(context, sequence, { count: 1, mode }))[0]!.basis).toBe(mode);
    const { signals: _, ...bare } = model;
    const without = { ...context, model: bare, table: undefined };
    expect((await recommendItems(without, sequence, { count: 1 }))[0]!.basis).toBe("content");
    expect(
      (await recommendItems(context, sequence, { count: 3, mode: "collaborative" }))[0]!.item.id,
    ).toMatch(/item-(8|10)/);
  });

  it("are among the candidates only, without those that were seen", async () => {
    const candidates = ["item-3", "item-5", "item-20"];
    expect(ids(await recommendItems(context, sequence, { count: 9, candidates })).sort()).toEqual([
      "item-20",
      "item-5",
    ]);
    const all = await recommendItems(context, sequence, { count: 9, candidates, exclude: "nothing" });
    expect(all).toHaveLength(3);
  });

  it("are what is popular for somebody without a record, or near to the interests that were picked", async () => {
    const nobody = sequenceOf([]);
    expect((await recommendItems(context, nobody, { count: 2 }))[0]!.basis).toBe("popularity");
    const tagged = {
      ...context,
      table: undefined,
      model: {
        ...model,
        clustering: {
          ...model.clustering,
          layers: [{ ids: [4, 8], nextId: 9, names: [["sea"], ["hills"]], parents: [] }],
        },
      },
    };
    const [first] = await recommendItems(tagged, nobody, { count: 1, picked: ["hills"] });
    const along = Array.from({ length: ITEMS }, (_, item) => vectors[item * DIMENSION + 1]!);
    expect(first).toMatchObject({
      basis: "picked",
      item: { id: `item-${along.indexOf(Math.max(...along))}` },
    });
    expect(ids(await recommendItems(tagged, nobody, { count: 3, picked: [8] }))).toEqual(
      ids(await recommendItems(tagged, nobody, { count: 3, picked: ["hills"] })),
    );
    expect((await recommendItems(tagged, nobody, { count: 2 }))[0]!.basis).toBe("clusters");
  });

  it.each([
    [{ count: 0 }, "count"],
    [{ count: 2, diversity: 1.5 }, "diversity"],
    [{ count: 2, mode: "magic" as "hybrid" }, "mode"],
    [{ count: 2, candidates: ["item-1", "none"] }, "candidates.1"],
  ])("are refused with the field that is wrong: %o", async (options, field) => {
    await expect(recommendItems(context, sequence, options)).rejects.toMatchObject({
      rejection: { code: "option-invalid", field },
    });
  });

  it("are refused for a picked interest that no cluster has", async () => {
    await expect(
      recommendItems(context, sequenceOf([]), { count: 2, picked: ["unheard of"] }),
    ).rejects.toMatchObject({ rejection: { field: "picked.0" } });
  });
});
