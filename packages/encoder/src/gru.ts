/**
 * A pre-norm block around gated recurrent units (Cho et al. 2014; the variant of Chung et al. 2014 that applies the reset
 * gate after the product, as cuDNN does), for sequences of interactions as in GRU4Rec (Hidasi et al. 2016).
 *
 * With y = norm(x) and the state h, 0 at the start of each window:
 * r = σ(yW_r + hU_r + b_r), z = σ(yW_z + hU_z + b_z), n = tanh(yW_n + b_n + r ⊙ (hU_n + c_n)),
 * h ← (1 − z) ⊙ n + z ⊙ h, and x ← x + hW_o.
 *
 * The products with W are taken for all rows at once by the tensor library. Those with U follow one another and are of
 * one row each, too small for a call: they are plain loops.
 */
import { addMatrixGradient, type Block, normaliseAs, normaliseAsBackward } from "./block.ts";
import { drop, multiply } from "./layers.ts";
import { addColumnSums, addTo } from "./products.ts";
import type { EncoderWeights } from "./weights.ts";

/** What the backward pass needs of a forward pass; each rows × d. */
interface Recurrence {
  readonly reset: Float32Array;
  readonly update: Float32Array;
  readonly candidate: Float32Array;
  /** hU_n + c_n */
  readonly gated: Float32Array;
  /** h before each row. */
  readonly before: Float32Array;
  /** h after each row. */
  readonly after: Float32Array;
}

export const gruBlock: Block = (x, at, { shape, weights, products, starts, random }) => {
  const d = shape.dimension;
  const rows = x.length / d;
  const named = (...parts: string[]): string[] => parts.map((part) => `${at}.recurrent.${part}`);
  const inputNames = named("inputReset", "inputUpdate", "inputCandidate");
  const stateNames = named("stateReset", "stateUpdate", "stateCandidate");
  const outputName = `${at}.recurrent.output`;
  const norm = normaliseAs(`${at}.recurrentNorm`, x, weights);
  const inputs = products.times(norm.output, rows, weights.forward(...inputNames));
  const state = sideBySide(stateNames, d, weights);
  const biases = {
    reset: weights.view(`${at}.recurrent.resetBias`),
    update: weights.view(`${at}.recurrent.updateBias`),
    candidate: weights.view(`${at}.recurrent.candidateBias`),
    gated: weights.view(`${at}.recurrent.stateBias`),
  };
  const cache = recur(inputs, { state, biases, starts, d });
  const result = products.times(cache.after, rows, weights.forward(outputName));
  const mask = drop(result, shape.dropout, random);
  addTo(x, result);
  return (dx, sink) => {
    const context = { ...sink, products };
    const dResult = dx.slice();
    multiply(dResult, mask);
    addMatrixGradient([outputName], { a: cache.after, b: dResult, rows }, context);
    const dAfter = products.times(dResult, rows, weights.backward(outputName));
    const { dInputs, dState } = recurBackward(dAfter, { cache, state, starts, d });
    const sums = new Float32Array(3 * d);
    addColumnSums(sums, dInputs);
    addTo(sink.gradient(`${at}.recurrent.resetBias`), sums.subarray(0, d));
    addTo(sink.gradient(`${at}.recurrent.updateBias`), sums.subarray(d, 2 * d));
    addTo(sink.gradient(`${at}.recurrent.candidateBias`), sums.subarray(2 * d));
    sums.fill(0);
    addColumnSums(sums, dState);
    addTo(sink.gradient(`${at}.recurrent.stateBias`), sums.subarray(2 * d));
    addMatrixGradient(inputNames, { a: norm.output, b: dInputs, rows }, context);
    addMatrixGradient(stateNames, { a: cache.before, b: dState, rows }, context);
    const dy = products.times(dInputs, rows, weights.backward(...inputNames));
    normaliseAsBackward(`${at}.recurrentNorm`, { dy, dx, cache: norm }, { ...sink, weights });
  };
};

