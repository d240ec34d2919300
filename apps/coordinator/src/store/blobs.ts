/**
 * Content-addressed blobs in files: released models and catalogues in one root, spooled masked vectors and
 * optimiser state in another. The two kinds are different types, and only the first is ever given to HTTP.
 *
 * A blob is written to a temporary file, synced, renamed to its hash, and its folder synced: after a crash at any
 * instant a hash names either the whole content or nothing. Spooled blobs are sealed to their hash.
 */
import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { KindredError } from "@kindred/protocol";
import type { KeyRing, Opened } from "@kindred/sealing";

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
  readonly spool: BlobStore<"spool"> & {
    /** Seals with the present key what is not. @returns how many blobs that were */
    sealAnew(): Promise<number>;
  };
}

/** Temporary files this old belong to no living write. */
const ABANDONED_AFTER_MS = 3_600_000;

/**
 * Opens both blob stores and removes what writes that a crash cut off have left behind.
 * @param now Unix milliseconds
 * @param keys what spooled blobs are sealed with; without it they are stored as they are
 */
export async function openBlobStores(directory: string, now: number, keys?: KeyRing): Promise<BlobStores> {
  return {
    released: await FileBlobStore.open(join(directory, "released"), {
      kind: "released",
      now,
      keys: undefined,
    }),
    spool: await FileBlobStore.open(join(directory, "spool"), { kind: "spool", now, keys }),
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

const placeOf = (hash: string): string => `spool ${hash}`;

class FileBlobStore<Kind extends BlobKind> implements BlobStore<Kind> {
  readonly kind: Kind;
  readonly #root: string;
  readonly #temporary: string;
  readonly #keys: KeyRing | undefined;

  private constructor(root: string, { kind, keys }: { kind: Kind; keys: KeyRing | undefined }) {
    this.#root = root;
    this.#temporary = join(root, "tmp");
    this.kind = kind;
    this.#keys = keys;
  }

  static async open<K extends BlobKind>(
    root: string,
    { kind, now, keys }: { kind: K; now: number; keys: KeyRing | undefined },
  ): Promise<FileBlobStore<K>> {
    const store = new FileBlobStore(root, { kind, keys });
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
    if (!(await this.has(hash))) await this.#write(path, this.#keys?.seal(bytes, placeOf(hash)) ?? bytes);
    // Also when it was there: a concurrent put may have renamed it and not yet synced the folder.
    await syncFolder(folder);
    return hash;
  }

  /** Writes a file that appears whole. */
  async #write(path: string, bytes: Uint8Array): Promise<void> {
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

  async get(hash: string): Promise<Uint8Array | undefined> {
    return (await this.#read(hash))?.bytes;
  }

  async #read(hash: string): Promise<Opened | undefined> {
    const { path } = this.#locate(hash);
    const file = await readFile(path).catch((error) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    const stored = new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
    const opened = this.#keys?.open(stored, placeOf(hash)) ?? { bytes: stored, isCurrent: true };
    if (createHash("sha256").update(opened.bytes).digest("hex") !== hash)
      throw new Error(`blob ${hash} is damaged on disk`);
    return opened;
  }

  async sealAnew(): Promise<number> {
    const keys = this.#keys;
    if (keys === undefined) throw new Error("a store without keys cannot be sealed");
    let sealed = 0;
    for await (const { hash } of this.list()) {
      const found = await this.#read(hash);
      if (found === undefined || found.isCurrent) continue;
      const { folder, path } = this.#locate(hash);
      await this.#write(path, keys.seal(found.bytes, placeOf(hash)));
      await syncFolder(folder);
      sealed++;
    }
    return sealed;
  }

  async has(hash: string): Promise<boolean> {
    return (await this.#storedSize(hash)) !== undefined;
  }

  async size(hash: string): Promise<number | undefined> {
    return this.#keys === undefined ? this.#storedSize(hash) : (await this.get(hash))?.length;
  }

  async #storedSize(hash: string): Promise<number | undefined> {
    const { path } = this.#locate(hash);
    try {
      return (await stat(path)).size;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async stream(hash: string, range?: ByteRange): Promise<Readable | undefined> {
    if (this.#keys !== undefined) {
      const bytes = await this.get(hash);
      const { start = 0, end = (bytes?.length ?? 0) - 1 } = range ?? {};
      return bytes === undefined ? undefined : Readable.from([bytes.subarray(start, end + 1)]);
    }
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
