/**
 * The store in files, for Node: append-only lines for interactions and ledger, atomic replacement for the rest, every line
 * and file sealed with AES-256-GCM to its place. A line that a crash tore is cut off at the next start; the ledger is
 * flushed to the disk with every entry. What was written under an older key is sealed under the present one when it is
 * loaded; what is not sealed is refused, but for a store of before stores were sealed, which is taken over when asked for.
 */
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { ParticipationEntry, RoundOutcome } from "@kindred/engine";
import type { SignedLedgerHead } from "@kindred/privacy";
import { KindredError } from "@kindred/protocol";
import {
  discardKeyFile,
  finishRotation,
  KeyRing,
  loadKeyFile,
  parseStorageKey,
  startRotation,
  type UnsealedRecords,
} from "@kindred/sealing";
import type { Interaction } from "./interactions.ts";
import type { CachedFile, ClientStore, Consent } from "./store.ts";

const IDENTITY = "identity";
const CONSENT = "consent.json";
const INTERACTIONS = "interactions.jsonl";
const PARTICIPATIONS = "participations.jsonl";
const OUTCOMES = "outcomes.jsonl";
const LEDGER_HEADS = "ledger-heads.json";
const CACHED: Readonly<Record<CachedFile, string>> = {
  plan: "plan.json",
  catalogue: "catalogue.json",
  features: "features.bin",
  model: "model.bin",
  personal: "personal.json",
};
const WHOLE_FILES = [IDENTITY, CONSENT, LEDGER_HEADS, ...Object.values(CACHED)];
const LINE_FILES = [INTERACTIONS, PARTICIPATIONS, OUTCOMES];
const KEY_FILE = "store.key";
/** Is there from the beginning of `clear` to its end: whoever finds it goes on. */
const FORGETTING = "forgetting";
/** The variable that a key is taken from, and the one for the key before it. */
const KEY_VARIABLE = "KINDRED_STORE_KEY";
const PREVIOUS_VARIABLE = "KINDRED_STORE_KEY_PREVIOUS";
const SEED_BYTES = 32;

/**
 * Where the key of a store comes from.
 *
 * - nothing: the variable `KINDRED_STORE_KEY` (and `KINDRED_STORE_KEY_PREVIOUS`), 64 hexadecimal digits; without it the
 *   file `store.key` in the store's directory, which is made on first use. That protects what is copied without the key,
 *   and makes `clear` final on disks that keep what is deleted; not from who reads the whole directory.
 * - `file`: a key file elsewhere, such as on another volume.
 * - `key`: 32 bytes from the platform's key store, with those before it while records of them remain.
 */
export type StoreKey =
  | { readonly file: string }
  | { readonly key: Uint8Array; readonly previous?: readonly Uint8Array[] };

/** How a directory is opened. */
export interface FileStoreOptions {
  /** What the directory is encrypted with; a key file in it by default. */
  readonly storeKey?: StoreKey | undefined;
  /**
   * Takes records that are not sealed for those of a store of before stores were sealed, and seals everything when it is
   * loaded: for one start. Otherwise they are refused as `dataset-invalid`, for whoever can write to the directory, but
   * has no key, could have put them in.
   */
  readonly adoptUnsealed?: boolean | undefined;
}

/**
 * Keeps one person's data in a directory, which is made if need be, readable for its owner alone. One client uses a
 * directory at a time.
 */
