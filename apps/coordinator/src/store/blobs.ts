/**
 * Content-addressed blobs in files: released models and catalogues in one root, spooled masked vectors and
 * optimiser state in another. The two kinds are different types, and only the first is ever given to HTTP.
 *
 * A blob is written to a temporary file, synced, renamed to its hash, and its folder synced: after a crash at any
 * instant a hash names either the whole content or nothing.
 */
import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { KindredError } from "@kindred/protocol";

/** `released` blobs may be downloaded by anyone; `spool` blobs never leave the coordinator. */
type BlobKind = "released" | "spool";

/** Bytes `start` to `end`, both included, counted from 0. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Hashes are SHA-256, 64 lower-case hexadecimal digits; any other text is refused with `not-found`. */
export interface BlobStore<Kind extends BlobKind = BlobKind> {
  readonly kind: Kind;
  /** Stores bytes durably and returns their hash. Storing the same bytes again, also concurrently, is harmless. */
  put(bytes: Uint8Array): Promise<string>;
  /** The bytes, checked against their hash; undefined if unknown. */
  get(hash: string): Promise<Uint8Array | undefined>;
  has(hash: string): Promise<boolean>;
  /** Length in bytes; undefined if unknown. */
  size(hash: string): Promise<number | undefined>;
  /** The bytes, or a range of them within the blob's size, as a stream; undefined if unknown. */
  stream(hash: string, range?: ByteRange): Promise<Readable | undefined>;
  /** Removes a blob; returns whether it was there. */
  delete(hash: string): Promise<boolean>;
  /** Every blob with the time it was stored last, in milliseconds since the Unix epoch; in no order. */
  list(): AsyncIterable<{ readonly hash: string; readonly storedAt: number }>;
}

/** Both stores of a coordinator, in separate folders under `directory`. */
export interface BlobStores {
  readonly released: BlobStore<"released">;
  readonly spool: BlobStore<"spool">;
}

/** Temporary files this old belong to no living write. */
const ABANDONED_AFTER_MS = 3_600_000;

/** Opens both blob stores and removes what writes that a crash cut off have left behind. `now` in Unix milliseconds. */
export async function openBlobStores(directory: string, now: number): Promise<BlobStores> {
  return {
    released: await FileBlobStore.open(join(directory, "released"), { kind: "released", now }),
    spool: await FileBlobStore.open(join(directory, "spool"), { kind: "spool", now }),
  };
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** Makes the entries of a folder durable. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

class FileBlobStore<Kind extends BlobKind> implements BlobStore<Kind> {
  readonly kind: Kind;
  readonly #root: string;
  readonly #temporary: string;

  private constructor(root: string, kind: Kind) {
    this.#root = root;
    this.#temporary = join(root, "tmp");
    this.kind = kind;
  }

  static async open<K extends BlobKind>(
    root: string,
    { kind, now }: { kind: K; now: number },
  ): Promise<FileBlobStore<K>> {
    const store = new FileBlobStore(root, kind);
    await mkdir(store.#temporary, { recursive: true, mode: 0o700 });
    for (const name of await readdir(store.#temporary)) {
      const path = join(store.#temporary, name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && now - found.mtimeMs > ABANDONED_AFTER_MS) await rm(path, { force: true });
    }
    return store;
  }

  /** 256 folders by the first byte of the hash. Checks the hash, so that no path leaves the root. */
  #locate(hash: string): { folder: string; path: string } {
    if (!/^[0-9a-f]{64}$/.test(hash))
      throw new KindredError({
        code: "not-found",
        field: "hash",
        rule: "must be 64 lower-case hexadecimal digits",
        fix: "use the hash that the coordinator announced",
      });
    const folder = join(this.#root, hash.slice(0, 2));
    return { folder, path: join(folder, hash) };
  }

  async put(bytes: Uint8Array): Promise<string> {
    const hash = createHash("sha256").update(bytes).digest("hex");
    const { folder, path } = this.#locate(hash);
    if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(this.#root);
    if (!(await this.has(hash))) {
      const temporary = join(this.#temporary, randomUUID());
      try {
        const file = await open(temporary, "wx", 0o600);
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
    }
    // Also when it was there: a concurrent put may have renamed it and not yet synced the folder.
    await syncFolder(folder);
    return hash;
  }

  async get(hash: string): Promise<Uint8Array | undefined> {
    const { path } = this.#locate(hash);
    const bytes = await readFile(path).catch((error) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (bytes === undefined) return undefined;
    if (createHash("sha256").update(bytes).digest("hex") !== hash)
      throw new Error(`blob ${hash} is damaged on disk`);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async has(hash: string): Promise<boolean> {
    return (await this.size(hash)) !== undefined;
  }

  async size(hash: string): Promise<number | undefined> {
    const { path } = this.#locate(hash);
    try {
      return (await stat(path)).size;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async stream(hash: string, range?: ByteRange): Promise<Readable | undefined> {
    const { path } = this.#locate(hash);
    let file: FileHandle;
    try {
      file = await open(path, "r");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    return file.createReadStream(range ?? {});
  }

  async delete(hash: string): Promise<boolean> {
    const { path } = this.#locate(hash);
    try {
      await rm(path);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }
  async *list(): AsyncGenerator<{ hash: string; storedAt: number }> {
    for (const folder of await readdir(this.#root)) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue;
      for (const hash of await readdir(join(this.#root, folder))) {
        const found = await stat(join(this.#root, folder, hash)).catch(() => undefined);
        if (found !== undefined) yield { hash, storedAt: found.mtimeMs };
      }
    }
  }
}
