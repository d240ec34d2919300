/**
 * Collaborative scores: what follows what among everybody, by the released transitions, with a recency that is learned on
 * the device, and what is popular among everybody and in the person's clusters.
 */
import { everybodysPopularity } from "@kindred/engine";
import type { ModelSignals } from "@kindred/protocol";

/** Released signals, laid out for scoring. */
export interface CollaborativeTable {
  readonly itemCount: number;
  /** Row of each item, or −1 where no transitions of it are known. */
  readonly rows: Int32Array;
  /** Row r holds `followers` and `counts` from starts[r] to starts[r + 1]. */
  readonly starts: Uint32Array;
  readonly followers: Uint32Array;
  /** Released counts, of a row that counts much in all the less. */
  readonly counts: Float32Array;
  /** Noisy people of each item; where no popularity was released, its transitions over the window. */
  readonly popularity: Float32Array;
  /** Noisy people of each item by the identity of the fine cluster. */
  readonly byCluster: ReadonlyMap<number, Float32Array>;
}

/** Half-lives in steps of the record that a person's own may be. */
const HALF_LIVES = [1, 2, 3, 5, 8, 13] as const;
/** Interactions of their own that a person's half-life is learned from, the latest ones. */
const LEARNED_FROM = 20;
/** Nats that a doubling or halving of the usual half-life has to win. */
const PRIOR_STRENGTH = 2;
/** Older interactions than these many half-lives count less than a thousandth. */
const HALF_LIVES_BACK = 10;
/** How transitions, popularity and the encoder are put together. Every number was chosen on validation, once for all data sets. */
export const COLLABORATIVE_SCORING = {
  /** The half-life of a person of whom too little is known; the best for most people of all three data sets. */
  usualHalfLife: 2,
  /** An item's transitions count less the more popular it is, by (popularity + offset)^−power. */
  popularityPower: 0.25,
  popularityOffset: 5,
  /**
   * What follows an item counts less the more there is that follows it, by (sum of its row)^−power: between counts, by which
   * popular items speak the loudest, and probabilities, by which an item that was seen once speaks as loudly.
   */
  rowPower: 0.75,
  /**
   * Share of popularity in the mixture with transitions: where these say little, as of first purchases, popularity does. From .2
   * to .6 hardly anything changes where transitions say much.
   */
  popularityShare: 0.4,
  /**
   * Share of an even choice among all items: an item of which nothing was released, because it is new or stayed below the noise,
   * loses nats to those that were counted and is not shut out.
   */
  evenShare: 0.05,
  /** Weight of the transitions in the hybrid; the encoder has the rest. */
  hybridWeight: 0.5,
} as const;

/** @returns `undefined` where nothing was released yet */
export function collaborativeTable(
  { transitions, popularity }: ModelSignals,
  itemCount: number,
): CollaborativeTable | undefined {
  if (transitions === undefined && popularity === undefined) return undefined;
  const counted = transitions?.items ?? new Uint32Array();
  const rows = new Int32Array(itemCount).fill(-1);
  for (const [row, item] of counted.entries()) rows[item] = row;
  const entries = transitions?.entries ?? new Uint32Array();
  const released = transitions?.counts ?? new Float32Array();
  const starts = new Uint32Array(counted.length + 1);
  const followers = new Uint32Array(entries.length);
  // The entries increase, so that those of a row follow one another.
  for (const [at, entry] of entries.entries()) {
    starts[Math.floor(entry / counted.length) + 1]! += 1;
    followers[at] = counted[entry % counted.length]!;
  }
  for (let row = 0; row < counted.length; row++) starts[row + 1]! += starts[row]!;
  const counts = balancedRows(released, starts);
  return {
    itemCount,
    rows,
    starts,
    followers,
    counts,
    popularity:
      popularity === undefined
        ? followedBy({ itemCount, followers, counts: released })
        : everybodysPopularity(popularity, itemCount),
    byCluster: popularityByCluster(popularity, itemCount),
  };
}

/** Divides the counts of each row by a power of their sum. */
function balancedRows(counts: Float32Array, starts: Uint32Array): Float32Array {
  const balanced = counts.slice();
  for (let row = 0; row + 1 < starts.length; row++) {
    const own = balanced.subarray(starts[row]!, starts[row + 1]!);
    const scale = own.reduce((sum, count) => sum + count, 0) ** -COLLABORATIVE_SCORING.rowPower;
    for (let i = 0; i < own.length; i++) own[i]! *= scale;
  }
  return balanced;
}

function followedBy({
  itemCount,
  followers,
  counts,
}: Pick<CollaborativeTable, "itemCount" | "followers" | "counts">): Float32Array {
  const totals = new Float32Array(itemCount);
  for (let at = 0; at < followers.length; at++) totals[followers[at]!]! += counts[at]!;
  return totals;
}

function popularityByCluster(
  popularity: ModelSignals["popularity"],
  itemCount: number,
): Map<number, Float32Array> {
  const byCluster = new Map<number, Float32Array>();
  if (popularity === undefined) return byCluster;
  for (const [at, entry] of popularity.entries.entries()) {
    const id = popularity.clusters[Math.floor(entry / itemCount) - 1];
    if (id === undefined) continue;
    const counts = byCluster.get(id) ?? new Float32Array(itemCount);
    byCluster.set(id, counts);
    counts[entry % itemCount] = popularity.counts[at]!;
  }
  return byCluster;
}