export function fileStore(directory: string, options: FileStoreOptions = {}): ClientStore {
  const { storeKey, adoptUnsealed = false } = options;
  const keys = new StoreKeys(directory, { given: storeKey, unsealed: adoptUnsealed ? "adopt" : "refuse" });
  let last: Promise<unknown> = Promise.resolve();
  /** One access after another, so that lines are never interleaved and `clear` is the last word. */
  const queued = <T>(action: () => Promise<T>): Promise<T> => {
    const result = last.then(action);
    last = result.catch(() => undefined);
    return result;
  };
  const path = (name: string): string => join(directory, name);
  /** Lines of each file, once it is known. */
  const lengths = new Map<string, number>();

  const replace = async (name: string, content: Uint8Array | string): Promise<void> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const temporary = path(`${name}.new`);
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path(name));
    await syncDirectory(directory);
  };
  const write = async (name: string, content: Uint8Array): Promise<void> =>
    replace(name, (await keys.ring()).seal(content, name));
  const writeJson = (name: string, value: unknown): Promise<void> =>
    write(name, new TextEncoder().encode(JSON.stringify(value)));
  /** A whole file, sealed anew where it was not sealed with the present key. */
  const read = async (name: string): Promise<Uint8Array | undefined> => {
    const file = await readIfThere(path(name));
    if (file === undefined) return undefined;
    const { bytes, isCurrent } = (await keys.ring()).open(file, name);
    if (!isCurrent) await write(name, bytes);
    return bytes;
  };
  /** The lines of a file, opened; all are sealed anew where one was not sealed with the present key. */
  const readLines = async (name: string): Promise<string[]> => {
    const sealed = await wholeLines(path(name));
    lengths.set(name, sealed.length);
    if (sealed.length === 0) return [];
    const ring = await keys.ring();
    const opened = sealed.map((line, i) => openLine(ring, line, `${name}:${i + 1}`));
    const lines = opened.map(({ text }) => text);
    if (opened.some(({ isCurrent }) => !isCurrent))
      await replace(name, lines.map((line, i) => sealLine(ring, line, `${name}:${i + 1}`)).join(""));
    return lines;
  };
  const parseLines = async <T>(name: string): Promise<T[]> =>
    (await readLines(name)).map((line, i) => {
      try {
        return JSON.parse(line) as T;
      } catch {
        return broken(`${name}:${i + 1}`, "must be JSON");
      }
    });
  const appendLine = async (
    name: string,
    value: unknown,
    { flush }: { readonly flush: boolean },
  ): Promise<void> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const ring = await keys.ring();
    const length = lengths.get(name) ?? (await wholeLines(path(name))).length;
    const line = sealLine(ring, JSON.stringify(value), `${name}:${length + 1}`);
    // Unknown while it is written: one that fails may leave part of a line, which is cut off before the next.
    lengths.delete(name);
    const file = await open(path(name), "a", 0o600);
    try {
      await file.write(line);
      if (flush) await file.sync();
    } finally {
      await file.close();
    }
    lengths.set(name, length + 1);
    if (flush) await syncDirectory(directory);
  };
  const readHeads = async (): Promise<SignedLedgerHead[]> => {
    const file = await read(LEDGER_HEADS);
    if (file === undefined) return [];
    const heads = parseJson(file);
    return Array.isArray(heads)
      ? (heads as SignedLedgerHead[])
      : broken(LEDGER_HEADS, "must hold a list of tree heads");
  };
  const sealAnew = async (): Promise<void> => {
    for (const name of WHOLE_FILES) await read(name);
    for (const name of LINE_FILES) await readLines(name);
  };
  const removeAll = async (): Promise<void> => {
    await replace(FORGETTING, "");
    // The key first: from then on nothing of the rest can be read, whatever becomes of it.
    await keys.discard();
    lengths.clear();
    for (const name of [...WHOLE_FILES, ...LINE_FILES, FORGETTING])
      for (const file of [`${name}.new`, name]) await rm(path(file), { force: true });
  };

  return {
    load: () =>
      queued(async () => {
        if ((await readIfThere(path(FORGETTING))) !== undefined) await removeAll();
        const state = {
          identity: checkIdentity(await read(IDENTITY)),
          consent: checkConsent(await read(CONSENT)),
          interactions: await parseLines<Interaction>(INTERACTIONS),
          participations: await parseLines<ParticipationEntry>(PARTICIPATIONS),
          outcomes: await parseLines<RoundOutcome>(OUTCOMES),
          ledgerHeads: await readHeads(),
        };
        if (adoptUnsealed || (await keys.hasPrevious())) await sealAnew();
        if (await keys.isRotating()) await keys.finishRotation();
        return state;
      }),
    saveIdentity: (seed) => queued(() => write(IDENTITY, seed)),
    saveConsent: (consent) => queued(() => writeJson(CONSENT, { consent })),
    appendInteraction: (interaction) => queued(() => appendLine(INTERACTIONS, interaction, { flush: false })),
    appendParticipation: (entry) => queued(() => appendLine(PARTICIPATIONS, entry, { flush: true })),
    appendOutcome: (outcome) => queued(() => appendLine(OUTCOMES, outcome, { flush: false })),
    saveLedgerHead: (head) =>
      queued(async () => {
        const others = (await readHeads()).filter(
          ({ coordinatorKey }) => coordinatorKey !== head.coordinatorKey,
        );
        await writeJson(LEDGER_HEADS, [...others, head]);
      }),
    readCached: (name) => queued(() => read(CACHED[name])),
    writeCached: (name, file) => queued(() => write(CACHED[name], file)),
    rotateKey: () =>
      queued(async () => {
        await keys.startRotation();
        await sealAnew();
        await keys.finishRotation();
      }),
    clear: () => queued(removeAll),
  };
}

/** The keys of one store, loaded when they are first needed. */
class StoreKeys {
  /** `undefined` where the key is no file. */
  readonly #file: string | undefined;
  /** Whether nobody else uses the key, so that it goes with the store. */
  readonly #isOwn: boolean;
  readonly #given: StoreKey | undefined;
  readonly #unsealed: UnsealedRecords;
  #ring: Promise<KeyRing> | undefined;

  constructor(
    directory: string,
    { given, unsealed }: { readonly given: StoreKey | undefined; readonly unsealed: UnsealedRecords },
  ) {
    this.#given = given;
    this.#unsealed = unsealed;
    const fromEnvironment = given === undefined && Boolean(process.env[KEY_VARIABLE]);
    const named = given !== undefined && "file" in given ? given.file : undefined;
    const isFile = !fromEnvironment && (given === undefined || named !== undefined);
    this.#file = isFile ? (named ?? join(directory, KEY_FILE)) : undefined;
    this.#isOwn = this.#file !== undefined && relative(directory, dirname(this.#file)) === "";
  }

