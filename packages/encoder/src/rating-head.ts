/**
 * Ratings: what everybody's ratings say of an item is shared and trained in rounds, what a person's say of them stays on
 * their device. r̂ = μ + b_i + f(i), with the shared mean μ and item offset b_i (Koren, Bell and Volinsky 2009), and f of the
 * person alone. Ratings are shares of the best one, 0 to 1. No tensor library.
 */
import { type EncoderShape, KindredError, type TrainingOptions } from "@kindred/protocol";
import { solvePositive } from "./cholesky.ts";
import { encoderLayout } from "./layout.ts";
import type { Window } from "./sequence.ts";

/** The shared part. */
export interface RatingHead {
  /** μ */
  readonly mean: number;
  /** b, one offset per item. */
  readonly items: Float32Array;
}

export interface Rated {
  /** Item index. */
  readonly item: number;
  /** 0 to 1. */
  readonly rating: number;
}

/** κ: as many ratings of nothing but the mean as a person's own offset is shrunk by. */
const OFFSET_SHRINKAGE = 4;

/**
 * The rating head of a model.
 * @param weights all shared weights in the order of the encoder's layout
 * @returns `undefined` where the plan has no rating head
 */
export function ratingHeadOf(
  weights: Float32Array,
  {
    shape,
    training,
    itemCount,
  }: { readonly shape: EncoderShape; readonly training: TrainingOptions; readonly itemCount: number },
): RatingHead | undefined {
  if (training.ratings === undefined) return undefined;
  const { tensors } = encoderLayout(shape, itemCount, training);
  const view = (name: string): Float32Array => {
    const { offset, length } = tensors.find((tensor) => tensor.name === name)!;
    return weights.subarray(offset, offset + length);
  };
  return { mean: view("rating.mean")[0]!, items: view("rating.item") };
}

/** The rated targets of windows, by person; a rating that is first in its record is nobody's target. */
export function ratedTargets(windows: readonly Window[]): Rated[][] {
  const people = new Map<Window["sequence"], Rated[]>();
  for (const { sequence, start, end } of windows) {
    const rated = people.get(sequence) ?? [];
    people.set(sequence, rated);
    for (let position = start + 1; position <= end; position++) {
      const rating = sequence.ratings?.[position] ?? Number.NaN;
      const item = sequence.items[position];
      if (item !== undefined && !Number.isNaN(rating)) rated.push({ item, rating });
    }
  }
  return [...people.values()].filter(({ length }) => length > 0);
}

/** Ratings of one person that weigh as much in the loss as the mean over their transitions in the next-item loss. */
const RATINGS_OF_WEIGHT_ONE = 50;

/**
 * Mean over people of Σ (r − μ − b_i − c)² / 50 + κc² / 50, where c is each person's own offset, the one that makes it
 * least: so its gradient by μ and b needs no derivative of c (envelope theorem). It is a sum over a person's ratings and
 * no mean, for in a mean the few ratings of some would weigh as much as the many of others.
 *
 * @param people ratings by person, no list empty
 * @param into gradients that the result is added to, scaled
 * @returns the loss; 0 without ratings
 */
export function ratingLoss(
  { mean, items }: RatingHead,
  people: readonly (readonly Rated[])[],
  into: { readonly mean: Float32Array; readonly items: Float32Array; readonly scale: number },
): number {
  const share = 1 / (RATINGS_OF_WEIGHT_ONE * Math.max(1, people.length));
  let loss = 0;
  for (const rated of people) {
    const residuals = rated.map(({ item, rating }) => rating - mean - items[item]!);
    const offset = residuals.reduce((sum, value) => sum + value, 0) / (rated.length + OFFSET_SHRINKAGE);
    loss += OFFSET_SHRINKAGE * offset ** 2;
    for (const [i, { item }] of rated.entries()) {
      const error = residuals[i]! - offset;
      loss += error ** 2;
      const slope = -2 * error * share * into.scale;
      into.mean[0]! += slope;
      into.items[item]! += slope;
    }
  }
  return loss * share;
}