/** The part of each cluster in a person, by identity. */
export type ClusterShares = ReadonlyMap<number, number>;

/**
 * Share of each item in what people like: half everybody's, half that of the person's clusters as far as it is known.
 * @returns length itemCount, of sum 1; uniform where nothing is known
 */
export function popularShares(table: CollaborativeTable, clusters: ClusterShares = new Map()): Float32Array {
  const shares = normalised(table.popularity);
  for (const [id, share] of clusters) {
    const counts = table.byCluster.get(id);
    if (counts === undefined || share <= 0) continue;
    const own = normalised(counts);
    for (let item = 0; item < shares.length; item++) shares[item]! += share * own[item]!;
  }
  return normalised(shares);
}

/**
 * Log-probability of each item as the next: the transitions from what the person did, an interaction counting half as
 * much for every `halfLife` after it, mixed with what is popular and a little of everything.
 * @param items a person's items, oldest first
 * @returns length itemCount, nats
 */
export function collaborativeScores(
  table: CollaborativeTable,
  items: ArrayLike<number>,
  options: { readonly halfLife: number; readonly popular: Float32Array },
): Float32Array {
  const { halfLife, popular } = options;
  const { rows, starts, followers, counts, popularity } = table;
  const { popularityOffset, popularityPower, popularityShare, evenShare } = COLLABORATIVE_SCORING;
  const scores = new Float32Array(table.itemCount);
  const oldest = Math.max(0, items.length - Math.ceil(HALF_LIVES_BACK * halfLife));
  for (let at = oldest; at < items.length; at++) {
    const row = rows[items[at]!]!;
    if (row < 0) continue;
    const weight = 2 ** ((at + 1 - items.length) / halfLife);
    for (let i = starts[row]!; i < starts[row + 1]!; i++) scores[followers[i]!]! += weight * counts[i]!;
  }
  let total = 0;
  for (let item = 0; item < scores.length; item++) {
    if (scores[item]! > 0) scores[item]! *= (popularity[item]! + popularityOffset) ** -popularityPower;
    total += scores[item]!;
  }
  const scale = total > 0 ? (1 - evenShare) * ((1 - popularityShare) / total) : 0;
  const share = (1 - evenShare) * (total > 0 ? popularityShare : 1);
  const even = evenShare / scores.length;
  for (let item = 0; item < scores.length; item++)
    scores[item] = Math.log(scale * scores[item]! + share * popular[item]! + even);
  return scores;
}

/**
 * The half-life by which the person's own latest interactions are likeliest, each predicted from those before it. A
 * half-life other than the usual one has to win two nats for each doubling, so that a short record changes little.
 * @param items a person's items, oldest first
 * @returns steps of the record
 */
export function learnedHalfLife(table: CollaborativeTable, items: ArrayLike<number>): number {
  const { usualHalfLife } = COLLABORATIVE_SCORING;
  const from = Math.max(1, items.length - LEARNED_FROM);
  let best = { halfLife: usualHalfLife as number, gain: Number.NEGATIVE_INFINITY };
  for (const halfLife of HALF_LIVES) {
    let gain = -PRIOR_STRENGTH * Math.abs(Math.log2(halfLife / usualHalfLife));
    for (let target = from; target < items.length; target++)
      gain += Math.log(transitionProbability(table, items, { target, halfLife }));
    if (gain > best.gain) best = { halfLife, gain };
  }
  return best.halfLife;
}

/** Probability of the interaction at `target` from those before it, mixed with a uniform choice. */
function transitionProbability(
  { rows, starts, followers, counts, itemCount }: CollaborativeTable,
  items: ArrayLike<number>,
  { target, halfLife }: { readonly target: number; readonly halfLife: number },
): number {
  let hits = 0;
  let total = 0;
  for (let at = Math.max(0, target - Math.ceil(HALF_LIVES_BACK * halfLife)); at < target; at++) {
    const row = rows[items[at]!]!;
    if (row < 0) continue;
    const weight = 2 ** ((at + 1 - target) / halfLife);
    for (let i = starts[row]!; i < starts[row + 1]!; i++) {
      total += weight * counts[i]!;
      if (followers[i] === items[target]) hits += weight * counts[i]!;
    }
  }
  const uniform = 1 / itemCount;
  return total > 0 ? 0.95 * (hits / total) + 0.05 * uniform : uniform;
}

function normalised(values: Float32Array): Float32Array {
  const total = values.reduce((sum, value) => sum + value, 0);
  return total > 0 ? values.map((value) => value / total) : values.map(() => 1 / values.length);
}

/** Logits as log-probabilities, in nats. */
export function logProbabilities(scores: Float32Array): Float32Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (const score of scores) if (score > largest) largest = score;
  let total = 0;
  for (const score of scores) total += Math.exp(score - largest);
  const shift = largest + Math.log(total);
  return scores.map((score) => score - shift);
}

/**
 * Product of experts (Hinton 2002): the weighted mean of two log-probabilities.
 * @param content scores of the encoder, nats up to a constant
 * @param collaborative log-probabilities
 */
export function hybridScores(content: Float32Array, collaborative: Float32Array): Float32Array {
  const own = logProbabilities(content);
  const { hybridWeight } = COLLABORATIVE_SCORING;
  return own.map((score, item) => (1 - hybridWeight) * score + hybridWeight * collaborative[item]!);
}
