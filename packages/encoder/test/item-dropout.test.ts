import { parsePlanInput } from "@kindred/protocol";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Backend,
  InterestEncoder,
  initialWeights,
  loadBackend,
  seededRandom,
  trainingWindows,
} from "../src/index.ts";

const ITEMS = 9;
const D = 8;

let backend: Backend;
beforeAll(async () => {
  backend = await loadBackend();
});

function encoderWith(itemDropout: number | undefined): InterestEncoder {
  const { encoder: shape, training } = parsePlanInput({
    task: "test",
    encoder: {
      layers: 1,
      dimension: D,
      heads: 1,
      feedForward: 8,
      sequenceLength: 6,
      itemDeltaRank: 2,
      dropout: 0,
    },
    training: itemDropout === undefined ? {} : { itemDropout },
  });
  const features = Float32Array.from({ length: ITEMS * D }, (_, i) => Math.sin(1 + i * i));
  const encoder = InterestEncoder.create({ backend, shape, training, features, itemCount: ITEMS });
  const random = seededRandom(11);
  encoder.setWeights(initialWeights(shape, ITEMS, training).map((weight) => weight + 0.4 * (random() - 0.5)));
  return encoder;
}

const windows = trainingWindows(
  {
    items: [0, 3, 5, 1, 8, 2, 7],
    actions: [0, 1, 0, 2, 0, 1, 0],
    times: [0, 1e6, 2e6, 5e6, 9e6, 1e7, 3e7],
  },
  6,
);

/** Entries of the layout that belong to an item. */
function entriesOf(encoder: InterestEncoder, item: number): number[] {
  return encoder.layout.tensors
    .filter(({ name }) => name === "item.delta" || name === "item.bias")
    .flatMap(({ offset, length }) =>
      Array.from({ length: length / ITEMS }, (_, row) => offset + row * ITEMS + item),
    );
}

describe("item dropout", () => {
  it("has the gradient of the loss in which the dropped items are new", () => {
    const encoder = encoderWith(0.5);
    const weights = encoder.getWeights();
    const { gradient } = encoder.lossAndGradient(windows, seededRandom(4));
    const dropped = Array.from({ length: ITEMS }, (_, item) => item).filter((item) =>
      entriesOf(encoder, item).every((entry) => gradient[entry] === 0),
    );
    expect(dropped.length).toBeGreaterThan(0);
    expect(dropped.length).toBeLessThan(ITEMS);

    const whole = encoderWith(undefined);
    const asNew = weights.slice();
    for (const item of dropped) for (const entry of entriesOf(encoder, item)) asNew[entry] = 0;
    whole.setWeights(asNew);
    const expected = whole.lossAndGradient(windows, seededRandom(4)).gradient;
    for (const item of dropped) for (const entry of entriesOf(encoder, item)) expected[entry] = 0;
    expect([...gradient]).toEqual([...expected]);
    for (const own of [encoder, whole]) own.dispose();
  });

  it("leaves weights and scores as they were, and another step drops others", () => {
    const encoder = encoderWith(0.5);
    const weights = encoder.getWeights();
    const vector = Float32Array.from({ length: D }, (_, j) => Math.cos(j));
    const scores = encoder.scores(vector);
    const random = seededRandom(7);
    const first = encoder.lossAndGradient(windows, random);
    const second = encoder.lossAndGradient(windows, random);
    expect(encoder.getWeights()).toEqual(weights);
    expect(encoder.scores(vector)).toEqual(scores);
    expect(second.loss).not.toBe(first.loss);
    encoder.dispose();
  });

  it("drops nothing without a draw, nor where the plan does not ask for it", () => {
    const [dropping, without] = [encoderWith(0.9), encoderWith(undefined)];
    expect(dropping.lossAndGradient(windows).gradient).toEqual(without.lossAndGradient(windows).gradient);
    const { gradient } = without.lossAndGradient(windows, seededRandom(4));
    for (let item = 0; item < ITEMS; item++)
      expect(entriesOf(without, item).some((entry) => gradient[entry] !== 0)).toBe(true);
    for (const own of [dropping, without]) own.dispose();
  });
});