/** Three d × d matrices as one of d × 3d. */
function sideBySide(names: readonly string[], d: number, weights: EncoderWeights): Float32Array {
  const joined = new Float32Array(3 * d * d);
  names.forEach((name, block) => {
    const matrix = weights.matrix(name);
    for (let i = 0; i < d; i++) joined.set(matrix.subarray(i * d, (i + 1) * d), i * 3 * d + block * d);
  });
  return joined;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** @param inputs yW, rows × 3d: reset, update, candidate */
function recur(
  inputs: Float32Array,
  {
    state,
    biases,
    starts,
    d,
  }: {
    state: Float32Array;
    biases: Record<"reset" | "update" | "candidate" | "gated", Float32Array>;
    starts: Int32Array;
    d: number;
  },
): Recurrence {
  const size = inputs.length / 3;
  const [reset, update, candidate, gated, before, after] = Array.from(
    { length: 6 },
    () => new Float32Array(size),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
  const products = new Float32Array(3 * d);
  const h = new Float32Array(d);
  for (let window = 0; window + 1 < starts.length; window++) {
    h.fill(0);
    for (let row = starts[window]!; row < starts[window + 1]!; row++) {
      before.set(h, row * d);
      rowTimes(h, state, products);
      for (let j = 0; j < d; j++) {
        const at = row * d + j;
        const from = row * 3 * d + j;
        const r = sigmoid(inputs[from]! + products[j]! + biases.reset[j]!);
        const z = sigmoid(inputs[from + d]! + products[d + j]! + biases.update[j]!);
        const c = products[2 * d + j]! + biases.gated[j]!;
        const n = Math.tanh(inputs[from + 2 * d]! + biases.candidate[j]! + r * c);
        reset[at] = r;
        update[at] = z;
        gated[at] = c;
        candidate[at] = n;
        h[j] = n + z * (h[j]! - n);
        after[at] = h[j]!;
      }
    }
  }
  return { reset, update, candidate, gated, before, after };
}

/** Backpropagation through time: the gradients by yW and by hU, rows × 3d each. */
function recurBackward(
  dAfter: Float32Array,
  { cache, state, starts, d }: { cache: Recurrence; state: Float32Array; starts: Int32Array; d: number },
): { dInputs: Float32Array; dState: Float32Array } {
  const { reset, update, candidate, gated, before } = cache;
  const dInputs = new Float32Array(3 * dAfter.length);
  const dState = new Float32Array(3 * dAfter.length);
  const carried = new Float32Array(d);
  for (let window = 0; window + 1 < starts.length; window++) {
    carried.fill(0);
    for (let row = starts[window + 1]! - 1; row >= starts[window]!; row--) {
      const to = row * 3 * d;
      for (let j = 0; j < d; j++) {
        const at = row * d + j;
        const [r, z, n] = [reset[at]!, update[at]!, candidate[at]!];
        const dh = dAfter[at]! + carried[j]!;
        const dCandidate = dh * (1 - z) * (1 - n * n);
        const dUpdate = dh * (before[at]! - n) * z * (1 - z);
        const dReset = dCandidate * gated[at]! * r * (1 - r);
        carried[j] = dh * z;
        dInputs[to + j] = dReset;
        dInputs[to + d + j] = dUpdate;
        dInputs[to + 2 * d + j] = dCandidate;
        dState[to + j] = dReset;
        dState[to + d + j] = dUpdate;
        dState[to + 2 * d + j] = dCandidate * r;
      }
      for (let i = 0; i < d; i++) {
        let dot = 0;
        for (let j = 0; j < 3 * d; j++) dot += dState[to + j]! * state[i * 3 * d + j]!;
        carried[i]! += dot;
      }
    }
  }
  return { dInputs, dState };
}

/** result = row · matrix, for a matrix of result.length columns. */
function rowTimes(row: Float32Array, matrix: Float32Array, result: Float32Array): void {
  const columns = result.length;
  result.fill(0);
  for (let i = 0; i < row.length; i++) {
    const factor = row[i]!;
    if (factor === 0) continue;
    for (let j = 0; j < columns; j++) result[j]! += factor * matrix[i * columns + j]!;
  }
}
