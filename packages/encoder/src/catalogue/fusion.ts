/**
 * Fusion of an item's modalities (title, tags, text, embeddings, images) into one feature vector.
 *
 * f(x) = unit(P·[√a₁·unit(x₁ − μ₁) | √a₂·unit(x₂ − μ₂) | …]). The projection P has one part per modality; it is the
 * principal components of the public catalogue itself. The weights a are learned from pairs of items that are publicly known
 * to be related: P(partner | item) ∝ exp Σ aₘ·cosₘ, a conditional logit model (McFadden 1974), concave in a. Nothing of a
 * person is looked at.
 */
import { seededRandom } from "../random.ts";
import { fitPrincipalProjection, type PrincipalProjection, project } from "./principal-projection.ts";

/** Vectors of one kind, one per item. */
export interface Modality {
  readonly name: string;
  /** Entries of a vector. */
  readonly width: number;
  /** Row-major items × width, finite; zeros where an item has none. */
  readonly rows: Float32Array;
  /** Weight where nothing is learned, above 0. */
  readonly prior: number;
}

/** Everything that was fitted to a catalogue; later items are fused by it unchanged. */
export interface Fusion {
  readonly modalities: readonly {
    readonly name: string;
    readonly width: number;
    readonly mean: Float32Array;
    /** a, not negative. */
    readonly weight: number;
  }[];
  readonly projection: PrincipalProjection;
}

/** Two positions in the catalogue. */
export type RelatedPair = readonly [item: number, partner: number];

/** What learning the weights came to, on pairs that it was not shown. */
export interface FusionReport {
  readonly pairs: number;
  /** Share of held-out pairs whose partner is nearer than each of 31 random items: with the prior weights, and with the learned. */
  readonly accuracy: { readonly prior: number; readonly learned: number };
  /** Whether the learned weights make held-out partners likelier, and so were taken. */
  readonly better: boolean;
}

/** Items that the projection is fitted to at the most. */
const FITTED_ITEMS = 4_000;
/** Random items that a partner competes with. */
const NEGATIVES = 31;
const STEPS = 300;
/** Pull of log a towards the prior; a few pairs do not turn everything over. */
const RIDGE = 0.01;

/**
 * Fits means, weights and projection.
 *
 * @param modalities at least one; all of the same items
 * @param options.related pairs that the weights are learned from; the prior weights stay without, or where what was learned
 *   is no better on held-out pairs
 * @param options.fixed names of modalities whose weight is not learned, because the pairs were made from them
 */
export function fitFusion(
  modalities: readonly Modality[],
  options: {
    readonly dimension: number;
    readonly seed: number;
    readonly related: readonly RelatedPair[];
    readonly fixed?: ReadonlySet<string>;
    readonly progress?: (done: number, of: number) => void;
  },
): { readonly fusion: Fusion; readonly report: FusionReport | undefined } {
  const units = modalities.map(centre);
  const learned = learnWeights(modalities, units, options);
  const fitted = units.map(({ mean }, m) => ({
    name: modalities[m]!.name,
    width: modalities[m]!.width,
    mean,
    weight: learned.weights[m]!,
  }));
  const inputs = fitted.reduce((sum, { width }) => sum + width, 0);
  const rows = concatenate(
    fitted,
    units.map(({ rows }) => rows),
  );
  const projection = fitPrincipalProjection(sample(rows, { inputs, seed: options.seed }), {
    inputs,
    outputs: options.dimension,
    seed: options.seed,
    ...(options.progress && { pass: options.progress }),
  });
  return { fusion: { modalities: fitted, projection }, report: learned.report };
}

/**
 * The fused vectors, rows of norm 1; dimensions beyond the widths of all modalities together are 0.
 *
 * @param vectors per modality of the fusion, in its order, row-major items × width
 * @param fallback called for an item that has no modality at all; fills its row
 * @returns row-major items × dimension
 */
export function fuse(
  { modalities, projection }: Fusion,
  vectors: readonly Float32Array[],
  { dimension, fallback }: { dimension: number; fallback: (item: number, row: Float32Array) => void },
): Float32Array {
  const units = modalities.map(({ mean, width }, m) => centredUnits(vectors[m]!, { mean, width }));
  const projected = project(concatenate(modalities, units), projection);
  const { outputs } = projection;
  const count = projected.length / outputs;
  const fused = new Float32Array(count * dimension);
  for (let item = 0; item < count; item++) {
    const row = fused.subarray(item * dimension, (item + 1) * dimension);
    const has = modalities.some(({ width }, m) =>
      vectors[m]!.subarray(item * width, (item + 1) * width).some((value) => value !== 0),
    );
    if (has) row.set(projected.subarray(item * outputs, (item + 1) * outputs));
    if (!unit(row)) {
      fallback(item, row);
      unit(row);
    }
  }
  return fused;
}

