/**
 * The tied output side: scores of all items, and the next-item cross-entropy with its gradient by hand.
 *
 * With item vector e = f·W + a·B and bias b, the score u·e + b equals [u·Wᵀ | u·Bᵀ | c]·[f | a | b/c]. So
 * neither the item vectors nor their dense gradient (items × d) are ever built in training: the text part F is a constant
 * matrix, and only the slim (rank + 1) × items part changes with the weights.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core";
import type { EncoderConstants } from "./embedding.ts";
import { addTo, type MatrixProducts, transpose } from "./products.ts";
import type { EncoderWeights } from "./weights.ts";

/** What one unit of a weight of `item.bias` adds to a score, in nats. */
const BIAS_SCALE = 4;

/** Largest number of logits held at once, 4 bytes each. */
const LOGITS_AT_ONCE = 1 << 21;

export interface LossContext {
  readonly weights: EncoderWeights;
  readonly gradient: (name: string) => Float32Array;
}

/** Sums over rows: of the queries, rows × d and rows × (rank + 1), and of [a | b]ᵀ, (rank + 1) × items. */
interface ScoreGradients {
  readonly dText: Float32Array;
  readonly dSlim: Float32Array;
  readonly dItems: Float32Array;
}

export interface SampledSoftmax {
  /** Item indices drawn uniformly without the correction of any user's own items. */
  readonly negatives: Int32Array;
}

export class ItemHead {
  private readonly constants: EncoderConstants;
  private readonly products: MatrixProducts;
  /** F, items × d, and its transpose: constant, so that a backend packs them once. */
  private readonly text: Tensor2D;
  private readonly textTransposed: Tensor2D;

  constructor(constants: EncoderConstants, products: MatrixProducts) {
    const { features, itemCount, shape } = constants;
    this.constants = constants;
    this.products = products;
    this.text = products.matrix(features, itemCount, shape.dimension);
    this.textTransposed = products.matrix(
      transpose(features, itemCount, shape.dimension),
      shape.dimension,
      itemCount,
    );
  }

  dispose(): void {
    this.text.dispose();
    this.textTransposed.dispose();
  }

  /** e = f·W + a·B for every item, row-major items × d. */
  itemVectors(weights: EncoderWeights): Float32Array {
    const { shape, itemCount, basis } = this.constants;
    const { dimension: d, itemDeltaRank: rank } = shape;
    const product = this.products.tf.matMul(this.text, weights.forward("item.projection"));
    const vectors = product.dataSync() as Float32Array;
    product.dispose();
    if (rank === 0) return vectors;
    const delta = weights.view("item.delta");
    for (let item = 0; item < itemCount; item++)
      for (let r = 0; r < rank; r++) {
        const a = delta[r * itemCount + item]!;
        if (a !== 0) for (let j = 0; j < d; j++) vectors[item * d + j]! += a * basis[r * d + j]!;
      }
    return vectors;
  }

  /** [a | b]ᵀ, (rank + 1) × items: contiguous in the flat vector. */
  private slim(weights: EncoderWeights): Float32Array {
    const { itemCount, shape } = this.constants;
    const bias = weights.view("item.bias");
    const length = (shape.itemDeltaRank + 1) * itemCount;
    return new Float32Array(bias.buffer, bias.byteOffset + 4 * (bias.length - length), length);
  }

  /** [u·Bᵀ | c], rows × (rank + 1) */
  private slimQueries(vectors: Float32Array): Float32Array {
    const { shape, basis } = this.constants;
    const { dimension: d, itemDeltaRank: rank } = shape;
    const rows = vectors.length / d;
    const queries = new Float32Array(rows * (rank + 1));
    for (let row = 0; row < rows; row++) {
      const at = row * (rank + 1);
      for (let r = 0; r < rank; r++) {
        let dot = 0;
        for (let j = 0; j < d; j++) dot += vectors[row * d + j]! * basis[r * d + j]!;
        queries[at + r] = dot;
      }
      queries[at + rank] = BIAS_SCALE;
    }
    return queries;
  }

