/** The interest encoder: from a person's last interactions to a vector, and from vectors to item scores. */
import {
  type EncoderShape,
  KindredError,
  type PersonalOptions,
  type TrainingOptions,
} from "@kindred/protocol";
import { projectOnAdapters } from "./adapters.ts";
import { runBody, runBodyLast } from "./body.ts";
import type { EncoderConstants } from "./embedding.ts";
import { checkEncoderOptions, type EncoderOptions } from "./encoder-options.ts";
import {
  groupShares,
  type InterestHead,
  interestHeadOf,
  interestLoss,
  itemGroups,
  scoresByInterest,
} from "./interest-head.ts";
import { ItemHead } from "./item-head.ts";
import { deltaBasis } from "./item-vectors.ts";
import { initialWeights, type Layout, type TrainableLayout, trainableLayout } from "./layout.ts";
import { type PersonalParameters, personalise } from "./personal.ts";
import { type Teaching, taughtLoss } from "./pretraining/soft-targets.ts";
import { MatrixProducts } from "./products.ts";
import { seededRandom } from "./random.ts";
import { type RatingHead, ratedTargets, ratingHeadOf, ratingLoss } from "./rating-head.ts";
import {
  checkSequence,
  lastWindow,
  packWindows,
  type Sequence,
  trainingWindows,
  type Window,
} from "./sequence.ts";
import { type CentralisedOptions, type CentralisedResult, trainCentrally } from "./train-centralised.ts";
import { type LocalTrainingOptions, type TrainingResult, trainLocally } from "./train-local.ts";
import { fitPersonal, type PersonalFit, type VectorLoss } from "./train-personal.ts";
import { EncoderWeights } from "./weights.ts";

/** Largest number of tokens in one forward pass of {@link InterestEncoder.userVectors}. */
const TOKENS_AT_ONCE = 2048;

/** Windows, from the latest back, that a person's own parameters are fitted to. */
const PERSONAL_WINDOWS = 4;

export interface LossAndGradient {
  /** Mean next-item cross-entropy in nats; of a student the mean of what `taughtLoss` says. */
  readonly loss: number;
  /** What `ratingLoss` of the rating head says; 0 without a rating head or ratings. */
  readonly ratingLoss: number;
  /** Mean cross-entropy of the next item's group in nats; 0 without a next-interest head. */
  readonly interestLoss: number;
  /**
   * Gradient of loss + `training.ratings.weight` × ratingLoss + `training.interests.weight` × interestLoss, flat in the full
   * layout; 0 where a tensor is not trained.
   */
  readonly gradient: Float32Array;
  /** Number of predictions. */
  readonly tokens: number;
}

/**
 * Causal encoder over (item, action, time gap, rating) tokens with tied item vectors; the plan chooses the architecture.
 *
 * Holds two constant tensors on the backend from creation, and copies of its matrices while it works;
 * {@link dispose} frees all of them. Not safe for use while an asynchronous `train` or `trainCentralised` runs.
 */
export class InterestEncoder {
  readonly shape: EncoderShape;
  readonly training: TrainingOptions;
  readonly itemCount: number;
  readonly layout: Layout;
  readonly trainable: TrainableLayout;
  private readonly constants: EncoderConstants;
  private readonly products: MatrixProducts;
  private readonly weights: EncoderWeights;
  private readonly head: ItemHead;
  /** The items' groups, once the next-interest head has needed them. */
  private knownGroups: Int32Array | undefined;

  private constructor({ backend, shape, training, features, itemCount }: EncoderOptions) {
    this.shape = shape;
    this.training = training;
    this.itemCount = itemCount;
    this.products = new MatrixProducts(backend.tf);
    this.weights = new EncoderWeights(this.products, shape, { itemCount, training });
    this.layout = this.weights.layout;
    this.trainable = trainableLayout(this.layout, training);
    this.constants = { shape, itemCount, features, basis: deltaBasis(shape) };
    this.head = new ItemHead(this.constants, this.products);
    this.weights.set(initialWeights(shape, itemCount, training));
  }

