/**
 * Distillation (Hinton, Vinyals and Dean 2015): a smaller encoder learns what a trained one, the teacher, expects after each
 * interaction, not only what followed. What a teacher expects is kept as its likeliest items with their probabilities, and
 * all others as one bucket.
 */
import { type EncoderShape, KindredError } from "@kindred/protocol";
import type { InterestEncoder } from "../encoder.ts";
import type { Sequence, Window } from "../sequence.ts";
import { keepLargest } from "./keep-largest.ts";

/** What is expected after each interaction of one sequence but the last. */
export interface SoftTargets {
  /** Items that are kept of each position. */
  readonly top: number;
  /** The likeliest items, positions × top. */
  readonly items: Int32Array;
  /** Their probabilities at the temperature, positions × top; all other items together have what is left of 1. */
  readonly shares: Float32Array;
}

/** How a student is taught. */
export interface Teaching {
  /** Of every sequence that is trained on. */
  readonly targets: ReadonlyMap<Sequence, SoftTargets>;
  /** T, by which the scores of teacher and student are divided: above 1 the unlikely items count for more. */
  readonly temperature: number;
  /** α, weight of the teacher's distribution; that of the item which followed is 1 − α. */
  readonly weight: number;
}

/** Bytes of soft targets for each item kept of a position: its index and its share. */
const BYTES_OF_ITEM = Int32Array.BYTES_PER_ELEMENT + Float32Array.BYTES_PER_ELEMENT;

/** Whoever can say what it expects along sequences: an encoder, or anything that scores all items. */
export interface SoftTeacher extends Pick<InterestEncoder, "scoresAlong" | "itemCount"> {
  readonly shape: Pick<EncoderShape, "sequenceLength">;
}

/** Probabilities that are held at once, 4 bytes each. */
const AT_ONCE = 1 << 21;

/**
 * Bytes that one item kept of each position takes: {@link softTargets} hold `top` times as many.
 * @param sequences each with at least one interaction
 */
export function softTargetBytes(sequences: readonly Pick<Sequence, "items">[]): number {
  return sequences.reduce((sum, { items }) => sum + items.length - 1, 0) * BYTES_OF_ITEM;
}

/**
 * What teachers expect along sequences: the mean of their distributions.
 *
 * @param teachers one, or several of one catalogue (an ensemble); they hold their weights
 * @param options.sequences each with at least two interactions
 * @param options.top items kept of each position, at the most all
 * @param options.progress told the share that is done; awaited, so that a host can breathe
 * @throws KindredError `option-invalid` without a teacher, or on a temperature or number that is not above 0
 */
export async function softTargets(
  teachers: readonly SoftTeacher[],
  options: {
    readonly sequences: readonly Sequence[];
    readonly top: number;
    readonly temperature: number;
    readonly progress?: (fraction: number) => void | Promise<void>;
  },
): Promise<Map<Sequence, SoftTargets>> {
  const { sequences, temperature, progress } = options;
  const refuse = (field: string, rule: string): never => {
    throw new KindredError({ code: "option-invalid", field, rule, fix: "pass what the documentation names" });
  };
  if (teachers.length === 0) refuse("teachers", "must not be empty");
  if (!(temperature > 0)) refuse("temperature", `must be above 0, got ${temperature}`);
  if (!(Number.isInteger(options.top) && options.top > 0))
    refuse("top", `must be a whole number above 0, got ${options.top}`);
  const { itemCount } = teachers[0]!;
  const top = Math.min(options.top, itemCount);
  const length = Math.min(...teachers.map(({ shape }) => shape.sequenceLength));
  const targets = new Map<Sequence, SoftTargets>();
  let batch: Listening[] = [];
  let rows = 0;
  const flush = (): void => {
    const mean = new Float32Array(rows * itemCount);
    const windows = batch.map(({ window }) => window);
    for (const teacher of teachers)
      teacher.scoresAlong(windows, (row, scores) => {
        addSoftmax(mean.subarray(row * itemCount, (row + 1) * itemCount), scores, {
          temperature,
          scale: 1 / teachers.length,
        });
      });
    let first = 0;
    for (const { window, from } of batch) {
      const { items, shares } = targets.get(window.sequence)!;
      for (let position = from; position < window.end; position++) {
        const row = first + position - window.start;
        const at = position * top;
        keepLargest(mean.subarray(row * itemCount, (row + 1) * itemCount), {
          items: items.subarray(at, at + top),
          shares: shares.subarray(at, at + top),
        });
      }
      first += window.end - window.start;
    }
    batch = [];
    rows = 0;
  };
  for (const [index, sequence] of sequences.entries()) {
    const size = (sequence.items.length - 1) * top;
    targets.set(sequence, { top, items: new Int32Array(size), shares: new Float32Array(size) });
    for (const listening of windowsOf(sequence, length)) {
      batch.push(listening);
      rows += listening.window.end - listening.window.start;
      if (rows * itemCount < AT_ONCE) continue;
      flush();
      await progress?.((index + 1) / sequences.length);
    }
  }
  if (rows > 0) flush();
  await progress?.(1);
  return targets;
}

/** A window, and the position in its sequence from which on it is listened to. */
interface Listening {
  readonly window: Window;
  readonly from: number;
}

