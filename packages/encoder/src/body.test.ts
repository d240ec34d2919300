import type { EncoderShape, TrainingOptions } from "@kindred/protocol";
import { expect, it } from "vitest";
import {
  InterestEncoder,
  initialWeights,
  itemFeatures,
  lastWindow,
  loadBackend,
  type Sequence,
  seededRandom,
} from "./index.ts";

const ITEMS = 23;
const shape: EncoderShape = {
  architecture: "transformer",
  layers: 2,
  dimension: 8,
  heads: 2,
  feedForward: 6,
  sequenceLength: 7,
  dropout: 0.1,
  itemDeltaRank: 3,
  textBuckets: 256,
  seed: 3,
};
const training: TrainingOptions = {
  trainable: "full",
  adapterRank: 2,
  epochs: 1,
  batchSize: 4,
  learningRate: 0.05,
  maxSteps: 1,
  negatives: 6,
  fullSoftmaxLimit: 10_000,
};

function sequenceOf(length: number, random: () => number): Sequence {
  return {
    items: Array.from({ length }, () => Math.floor(random() * ITEMS)),
    actions: Array.from({ length }, () => Math.floor(random() * 6)),
    times: Array.from({ length }, (_, i) => i * 3_600_000),
  };
}

it.each<[string, Partial<EncoderShape>, Partial<TrainingOptions>]>([
  ["a transformer of two layers", {}, {}],
  ["one of one layer", { layers: 1 }, {}],
  ["one with adapters", {}, { trainable: "adapters" }],
  ["a recurrent one", { architecture: "gru" }, {}],
])("a user vector is the last of those along the sequence, of %s", async (_, of, trained) => {
  const catalogue = Array.from({ length: ITEMS }, (_, i) => ({
    id: `${i}`,
    title: `Title ${i}`,
    tags: ["a"],
  }));
  const own = { shape: { ...shape, ...of }, training: { ...training, ...trained } };
  const encoder = InterestEncoder.create({
    ...own,
    backend: await loadBackend(),
    itemCount: ITEMS,
    features: itemFeatures(catalogue, own.shape),
  });
  const random = seededRandom(11);
  const weights = initialWeights(own.shape, ITEMS, own.training);
  encoder.setWeights(weights.map((value) => value + 0.2 * (2 * random() - 1)));
  const sequences = [1, 3, 7, 20].map((length) => sequenceOf(length, random));
  const along = sequences.map((sequence) => {
    let last = new Float32Array();
    encoder.scoresAlong([lastWindow(sequence, shape.sequenceLength)], (_, scores) => {
      last = scores.slice();
    });
    return last;
  });
  const scores = encoder.scoresForMany(sequences);
  expect(new Set(scores.map((row) => row[0])).size).toBe(sequences.length);
  scores.forEach((row, i) => {
    row.forEach((score, item) => {
      expect(score).toBeCloseTo(along[i]![item]!, 5);
    });
  });
  encoder.dispose();
});