function centre({ rows, width }: Modality): { mean: Float32Array; rows: Float32Array } {
  const sums = new Float64Array(width);
  let present = 0;
  for (let at = 0; at < rows.length; at += width) {
    const row = rows.subarray(at, at + width);
    if (!row.some((value) => value !== 0)) continue;
    present++;
    for (let i = 0; i < width; i++) sums[i]! += row[i]!;
  }
  const mean = Float32Array.from(sums, (sum) => sum / Math.max(1, present));
  return { mean, rows: centredUnits(rows, { mean, width }) };
}

/** unit(x − mean) per row; a row of zeros, which an item without the modality has, stays one. */
function centredUnits(
  rows: Float32Array,
  { mean, width }: { mean: Float32Array; width: number },
): Float32Array {
  const units = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at += width) {
    const row = units.subarray(at, at + width);
    let present = false;
    for (let i = 0; i < width; i++) {
      if (rows[at + i] !== 0) present = true;
      row[i] = rows[at + i]! - mean[i]!;
    }
    if (present) unit(row);
    else row.fill(0);
  }
  return units;
}

/** Normalises in place. @returns whether there was anything to normalise */
function unit(row: Float32Array): boolean {
  let squares = 0;
  for (const value of row) squares += value * value;
  if (!(squares > 1e-20)) return false;
  const scale = 1 / Math.sqrt(squares);
  for (let i = 0; i < row.length; i++) row[i]! *= scale;
  return true;
}

function concatenate(
  modalities: readonly { readonly width: number; readonly weight: number }[],
  rows: readonly Float32Array[],
): Float32Array {
  const inputs = modalities.reduce((sum, { width }) => sum + width, 0);
  const count = rows[0]!.length / modalities[0]!.width;
  const all = new Float32Array(count * inputs);
  let offset = 0;
  modalities.forEach(({ width, weight }, m) => {
    const scale = Math.sqrt(weight);
    for (let item = 0; item < count; item++)
      for (let i = 0; i < width; i++) all[item * inputs + offset + i] = scale * rows[m]![item * width + i]!;
    offset += width;
  });
  return all;
}

/** At most `FITTED_ITEMS` rows, spread evenly. */
function sample(rows: Float32Array, { inputs, seed }: { inputs: number; seed: number }): Float32Array {
  const count = rows.length / inputs;
  if (count <= FITTED_ITEMS) return rows;
  const chosen = new Float32Array(FITTED_ITEMS * inputs);
  const random = seededRandom(seed);
  for (let i = 0; i < FITTED_ITEMS; i++) {
    const row = Math.floor(((i + random()) * count) / FITTED_ITEMS);
    chosen.set(rows.subarray(row * inputs, (row + 1) * inputs), i * inputs);
  }
  return chosen;
}

/** Cosines of a pair and of its negatives, (1 + NEGATIVES) × modalities, the partner first. */
function competition(
  [item, partner]: RelatedPair,
  units: readonly { readonly rows: Float32Array }[],
  { modalities, random }: { modalities: readonly Modality[]; random: () => number },
): Float64Array {
  const m = modalities.length;
  const cosines = new Float64Array((1 + NEGATIVES) * m);
  const count = modalities[0]!.rows.length / modalities[0]!.width;
  for (let candidate = 0; candidate <= NEGATIVES; candidate++) {
    const other = candidate === 0 ? partner : Math.floor(random() * count);
    modalities.forEach(({ width }, index) => {
      const { rows } = units[index]!;
      let dot = 0;
      for (let i = 0; i < width; i++) dot += rows[item * width + i]! * rows[other * width + i]!;
      cosines[candidate * m + index] = dot;
    });
  }
  return cosines;
}

function learnWeights(
  modalities: readonly Modality[],
  units: readonly { readonly rows: Float32Array }[],
  options: {
    readonly related: readonly RelatedPair[];
    readonly fixed?: ReadonlySet<string>;
    readonly seed: number;
  },
): { readonly weights: readonly number[]; readonly report: FusionReport | undefined } {
  const prior = modalities.map((modality) => modality.prior);
  const free = modalities.flatMap(({ name }, m) => (options.fixed?.has(name) ? [] : [m]));
  if (free.length < 2 || options.related.length < 50) return { weights: prior, report: undefined };
  const random = seededRandom(options.seed);
  const shown = options.related.map((pair) => competition(pair, units, { modalities, random }));
  const held = shown.splice(Math.floor(shown.length * 0.8));
  const ascended = ascend(shown, { prior, free });
  // The modalities that the pairs were made from would know the answer.
  const masked = (weights: readonly number[]) => weights.map((weight, m) => (free.includes(m) ? weight : 0));
  const before = warmest(shown, masked(prior));
  const after = masked(ascended);
  const better = meanLogLikelihood(held, after) > meanLogLikelihood(held, before);
  const report = {
    pairs: options.related.length,
    accuracy: { prior: accuracy(held, before), learned: accuracy(held, after) },
    better,
  };
  return { weights: better ? rescale(ascended, { prior, free }) : prior, report };
}