  /**
   * A new encoder with its initial weights.
   *
   * @throws KindredError `option-invalid` as {@link checkEncoderOptions}
   */
  static create(options: EncoderOptions): InterestEncoder {
    checkEncoderOptions(options);
    return new InterestEncoder(options);
  }

  /**
   * @param flat all shared weights in the order of `layout`
   * @throws KindredError `model-invalid` on a wrong length or a value that is not finite
   */
  setWeights(flat: ArrayLike<number>): void {
    this.weights.set(flat);
  }

  /** A copy of all shared weights in the order of `layout`. */
  getWeights(): Float32Array {
    return this.weights.flat.slice();
  }

  /** Frees everything held on the backend. The encoder must not be used afterwards. */
  dispose(): void {
    this.weights.release();
    this.head.dispose();
  }

  /** e = f·W + a·B for every item, row-major itemCount × d. */
  itemVectors(): Float32Array {
    return this.head.itemVectors(this.weights);
  }

  /**
   * One user vector per sequence: the output at its last interaction, from the last `shape.sequenceLength` ones.
   *
   * @returns row-major n × d
   * @throws KindredError `option-invalid` on an empty or malformed sequence
   */
  userVectors(sequences: readonly Sequence[]): Float32Array {
    const { dimension: d, sequenceLength } = this.shape;
    const vectors = new Float32Array(sequences.length * d);
    let windows: Window[] = [];
    let tokens = 0;
    let done = 0;
    const flush = (): void => {
      const batch = packWindows(windows);
      const { constants, products } = this;
      vectors.set(runBodyLast(batch, this.weights, { constants, products }), done * d);
      done += windows.length;
      windows = [];
      tokens = 0;
    };
    sequences.forEach((sequence, index) => {
      checkSequence(sequence, `sequences[${index}]`, { itemCount: this.itemCount, minimum: 1 });
      const window = lastWindow(sequence, sequenceLength);
      windows.push(window);
      tokens += window.end - window.start;
      if (tokens >= TOKENS_AT_ONCE) flush();
    });
    if (windows.length > 0) flush();
    return vectors;
  }

  /**
   * Scores (logits of the next item) of all items for one user vector.
   *
   * @throws KindredError `option-invalid` when the vector has a wrong length or a value that is not finite
   */
  scores(userVector: Float32Array): Float32Array {
    const d = this.shape.dimension;
    if (userVector.length !== d || !userVector.every((value) => Number.isFinite(value)))
      throw new KindredError({
        code: "option-invalid",
        field: "userVector",
        rule: `must have ${d} finite entries`,
        fix: "pass one row of userVectors",
      });
    let result = new Float32Array(0);
    this.head.scores(userVector, this.weights, (_, scores) => {
      result = scores as Float32Array<ArrayBuffer>;
    });
    return result;
  }

  /**
   * Scores of all items by which to sum up what the next interest is: those of {@link scores}, of which each group of items has
   * the share that the next-interest head gives it; without a head they are those of {@link scores}.
   *
   * @param shared the user vector without personal parameters, where `userVector` has them: the head was trained on those
   * @throws KindredError `option-invalid` as {@link scores}
   */
  interestScores(userVector: Float32Array, shared: Float32Array = userVector): Float32Array {
    const scores = this.scores(userVector);
    const head = this.interestHead();
    if (head === undefined) return scores;
    return scoresByInterest(scores, { groups: this.groups(), shares: groupShares(head, shared) });
  }

  /** The group of each item, of a plan with a next-interest head. With many items it takes a second, so only what needs it waits. */
  private groups(): Int32Array {
    this.knownGroups ??= itemGroups(this.constants.features, {
      columns: this.shape.dimension,
      groups: this.training.interests!.groups,
      seed: this.shape.seed,
    });
    return this.knownGroups;
  }

