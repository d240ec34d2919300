/** The encoder's contract, held by every tensor backend that loads here. */
import { type EncoderShape, KindredError, type TrainingOptions } from "@kindred/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { itemVectors } from "../src/features.ts";
import {
  applyDelta,
  type Backend,
  type BackendName,
  type EncoderOptions,
  groupShares,
  InterestEncoder,
  initialWeights,
  itemFeatures,
  itemGroups,
  lastWindow,
  loadBackend,
  nextItemRanks,
  rankingMetrics,
  type Sequence,
  seededRandom,
  softTargets,
  trainingWindows,
} from "../src/index.ts";

const NAMES: BackendName[] = ["tensorflow", "wasm", "cpu"];
const backends: Backend[] = [];
for (const name of NAMES) {
  const backend = await loadBackend(name);
  if (backend.name === name) backends.push(backend);
}

const shape = {
  architecture: "transformer",
  layers: 2,
  dimension: 8,
  heads: 2,
  feedForward: 6,
  sequenceLength: 7,
  dropout: 0,
  itemDeltaRank: 3,
  textBuckets: 256,
  seed: 3,
} as const;

const ARCHITECTURES = ["transformer", "gru"] as const;

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

/** What the gradient is checked for: name, changes of the training, changes of the shape. */
const GRADIENTS: [string, Partial<TrainingOptions>, Partial<EncoderShape>][] = [
  ["full", {}, {}],
  ["adapters", { trainable: "adapters" }, {}],
  ["head", { trainable: "head" }, {}],
  ["sampled softmax", { fullSoftmaxLimit: 5 }, {}],
  ["recurrent", {}, { architecture: "gru" }],
  ["recurrent, adapters", { trainable: "adapters" }, { architecture: "gru" }],
  ["rating head", { trainable: "head", ratings: { weight: 50 } }, {}],
  ["next-interest head", { interests: { weight: 0.7, groups: 5 } }, {}],
  ["next-interest head, head", { trainable: "head", interests: { weight: 3, groups: 5 } }, {}],
  ["items and gaps only", {}, { inputs: ["gap"] }],
];

const personal = { affine: true, adapterRank: 2, steps: 25, learningRate: 0.05, decay: 0.1 };

const ITEMS = 17;
const catalogue = Array.from({ length: ITEMS }, (_, index) => ({
  id: `item-${index}`,
  title: `Title ${index} ${["red", "green", "blue"][index % 3]}`,
  tags: [["warm", "cold"][index % 2]!],
}));

function randomSequence(length: number, random: () => number, itemCount = ITEMS): Sequence {
  let time = 1e12;
  return {
    items: Array.from({ length }, () => Math.floor(random() * itemCount)),
    actions: Array.from({ length }, () => Math.floor(random() * 6)),
    times: Array.from({ length }, () => (time += Math.floor(random() ** 6 * 1e9))),
    ratings: Array.from({ length }, () => (random() < 0.3 ? Number.NaN : random())),
  };
}

function itemChanged(items: ArrayLike<number>, at: number): number[] {
  return Array.from(items, (item, index) => (index === at ? (item + 1) % ITEMS : item));
}

function sequenceOf(items: number[]): Sequence {
  return { items, actions: items.map(() => 0), times: items.map((_, index) => index * 60_000) };
}

function build(backend: Backend, changes: Partial<EncoderOptions> = {}): InterestEncoder {
  const options = { backend, shape, training, itemCount: ITEMS, ...changes };
  const features = changes.features ?? itemFeatures(catalogue, options.shape);
  return InterestEncoder.create({ ...options, features });
}

/** Initial weights with noise, so that no gradient vanishes by symmetry. */
function noisyWeights(encoder: InterestEncoder, amount = 0.2): Float32Array {
  const random = seededRandom(11);
  return initialWeights(encoder.shape, encoder.itemCount, encoder.training).map(
    (value) => value + amount * (2 * random() - 1),
  );
}