  private logits(
    queries: { text: Float32Array; slim: Float32Array },
    rows: number,
    weights: EncoderWeights,
  ): Tensor2D {
    const { products } = this;
    const { itemCount, shape } = this.constants;
    const width = shape.itemDeltaRank + 1;
    const slimMatrix = weights.cached("slim→", () => products.matrix(this.slim(weights), width, itemCount));
    const text = products.matrix(queries.text, rows, shape.dimension);
    const slim = products.matrix(queries.slim, rows, width);
    const textScores = products.tf.matMul(text, this.textTransposed);
    const slimScores = products.tf.matMul(slim, slimMatrix);
    const scores = products.tf.add(textScores, slimScores) as Tensor2D;
    for (const tensor of [text, slim, textScores, slimScores]) tensor.dispose();
    return scores;
  }

  private textQueries(vectors: Float32Array, rows: number, weights: EncoderWeights): Float32Array {
    return this.products.times(vectors, rows, weights.backward("item.projection"));
  }

  /** Scores of all items for each user vector, as a function that yields one row at a time. */
  scores(
    vectors: Float32Array,
    weights: EncoderWeights,
    take: (row: number, scores: Float32Array) => void,
  ): void {
    const { itemCount, shape } = this.constants;
    const d = shape.dimension;
    const rows = vectors.length / d;
    const chunk = Math.max(1, Math.floor(LOGITS_AT_ONCE / itemCount));
    for (let start = 0; start < rows; start += chunk) {
      const count = Math.min(chunk, rows - start);
      const part = vectors.subarray(start * d, (start + count) * d);
      const queries = { text: this.textQueries(part, count, weights), slim: this.slimQueries(part) };
      const tensor = this.logits(queries, count, weights);
      const values = tensor.dataSync() as Float32Array;
      tensor.dispose();
      for (let row = 0; row < count; row++)
        take(start + row, values.slice(row * itemCount, (row + 1) * itemCount));
    }
  }

  /**
   * Mean next-item cross-entropy with full softmax, and its gradient.
   *
   * @param vectors user vectors, rows × d
   * @param targets item index per row
   * @returns mean loss in nats and the gradient of the mean by `vectors`; the weights' is added to `gradient`
   */
  fullSoftmax(
    vectors: Float32Array,
    targets: Int32Array,
    context: LossContext,
  ): { loss: number; dVectors: Float32Array } {
    const { itemCount, shape } = this.constants;
    const d = shape.dimension;
    const rows = targets.length;
    const dVectors = new Float32Array(vectors.length);
    const chunk = Math.max(1, Math.floor(LOGITS_AT_ONCE / itemCount));
    let loss = 0;
    for (let start = 0; start < rows; start += chunk) {
      const end = Math.min(rows, start + chunk);
      const part = vectors.subarray(start * d, end * d);
      const result = this.fullSoftmaxChunk(part, targets.subarray(start, end), { ...context, rows });
      loss += result.loss;
      dVectors.set(result.dVectors, start * d);
    }
    return { loss, dVectors };
  }

  private fullSoftmaxChunk(
    vectors: Float32Array,
    targets: Int32Array,
    context: LossContext & { rows: number },
  ): { loss: number; dVectors: Float32Array } {
    const { tf } = this.products;
    const { weights } = context;
    const { itemCount, shape, features } = this.constants;
    const d = shape.dimension;
    const width = shape.itemDeltaRank + 1;
    const count = targets.length;
    const queries = { text: this.textQueries(vectors, count, weights), slim: this.slimQueries(vectors) };

    const logits = this.logits(queries, count, weights);
    const probabilities = tf.softmax(logits);
    logits.dispose();
    const indices = new Int32Array(2 * count);
    for (let row = 0; row < count; row++) {
      indices[2 * row] = row;
      indices[2 * row + 1] = targets[row]!;
    }
    const indexTensor = tf.tensor2d(indices, [count, 2], "int32");
    const picked = tf.gatherND(probabilities, indexTensor);
    const targetProbabilities = picked.dataSync();
    indexTensor.dispose();
    picked.dispose();
    const gradients = this.scoresBackward(probabilities, queries.slim, weights);
    const { dText, dSlim, dItems } = gradients;

    // So far the gradient of the log-partition function; now that of the target's own score, −1 per row.
    const slim = this.slim(weights);
    let loss = 0;
    for (let row = 0; row < count; row++) {
      const item = targets[row]!;
      loss -= Math.log(Math.max(targetProbabilities[row]!, 1e-37));
      for (let j = 0; j < d; j++) dText[row * d + j]! -= features[item * d + j]!;
      for (let r = 0; r < width; r++) {
        dSlim[row * width + r]! -= slim[r * itemCount + item]!;
        dItems[r * itemCount + item]! -= queries.slim[row * width + r]!;
      }
    }
    return { loss: loss / context.rows, dVectors: this.meanBackward(vectors, gradients, context) };
  }

