/** `kindred catalogue build`: from an operator's items to a public catalogue and its features, computed once. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FusionReport, fitFusion, fuse, type RelatedPair } from "@kindred/encoder/features";
import {
  type Catalogue,
  canonicalJson,
  catalogueHash,
  decodeFeatureBundle,
  decodeFeatureManifest,
  encodeFeatureBundle,
  encodeFeatureManifest,
  encodeFeatureSegment,
  floatBytes,
  KindredError,
  parseCatalogue,
  quantiseRows,
  sha256Hex,
} from "@kindred/protocol";
import { type BuildState, encodeBuildState, readBuildState } from "./build-state.ts";
import { EmbeddingCache, type EmbeddingSource, embedTexts } from "./embedding-source.ts";
import {
  type Embeddings,
  embeddingText,
  fitModalities,
  modalitiesOf,
  ownVectors,
} from "./item-modalities.ts";
import { type QuantisationLoss, quantisationLoss } from "./quantisation-loss.ts";
import type { SourceItem } from "./source-items.ts";

export interface BuildOptions {
  readonly items: readonly SourceItem[];
  /** Folder of the results: catalogue.json, features.kindred, build.kindred, embeddings.bin. */
  readonly directory: string;
  readonly dimension: number;
  readonly textBuckets: number;
  readonly seed: number;
  readonly embedding?: EmbeddingSource;
  /** Pairs that the weights are learned from, and whether the tags gave them. */
  readonly related: { readonly pairs: readonly RelatedPair[]; readonly byTags: boolean };
  /** Makes all rows anew, whatever there was. */
  readonly refit: boolean;
  readonly progress: (label: string, fraction: number) => void;
}

export interface BuildReport {
  readonly catalogueHash: string;
  readonly featuresHash: string;
  readonly items: number;
  /** Rows made now; the others were there. */
  readonly added: number;
  /** Rows of earlier builds that no item has any more. */
  readonly unused: number;
  /** What a device without anything downloads, and one that has the build before this, in bytes. */
  readonly download: { readonly whole: number; readonly update: number };
  readonly modalities: readonly { readonly name: string; readonly width: number; readonly weight: number }[];
  /** Where weights were learned now. */
  readonly fusion: FusionReport | undefined;
  /** Texts that the embedding model was asked for. */
  readonly embedded: number;
  /** Of the rows made now. */
  readonly loss: QuantisationLoss | undefined;
}

/** Rows of one segment at the most: what is downloaded at once. */
const SEGMENT_ROWS = 4_096;

/** What an earlier build left: the state, the rows' segments by hash, and which of them there are. */
interface Earlier {
  readonly state: BuildState;
  readonly segments: readonly { readonly hash: string; readonly rows: number; readonly file: Uint8Array }[];
}

/**
 * Builds or extends. Items whose content has not changed since the last build with the same options keep their rows, bit
 * for bit; the others get rows by what was fitted then. Files are replaced one by one, each atomically, features before state.
 * @throws KindredError `catalogue-invalid` for items or files, or what the embedding model refuses
 */
export async function buildCatalogue(options: BuildOptions): Promise<BuildReport> {
  const { items, directory } = options;
  await mkdir(directory, { recursive: true });
  const catalogue = publicCatalogue(items);
  const settings = settingsOf(options);
  const earlier = options.refit ? undefined : await readEarlier(directory, settings);
  const hashes = items.map(contentHash);
  const known = earlier?.state.rows ?? new Map<string, number>();
  const added = items.filter((_, i) => !known.has(hashes[i]!));
  const cache = await EmbeddingCache.open(join(directory, "embeddings.bin"));
  const made = await makeRows(added, { options, earlier, cache });
  const rows = new Map(known);
  let next = earlier?.segments.reduce((sum, segment) => sum + segment.rows, 0) ?? 0;
  for (const [i, hash] of hashes.entries())
    if (!known.has(hash) && !rows.has(hash)) rows.set(hash, next + made.rowOf.get(items[i]!)!);
  next += added.length;
  const segments = [...(earlier?.segments ?? []), ...segmentsOf(made.features, options.dimension)];
  const manifest = encodeFeatureManifest({
    catalogue: catalogueHash(catalogue),
    dimension: options.dimension,
    source: sourceOf(made.fusion.modalities, options.embedding),
    segments: segments.map(({ hash, rows: count }) => ({ hash, rows: count })),
    rowOf: Uint32Array.from(hashes, (hash) => rows.get(hash)!),
  });
  const state = { settings, fit: made.fit, fusion: made.fusion, rows };
  const bundle = encodeFeatureBundle({
    manifest,
    segments: new Map(segments.map(({ hash, file }) => [hash, file])),
  });
  // Rows of a state that is older than the features' segments would be other items' rows.
  if (earlier === undefined) await rm(join(directory, "build.kindred"), { force: true });
  await replaceFile(join(directory, "catalogue.json"), canonicalJson(catalogue));
  await replaceFile(join(directory, "features.kindred"), bundle);
  await replaceFile(join(directory, "build.kindred"), encodeBuildState(state));
  const bytes = (list: readonly { file: Uint8Array }[]) =>
    list.reduce((sum, { file }) => sum + file.length, manifest.length);
  return {
    catalogueHash: catalogueHash(catalogue),
    featuresHash: sha256Hex(manifest),
    items: items.length,
    added: added.length,
    unused: next - new Set(hashes.map((hash) => rows.get(hash)!)).size,
    download: { whole: bytes(segments), update: bytes(segments.slice(earlier?.segments.length ?? 0)) },
    modalities: made.fusion.modalities.map(({ name, width, weight }) => ({ name, width, weight })),
    fusion: made.report,
    embedded: made.embedded,
    loss: added.length < 2 ? undefined : quantisationLoss(made.features, options.dimension),
  };
}

