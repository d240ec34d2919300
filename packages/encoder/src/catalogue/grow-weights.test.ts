import { parsePlanInput } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { loadBackend } from "../backend.ts";
import { InterestEncoder } from "../encoder.ts";
import { encoderLayout, initialWeights } from "../layout.ts";
import { seededRandom } from "../random.ts";
import { growWeights } from "./grow-weights.ts";

const TAGS = ["crime", "love", "war"];
const { encoder: shape, training } = parsePlanInput({
  task: "films",
  encoder: { layers: 1, dimension: 8, heads: 1, feedForward: 8, sequenceLength: 5, itemDeltaRank: 2 },
});
const film = (i: number) => ({ id: `${i}`, title: `Film ${i % 7}`, tags: [TAGS[i % 3]!] });
const from = Array.from({ length: 90 }, (_, i) => film(i));
/** Backwards, without the first ten, and with three that are new. */
const into = [...from.slice(10).reverse(), film(90), film(91), film(92)];

const tensor = (weights: Float32Array, name: string, { items = 0, of = encoderLayout(shape, items) }) => {
  const { offset, length } = of.tensors.find((own) => own.name === name)!;
  return weights.subarray(offset, offset + length);
};
const trained = initialWeights(shape, from.length).map((weight, i) => weight + Math.sin(i * i) / 50);
tensor(trained, "item.bias", { items: 90 }).forEach((_, i, bias) => {
  bias[i] = [0.5, -0.2, 0.1][i % 3]!;
});

describe("weights for another catalogue", () => {
  const grown = growWeights(trained, { shape, from, into });

  it("keep what belongs to no item, and the rows of items that stay, whatever the order", () => {
    expect(grown).toMatchObject({ kept: 80, added: 3, removed: 10 });
    for (const { name } of encoderLayout(shape, 90).tensors) {
      const own = tensor(trained, name, { items: 90 });
      const target = tensor(grown.weights, name, { items: into.length });
      if (name !== "item.delta" && name !== "item.bias") expect(target).toEqual(own);
      else
        for (let row = 0; row < own.length / 90; row++)
          into.slice(0, 80).forEach(({ id }, position) => {
            expect(target[row * into.length + position]).toBe(own[row * 90 + Number(id)]);
          });
    }
  });

  it("score items that stay as before, after the same interactions", async () => {
    const backend = await loadBackend();
    const features = Float32Array.from({ length: 93 * 8 }, (_, i) => Math.sin(1 + i * i));
    const scoresBy = (weights: Float32Array, { ids, seen }: { ids: string[]; seen: string[] }) => {
      const encoder = InterestEncoder.create({
        backend,
        shape,
        training,
        features: Float32Array.from(ids.flatMap((id) => [...features.subarray(8 * +id, 8 * +id + 8)])),
        itemCount: ids.length,
      });
      encoder.setWeights(weights);
      const items = seen.map((id) => ids.indexOf(id));
      const [scores] = encoder.scoresForMany([
        { items, actions: items.map(() => 0), times: items.map((_, t) => t) },
      ]);
      encoder.dispose();
      return new Map(ids.map((id, position) => [id, scores![position]!]));
    };
    const seen = ["40", "17", "88"];
    const before = scoresBy(trained, { ids: from.map(({ id }) => id), seen });
    const after = scoresBy(grown.weights, { ids: into.map(({ id }) => id), seen });
    for (const { id } of from.slice(10)) expect(after.get(id)).toBeCloseTo(before.get(id)!, 4);
  });

  it("foretell those of new items, and say how well", () => {
    const bias = tensor(grown.weights, "item.bias", { items: into.length });
    [0.5, -0.2, 0.1].forEach((value, i) => {
      expect(bias[80 + i]).toBeCloseTo(value, 1);
    });
    expect(grown.explained.bias).toBeGreaterThan(0.9);
    expect(grown.explained.delta).toBeLessThan(0.2);
  });

  it("are the same where nothing has changed", () => {
    const same = growWeights(trained, { shape, from, into: from });
    expect(same.weights).toEqual(trained);
    expect(same).toMatchObject({ kept: 90, added: 0, removed: 0 });
  });

  it("have adapters added to their matrices, and no heads", () => {
    const options = { ...training, trainable: "adapters" as const, ratings: { weight: 1 } };
    const of = encoderLayout(shape, 90, options);
    const random = seededRandom(2);
    const adapted = initialWeights(shape, 90, options).map((weight) => weight + 0.1 * random());
    const { weights } = growWeights(adapted, { shape, training: options, from, into });
    expect(weights).toHaveLength(encoderLayout(shape, into.length).length);
    const whole = of.tensors.find(({ name }) => name.endsWith(".adapterA"))!.name.replace(".adapterA", "");
    const at = (name: string) => tensor(adapted, name, { of });
    const [a, b] = [at(`${whole}.adapterA`), at(`${whole}.adapterB`)];
    const rank = options.adapterRank;
    let product = 0;
    for (let r = 0; r < rank; r++) product += a[r]! * b[(r * b.length) / rank]!;
    expect(tensor(weights, whole, { items: into.length })[0]).toBeCloseTo(at(whole)[0]! + product, 5);
  });

  it("are refused where they belong to other items", () => {
    expect(() => growWeights(trained, { shape, from: into, into: from })).toThrow("weights must be");
    const foreign = [{ id: "a", title: "A", tags: [] }, ...into.slice(-3)];
    expect(() => growWeights(trained, { shape, from, into: foreign })).toThrow(
      "must share an item with the catalogue before it",
    );
  });
});
