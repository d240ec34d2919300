/** From an operator's items to vectors of each kind: n-grams of title, tags, text and attributes, embeddings, own vectors. */
import { type Modality, type TextStatistics, textRows, textStatistics } from "@kindred/encoder/features";
import type { SourceItem } from "./source-items.ts";

/** What n-grams are hashed with. */
export interface TextSettings {
  readonly textBuckets: number;
  readonly seed: number;
}

/** What was fitted to the first catalogue and is kept for items added later. */
export interface ModalityFit {
  /** Per kind of text. */
  readonly statistics: ReadonlyMap<TextKind, TextStatistics>;
  /** Upper ends of the parts of equal size of each numeric attribute, rising. */
  readonly edges: Readonly<Record<string, readonly number[]>>;
}

const TEXT_KINDS = ["title", "tags", "text", "attributes"] as const;
export type TextKind = (typeof TEXT_KINDS)[number];

/** Width to which n-grams are projected at random before the catalogue's own principal components are taken. */
const TEXT_WIDTH = 256;
const PARTS = 10;

/** Weights where nothing is learned. */
const PRIORS: Readonly<Record<TextKind | "embedding" | "own", number>> = {
  title: 1,
  tags: 1.2,
  text: 1,
  attributes: 0.3,
  embedding: 2,
  own: 1,
};

/** Embeddings of all items by a model outside. */
export interface Embeddings {
  readonly width: number;
  readonly rows: Float32Array;
}

/** What a model outside is given of an item. */
export function embeddingText({ title, tags, text }: SourceItem): string {
  return [title, tags.join(", "), text]
    .filter((part) => part !== "")
    .join("\n")
    .slice(0, 8_000);
}

/** Fits what n-grams are weighted by to a catalogue. Kinds that no item has are left out. */
export function fitModalities(items: readonly SourceItem[], settings: TextSettings): ModalityFit {
  const edges = numericEdges(items);
  const statistics = new Map<TextKind, TextStatistics>();
  for (const kind of TEXT_KINDS) {
    const documents = items.map((item) => documentOf(item, kind, edges));
    if (documents.some(({ title, tags }) => title !== "" || tags.length > 0))
      statistics.set(kind, textStatistics(documents, shapeOf(settings)));
  }
  return { statistics, edges };
}

/**
 * All vectors of all items: the kinds of text of the fit, then `embedding` if there is one, then the operator's own by
 * name.
 * @param options.own names and widths of the operator's vectors
 */
export function modalitiesOf(
  items: readonly SourceItem[],
  options: {
    readonly fit: ModalityFit;
    readonly settings: TextSettings;
    readonly embeddings: Embeddings | undefined;
    readonly own: Readonly<Record<string, number>>;
  },
): Modality[] {
  const { fit, settings, embeddings, own } = options;
  const modalities: Modality[] = [...fit.statistics].map(([kind, statistics]) => {
    const documents = items.map((item) => documentOf(item, kind, fit.edges));
    const rows = Float32Array.from(textRows(documents, shapeOf(settings), statistics));
    return { name: kind, width: TEXT_WIDTH, rows, prior: PRIORS[kind] };
  });
  if (embeddings !== undefined)
    modalities.push({ name: "embedding", ...embeddings, prior: PRIORS.embedding });
  for (const [name, width] of Object.entries(own)) {
    const rows = new Float32Array(items.length * width);
    items.forEach(({ vectors }, item) => {
      const vector = vectors[name];
      if (vector !== undefined) rows.set(vector, item * width);
    });
    modalities.push({ name: `vectors.${name}`, width, rows, prior: PRIORS.own });
  }
  return modalities;
}

/** Names and widths of the operator's own vectors, by the alphabet. */
export function ownVectors(items: readonly SourceItem[]): Record<string, number> {
  const widths = new Map<string, number>();
  for (const { vectors } of items)
    for (const [name, { length }] of Object.entries(vectors)) widths.set(name, length);
  return Object.fromEntries([...widths].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function shapeOf({ textBuckets, seed }: TextSettings) {
  return { dimension: TEXT_WIDTH, textBuckets, seed };
}

/** One kind of text as the n-grams read it: words and characters of a title, or whole tags. */
function documentOf(
  item: SourceItem,
  kind: TextKind,
  edges: ModalityFit["edges"],
): { id: string; title: string; tags: string[] } {
  const { id } = item;
  if (kind === "title") return { id, title: item.title, tags: [] };
  if (kind === "text") return { id, title: item.text, tags: [] };
  if (kind === "tags") return { id, title: "", tags: item.tags };
  const tags = Object.entries(item.attributes).map(([name, value]) =>
    typeof value === "number" ? `${name} ${partOf(value, edges[name] ?? [])}` : `${name} ${value}`,
  );
  return { id, title: "", tags };
}

function partOf(value: number, edges: readonly number[]): number {
  return edges.filter((edge) => value > edge).length;
}

function numericEdges(items: readonly SourceItem[]): Record<string, number[]> {
  const values = new Map<string, number[]>();
  for (const { attributes } of items)
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value !== "number") continue;
      const known = values.get(name);
      if (known === undefined) values.set(name, [value]);
      else known.push(value);
    }
  const edges: Record<string, number[]> = {};
  for (const [name, all] of values) {
    all.sort((a, b) => a - b);
    const ends = Array.from(
      { length: PARTS - 1 },
      (_, i) => all[Math.floor(((i + 1) * all.length) / PARTS)]!,
    );
    edges[name] = [...new Set(ends)];
  }
  return edges;
}
