/** An encoder without tensors: what it returns follows from the sequence by simple arithmetic. */
import type { Sequence } from "@kindred/encoder";
import type { EncoderRuntime, ModelWeights } from "../src/encoder-runtime.ts";

export interface StubEncoder extends EncoderRuntime {
  /** Hashes of the models that were trained from. */
  readonly trainedFrom: string[];
  /** The deltas that were handed out, which their taker has to wipe. */
  readonly deltas: Float32Array[];
  /** Training waits for this while it is set. */
  gate: Promise<void> | undefined;
}

/** Item i points along axis i modulo d; a person's vector is the mean of their items. */
export function stubEncoder(options: {
  readonly items: number;
  readonly dimension: number;
  readonly modelLength: number;
}): StubEncoder {
  const { items, dimension, modelLength } = options;
  const vectorOf = (sequence: Sequence): Float32Array => {
    const vector = new Float32Array(dimension);
    for (const item of Array.from(sequence.items)) vector[item % dimension]! += 1 / sequence.items.length;
    return vector;
  };
  const stub: StubEncoder = {
    trainedFrom: [],
    deltas: [],
    gate: undefined,
    async train({ hash }: ModelWeights, { sequence }) {
      stub.trainedFrom.push(hash);
      await stub.gate;
      const delta = new Float32Array(modelLength).fill(stubDelta(sequence));
      stub.deltas.push(delta);
      return { delta, loss: 1 };
    },
    async userVectors(_model, sequences) {
      const vectors = new Float32Array(sequences.length * dimension);
      sequences.forEach((sequence, i) => {
        vectors.set(vectorOf(sequence), i * dimension);
      });
      return vectors;
    },
    async fitPersonal(_model, { sequence }) {
      // Twice the vector, and a bias along the axis of the first item.
      const values = new Float32Array(2 * dimension).fill(1, 0, dimension);
      values[dimension + (sequence.items[0]! % dimension)] = 0.5;
      const parameters = { dimension, affine: true, rank: 0, values };
      return { parameters, steps: 1, before: 2, after: 1 };
    },
    async scores(_model, vector) {
      return Float32Array.from({ length: items }, (_, item) => vector[item % dimension]! - item / 1000);
    },
    interestScores: (model, vector) => stub.scores(model, vector),
    async itemVectors() {
      const vectors = new Float32Array(items * dimension);
      for (let item = 0; item < items; item++) vectors[item * dimension + (item % dimension)] = 1;
      return vectors;
    },
  };
  return stub;
}

/** Every entry of the delta that the stub trains. */
export function stubDelta(sequence: Pick<Sequence, "items">): number {
  return Array.from(sequence.items).reduce((sum, item) => sum + item + 1, 0) / 1000;
}
