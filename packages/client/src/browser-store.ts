/**
 * The store in IndexedDB, for browsers: every record sealed with AES-256-GCM of WebCrypto to its place, under a key that
 * scripts can use but not read (non-extractable) and that lives in the same database. That protects what is copied from
 * the profile by anything but the browser itself, and makes `clear` final; not from scripts of the same origin. What is
 * not sealed is refused, but for a database of before records were sealed, which is taken over when asked for.
 */
import type { ParticipationEntry, RoundOutcome } from "@kindred/engine";
import type { SignedLedgerHead } from "@kindred/privacy";
import { KindredError } from "@kindred/protocol";
import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from "idb";
import type { Interaction } from "./interactions.ts";
import type { CachedFile, ClientStore, Consent } from "./store.ts";

/** AES-256-GCM; associated data are the place: the store's name and the record's key in it. */
interface SealedRecord {
  /** Number of the key. */
  readonly key: number;
  /** 12 bytes. */
  readonly nonce: Uint8Array<ArrayBuffer>;
  /** Ciphertext and tag. */
  readonly data: Uint8Array<ArrayBuffer>;
}

interface Schema extends DBSchema {
  interactions: { key: number; value: SealedRecord };
  participations: { key: number; value: SealedRecord };
  identity: { key: "seed"; value: SealedRecord };
  consent: { key: "consent"; value: SealedRecord };
  files: { key: CachedFile; value: SealedRecord };
  outcomes: { key: number; value: SealedRecord };
  /** By the coordinator's key. */
  ledgerHeads: { key: string; value: SealedRecord };
  /** By number; the largest is the present one. */
  keys: { key: number; value: CryptoKey };
}

type RecordStore = Exclude<keyof Schema & string, "keys">;
type Content = Uint8Array | string;

const VERSION = 4;
const RECORD_STORES: readonly RecordStore[] = [
  "interactions",
  "participations",
  "outcomes",
  "identity",
  "consent",
  "files",
  "ledgerHeads",
];
/** What holds bytes; the rest holds JSON. */
const BYTE_STORES: readonly RecordStore[] = ["identity", "files"];
const NONCE_BYTES = 12;

/** How a database is opened. */
export interface BrowserStoreOptions {
  /**
   * Takes records that are not sealed for those of a database of before records were sealed, and seals everything when
   * it is loaded: for one start. Otherwise they are refused as `dataset-invalid`, for they were written without the key.
   */
  readonly adoptUnsealed?: boolean | undefined;
}

/**
 * Keeps one person's data in an IndexedDB database of this origin. One client uses it at a time.
 * @param name of the database; one per person who uses the device
 */