/** The weights at the temperature that suits them best, so that they are compared by what stands to what. */
function warmest(shown: readonly Float64Array[], weights: readonly number[]): number[] {
  const scales = Array.from({ length: 12 }, (_, i) => 2 ** (i - 3));
  const candidates = scales.map((scale) => weights.map((weight) => scale * weight));
  const likelihoods = candidates.map((candidate) => meanLogLikelihood(shown, candidate));
  return candidates[likelihoods.indexOf(Math.max(...likelihoods))]!;
}

function meanLogLikelihood(pairs: readonly Float64Array[], weights: readonly number[]): number {
  let sum = 0;
  for (const cosines of pairs) {
    let total = 0;
    for (let candidate = 0; candidate <= NEGATIVES; candidate++)
      total += Math.exp(scoreOf(cosines, candidate, weights));
    sum += scoreOf(cosines, 0, weights) - Math.log(total);
  }
  return sum / pairs.length;
}

/** Gradient ascent on the log-likelihood in log a, with a temperature that is free. */
function ascend(
  shown: readonly Float64Array[],
  { prior, free }: { prior: readonly number[]; free: readonly number[] },
): number[] {
  const m = prior.length;
  const start = prior.map((weight) => Math.log(4 * weight));
  const logs = start.slice();
  const mean = new Float64Array(m);
  const square = new Float64Array(m);
  for (let step = 1; step <= STEPS; step++) {
    const weights = logs.map((log, index) => (free.includes(index) ? Math.exp(log) : 0));
    const gradient = logLikelihoodGradient(shown, weights);
    for (const index of free) {
      const g = gradient[index]! * weights[index]! - RIDGE * (logs[index]! - start[index]!);
      mean[index] = 0.9 * mean[index]! + 0.1 * g;
      square[index] = 0.99 * square[index]! + 0.01 * g * g;
      const corrected =
        mean[index]! / (1 - 0.9 ** step) / (Math.sqrt(square[index]! / (1 - 0.99 ** step)) + 1e-8);
      logs[index]! += 0.05 * corrected;
    }
  }
  return logs.map(Math.exp);
}

/** Mean over the pairs of cos(partner) − Σ p·cos. */
function logLikelihoodGradient(shown: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const m = weights.length;
  const gradient = new Float64Array(m);
  const scores = new Float64Array(1 + NEGATIVES);
  for (const cosines of shown) {
    let total = 0;
    for (let candidate = 0; candidate <= NEGATIVES; candidate++) {
      scores[candidate] = Math.exp(scoreOf(cosines, candidate, weights));
      total += scores[candidate]!;
    }
    for (let index = 0; index < m; index++) {
      let expected = 0;
      for (let candidate = 0; candidate <= NEGATIVES; candidate++)
        expected += (scores[candidate]! / total) * cosines[candidate * m + index]!;
      gradient[index]! += (cosines[index]! - expected) / shown.length;
    }
  }
  return gradient;
}

function scoreOf(cosines: Float64Array, candidate: number, weights: readonly number[]): number {
  const m = weights.length;
  let score = 0;
  for (let index = 0; index < m; index++) score += weights[index]! * cosines[candidate * m + index]!;
  return score;
}

/** The learned weights, scaled so that those that were learned keep their sum and stand to the fixed ones as before. */
function rescale(
  weights: readonly number[],
  { prior, free }: { prior: readonly number[]; free: readonly number[] },
): number[] {
  const sum = (of: readonly number[]): number => free.reduce((total, m) => total + of[m]!, 0);
  const scale = sum(prior) / sum(weights);
  return weights.map((weight, m) => (free.includes(m) ? weight * scale : prior[m]!));
}

function accuracy(held: readonly Float64Array[], weights: readonly number[]): number {
  const right = held.filter((cosines) => {
    const own = scoreOf(cosines, 0, weights);
    for (let candidate = 1; candidate <= NEGATIVES; candidate++)
      if (scoreOf(cosines, candidate, weights) >= own) return false;
    return true;
  });
  return right.length / held.length;
}
