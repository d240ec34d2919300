/** A pre-norm causal transformer block (Vaswani et al. 2017; Kang and McAuley 2018). */
import {
  addMatrixGradient,
  type Block,
  type LastRows,
  lastRows,
  normaliseAs,
  normaliseAsBackward,
} from "./block.ts";
import { attend, attendBackward, attendLast, drop, multiply } from "./layers.ts";
import { addColumnSums, addTo } from "./products.ts";

/** x + attention(norm(x)), then that + feedForward(norm(·)). */
export const transformerBlock: Block = (x, at, run) => {
  const attentionBackward = attentionPart(x, at, run);
  const feedForwardBackward = feedForwardPart(x, at, run);
  return (dx, sink) => {
    feedForwardBackward(dx, sink);
    attentionBackward(dx, sink);
  };
};

/** Only keys and values are wanted of the rows before the last: about half the work for a layer of some fifty rows. */
export const transformerLast: LastRows = (x, at, run) => {
  const { shape, weights, products, starts } = run;
  const { dimension, heads } = shape;
  const windows = starts.length - 1;
  const within = { starts, heads, dimension };
  const { output: norm } = normaliseAs(`${at}.attentionNorm`, x, weights);
  const keyValue = weights.forward(`${at}.attention.key`, `${at}.attention.value`);
  const keysValues = products.times(norm, x.length / dimension, keyValue);
  const query = weights.forward(`${at}.attention.query`);
  const queries = products.times(lastRows(norm, within), windows, query);
  const attended = attendLast({ queries, keysValues }, weights.view(`${at}.attention.distance`), within);
  const result = lastRows(x, within);
  addTo(result, products.times(attended, windows, weights.forward(`${at}.attention.output`)));
  feedForwardPart(result, at, { ...run, random: undefined });
  return result;
};

const attentionPart: Block = (x, at, run) => {
  const { shape, weights, products, starts, random } = run;
  const { dimension, heads, dropout } = shape;
  const rows = x.length / dimension;
  const inputs = [`${at}.attention.query`, `${at}.attention.key`, `${at}.attention.value`];
  const norm = normaliseAs(`${at}.attentionNorm`, x, weights);
  const qkv = products.times(norm.output, rows, weights.forward(...inputs));
  const within = { starts, heads, dimension };
  const { output: attended, probabilities } = attend(qkv, weights.view(`${at}.attention.distance`), within);
  const result = products.times(attended, rows, weights.forward(`${at}.attention.output`));
  const mask = drop(result, dropout, random);
  addTo(x, result);
  return (dx, sink) => {
    const context = { ...sink, products };
    const dResult = dx.slice();
    multiply(dResult, mask);
    addMatrixGradient([`${at}.attention.output`], { a: attended, b: dResult, rows }, context);
    const dAttended = products.times(dResult, rows, weights.backward(`${at}.attention.output`));
    const dDistance = sink.gradient(`${at}.attention.distance`);
    const dqkv = attendBackward(dAttended, { qkv, probabilities, dDistance }, within);
    addMatrixGradient(inputs, { a: norm.output, b: dqkv, rows }, context);
    const dy = products.times(dqkv, rows, weights.backward(...inputs));
    normaliseAsBackward(`${at}.attentionNorm`, { dy, dx, cache: norm }, { ...sink, weights });
  };
};

const feedForwardPart: Block = (x, at, run) => {
  const { shape, weights, products, random } = run;
  const rows = x.length / shape.dimension;
  const norm = normaliseAs(`${at}.feedForwardNorm`, x, weights);
  const hidden = products.times(norm.output, rows, weights.forward(`${at}.feedForward.up`));
  addRow(hidden, weights.view(`${at}.feedForward.upBias`));
  const activated = silu(hidden);
  const result = products.times(activated, rows, weights.forward(`${at}.feedForward.down`));
  addRow(result, weights.view(`${at}.feedForward.downBias`));
  const mask = drop(result, shape.dropout, random);
  addTo(x, result);
  return (dx, sink) => {
    const context = { ...sink, products };
    const dResult = dx.slice();
    multiply(dResult, mask);
    addColumnSums(sink.gradient(`${at}.feedForward.downBias`), dResult);
    addMatrixGradient([`${at}.feedForward.down`], { a: activated, b: dResult, rows }, context);
    const dHidden = products.times(dResult, rows, weights.backward(`${at}.feedForward.down`));
    siluBackward(dHidden, hidden);
    addColumnSums(sink.gradient(`${at}.feedForward.upBias`), dHidden);
    addMatrixGradient([`${at}.feedForward.up`], { a: norm.output, b: dHidden, rows }, context);
    const dy = products.times(dHidden, rows, weights.backward(`${at}.feedForward.up`));
    normaliseAsBackward(`${at}.feedForwardNorm`, { dy, dx, cache: norm }, { ...sink, weights });
  };
};

/** Adds one row to every row. */
function addRow(values: Float32Array, row: Float32Array): void {
  for (let start = 0; start < values.length; start += row.length)
    for (let j = 0; j < row.length; j++) values[start + j]! += row[j]!;
}

/** x·σ(x) (Elfwing et al. 2018). */
function silu(x: Float32Array): Float32Array {
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) y[i] = x[i]! / (1 + Math.exp(-x[i]!));
  return y;
}

/** dy *= silu'(x) */
function siluBackward(dy: Float32Array, x: Float32Array): void {
  for (let i = 0; i < x.length; i++) {
    const sigmoid = 1 / (1 + Math.exp(-x[i]!));
    dy[i]! *= sigmoid * (1 + x[i]! * (1 - sigmoid));
  }
}
