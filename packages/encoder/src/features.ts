/**
 * Public text features of a catalogue: hashed n-grams, weighted, projected at random to d dimensions.
 *
 * Nothing here depends on any person, on the platform's floating-point library or on a download: the same
 * catalogue and seed give the same bits everywhere (sums, products and square roots only).
 */
import type { CatalogueItem, EncoderShape } from "@kindred/protocol";
import { mix32 } from "./random.ts";

export {
  type Fusion,
  type FusionReport,
  fitFusion,
  fuse,
  type Modality,
  type RelatedPair,
} from "./catalogue/fusion.ts";
export { itemVectors } from "./item-vectors.ts";

/** Shares of the three groups of features in an item's squared norm before projection. */
const GROUP_WEIGHTS = { words: 1, characters: 0.35, tags: 1.2 } as const;
const GROUPS = ["words", "characters", "tags"] as const;

const FNV_PRIME = 0x01000193;
const FNV_START = 0x811c9dc5;

/** 32-bit FNV-1a over UTF-16 code units, finished with a full avalanche. */
function hashText(text: string, seed: number): number {
  let hash = FNV_START ^ seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return mix32(hash);
}

/**
 * log2 by exponent and linear interpolation of the mantissa (error at most .087): exact arithmetic, because
 * `Math.log` may differ between engines in the last bit.
 */
function portableLog2(value: number): number {
  let exponent = 0;
  let mantissa = value;
  while (mantissa >= 2) {
    mantissa /= 2;
    exponent++;
  }
  return exponent + mantissa - 1;
}