  /** What says which group of items comes next; `undefined` where the plan has no next-interest head. */
  interestHead(): InterestHead | undefined {
    return interestHeadOf(this.weights.flat, this);
  }

  /** Scores of all items after each sequence, with each person's own parameters where they have some. */
  scoresForMany(
    sequences: readonly Sequence[],
    personal?: readonly (PersonalParameters | undefined)[],
  ): Float32Array[] {
    const d = this.shape.dimension;
    const vectors = this.userVectors(sequences);
    personal?.forEach((parameters, index) => {
      const at = index * d;
      if (parameters !== undefined) vectors.set(personalise(vectors.subarray(at, at + d), parameters), at);
    });
    const all: Float32Array[] = [];
    this.head.scores(vectors, this.weights, (_, scores) => all.push(scores));
    return all;
  }

  /** Scores of all items after each interaction of the windows, one behind the other. */
  scoresAlong(windows: readonly Window[], take: (row: number, scores: Float32Array) => void): void {
    const { constants, products, weights } = this;
    this.head.scores(runBody(packWindows(windows), weights, { constants, products }).vectors, weights, take);
  }

  /**
   * Mean loss over all predictions of the windows, and its gradient.
   *
   * @param random drawn for dropout and negatives; without it nothing is dropped, and negatives are fixed
   * @param teaching what a teacher expects along the windows' sequences; then all items are scored, however many there are
   */
  lossAndGradient(windows: readonly Window[], random?: () => number, teaching?: Teaching): LossAndGradient {
    const draw = random ? seededRandom(Math.floor(random() * 4294967296)) : undefined;
    const { weights, training } = this;
    const batch = packWindows(windows);
    const gradient = new Float32Array(this.layout.length);
    const views = new Map(
      this.layout.tensors.map(({ name, offset, length }) => [
        name,
        gradient.subarray(offset, offset + length),
      ]),
    );
    const view = (name: string): Float32Array => views.get(name)!;
    const { constants, products } = this;
    const { vectors, backward } = runBody(batch, weights, { constants, products, random: draw });
    const { loss, dVectors } = this.itemLoss(
      { vectors, targets: batch.targets, windows, teaching },
      { gradient: view, random: draw ?? seededRandom(this.shape.seed) },
    );
    const interest = this.interestLoss({ vectors, targets: batch.targets }, dVectors, view);
    backward(dVectors, { gradient: view, matrices: training.trainable !== "head" });
    if (training.trainable === "adapters")
      projectOnAdapters(view, { weights, shape: this.shape, rank: training.adapterRank });
    const rated = this.ratingLoss(windows, view);
    const kept = this.onlyTrained(gradient);
    return { loss, ratingLoss: rated, interestLoss: interest, gradient: kept, tokens: batch.rows };
  }

  /** The next-item loss, by the targets or as a student. */
  private itemLoss(
    of: {
      readonly vectors: Float32Array;
      readonly targets: Int32Array;
      readonly windows: readonly Window[];
      readonly teaching: Teaching | undefined;
    },
    {
      gradient,
      random,
    }: { readonly gradient: (name: string) => Float32Array; readonly random: () => number },
  ): { readonly loss: number; readonly dVectors: Float32Array } {
    const { vectors, targets, windows, teaching } = of;
    const context = { weights: this.weights, gradient };
    if (teaching !== undefined) {
      const lossOf = taughtLoss(windows, { targets, teaching });
      return this.head.lossByScores(vectors, lossOf, context);
    }
    const negatives = this.negatives(random);
    return negatives === undefined
      ? this.head.fullSoftmax(vectors, targets, context)
      : this.head.sampledSoftmax(vectors, targets, { ...context, negatives });
  }