function windowsOf(lengths: number[], seed = 5) {
  const random = seededRandom(seed);
  return lengths.flatMap((length) => trainingWindows(randomSequence(length, random), shape.sequenceLength));
}

const rejectionOf = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    if (error instanceof KindredError) return error.rejection;
    throw error;
  }
  return undefined;
};

it("finds the WebAssembly and the plain backend", () => {
  expect(backends.map(({ name }) => name)).toEqual(expect.arrayContaining(["wasm", "cpu"]));
});

describe.each(backends)("backend $name", (backend) => {
  beforeAll(async () => {
    await backend.tf.setBackend(backend.name);
  });

  describe.each(GRADIENTS)("gradient, %s", (_, changes, shapeChanges) => {
    it("meets central finite differences for every trained tensor", () => {
      const encoder = build(backend, {
        training: { ...training, ...changes },
        shape: { ...shape, ...shapeChanges },
      });
      const weights = noisyWeights(encoder);
      encoder.setWeights(weights);
      const windows = windowsOf([9, 4]);
      const { gradient } = encoder.lossAndGradient(windows);
      const lossAt = (index: number, value: number): number => {
        const moved = weights.slice();
        moved[index] = value;
        encoder.setWeights(moved);
        const { loss, ratingLoss, interestLoss } = encoder.lossAndGradient(windows);
        const { ratings, interests } = encoder.training;
        return loss + (ratings?.weight ?? 0) * ratingLoss + (interests?.weight ?? 0) * interestLoss;
      };
      const random = seededRandom(1);
      const step = 2e-2;
      for (const { name, offset, length } of encoder.trainable.tensors) {
        // The whole gradient of a small tensor, some entries of a large one.
        const entries =
          length <= 6
            ? Array.from({ length }, (_unused, index) => offset + index)
            : Array.from({ length: 6 }, () => offset + Math.floor(random() * length));
        for (const entry of entries) {
          const value = weights[entry]!;
          const slope = (lossAt(entry, value + step) - lossAt(entry, value - step)) / (2 * step);
          const tolerance = 2e-3 + 0.02 * Math.abs(slope);
          expect(Math.abs(gradient[entry]! - slope), `${name}[${entry - offset}]`).toBeLessThan(tolerance);
        }
      }
      const trained = new Set(encoder.trainable.tensors.map(({ name }) => name));
      for (const { name, offset, length } of encoder.layout.tensors)
        if (!trained.has(name))
          expect(
            gradient.subarray(offset, offset + length).every((value) => value === 0),
            name,
          ).toBe(true);
      // A gradient that is zero everywhere would pass for a flat loss: each tensor must have one that is not.
      for (const { name, offset, length } of encoder.trainable.tensors)
        expect(
          gradient.subarray(offset, offset + length).some((value) => Math.abs(value) > 1e-6),
          name,
        ).toBe(true);
      encoder.dispose();
    });
  });

  it("has the gradient of central finite differences as a student, and learns from teachers what they expect", async () => {
    const encoder = build(backend);
    const weights = noisyWeights(encoder);
    encoder.setWeights(weights);
    const windows = windowsOf([9, 4]);
    const teacher = build(backend, { shape: { ...shape, layers: 1 } });
    teacher.setWeights(noisyWeights(teacher, 0.4));
    const sequences = [...new Set(windows.map(({ sequence }) => sequence))];
    const targets = await softTargets([teacher], { sequences, top: 4, temperature: 2 });
    const teaching = { targets, temperature: 2, weight: 0.7 };
    const { gradient } = encoder.lossAndGradient(windows, undefined, teaching);
    const lossAt = (index: number, value: number): number => {
      const moved = weights.slice();
      moved[index] = value;
      encoder.setWeights(moved);
      return encoder.lossAndGradient(windows, undefined, teaching).loss;
    };
    const random = seededRandom(1);
    for (const { name, offset, length } of encoder.trainable.tensors) {
      const entry = offset + Math.floor(random() * length);
      const slope = (lossAt(entry, weights[entry]! + 0.02) - lossAt(entry, weights[entry]! - 0.02)) / 0.04;
      expect(Math.abs(gradient[entry]! - slope), name).toBeLessThan(2e-3 + 0.02 * Math.abs(slope));
    }
    encoder.setWeights(weights);
    const without = encoder.lossAndGradient(windows);
    const untaught = encoder.lossAndGradient(windows, undefined, { ...teaching, weight: 0 });
    expect(untaught.loss).toBeCloseTo(without.loss, 4);
    untaught.gradient.forEach((slope, i) => {
      expect(slope).toBeCloseTo(without.gradient[i]!, 4);
    });
    // Of records no longer than a window teacher and student see the same.
    const short = windowsOf([6, 4]);
    const own = await softTargets([encoder], {
      sequences: short.map(({ sequence }) => sequence),
      top: ITEMS,
      temperature: 2,
    });
    const agreeing = { targets: own, temperature: 2, weight: 1 };
    expect(encoder.lossAndGradient(short, undefined, agreeing).loss).toBeLessThan(1e-4);
    expect(() => encoder.lossAndGradient(windowsOf([3]), undefined, teaching)).toThrow("teaching.targets");
    encoder.dispose();
    teacher.dispose();
  });

  it("keeps every tensor it allocates accounted for", async () => {
    const before = backend.tf.memory().numTensors;
    const encoder = build(backend, { training: { ...training, maxSteps: 3, batchSize: 1 } });
    const created = backend.tf.memory().numTensors;
    const random = seededRandom(2);
    const sequences = [randomSequence(20, random), randomSequence(3, random)];
    const exercise = async (): Promise<void> => {
      await encoder.train({ sequences, options: encoder.training, random });
      const vectors = encoder.userVectors(sequences);
      encoder.scores(vectors.slice(0, shape.dimension));
      encoder.scoresForMany(sequences);
      encoder.itemVectors();
      encoder.interestScores(vectors.slice(0, shape.dimension));
      const targets = await softTargets([encoder], { sequences, top: 3, temperature: 1 });
      const windows = trainingWindows(sequences[0]!, shape.sequenceLength);
      encoder.lossAndGradient(windows, undefined, { targets, temperature: 1, weight: 0.5 });
      encoder.fitPersonal({ sequence: sequences[0]!, options: personal, random });
    };
    await exercise();
    encoder.setWeights(encoder.getWeights());
    expect(backend.tf.memory().numTensors).toBe(created);
    await exercise();
    const steady = backend.tf.memory().numTensors;
    await exercise();
    expect(backend.tf.memory().numTensors).toBe(steady);
    encoder.dispose();
    expect(backend.tf.memory().numTensors).toBe(before);
  });

  it.each(ARCHITECTURES)("is causal: a later item does not change an earlier loss, as %s", (architecture) => {
    const encoder = build(backend, { shape: { ...shape, architecture } });
    encoder.setWeights(noisyWeights(encoder));
    const sequence = randomSequence(7, seededRandom(9));
    const changed = { ...sequence, items: itemChanged(sequence.items, 6) };
    // Prefix outputs: window ending at each position, against the same prefix cut out of the whole sequence.
    for (let end = 1; end < 7; end++) {
      const prefix = (s: Sequence): Sequence => ({
        items: Array.from(s.items).slice(0, end),
        actions: Array.from(s.actions).slice(0, end),
        times: Array.from(s.times).slice(0, end),
        ratings: Array.from(s.ratings!).slice(0, end),
      });
      const { loss: whole, tokens } = encoder.lossAndGradient([{ sequence, start: 0, end }]);
      expect(tokens).toBe(end);
      if (end < 6) {
        const { loss: other } = encoder.lossAndGradient([{ sequence: changed, start: 0, end }]);
        expect(other).toBe(whole);
      }
      // The mean loss of the window is the mean of the losses of its prefixes' last outputs.
      const scores = encoder.scoresForMany([prefix(sequence)])[0]!;
      const largest = Math.max(...scores);
      const logTotal = largest + Math.log(scores.reduce((sum, value) => sum + Math.exp(value - largest), 0));
      const last = logTotal - scores[sequence.items[end] as number]!;
      const shorter = end === 1 ? 0 : encoder.lossAndGradient([{ sequence, start: 0, end: end - 1 }]).loss;
      expect(whole * end - shorter * (end - 1)).toBeCloseTo(last, 3);
    }
    encoder.dispose();
  });

  it.each(ARCHITECTURES)(
    "encodes packed sequences as it encodes them one by one, by their last sequenceLength items, as %s",
    (architecture) => {
      const encoder = build(backend, { shape: { ...shape, architecture } });
      encoder.setWeights(noisyWeights(encoder));
      const random = seededRandom(4);
      const sequences = [1, 7, 12, 3].map((length) => randomSequence(length, random));
      const together = encoder.userVectors(sequences);
      sequences.forEach((sequence, index) => {
        const alone = encoder.userVectors([sequence]);
        alone.forEach((value, j) => {
          expect(together[index * shape.dimension + j]).toBeCloseTo(value, 5);
        });
      });
      const long = sequences[2]!;
      const { start } = lastWindow(long, shape.sequenceLength);
      const other = { ...long, items: itemChanged(long.items, start - 1) };
      expect(encoder.userVectors([other])).toEqual(encoder.userVectors([long]));
      encoder.dispose();
    },
  );

  it("scores by user vector · item vector plus a bias that no user changes", () => {
    const encoder = build(backend);
    encoder.setWeights(noisyWeights(encoder));
    const items = encoder.itemVectors();
    const random = seededRandom(6);
    const d = shape.dimension;
    const vectors = encoder.userVectors([randomSequence(5, random), randomSequence(6, random)]);
    const biases = [0, 1].map((user) => {
      const vector = vectors.slice(user * d, (user + 1) * d);
      return encoder.scores(vector).map((score, item) => {
        let dot = 0;
        for (let j = 0; j < d; j++) dot += vector[j]! * items[item * d + j]!;
        return score - dot;
      });
    });
    biases[0]!.forEach((bias, item) => {
      expect(bias).toBeCloseTo(biases[1]![item]!, 4);
    });
    encoder.dispose();
  });

  it("sums scores by interest to what the head says, and leaves them without one", () => {
    const interests = { weight: 1, groups: 4 };
    const encoder = build(backend, { training: { ...training, interests } });
    encoder.setWeights(noisyWeights(encoder));
    const vector = encoder.userVectors([randomSequence(5, seededRandom(6))]);
    const features = itemFeatures(catalogue, shape);
    const groups = itemGroups(features, { columns: shape.dimension, groups: 4, seed: shape.seed });
    const summed = [0, 0, 0, 0];
    encoder.interestScores(vector).forEach((score, item) => {
      summed[groups[item]!]! += Math.exp(score);
    });
    const shares = groupShares(encoder.interestHead()!, vector);
    shares.forEach((share, group) => {
      expect(summed[group]).toBeCloseTo(share, 5);
    });
    expect(Math.max(...shares)).toBeGreaterThan(0.26);
    encoder.dispose();
    const plain = build(backend);
    expect(plain.interestScores(vector)).toEqual(plain.scores(vector));
    expect(plain.interestHead()).toBeUndefined();
    plain.dispose();
  });

  it("has the item vectors that are computed without a tensor library", () => {
    for (const rank of [0, 3]) {
      const encoder = build(backend, { shape: { ...shape, itemDeltaRank: rank } });
      const weights = noisyWeights(encoder);
      encoder.setWeights(weights);
      const options = { features: itemFeatures(catalogue, shape), shape: encoder.shape, training };
      itemVectors(weights, options).forEach((value, i) => {
        expect(value).toBeCloseTo(encoder.itemVectors()[i]!, 4);
      });
      encoder.dispose();
    }
  });

  it("takes one step as −learningRate × gradient, restores its weights and repeats itself", async () => {
    const encoder = build(backend);
    const weights = noisyWeights(encoder);
    encoder.setWeights(weights);
    expect(encoder.getWeights()).toEqual(weights);
    const sequence = randomSequence(6, seededRandom(8));
    const run = () => encoder.train({ sequences: [sequence], options: training, random: seededRandom(1) });
    const { delta, loss, steps, tokens } = await run();
    expect({ steps, tokens }).toEqual({ steps: 1, tokens: 5 });
    const reference = encoder.lossAndGradient(trainingWindows(sequence, shape.sequenceLength));
    expect(loss).toBeCloseTo(reference.loss, 6);
    delta.forEach((value, index) => {
      expect(value).toBeCloseTo(-training.learningRate * reference.gradient[index]!, 5);
    });
    expect((await run()).delta).toEqual(delta);
    expect(encoder.getWeights()).toEqual(weights);

    const several = { ...training, epochs: 4, maxSteps: 4 };
    const longer = await encoder.train({ sequences: [sequence], options: several, random: seededRandom(1) });
    expect(longer.steps).toBe(4);
    expect(encoder.getWeights()).toEqual(weights);
    encoder.setWeights(applyDelta(weights, longer.delta, encoder.trainable));
    expect(encoder.lossAndGradient(trainingWindows(sequence, shape.sequenceLength)).loss).toBeLessThan(loss);

    encoder.setWeights(weights);
    const held = await encoder.train({
      sequences: [sequence],
      options: { ...several, proximal: 1 },
      random: seededRandom(1),
    });
    const norm = (vector: Float32Array): number => Math.hypot(...vector);
    expect(norm(held.delta)).toBeLessThan(norm(longer.delta));
    encoder.dispose();
  });

  it.each([10_000, 5])(
    "fits a person's own parameters beside its weights, softmax up to %i",
    (fullSoftmaxLimit) => {
      const encoder = build(backend, { training: { ...training, fullSoftmaxLimit } });
      const weights = noisyWeights(encoder);
      encoder.setWeights(weights);
      // Somebody who comes back to the same three items.
      const sequence = sequenceOf(Array.from({ length: 24 }, (_, i) => [2, 9, 14][i % 3]!));
      const fit = encoder.fitPersonal({ sequence, options: personal, random: seededRandom(1) });
      expect(fit.after).toBeLessThan(fit.before - 0.1);
      expect(encoder.getWeights()).toEqual(weights);
      const user = { sequence, target: 2, seen: [] };
      const [own] = nextItemRanks({ encoder, users: [{ ...user, personal: fit.parameters }] });
      expect(own).toBeLessThanOrEqual(3);
      encoder.dispose();
    },
  );

  it("draws dropout from the given generator only in training", async () => {
    const encoder = build(backend, { shape: { ...shape, dropout: 0.5 } });
    const sequence = randomSequence(6, seededRandom(8));
    const lossWith = async (seed: number): Promise<number> =>
      (await encoder.train({ sequences: [sequence], options: training, random: seededRandom(seed) })).loss;
    expect(await lossWith(1)).toBe(await lossWith(1));
    expect(await lossWith(1)).not.toBe(await lossWith(2));
    expect(encoder.userVectors([sequence])).toEqual(encoder.userVectors([sequence]));
    encoder.dispose();
  });

  it.each(ARCHITECTURES)("learns a cyclic order far beyond popularity, as %s", async (architecture) => {
    const random = seededRandom(10);
    const next = (item: number): number => (item * 3 + 1) % ITEMS;
    const sequences = Array.from({ length: 24 }, () => {
      const items = [Math.floor(random() * ITEMS)];
      while (items.length < 8) items.push(next(items.at(-1)!));
      return sequenceOf(items);
    });
    const encoder = build(backend, { shape: { ...shape, architecture } });
    const { epochs } = await encoder.trainCentralised({
      sequences,
      epochs: backend.name === "cpu" ? 30 : 40,
      batchSize: 12,
      learningRate: 0.02,
      optimiser: "adam",
      random,
    });
    expect(epochs.at(-1)!.loss).toBeLessThan(0.5 * epochs[0]!.loss);
    const users = sequences.map(({ items }) => {
      const known = Array.from(items);
      return { sequence: sequenceOf(known), target: next(known.at(-1)!), seen: [] };
    });
    // Every item is equally popular, so popularity finds the target in ten of 17 places at best.
    expect(rankingMetrics(nextItemRanks({ encoder, users })).mrr).toBeGreaterThan(0.6);
    encoder.dispose();
  });
});