function publicCatalogue(items: readonly SourceItem[]): Catalogue {
  return parseCatalogue({
    schema: "kindred.catalogue/1",
    items: items.map(({ id, title, tags }) => ({ id, title, tags })),
  });
}

function settingsOf({ dimension, textBuckets, seed, embedding, items }: BuildOptions): string {
  return canonicalJson({
    dimension,
    textBuckets,
    seed,
    embedding: embedding?.name ?? "",
    own: ownVectors(items),
  });
}

async function readEarlier(directory: string, settings: string): Promise<Earlier | undefined> {
  const state = await readBuildState(join(directory, "build.kindred"));
  if (state === undefined) return undefined;
  if (state.settings !== settings)
    throw new KindredError({
      code: "option-invalid",
      field: "--out",
      rule: "must be a folder of the same options, embedding model and kinds of vectors, or an empty one",
      fix: "build with --refit, after which devices download all rows anew",
    });
  const bundle = decodeFeatureBundle(new Uint8Array(await readFile(join(directory, "features.kindred"))));
  const { segments } = decodeFeatureManifest(bundle.manifest, sha256Hex(bundle.manifest));
  return {
    state,
    segments: segments.map(({ hash, rows }) => ({ hash, rows, file: bundle.segments.get(hash)! })),
  };
}

/** Hash of everything that an item's row depends on. */
function contentHash({ vectors, ...item }: SourceItem): string {
  const hash = createHash("sha256").update(canonicalJson(item));
  for (const [name, vector] of Object.entries(vectors).sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`\n${name}\n`).update(floatBytes(vector));
  return hash.digest("hex");
}

/** Rows of the added items, by what an earlier build fitted or by what is fitted to them now. */
async function makeRows(
  items: readonly SourceItem[],
  { options, earlier, cache }: { options: BuildOptions; earlier: Earlier | undefined; cache: EmbeddingCache },
) {
  const { dimension, textBuckets, seed, progress } = options;
  const settings = { textBuckets, seed };
  const rowOf = new Map(items.map((item, row) => [item, row]));
  const embedded = await embed(items, { options, cache });
  const fit = earlier?.state.fit ?? fitModalities(items, settings);
  const modalities = modalitiesOf(items, {
    fit,
    settings,
    embeddings: embedded,
    own: ownVectors(options.items),
  });
  const fitted =
    earlier === undefined
      ? fitFusion(modalities, {
          dimension,
          seed,
          related: options.related.pairs,
          fixed: new Set(options.related.byTags ? ["tags"] : []),
          progress: (done, of) => progress("Fusing the kinds of vectors", (0.9 * done) / of),
        })
      : { fusion: earlier.state.fusion, report: undefined };
  const features = fuse(
    fitted.fusion,
    modalities.map(({ rows }) => rows),
    { dimension, fallback: (item, row) => fillFromId(items[item]!.id, row) },
  );
  progress("Fusing the kinds of vectors", 1);
  return { ...fitted, fit, features, rowOf, embedded: embedded?.asked ?? 0 };
}

async function embed(
  items: readonly SourceItem[],
  { options, cache }: { options: BuildOptions; cache: EmbeddingCache },
): Promise<(Embeddings & { asked: number }) | undefined> {
  const { embedding: source, progress } = options;
  if (source === undefined || items.length === 0) return undefined;
  return embedTexts(items.map(embeddingText), {
    source,
    cache,
    progress: (done, of) => progress(`Embedding by ${source.name}`, done / of),
  });
}

/** An item without anything to go by gets a row of its own, so that it can be learned at all. */
function fillFromId(id: string, row: Float32Array): void {
  const digest = createHash("sha512").update(id).digest();
  for (let i = 0; i < row.length; i++) row[i] = digest[i % 64]! / 127.5 - 1;
}

function segmentsOf(features: Float32Array, dimension: number): Earlier["segments"][number][] {
  const segments = [];
  const step = SEGMENT_ROWS * dimension;
  for (let at = 0; at < features.length; at += step) {
    const part = features.subarray(at, at + step);
    const file = encodeFeatureSegment(quantiseRows(part, dimension));
    segments.push({ hash: sha256Hex(file), rows: part.length / dimension, file });
  }
  return segments;
}

function sourceOf(
  modalities: readonly { readonly name: string }[],
  embedding: EmbeddingSource | undefined,
): string {
  const names = modalities.map(({ name }) => (name === "embedding" ? (embedding?.name ?? name) : name));
  return names.join(", ").slice(0, 500);
}

/** A crash leaves the old file or the new one. */
async function replaceFile(file: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${file}.part`, content, { flush: true });
  await rename(`${file}.part`, file);
}
