import { describe, expect, it } from "vitest";
import { applyDelta, encoderLayout, initialWeights, trainableLayout } from "./layout.ts";

const shape = {
  architecture: "transformer",
  layers: 2,
  dimension: 64,
  heads: 2,
  feedForward: 128,
  sequenceLength: 50,
  dropout: 0.3,
  itemDeltaRank: 8,
  textBuckets: 32_768,
  seed: 1,
} as const;
const training = (trainable: "full" | "adapters" | "head") => ({ trainable, adapterRank: 4 });

describe("encoderLayout", () => {
  it("covers the flat vector without gaps and with unique names", () => {
    for (const trainable of ["full", "adapters", "head"] as const) {
      const { tensors, length } = encoderLayout(shape, 100, training(trainable));
      let end = 0;
      for (const { shape: dimensions, offset, length: size } of tensors) {
        expect(offset).toBe(end);
        expect(size).toBe(dimensions.reduce((product, value) => product * value, 1));
        end += size;
      }
      expect(end).toBe(length);
      expect(new Set(tensors.map(({ name }) => name)).size).toBe(tensors.length);
    }
  });

  it("has the tables of the inputs that the plan names, and all of them where it names none", () => {
    const inputs = (named?: ("action" | "gap" | "rating")[]) =>
      encoderLayout(named === undefined ? shape : { ...shape, inputs: named }, 10)
        .tensors.map(({ name }) => name)
        .filter((name) => name.startsWith("input."));
    expect(inputs()).toEqual(["input.action", "input.gap", "input.rating"]);
    expect(inputs(["rating", "action"])).toEqual(["input.action", "input.rating"]);
    expect(inputs([])).toEqual([]);
  });

  it("lays out a recurrent encoder with adapters on its matrices alone", () => {
    const { tensors, length } = encoderLayout({ ...shape, architecture: "gru" }, 100, training("adapters"));
    const last = tensors.at(-1)!;
    expect(last.offset + last.length).toBe(length);
    const adapted = tensors.filter(({ name }) => name.endsWith(".adapterA")).map(({ name }) => name);
    expect(adapted).toContain("layer1.recurrent.stateUpdate.adapterA");
    expect(adapted).toHaveLength(2 * 7);
    expect(tensors.some(({ name }) => name.includes("attention"))).toBe(false);
  });

  it("leaves room in 2^17 entries at the defaults and 3,650 items", () => {
    expect(encoderLayout(shape, 3650).length).toBeLessThanOrEqual(2 ** 17 - 4096);
  });

  it("has a rating head only where one is trained, behind the item tensors, and trains it in every scope", () => {
    for (const trainable of ["full", "adapters", "head"] as const) {
      const rated = { ...training(trainable), ratings: { weight: 5 } };
      const layout = encoderLayout(shape, 100, rated);
      const names = trainableLayout(layout, rated).tensors.map(({ name }) => name);
      expect(names).toContain("rating.mean");
      expect(names).toContain("rating.item");
      expect(layout.length - encoderLayout(shape, 100, training(trainable)).length).toBe(101);
    }
    expect(encoderLayout(shape, 100).tensors.at(-1)?.name).toBe("item.bias");
  });

  it("has a next-interest head only where one is trained, behind ratings, and trains it in every scope", () => {
    for (const trainable of ["full", "adapters", "head"] as const) {
      const interested = {
        ...training(trainable),
        ratings: { weight: 5 },
        interests: { weight: 1, groups: 7 },
      };
      const layout = encoderLayout(shape, 100, interested);
      const names = trainableLayout(layout, interested).tensors.map(({ name }) => name);
      expect(names.slice(names.indexOf("rating.item") + 1, names.indexOf("interest.bias") + 1)).toEqual([
        "interest.matrix",
        "interest.bias",
      ]);
      expect(layout.length - encoderLayout(shape, 100, training(trainable)).length).toBe(101 + 65 * 7);
    }
  });

  it("has adapters only when they are trained", () => {
    const names = (trainable: "full" | "adapters") =>
      encoderLayout(shape, 100, training(trainable)).tensors.map(({ name }) => name);
    expect(names("full").filter((name) => name.includes("adapter"))).toEqual([]);
    expect(names("adapters")).toContain("layer1.feedForward.down.adapterB");
  });

  it.each([0, 1, 2.5, Number.NaN])("refuses %s items", (itemCount) => {
    expect(() => encoderLayout(shape, itemCount)).toThrow(/option-invalid: itemCount/);
  });
});

describe("trainableLayout", () => {
  it("packs the chosen tensors one behind the other", () => {
    const layout = encoderLayout(shape, 100, training("adapters"));
    const subset = trainableLayout(layout, training("adapters"));
    expect(subset.length).toBeLessThan(layout.length / 2);
    let end = 0;
    for (const { deltaOffset, length } of subset.tensors) {
      expect(deltaOffset).toBe(end);
      end += length;
    }
    expect(end).toBe(subset.length);
    expect(trainableLayout(layout, training("full")).length).toBe(layout.length);
  });

  it("trains output and item tensors as head", () => {
    const { tensors } = trainableLayout(encoderLayout(shape, 100), training("head"));
    expect(tensors.map(({ name }) => name)).toEqual([
      "output.gain",
      "output.bias",
      "item.projection",
      "item.delta",
      "item.bias",
    ]);
  });

  it("refuses adapters on a layout without them", () => {
    expect(() => trainableLayout(encoderLayout(shape, 100), training("adapters"))).toThrow(/has no adapters/);
  });
});

describe("applyDelta", () => {
  it("adds each entry at its place and leaves the rest", () => {
    const subset = trainableLayout(encoderLayout(shape, 10), training("head"));
    const weights = initialWeights(shape, 10);
    const delta = Float32Array.from({ length: subset.length }, (_, index) => index + 1);
    const moved = applyDelta(weights, delta, subset);
    const changed = new Map<number, number>();
    for (const { offset, deltaOffset, length } of subset.tensors)
      for (let i = 0; i < length; i++) changed.set(offset + i, delta[deltaOffset + i]!);
    moved.forEach((value, index) => {
      expect(value).toBeCloseTo(weights[index]! + (changed.get(index) ?? 0), 3);
    });
    expect(weights).toEqual(initialWeights(shape, 10));
  });

  it("refuses a delta or weights of a wrong length", () => {
    const subset = trainableLayout(encoderLayout(shape, 10), training("head"));
    const weights = initialWeights(shape, 10);
    expect(() => applyDelta(weights, new Float32Array(3), subset)).toThrow(/model-invalid: delta/);
    expect(() => applyDelta(new Float32Array(3), new Float32Array(subset.length), subset)).toThrow(
      /model-invalid: weights/,
    );
  });
});

describe("initialWeights", () => {
  it("depends on the seed only, has gains of 1 and no item delta", () => {
    const weights = initialWeights(shape, 20);
    expect(initialWeights(shape, 20)).toEqual(weights);
    expect(initialWeights({ ...shape, seed: 2 }, 20)).not.toEqual(weights);
    for (const { name, offset, length } of encoderLayout(shape, 20).tensors) {
      const view = weights.subarray(offset, offset + length);
      if (name.endsWith(".gain")) expect(view.every((value) => value === 1)).toBe(true);
      if (name === "item.delta" || name === "item.bias")
        expect(view.every((value) => value === 0)).toBe(true);
    }
  });
});
