/** Embeddings of texts by a model outside, each computed once: the port, and the cache that makes a build resumable. */
import { createHash } from "node:crypto";
import { appendFile, mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { KindredError } from "@kindred/protocol";

/** A model that embeds texts. */
export interface EmbeddingSource {
  /** Names model and settings: texts embedded under another name are embedded anew. */
  readonly name: string;
  /** Texts that are passed at once at the most. */
  readonly batchSize: number;
  /** One finite vector per text, all of one length. */
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}

const KEY_BYTES = 32;
const HEAD_BYTES = KEY_BYTES + 4;

/**
 * Vectors by content hash in one file that is only ever appended to: key (SHA-256 of source and text), length, little-endian
 * float32. What a crash left of the last record is cut off when it is opened.
 */
export class EmbeddingCache {
  readonly #file: string;
  readonly #vectors: Map<string, Float32Array>;

  private constructor(file: string, vectors: Map<string, Float32Array>) {
    this.#file = file;
    this.#vectors = vectors;
  }

  static async open(file: string): Promise<EmbeddingCache> {
    await mkdir(dirname(file), { recursive: true });
    const bytes = await readFile(file).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      await writeFile(file, "");
      return Buffer.alloc(0);
    });
    const vectors = new Map<string, Float32Array>();
    let at = 0;
    while (at + HEAD_BYTES <= bytes.length) {
      const key = bytes.toString("hex", at, at + KEY_BYTES);
      const length = bytes.readUInt32LE(at + KEY_BYTES);
      const end = at + HEAD_BYTES + 4 * length;
      if (end > bytes.length) break;
      const vector = new Float32Array(length);
      for (let i = 0; i < length; i++) vector[i] = bytes.readFloatLE(at + HEAD_BYTES + 4 * i);
      vectors.set(key, vector);
      at = end;
    }
    if (at < bytes.length) await truncate(file, at);
    return new EmbeddingCache(file, vectors);
  }

  get(key: string): Float32Array | undefined {
    return this.#vectors.get(key);
  }

  async put(entries: readonly (readonly [key: string, vector: Float32Array])[]): Promise<void> {
    const records = entries.map(([key, vector]) => {
      const record = Buffer.alloc(HEAD_BYTES + 4 * vector.length);
      record.write(key, "hex");
      record.writeUInt32LE(vector.length, KEY_BYTES);
      vector.forEach((value, i) => {
        record.writeFloatLE(value, HEAD_BYTES + 4 * i);
      });
      return record;
    });
    await appendFile(this.#file, Buffer.concat(records));
    for (const [key, vector] of entries) this.#vectors.set(key, vector);
  }
}

function keyOf(source: string, text: string): string {
  return createHash("sha256")
    .update(JSON.stringify([source, text]))
    .digest("hex");
}

/**
 * Embeds texts; those in the cache are not asked for again, and equal texts once.
 *
 * @param options.progress told how many of how many texts are done
 * @returns row-major texts × width
 * @throws KindredError as the source does, or `internal` if it answers with vectors of another length or number
 */
export async function embedTexts(
  texts: readonly string[],
  options: {
    readonly source: EmbeddingSource;
    readonly cache: EmbeddingCache;
    readonly progress: (done: number, of: number) => void;
  },
): Promise<{ readonly width: number; readonly rows: Float32Array; readonly asked: number }> {
  const { source, cache, progress } = options;
  const keys = texts.map((text) => keyOf(source.name, text));
  const missing = new Map<string, string>();
  keys.forEach((key, i) => {
    if (cache.get(key) === undefined) missing.set(key, texts[i]!);
  });
  const asked = [...missing];
  let width = keys.map((key) => cache.get(key)?.length).find((length) => length !== undefined);
  for (let at = 0; at < asked.length; at += source.batchSize) {
    progress(texts.length - asked.length + at, texts.length);
    const batch = asked.slice(at, at + source.batchSize);
    const vectors = await source.embed(batch.map(([, text]) => text));
    width ??= vectors[0]?.length;
    checkVectors(vectors, { source: source.name, count: batch.length, width: width ?? 0 });
    await cache.put(batch.map(([key], i) => [key, vectors[i]!] as const));
  }
  progress(texts.length, texts.length);
  const rows = new Float32Array(texts.length * width!);
  keys.forEach((key, i) => {
    rows.set(cache.get(key)!, i * width!);
  });
  return { width: width!, rows, asked: asked.length };
}

function checkVectors(
  vectors: readonly Float32Array[],
  { source, count, width }: { source: string; count: number; width: number },
): void {
  const refuse = (rule: string): never => {
    const fix = "check the model; what was embedded so far is kept, so run the command again";
    throw new KindredError({ code: "internal", field: source, rule, fix });
  };
  if (vectors.length !== count) refuse(`must embed ${count} texts, answered with ${vectors.length} vectors`);
  for (const vector of vectors) {
    if (vector.length !== width || width === 0)
      refuse(`must give vectors of one length (${width}), answered with one of ${vector.length}`);
    if (!vector.every((value) => Number.isFinite(value))) refuse("must give finite vectors");
  }
}