export function browserStore(name = "kindred", options: BrowserStoreOptions = {}): ClientStore {
  const { adoptUnsealed = false } = options;
  let opening: Promise<IDBPDatabase<Schema>> | undefined;
  const database = (): Promise<IDBPDatabase<Schema>> => {
    opening ??= openDB<Schema>(name, VERSION, {
      upgrade(created, from) {
        if (from < 1) {
          created.createObjectStore("interactions", { autoIncrement: true });
          created.createObjectStore("participations", { autoIncrement: true });
          created.createObjectStore("identity");
          created.createObjectStore("consent");
          created.createObjectStore("files");
        }
        if (from < 2) created.createObjectStore("ledgerHeads");
        if (from < 3) created.createObjectStore("keys");
        if (from < 4) created.createObjectStore("outcomes");
      },
      // Another tab that removes the database must not wait for this one.
      blocking: (_current, _blocked, event) => {
        (event.target as IDBDatabase).close();
        opening = undefined;
      },
      terminated: () => {
        opening = undefined;
      },
    });
    return opening;
  };
  let last: Promise<unknown> = Promise.resolve();
  /** One access after another: encryption takes turns of its own, and `clear` is the last word. */
  const queued = <T>(action: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T> => {
    const result = last.then(async () => action(await database()));
    last = result.catch(() => undefined);
    return result;
  };
  const append = (store: "interactions" | "participations" | "outcomes", value: unknown): Promise<void> =>
    queued(async (db) => {
      const cursor = await db.transaction(store).store.openKeyCursor(null, "prev");
      await write(db, { store, key: (cursor?.key ?? 0) + 1, content: JSON.stringify(value) });
    });
  return {
    load: () =>
      queued(async (db) => {
        // Also what a rotation left that was cut off.
        if (adoptUnsealed || (await db.count("keys")) > 1) await sealAnew(db, { adoptUnsealed });
        const consent = (await readAll(db, "consent")).at(0);
        return {
          identity: (await readAll(db, "identity")).at(0)?.content as Uint8Array | undefined,
          consent: consent === undefined ? ("pending" as const) : (parse(consent) as Consent),
          interactions: (await readAll(db, "interactions")).map((row) => parse(row) as Interaction),
          participations: (await readAll(db, "participations")).map(
            (row) => parse(row) as ParticipationEntry,
          ),
          outcomes: (await readAll(db, "outcomes")).map((row) => parse(row) as RoundOutcome),
          ledgerHeads: (await readAll(db, "ledgerHeads")).map((row) => parse(row) as SignedLedgerHead),
        };
      }),
    saveIdentity: (seed) =>
      queued((db) => write(db, { store: "identity", key: "seed", content: seed.slice() })),
    saveConsent: (consent) =>
      queued((db) => write(db, { store: "consent", key: "consent", content: JSON.stringify(consent) })),
    appendInteraction: (interaction) => append("interactions", interaction),
    appendParticipation: (entry) => append("participations", entry),
    appendOutcome: (outcome) => append("outcomes", outcome),
    saveLedgerHead: (head) =>
      queued((db) =>
        write(db, { store: "ledgerHeads", key: head.coordinatorKey, content: JSON.stringify(head) }),
      ),
    readCached: (file) =>
      queued(async (db) => {
        const record: unknown = await db.get("files", file);
        if (record === undefined) return undefined;
        return (await open(db, { store: "files", key: file, record })).content as Uint8Array;
      }),
    writeCached: (file, content) =>
      queued((db) => write(db, { store: "files", key: file, content: content.slice() })),
    rotateKey: () =>
      queued(async (db) => {
        const { number } = await presentKey(db);
        await db.put("keys", await newKey(), number + 1);
        await sealAnew(db, { adoptUnsealed });
      }),
    clear: () =>
      queued(async (db) => {
        db.close();
        opening = undefined;
        await deleteDB(name);
      }),
  };
}

/** A record's place and what is in it. */
interface Row {
  readonly store: RecordStore;
  readonly key: number | string;
  readonly content: Content;
}

function newKey(): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

/** The largest key, made on first use. */
async function presentKey(db: IDBPDatabase<Schema>): Promise<{ number: number; key: CryptoKey }> {
  const cursor = await db.transaction("keys").store.openCursor(null, "prev");
  if (cursor !== null) return { number: cursor.key, key: cursor.value };
  const key = await newKey();
  await db.put("keys", key, 1);
  return { number: 1, key };
}

const placeOf = ({ store, key }: Pick<Row, "store" | "key">): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(`kindred.store/1 ${store} ${key}`);

async function write(db: IDBPDatabase<Schema>, row: Row): Promise<void> {
  const { number, key } = await presentKey(db);
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const plain =
    typeof row.content === "string" ? new TextEncoder().encode(row.content) : new Uint8Array(row.content);
  const data = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv: nonce, additionalData: placeOf(row) },
    key,
    plain,
  );
  const record: SealedRecord = { key: number, nonce, data: new Uint8Array(data) };
  // Strict durability: complete only once the disk has it (Indexed Database API 3.0, §2.7.1).
  // The stores' key types differ; each row comes with that of its store.
  const transaction = db.transaction(row.store as "files", "readwrite", { durability: "strict" });
  await transaction.store.put(record, row.key as never);
  await transaction.done;
}