/**
 * Variances, in squared shares of the best rating, of a person's offset, of their taste and of a single rating. Near these
 * values RMSE is flat: on ratings of ml-latest-small kept for the choice, twice or half of one moves it by well under one percent.
 */
const VARIANCES = { offset: 0.0075, taste: 0.01, noise: 0.028 } as const;
/** ℓ: the covariance of taste falls by e from a cosine of 1 to one of 1 − ℓ. */
const ANGULAR_SCALE = 0.5;
/** Ratings, from the latest back, that f is fitted to; the fit takes time cubic in them. */
const CONSIDERED = 200;

/**
 * r̂ for items, by this person: f is the posterior mean of a Gaussian process (Rasmussen and Williams 2006, equation 2.25) over
 * what their own ratings leave of μ + b_i, with the covariance offset + taste · exp((cos − 1)/ℓ), ℓ = .5, of the item vectors.
 *
 * @param options.own the person's ratings, oldest first
 * @param options.units item vectors of norm 1, items × d
 * @param options.wanted item indices
 * @returns within 0 to 1, one per wanted item
 * @throws KindredError `option-invalid` on an item outside the catalogue, `model-invalid` on an item vector that is not finite
 */
export function predictRatings(
  head: RatingHead,
  options: {
    readonly own: readonly Rated[];
    readonly units: { readonly columns: number; readonly data: Float32Array };
    readonly wanted: readonly number[];
  },
): Float64Array {
  const own = options.own.slice(-CONSIDERED);
  const known = (item: number): boolean => Number.isInteger(item) && item >= 0 && item < head.items.length;
  if (!options.wanted.every(known) || !own.every(({ item }) => known(item)))
    throw new KindredError({
      code: "option-invalid",
      field: "item",
      rule: `must be an item index from 0 to ${head.items.length - 1}`,
      fix: "ask for items of the catalogue",
    });
  const covariance = (a: number, b: number): number => {
    const { columns, data } = options.units;
    let cosine = 0;
    for (let j = 0; j < columns; j++) cosine += data[a * columns + j]! * data[b * columns + j]!;
    if (!Number.isFinite(cosine))
      throw new KindredError({
        code: "model-invalid",
        field: "model.weights",
        rule: "must give every item a finite vector",
        fix: "use an earlier model of the task",
      });
    return VARIANCES.offset + VARIANCES.taste * Math.exp((cosine - 1) / ANGULAR_SCALE);
  };
  const kernel = own.map(({ item }, i) =>
    own.map((other, j) => covariance(item, other.item) + (i === j ? VARIANCES.noise : 0)),
  );
  const residuals = own.map(({ item, rating }) => rating - head.mean - head.items[item]!);
  const weights = solvePositive(kernel, residuals);
  return Float64Array.from(options.wanted, (item) => {
    const taste = own.reduce((sum, rated, i) => sum + weights[i]! * covariance(item, rated.item), 0);
    return Math.min(1, Math.max(0, head.mean + head.items[item]! + taste));
  });
}

/** Errors of predicted ratings, in the unit of the ratings. */
export interface RatingErrors {
  /** Root of the mean squared error. */
  readonly rmse: number;
  /** Mean absolute error. */
  readonly mae: number;
  readonly n: number;
}

/** @throws {RangeError} when there is none, or not one prediction for each rating */
export function ratingErrors(predicted: ArrayLike<number>, given: ArrayLike<number>): RatingErrors {
  const n = given.length;
  if (n === 0 || predicted.length !== n)
    throw new RangeError(
      `There must be one prediction for each of one or more ratings, not ${predicted.length} for ${n}.`,
    );
  let squares = 0;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const error = predicted[i]! - given[i]!;
    squares += error ** 2;
    sum += Math.abs(error);
  }
  return { rmse: Math.sqrt(squares / n), mae: sum / n, n };
}