  /** Adds the gradient of the next-interest head and of the vectors by it, where there is one; see {@link interestLoss}. */
  private interestLoss(
    { vectors, targets }: { readonly vectors: Float32Array; readonly targets: Int32Array },
    dVectors: Float32Array,
    gradient: (name: string) => Float32Array,
  ): number {
    const head = this.interestHead();
    if (head === undefined) return 0;
    const groups = this.groups();
    return interestLoss(
      head,
      { vectors, groups: targets.map((item) => groups[item]!) },
      {
        matrix: gradient("interest.matrix"),
        bias: gradient("interest.bias"),
        vectors: dVectors,
        scale: this.training.interests!.weight,
      },
    );
  }

  /** Adds the gradient of the rating head, where there is one; see {@link ratingLoss}. */
  private ratingLoss(windows: readonly Window[], gradient: (name: string) => Float32Array): number {
    const head = this.ratingHead();
    if (head === undefined) return 0;
    return ratingLoss(head, ratedTargets(windows), {
      mean: gradient("rating.mean"),
      items: gradient("rating.item"),
      scale: this.training.ratings!.weight,
    });
  }

  /** What everybody's ratings say of the items; `undefined` where the plan has no rating head. */
  ratingHead(): RatingHead | undefined {
    return ratingHeadOf(this.weights.flat, this);
  }

  /**
   * Fits a person's own parameters to their record; see {@link fitPersonal}. The encoder's own weights are not touched.
   *
   * @param options.random drawn for shared negatives, where the catalogue is large; need not be secret
   * @throws KindredError `option-invalid` on a malformed sequence, or one of fewer than two interactions
   */
  fitPersonal({
    sequence,
    options,
    random,
  }: {
    readonly sequence: Sequence;
    readonly options: PersonalOptions;
    readonly random: () => number;
  }): PersonalFit {
    checkSequence(sequence, "sequence", { itemCount: this.itemCount, minimum: 2 });
    const { constants, products, weights, shape } = this;
    const windows = trainingWindows(sequence, shape.sequenceLength).slice(0, PERSONAL_WINDOWS).reverse();
    const batch = packWindows(windows);
    const { vectors } = runBody(batch, weights, { constants, products });
    // The head adds the gradient of its weights somewhere; here nobody wants it.
    const discarded = new Map<string, Float32Array>();
    const gradient = (name: string): Float32Array => {
      const buffer = discarded.get(name) ?? new Float32Array(weights.view(name).length);
      discarded.set(name, buffer);
      return buffer;
    };
    const negatives = this.negatives(random);
    const lossOf: VectorLoss = (rows, targets) =>
      negatives === undefined
        ? this.head.fullSoftmax(rows, targets, { weights, gradient })
        : this.head.sampledSoftmax(rows, targets, { weights, gradient, negatives });
    return fitPersonal({ vectors, targets: batch.targets }, { dimension: shape.dimension, options, lossOf });
  }

  /** Shared negatives where the catalogue is too large for the full softmax. */
  private negatives(random: () => number): Int32Array | undefined {
    const { itemCount, training } = this;
    if (itemCount <= training.fullSoftmaxLimit) return undefined;
    return drawNegatives(training.negatives, itemCount, random);
  }

  private onlyTrained(gradient: Float32Array): Float32Array {
    if (this.trainable.length === this.layout.length) return gradient;
    const kept = new Float32Array(gradient.length);
    for (const { offset, length } of this.trainable.tensors)
      kept.set(gradient.subarray(offset, offset + length), offset);
    return kept;
  }

  /** One person's local training; see {@link trainLocally}. The encoder's own weights are the same afterwards. */
  train(options: LocalTrainingOptions): Promise<TrainingResult> {
    return trainLocally(this, options);
  }

  /** Training with everybody's data in one place, the baseline; see {@link trainCentrally}. */
  trainCentralised(options: CentralisedOptions): Promise<CentralisedResult> {
    return trainCentrally(this, options);
  }
}

/** Uniform draws with replacement. */
function drawNegatives(count: number, itemCount: number, random: () => number): Int32Array {
  return Int32Array.from({ length: count }, () => Math.floor(random() * itemCount));
}