function isSealed(record: unknown): record is SealedRecord {
  const { key, nonce, data } = (record ?? {}) as Partial<SealedRecord>;
  return typeof key === "number" && nonce instanceof Uint8Array && data instanceof Uint8Array;
}

/** Opens a record; one that is not sealed is refused, or given back to be sealed. */
async function open(
  db: IDBPDatabase<Schema>,
  {
    store,
    key,
    record,
    adoptUnsealed = false,
  }: Pick<Row, "store" | "key"> & { readonly record: unknown } & BrowserStoreOptions,
): Promise<Row & { readonly sealedWith: number }> {
  if (!isSealed(record)) {
    if (!adoptUnsealed)
      throw new KindredError({
        code: "dataset-invalid",
        field: `${store}:${key}`,
        rule: "must be sealed: it was written without the key, or before records were sealed",
        fix: "open a database of before that once with `adoptUnsealed: true`; clear the site's data otherwise",
      });
    const isBytes = BYTE_STORES.includes(store);
    const content = isBytes ? (record as Uint8Array) : JSON.stringify(record);
    return { store, key, content, sealedWith: 0 };
  }
  const own = await db.get("keys", record.key);
  if (own === undefined)
    throw new KindredError({
      code: "option-invalid",
      field: "store key",
      rule: `must be key ${record.key} of this database, which is not there`,
      fix: "clear the site's data and start anew: what was stored cannot be opened any more",
    });
  try {
    const plain = new Uint8Array(
      await crypto.subtle.decrypt(
        { name: "AES-GCM", iv: record.nonce, additionalData: placeOf({ store, key }) },
        own,
        record.data,
      ),
    );
    const content = BYTE_STORES.includes(store) ? plain : new TextDecoder().decode(plain);
    return { store, key, content, sealedWith: record.key };
  } catch {
    throw new KindredError({
      code: "dataset-invalid",
      field: `${store}:${key}`,
      rule: "must open under its key in its place: it was changed or moved",
      fix: "clear the site's data and start anew",
    });
  }
}

function parse({ store, key, content }: Row): unknown {
  try {
    return JSON.parse(content as string);
  } catch {
    throw new KindredError({
      code: "dataset-invalid",
      field: `${store}:${key}`,
      rule: "must be JSON",
      fix: "clear the site's data and start anew",
    });
  }
}

/** All records of a store in the order of their keys; those that are not sealed with the present key are sealed anew. */
async function readAll(
  db: IDBPDatabase<Schema>,
  store: RecordStore,
  options: BrowserStoreOptions = {},
): Promise<Row[]> {
  const transaction = db.transaction([store, "keys"] as ["files", "keys"]);
  const records = transaction.objectStore(store as "files");
  const [keys, values, present] = await Promise.all([
    records.getAllKeys(),
    records.getAll() as Promise<unknown[]>,
    transaction.objectStore("keys").openKeyCursor(null, "prev"),
  ]);
  const rows: Row[] = [];
  for (const [i, key] of keys.entries()) {
    const { sealedWith, ...row } = await open(db, { store, key, record: values[i], ...options });
    if (sealedWith !== present?.key) await write(db, row);
    rows.push(row);
  }
  return rows;
}

/** Seals every record with the present key, then removes all others. */
async function sealAnew(db: IDBPDatabase<Schema>, options: BrowserStoreOptions): Promise<void> {
  for (const store of RECORD_STORES) await readAll(db, store, options);
  const { number } = await presentKey(db);
  const transaction = db.transaction("keys", "readwrite", { durability: "strict" });
  for (const key of await transaction.store.getAllKeys())
    if (key !== number) await transaction.store.delete(key);
  await transaction.done;
}
