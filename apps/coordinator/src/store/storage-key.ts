/** The key that the coordinator's own secrets are sealed with, and how it is replaced while the coordinator is stopped. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { KindredError } from "@kindred/protocol";
import {
  finishRotation,
  KeyRing,
  loadKeyFile,
  parseStorageKey,
  startRotation,
  type UnsealedRecords,
} from "@kindred/sealing";
import { openBlobStores } from "./blobs.ts";
import { sealCoordinatorKey } from "./coordinator-key.ts";
import { type Database, openDatabase } from "./database.ts";
import { lockDirectory } from "./directory-lock.ts";
import type { JournalPlace } from "./journal.ts";

/** Where the storage key comes from: the environment, a file, or by default the file `storage.key` in the data folder. */
export interface StorageKeyOptions {
  /** 64 hexadecimal digits (`KINDRED_STORAGE_KEY`). */
  readonly storageKey?: string;
  /** The key before it, while records of it remain (`KINDRED_STORAGE_KEY_PREVIOUS`). */
  readonly previousStorageKey?: string;
  /** A key file outside the data folder (`KINDRED_STORAGE_KEY_FILE`), made on the first start. */
  readonly storageKeyFile?: string;
}

const keyFile = ({ directory, storageKeyFile }: StorageKeyOptions & { readonly directory: string }): string =>
  storageKeyFile ?? join(directory, "storage.key");

/**
 * @param unsealed `refuse`, the default: whoever can write to disk or database, but has no key, puts nothing in
 * @throws KindredError `option-invalid` for a malformed key, a readable key file, or two sources at once
 */
export async function loadStorageKeys(
  options: StorageKeyOptions & { readonly directory: string },
  unsealed: UnsealedRecords = "refuse",
): Promise<KeyRing> {
  const { storageKey, previousStorageKey, storageKeyFile } = options;
  const given = storageKey !== undefined;
  if ((given && storageKeyFile !== undefined) || (!given && previousStorageKey !== undefined))
    throw new KindredError({
      code: "option-invalid",
      field: given ? "KINDRED_STORAGE_KEY_FILE" : "KINDRED_STORAGE_KEY_PREVIOUS",
      rule: given ? "excludes KINDRED_STORAGE_KEY" : "needs KINDRED_STORAGE_KEY beside it",
      fix: "give the key in one way: KINDRED_STORAGE_KEY with the previous one, or a file",
    });
  if (storageKey === undefined) return loadKeyFile(keyFile(options), { unsealed });
  return new KeyRing({
    current: parseStorageKey(storageKey, "KINDRED_STORAGE_KEY"),
    previous:
      previousStorageKey === undefined
        ? []
        : [parseStorageKey(previousStorageKey, "KINDRED_STORAGE_KEY_PREVIOUS")],
    source: "KINDRED_STORAGE_KEY",
    unsealed,
  });
}

/** What a rotation has sealed anew. */
export interface RotationReport {
  /** First 8 bytes of the new key's digest, hexadecimal. */
  readonly keyId: string;
  readonly journalEntries: number;
  readonly blobs: number;
}

export interface RotationOptions extends StorageKeyOptions {
  readonly directory: string;
  readonly databaseUrl?: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** Takes records that are not sealed for those of a store of before sealing, and seals them. */
  readonly adoptUnsealed?: boolean;
}

/**
 * Replaces the storage key: a fresh one where it is a file; where it comes from the environment, `storageKey` is the new
 * one and `previousStorageKey` the old. The coordinator must be stopped. A rotation that is cut off leaves everything
 * readable, and is done again from the start.
 * @throws KindredError `option-invalid` if the data folder is in use, the keys do not open what is stored, or the previous
 *   key is missing
 */
export async function rotateStorageKey(options: RotationOptions): Promise<RotationReport> {
  const { directory, storageKey, previousStorageKey } = options;
  if (storageKey !== undefined && previousStorageKey === undefined)
    throw new KindredError({
      code: "option-invalid",
      field: "KINDRED_STORAGE_KEY_PREVIOUS",
      rule: "must be the key so far, where the key comes from the environment",
      fix: "put the new key into KINDRED_STORAGE_KEY and the old one into KINDRED_STORAGE_KEY_PREVIOUS",
    });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // No key is replaced under a coordinator that runs, whatever its database.
  const lock = await lockDirectory(directory);
  try {
    return await rotateLocked(options);
  } finally {
    await lock.release();
  }
}

async function rotateLocked(options: RotationOptions): Promise<RotationReport> {
  const { directory, databaseUrl, storageKey, now, adoptUnsealed = false } = options;
  const isFile = storageKey === undefined;
  const unsealed = adoptUnsealed ? "adopt" : "refuse";
  const database = await openDatabase({
    ...(databaseUrl === undefined ? { directory: join(directory, "database") } : { url: databaseUrl }),
    keys: async () => {
      if (isFile) await startRotation(keyFile(options));
      return loadStorageKeys(options, unsealed);
    },
  });
  try {
    const keys = await loadStorageKeys(options, unsealed);
    await sealCoordinatorKey({ file: join(directory, "coordinator.key"), keys });
    const { spool } = await openBlobStores(join(directory, "blobs"), now, keys);
    const blobs = await spool.sealAnew();
    const journalEntries = await sealJournalAnew(database);
    if (isFile) await finishRotation(keyFile(options));
    return { keyId: keys.id, journalEntries, blobs };
  } finally {
    await database.close();
  }
}

/** In transactions of a few hundred entries each: cut off, it is done again and passes over what is sealed already. */
async function sealJournalAnew(database: Database): Promise<number> {
  let sealed = 0;
  for (let after: JournalPlace | undefined; ; ) {
    const from = after;
    const page = await database.tx("seal journal entries anew", ({ journal }) => journal.sealAnew(from));
    sealed += page.sealed;
    if (page.last === undefined) return sealed;
    after = page.last;
  }
}