/** Splits a text into words of letters and digits, lower-cased after NFKC normalisation. */
export function words(text: string): string[] {
  return (
    text
      .normalize("NFKC")
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** Takes a feature's group (an index of `GROUPS`) and its 32-bit hash. */
type Count = (group: number, hash: number) => void;

function countFeatures(
  { title, tags }: Pick<CatalogueItem, "title" | "tags">,
  seed: number,
  count: Count,
): void {
  // A seed of its own keeps each group's features apart.
  const seeds = GROUPS.map((_, group) => mix32(seed + group));
  const titleWords = words(title);
  titleWords.forEach((word, index) => {
    count(0, hashText(word, seeds[0]!));
    const next = titleWords[index + 1];
    if (next !== undefined) count(0, hashText(`${word} ${next}`, seeds[0]!));
    countCharacters(` ${word} `, seeds[1]!, count);
  });
  for (const tag of tags) {
    const tagWords = words(tag);
    count(2, hashText(tagWords.join(" "), seeds[2]!));
    if (tagWords.length > 1) for (const word of tagWords) count(2, hashText(word, seeds[2]!));
  }
}

/** Every 3- to 5-gram; the hash of a longer one continues that of the shorter one, so no text is cut out. */
function countCharacters(text: string, seed: number, count: Count): void {
  for (let start = 0; start + 3 <= text.length; start++) {
    let hash = FNV_START ^ seed;
    const end = Math.min(text.length, start + 5);
    for (let i = start; i < end; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
      if (i >= start + 2) count(1, mix32(hash));
    }
  }
}

type TextItem = Pick<CatalogueItem, "id" | "title" | "tags">;
type TextShape = Pick<EncoderShape, "dimension" | "textBuckets" | "seed">;

/** Counts of an item's features by hash, per group. */
type Document = readonly ReadonlyMap<number, number>[];

/** What the weights of features depend on: how many items of a catalogue have each. */
export interface TextStatistics {
  readonly itemCount: number;
  /** Items with a feature in each bucket. */
  readonly documentFrequency: Uint32Array;
}

const bucketOf = (hash: number, textBuckets: number): number => (hash >>> 1) % textBuckets;

function countDocuments(items: readonly TextItem[], seed: number): Document[] {
  return items.map((item) => {
    const groups = GROUPS.map(() => new Map<number, number>());
    countFeatures(item, seed, (group, hash) => {
      const counts = groups[group]!;
      counts.set(hash, (counts.get(hash) ?? 0) + 1);
    });
    return groups;
  });
}

function frequencies(documents: readonly Document[], textBuckets: number): TextStatistics {
  const documentFrequency = new Uint32Array(textBuckets);
  const lastSeen = new Int32Array(textBuckets).fill(-1);
  documents.forEach((groups, index) => {
    for (const counts of groups)
      for (const hash of counts.keys()) {
        const bucket = bucketOf(hash, textBuckets);
        if (lastSeen[bucket] === index) continue;
        lastSeen[bucket] = index;
        documentFrequency[bucket]!++;
      }
  });
  return { itemCount: documents.length, documentFrequency };
}

/** Statistics of a catalogue, by which items that are added later are weighted as those before them. */
export function textStatistics(items: readonly TextItem[], shape: TextShape): TextStatistics {
  return frequencies(countDocuments(items, shape.seed), shape.textBuckets);
}

/**
 * Steps 1 to 3 of {@link itemFeatures} without centring and normalising, so that each row depends on its own item and the
 * statistics only.
 *
 * @param statistics of the catalogue that the items are weighted by; a feature that it lacks counts as had by one item
 * @returns row-major items × dimension; a row of zeros for an item without any text
 */
export function textRows(
  items: readonly TextItem[],
  shape: TextShape,
  statistics: TextStatistics,
): Float64Array {
  return projectDocuments(countDocuments(items, shape.seed), shape, statistics);
}

function projectDocuments(
  documents: readonly Document[],
  { dimension, textBuckets, seed }: TextShape,
  { itemCount, documentFrequency }: TextStatistics,
): Float64Array {
  const rows = new Float64Array(documents.length * dimension);
  documents.forEach((groups, index) => {
    const row = rows.subarray(index * dimension, (index + 1) * dimension);
    groups.forEach((counts, group) => {
      const weighted: [bucket: number, value: number][] = [];
      let squares = 0;
      for (const [hash, times] of counts) {
        const bucket = bucketOf(hash, textBuckets);
        const frequency = Math.max(1, documentFrequency[bucket]!);
        const weight = (1 + portableLog2(times)) * portableLog2(1 + itemCount / frequency);
        weighted.push([bucket, hash & 1 ? weight : -weight]);
        squares += weight * weight;
      }
      if (squares === 0) return;
      const scale = GROUP_WEIGHTS[GROUPS[group]!] / Math.sqrt(squares);
      for (const [bucket, value] of weighted) addProjected(row, value * scale, mix32(bucket ^ seed));
    });
  });
  return rows;
}

/**
 * Item text vectors.
 *
 * 1. Counts of word 1- and 2-grams and character 3- to 5-grams of the title and of the tags, hashed with a sign
 *    into `shape.textBuckets` buckets (Weinberger et al. 2009).
 * 2. Weight (1 + log2 count)·log2(1 + items / document frequency), both over the public catalogue; each of the
 *    three groups is normalised by itself and weighted, so that a long title does not drown the tags.
 * 3. Rademacher projection to `shape.dimension` (Achlioptas 2003), whose signs are derived from the seed and the
 *    bucket, so that no matrix is stored; the catalogue's mean is taken off; rows are L2-normalised.
 *
 * @param items the catalogue's items, in the order of item indices
 * @returns row-major items × dimension; an item without any text gets a row of its own from its id
 */
export function itemFeatures(items: readonly TextItem[], shape: TextShape): Float32Array {
  const { dimension, textBuckets, seed } = shape;
  const documents = countDocuments(items, seed);
  const rows = projectDocuments(documents, shape, frequencies(documents, textBuckets));
  documents.forEach((groups, index) => {
    if (groups.some((counts) => counts.size > 0)) return;
    const row = rows.subarray(index * dimension, (index + 1) * dimension);
    addProjected(row, 1, hashText(items[index]!.id, ~seed));
  });
  centreAndNormalise(rows, dimension);
  return Float32Array.from(rows);
}

/** row += value · r, where r ∈ {−1, 1}^d are the bits of a hash sequence that starts at `key`. */
function addProjected(row: Float64Array, value: number, key: number): void {
  for (let start = 0; start < row.length; start += 32) {
    let bits = mix32(key + Math.imul(start + 32, 0x9e3779b1));
    const end = Math.min(row.length, start + 32);
    for (let j = start; j < end; j++) {
      row[j]! += bits & 1 ? value : -value;
      bits >>>= 1;
    }
  }
}

function centreAndNormalise(rows: Float64Array, dimension: number): void {
  const count = rows.length / dimension;
  const mean = new Float64Array(dimension);
  for (let i = 0; i < rows.length; i++) mean[i % dimension]! += rows[i]! / count;
  for (let index = 0; index < count; index++) {
    const row = rows.subarray(index * dimension, (index + 1) * dimension);
    const original = row.slice();
    for (let j = 0; j < dimension; j++) row[j]! -= mean[j]!;
    // A catalogue of equal items has no row left after centring: keep the uncentred direction.
    const centred = norm(row);
    const whole = norm(original);
    const kept = centred > 1e-9 * whole ? row : original;
    const scale = 1 / (kept === row ? centred : whole);
    for (let j = 0; j < dimension; j++) row[j] = kept[j]! * scale;
  }
}

function norm(row: Float64Array): number {
  let squares = 0;
  for (const value of row) squares += value * value;
  return Math.sqrt(squares);
}