describe("across backends", () => {
  it("gives the same loss and gradient within rounding", async () => {
    const results = [];
    for (const backend of backends) {
      await backend.tf.setBackend(backend.name);
      const encoder = build(backend);
      encoder.setWeights(noisyWeights(encoder));
      results.push(encoder.lossAndGradient(windowsOf([9, 4, 5])));
      encoder.dispose();
    }
    const [first, ...others] = results;
    expect(others.length).toBeGreaterThan(0);
    for (const other of others) {
      expect(other.loss).toBeCloseTo(first!.loss, 5);
      other.gradient.forEach((value, index) => {
        expect(value).toBeCloseTo(first!.gradient[index]!, 4);
      });
    }
  });
});

describe("bad input", () => {
  let encoder: InterestEncoder;
  beforeAll(async () => {
    const backend = backends.at(-1)!;
    await backend.tf.setBackend(backend.name);
    encoder = build(backend);
  });
  afterAll(() => encoder.dispose());
  const good = sequenceOf([1, 2, 3]);

  it.each([
    [
      "weights that are NaN",
      "model-invalid",
      "weights[4]",
      () => encoder.setWeights(encoder.getWeights().fill(Number.NaN, 4, 5)),
    ],
    ["weights of a wrong length", "model-invalid", "weights", () => encoder.setWeights(new Float32Array(3))],
    [
      "an empty sequence",
      "option-invalid",
      "sequences[1].items",
      () => encoder.userVectors([good, sequenceOf([])]),
    ],
    [
      "an item outside the catalogue",
      "option-invalid",
      "sequences[0].items[1]",
      () => encoder.userVectors([sequenceOf([0, ITEMS])]),
    ],
    [
      "an unknown action",
      "option-invalid",
      "sequences[0].actions[2]",
      () => encoder.userVectors([{ ...good, actions: [0, 0, 6] }]),
    ],
    [
      "a time that is not finite",
      "option-invalid",
      "sequences[0].times[0]",
      () => encoder.userVectors([{ ...good, times: [Number.NaN, 1, 2] }]),
    ],
    [
      "arrays of different lengths",
      "option-invalid",
      "sequences[0].times",
      () => encoder.userVectors([{ ...good, times: [1] }]),
    ],
    [
      "a user vector of a wrong length",
      "option-invalid",
      "userVector",
      () => encoder.scores(new Float32Array(2)),
    ],
    [
      "features of a wrong length",
      "option-invalid",
      "features",
      () => build(backends[0]!, { features: new Float32Array(5) }),
    ],
    [
      "heads that do not divide d",
      "option-invalid",
      "shape.heads",
      () => build(backends[0]!, { shape: { ...shape, heads: 3 } }),
    ],
    [
      "a target outside the catalogue",
      "option-invalid",
      "users[0].target",
      () => nextItemRanks({ encoder, users: [{ sequence: good, target: -1, seen: [] }] }),
    ],
  ] as const)("refuses %s", (_, code, field, action) => {
    expect(rejectionOf(action)).toMatchObject({
      code,
      field,
      rule: expect.any(String),
      fix: expect.any(String),
    });
  });

  it("refuses to train on a sequence without a transition, and on nobody", async () => {
    const options = { options: training, random: seededRandom(1) };
    await expect(encoder.train({ sequences: [sequenceOf([1])], ...options })).rejects.toMatchObject({
      rejection: { code: "option-invalid", field: "sequences[0].items" },
    });
    await expect(encoder.train({ sequences: [], ...options })).rejects.toMatchObject({
      rejection: { code: "option-invalid", field: "sequences" },
    });
  });
});