/** Windows that overlap by half, so that no position but the first ones lacks what came before it. */
function windowsOf(sequence: Sequence, length: number): Listening[] {
  const last = sequence.items.length - 1;
  const found: Listening[] = [];
  for (let from = 0, end = Math.min(last, length); from < last; ) {
    found.push({ window: { sequence, start: Math.max(0, end - length), end }, from });
    from = end;
    end = Math.min(last, from + Math.max(1, length >> 1));
  }
  return found;
}

/** into += scale · softmax(scores / T) */
function addSoftmax(
  into: Float32Array | Float64Array,
  scores: Float32Array,
  { temperature, scale }: { readonly temperature: number; readonly scale: number },
): void {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) if (scores[i]! > largest) largest = scores[i]!;
  const shares = new Float64Array(scores.length);
  let total = 0;
  for (let i = 0; i < scores.length; i++) {
    const share = Math.exp((scores[i]! - largest) / temperature);
    shares[i] = share;
    total += share;
  }
  const factor = scale / total;
  for (let i = 0; i < scores.length; i++) into[i]! += factor * shares[i]!;
}

/**
 * The loss of a student at each token of windows, as `lossByScores` of the item head takes it.
 *
 * @param options.targets the item after each token
 * @returns told a token and the student's scores of all items, which it replaces by the gradient of the loss by them
 * @throws KindredError `option-invalid` where the teaching lacks a window's sequence
 */
export function taughtLoss(
  windows: readonly Window[],
  { targets, teaching }: { readonly targets: Int32Array; readonly teaching: Teaching },
): (row: number, scores: Float32Array) => number {
  const expected = windows.flatMap(({ sequence, start, end }) => {
    const soft = teaching.targets.get(sequence);
    if (soft === undefined)
      throw new KindredError({
        code: "option-invalid",
        field: "teaching.targets",
        rule: "must have every sequence that is trained on",
        fix: "ask the teacher about the same sequences",
      });
    return Array.from({ length: end - start }, (_, i) => ({ soft, position: start + i }));
  });
  const { temperature, weight } = teaching;
  return (row, scores) =>
    positionLoss(scores, { target: targets[row]!, ...expected[row]!, temperature, weight });
}

/**
 * α·T²·KL(p ‖ q) − (1 − α)·log q₁(target) of one position, with p the teacher's distribution, q the student's at T and q₁ at
 * 1: T² keeps the gradient of the first as large as that of the second whatever T is (Hinton et al. 2015, section 2). Of the
 * items that are not kept, KL compares their sums.
 *
 * @param scores the student's, of all items; replaced by the gradient of the loss by them
 * @param options.position in the soft targets
 * @returns nats
 */
export function positionLoss(
  scores: Float32Array,
  options: {
    readonly target: number;
    readonly soft: SoftTargets;
    readonly position: number;
  } & Pick<Teaching, "temperature" | "weight">,
): number {
  const { target, soft, position, temperature, weight } = options;
  const [items, shares] = [soft.items, soft.shares].map((all) =>
    all.subarray(position * soft.top, (position + 1) * soft.top),
  ) as [Int32Array, Float32Array];
  // In double precision, and each class by itself: what a student hardly expects would be lost in sums with what it does.
  const own = softmaxOf(scores, temperature);
  const hard = temperature === 1 ? own : softmaxOf(scores, 1);
  let divergence = 0;
  let restOfTeacher = 1;
  for (let k = 0; k < soft.top; k++) {
    restOfTeacher -= shares[k]!;
    divergence += relativeEntropy(shares[k]!, own[items[k]!]!);
  }
  if (soft.top === scores.length || restOfTeacher < LEAST_REST) restOfTeacher = 0;
  const restOfOwn = Math.max(LEAST, sumWithout(own, items));
  divergence += relativeEntropy(restOfTeacher, restOfOwn);
  const followed = hard[target]!;
  // ∂/∂z of T²·KL is T·(q − p), where within the rest p has the proportions of q.
  const soften = weight * temperature;
  const ofRest = soften * (1 - restOfTeacher / restOfOwn);
  for (let i = 0; i < scores.length; i++) scores[i] = (1 - weight) * hard[i]! + ofRest * own[i]!;
  for (let k = 0; k < soft.top; k++) {
    const item = items[k]!;
    scores[item] = (1 - weight) * hard[item]! + soften * (own[item]! - shares[k]!);
  }
  scores[target]! -= 1 - weight;
  return weight * temperature ** 2 * divergence - (1 - weight) * Math.log(Math.max(LEAST, followed));
}

function softmaxOf(scores: Float32Array, temperature: number): Float64Array {
  const shares = new Float64Array(scores.length);
  addSoftmax(shares, scores, { temperature, scale: 1 });
  return shares;
}

/** Summed up rather than taken from 1: what is left of almost all is lost in rounding. `values` are as before afterwards. */
function sumWithout(values: Float64Array, left: Int32Array): number {
  const kept = Float64Array.from(left, (i) => values[i]!);
  for (const i of left) values[i] = 0;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  for (let k = 0; k < left.length; k++) values[left[k]!] = kept[k]!;
  return sum;
}

/** Of a teacher's rest, which is rounding where shares of single precision leave less of 1. */
const LEAST_REST = 1e-6;
const LEAST = 1e-300;

function relativeEntropy(p: number, q: number): number {
  return p <= 0 ? 0 : p * Math.log(p / Math.max(LEAST, q));
}