  /**
   * Mean of a loss of each row's scores of all items, and its gradient: for losses that a softmax does not cover.
   *
   * @param vectors user vectors, rows × d
   * @param lossOf told a row and its scores, which it replaces by the gradient of the row's loss
   * @returns mean loss and the gradient of the mean by `vectors`; the weights' is added to `gradient`
   */
  lossByScores(
    vectors: Float32Array,
    lossOf: (row: number, scores: Float32Array) => number,
    context: LossContext,
  ): { loss: number; dVectors: Float32Array } {
    const { products } = this;
    const { weights } = context;
    const { itemCount, shape } = this.constants;
    const d = shape.dimension;
    const rows = vectors.length / d;
    const dVectors = new Float32Array(vectors.length);
    const chunk = Math.max(1, Math.floor(LOGITS_AT_ONCE / itemCount));
    let loss = 0;
    for (let start = 0; start < rows; start += chunk) {
      const count = Math.min(chunk, rows - start);
      const part = vectors.subarray(start * d, (start + count) * d);
      const queries = { text: this.textQueries(part, count, weights), slim: this.slimQueries(part) };
      const logits = this.logits(queries, count, weights);
      const scores = logits.dataSync() as Float32Array;
      logits.dispose();
      for (let row = 0; row < count; row++)
        loss += lossOf(start + row, scores.subarray(row * itemCount, (row + 1) * itemCount)) / rows;
      const errors = products.matrix(scores, count, itemCount);
      const gradients = this.scoresBackward(errors, queries.slim, weights);
      dVectors.set(this.meanBackward(part, gradients, { ...context, rows }), start * d);
    }
    return { loss, dVectors };
  }

  /**
   * From the gradient of the scores to that of queries and items.
   * @param errors rows × items; disposed of
   */
  private scoresBackward(
    errors: Tensor2D,
    slimQueries: Float32Array,
    weights: EncoderWeights,
  ): ScoreGradients {
    const { products } = this;
    const { tf } = products;
    const { itemCount, shape } = this.constants;
    const width = shape.itemDeltaRank + 1;
    const rows = errors.shape[0];
    const slimMatrix = weights.cached("slim←", () =>
      products.matrix(transpose(this.slim(weights), width, itemCount), itemCount, width),
    );
    const queries = products.matrix(transpose(slimQueries, rows, width), width, rows);
    const text = tf.matMul(errors, this.text);
    const slim = tf.matMul(errors, slimMatrix);
    const items = tf.matMul(queries, errors);
    const gradients = {
      dText: text.dataSync() as Float32Array,
      dSlim: slim.dataSync() as Float32Array,
      dItems: items.dataSync() as Float32Array,
    };
    for (const tensor of [errors, queries, text, slim, items]) tensor.dispose();
    return gradients;
  }

  /** The share of these rows in the gradient of a mean over `rows`: the weights' is added, that of the vectors returned. */
  private meanBackward(
    vectors: Float32Array,
    { dText, dSlim, dItems }: ScoreGradients,
    context: LossContext & { rows: number },
  ): Float32Array {
    const scale = 1 / context.rows;
    for (const values of [dText, dSlim, dItems]) for (let i = 0; i < values.length; i++) values[i]! *= scale;
    this.addItemGradient(dItems, context.gradient);
    return this.queriesBackward(vectors, { dText, dSlim }, context);
  }