  ring(): Promise<KeyRing> {
    this.#ring ??= this.#load().catch((error: unknown) => {
      this.#ring = undefined;
      throw error;
    });
    return this.#ring;
  }

  async #load(): Promise<KeyRing> {
    const unsealed = this.#unsealed;
    if (this.#file !== undefined) return loadKeyFile(this.#file, { unsealed });
    if (this.#given !== undefined && "key" in this.#given) {
      const { key, previous = [] } = this.#given;
      return new KeyRing({ current: key, previous, source: "storeKey.key", unsealed });
    }
    const previous = process.env[PREVIOUS_VARIABLE];
    return new KeyRing({
      current: parseStorageKey(process.env[KEY_VARIABLE] ?? "", KEY_VARIABLE),
      previous: previous ? [parseStorageKey(previous, PREVIOUS_VARIABLE)] : [],
      source: KEY_VARIABLE,
      unsealed,
    });
  }

  /** Whether a rotation was cut off, or begun: there are two keys in files. */
  async isRotating(): Promise<boolean> {
    return this.#file !== undefined && (await readIfThere(`${this.#file}.next`)) !== undefined;
  }

  /** Whether there are keys from before the present one, so that records of them may remain. */
  async hasPrevious(): Promise<boolean> {
    if (this.#file !== undefined) return this.isRotating();
    return (await this.ring()).hasPrevious;
  }

  /** @throws KindredError `option-invalid` where the key is the app's */
  async startRotation(): Promise<void> {
    if (this.#file === undefined)
      throw new KindredError({
        code: "option-invalid",
        field: "storeKey",
        rule: "must be a file for the store to rotate it; this one is given by the app",
        fix: "open the store with the new key, and the old one as the previous: loading seals everything anew",
      });
    await startRotation(this.#file);
    this.#ring = undefined;
  }

  async finishRotation(): Promise<void> {
    if (this.#file === undefined) return;
    await finishRotation(this.#file);
    this.#ring = undefined;
  }

  /** Removes a key that is this store's alone. */
  async discard(): Promise<void> {
    if (this.#file === undefined || !this.#isOwn) return;
    await discardKeyFile(this.#file);
    this.#ring = undefined;
  }
}

/** A line is the sealed record in base64; its place is the file's name and the line's number. */
function sealLine(ring: KeyRing, line: string, place: string): string {
  return `${Buffer.from(ring.seal(new TextEncoder().encode(line), place)).toString("base64")}\n`;
}

function openLine(ring: KeyRing, line: string, place: string): { text: string; isCurrent: boolean } {
  // Before stores were sealed a line was JSON, which begins with a brace: no base64, and no sealed record.
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(line);
  const record = new Uint8Array(Buffer.from(line, isBase64 ? "base64" : "utf8"));
  const { bytes, isCurrent } = ring.open(record, place);
  return { text: new TextDecoder().decode(bytes), isCurrent };
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    throw error;
  }
}

/** A new file's name is durable only once its directory is. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return; // directories cannot be opened there, and NTFS journals names itself
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @throws KindredError `dataset-invalid`; contents are personal and stay out of it */
function broken(field: string, rule: string): never {
  throw new KindredError({
    code: "dataset-invalid",
    field,
    rule,
    fix: "restore the file from a backup, or remove the directory to start anew",
  });
}

function checkIdentity(seed: Uint8Array | undefined): Uint8Array | undefined {
  if (seed !== undefined && seed.length !== SEED_BYTES) broken(IDENTITY, `must be ${SEED_BYTES} bytes`);
  return seed;
}

/** `undefined` for what is no JSON. */
function parseJson(file: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(file));
  } catch {
    return undefined;
  }
}

function checkConsent(file: Uint8Array | undefined): Consent {
  if (file === undefined) return "pending";
  const { consent } = (parseJson(file) ?? {}) as { consent?: unknown };
  return consent === "granted" || consent === "denied" || consent === "pending"
    ? consent
    : broken(CONSENT, "must hold pending, denied or granted");
}

/** The lines of a file; a last one that a crash tore is cut off, so that the next one starts on a line of its own. */
async function wholeLines(path: string): Promise<string[]> {
  const file = await readIfThere(path);
  if (file === undefined) return [];
  const end = file.lastIndexOf(0x0a) + 1;
  // An unfinished line was never reported as written, so nothing that anybody relies on is lost with it.
  if (end < file.length) await truncate(path, end);
  return new TextDecoder().decode(file.subarray(0, end)).split("\n").slice(0, -1);
}

async function truncate(path: string, length: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.truncate(length);
    await file.sync();
  } finally {
    await file.close();
  }
}