  /**
   * Mean next-item cross-entropy against shared negatives (Bengio and Senécal 2008): the negatives are drawn uniformly,
   * so the logQ correction adds log((items − 1) / negatives) to each of their scores, and the estimate of
   * the partition function is unbiased. A row's own target among the negatives is left out.
   */
  sampledSoftmax(
    vectors: Float32Array,
    targets: Int32Array,
    context: LossContext & SampledSoftmax,
  ): { loss: number; dVectors: Float32Array } {
    const { products } = this;
    const { weights, gradient, negatives } = context;
    const { itemCount, shape, features } = this.constants;
    const { dimension: d, itemDeltaRank: rank } = shape;
    const width = rank + 1;
    const wide = d + width;
    const rows = targets.length;
    const scale = 1 / rows;
    const slim = this.slim(weights);
    const text = this.textQueries(vectors, rows, weights);
    const slimQueries = this.slimQueries(vectors);
    const queries = new Float32Array(rows * wide);
    for (let row = 0; row < rows; row++) {
      queries.set(text.subarray(row * d, (row + 1) * d), row * wide);
      queries.set(slimQueries.subarray(row * width, (row + 1) * width), row * wide + d);
    }
    const itemRow = (item: number, into: Float32Array, at: number): void => {
      into.set(features.subarray(item * d, (item + 1) * d), at);
      for (let r = 0; r < width; r++) into[at + d + r] = slim[r * itemCount + item]!;
    };
    const count = negatives.length;
    const candidates = new Float32Array(count * wide);
    for (let n = 0; n < count; n++) itemRow(negatives[n]!, candidates, n * wide);
    const columns = products.matrix(transpose(candidates, count, wide), wide, count);
    const scores = products.times(queries, rows, columns);
    columns.dispose();

    const correction = Math.log((itemCount - 1) / count);
    const own = new Float32Array(wide);
    const dOwn = new Float32Array(rows);
    let loss = 0;
    for (let row = 0; row < rows; row++) {
      itemRow(targets[row]!, own, 0);
      let target = 0;
      for (let j = 0; j < wide; j++) target += own[j]! * queries[row * wide + j]!;
      let largest = target;
      for (let n = 0; n < count; n++) {
        const at = row * count + n;
        scores[at] = negatives[n] === targets[row] ? -Infinity : scores[at]! + correction;
        if (scores[at]! > largest) largest = scores[at]!;
      }
      let total = Math.exp(target - largest);
      for (let n = 0; n < count; n++) total += Math.exp(scores[row * count + n]! - largest);
      const logTotal = largest + Math.log(total);
      loss += logTotal - target;
      dOwn[row] = (Math.exp(target - logTotal) - 1) * scale;
      for (let n = 0; n < count; n++)
        scores[row * count + n] = Math.exp(scores[row * count + n]! - logTotal) * scale;
    }

    const rowsMatrix = products.matrix(candidates, count, wide);
    const dQueries = products.times(scores, rows, rowsMatrix);
    rowsMatrix.dispose();
    const dCandidates = products.transposedTimes(scores, queries, { rows, aColumns: count, bColumns: wide });
    const dItems = new Float32Array(width * itemCount);
    for (let n = 0; n < count; n++)
      for (let r = 0; r < width; r++)
        dItems[r * itemCount + negatives[n]!]! += dCandidates[n * wide + d + r]!;
    const dText = new Float32Array(rows * d);
    const dSlim = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const item = targets[row]!;
      const g = dOwn[row]!;
      itemRow(item, own, 0);
      for (let j = 0; j < d; j++) dText[row * d + j] = dQueries[row * wide + j]! + g * own[j]!;
      for (let r = 0; r < width; r++) {
        dSlim[row * width + r] = dQueries[row * wide + d + r]! + g * own[d + r]!;
        dItems[r * itemCount + item]! += g * slimQueries[row * width + r]!;
      }
    }
    this.addItemGradient(dItems, gradient);
    return { loss: loss * scale, dVectors: this.queriesBackward(vectors, { dText, dSlim }, context) };
  }

  private addItemGradient(dItems: Float32Array, gradient: (name: string) => Float32Array): void {
    const { itemCount, shape } = this.constants;
    const split = shape.itemDeltaRank * itemCount;
    if (split > 0) addTo(gradient("item.delta"), dItems.subarray(0, split));
    addTo(gradient("item.bias"), dItems.subarray(split));
  }

  /** From the gradient of the queries to that of W (added) and of the user vectors (returned). */
  private queriesBackward(
    vectors: Float32Array,
    { dText, dSlim }: { dText: Float32Array; dSlim: Float32Array },
    { weights, gradient }: LossContext,
  ): Float32Array {
    const { shape, basis } = this.constants;
    const { dimension: d, itemDeltaRank: rank } = shape;
    const rows = vectors.length / d;
    addTo(
      gradient("item.projection"),
      this.products.transposedTimes(dText, vectors, { rows, aColumns: d, bColumns: d }),
    );
    const dVectors = this.products.times(dText, rows, weights.forward("item.projection"));
    for (let row = 0; row < rows; row++)
      for (let r = 0; r < rank; r++) {
        const g = dSlim[row * (rank + 1) + r]!;
        for (let j = 0; j < d; j++) dVectors[row * d + j]! += g * basis[r * d + j]!;
      }
    return dVectors;
  }
}
