/**
 * The store in files, for Node: append-only JSON lines for interactions and ledger, atomic replacement for the rest.
 * A line that a crash tore is cut off at the next start; the ledger is flushed to the disk with every entry.
 */
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ParticipationEntry } from "@kindred/engine";
import type { SignedLedgerHead } from "@kindred/privacy";
import { KindredError } from "@kindred/protocol";
import type { Interaction } from "./interactions.ts";
import type { CachedFile, ClientStore, Consent } from "./store.ts";

const IDENTITY = "identity";
const CONSENT = "consent.json";
const INTERACTIONS = "interactions.jsonl";
const PARTICIPATIONS = "participations.jsonl";
const LEDGER_HEADS = "ledger-heads.json";
const CACHED: Readonly<Record<CachedFile, string>> = {
  plan: "plan.json",
  catalogue: "catalogue.json",
  model: "model.bin",
};
const SEED_BYTES = 32;

/**
 * Keeps one person's data in a directory, which is made if need be, readable for its owner alone. One client uses a
 * directory at a time.
 */
export function fileStore(directory: string): ClientStore {
  let last: Promise<unknown> = Promise.resolve();
  /** One access after another, so that lines are never interleaved and `clear` is the last word. */
  const queued = <T>(action: () => Promise<T>): Promise<T> => {
    const result = last.then(action);
    last = result.catch(() => undefined);
    return result;
  };
  const path = (name: string): string => join(directory, name);

  const appendLine = async (
    name: string,
    value: unknown,
    options: { readonly flush: boolean },
  ): Promise<void> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const file = await open(path(name), "a", 0o600);
    try {
      await file.write(`${JSON.stringify(value)}\n`);
      if (options.flush) await file.sync();
    } finally {
      await file.close();
    }
    if (options.flush) await syncDirectory(directory);
  };
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

  return {
    load: () =>
      queued(async () => ({
        identity: await readIdentity(path(IDENTITY)),
        consent: await readConsent(path(CONSENT)),
        interactions: await readLines<Interaction>(path(INTERACTIONS), INTERACTIONS),
        participations: await readLines<ParticipationEntry>(path(PARTICIPATIONS), PARTICIPATIONS),
        ledgerHeads: await readHeads(path(LEDGER_HEADS)),
      })),
    saveIdentity: (seed) => queued(() => replace(IDENTITY, seed)),
    saveConsent: (consent) => queued(() => replace(CONSENT, JSON.stringify({ consent }))),
    appendInteraction: (interaction) => queued(() => appendLine(INTERACTIONS, interaction, { flush: false })),
    appendParticipation: (entry) => queued(() => appendLine(PARTICIPATIONS, entry, { flush: true })),
    saveLedgerHead: (head) =>
      queued(async () => {
        const others = (await readHeads(path(LEDGER_HEADS))).filter(
          ({ coordinatorKey }) => coordinatorKey !== head.coordinatorKey,
        );
        await replace(LEDGER_HEADS, JSON.stringify([...others, head]));
      }),
    readCached: (name) => queued(() => readIfThere(path(CACHED[name]))),
    writeCached: (name, file) => queued(() => replace(CACHED[name], file)),
    clear: () =>
      queued(async () => {
        const names = [
          IDENTITY,
          CONSENT,
          INTERACTIONS,
          PARTICIPATIONS,
          LEDGER_HEADS,
          ...Object.values(CACHED),
        ];
        for (const name of names.flatMap((name) => [name, `${name}.new`]))
          await rm(path(name), { force: true });
      }),
  };
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

async function readIdentity(path: string): Promise<Uint8Array | undefined> {
  const seed = await readIfThere(path);
  if (seed !== undefined && seed.length !== SEED_BYTES) broken(IDENTITY, `must be ${SEED_BYTES} bytes`);
  return seed;
}

async function readConsent(path: string): Promise<Consent> {
  const file = await readIfThere(path);
  if (file === undefined) return "pending";
  try {
    const { consent } = JSON.parse(new TextDecoder().decode(file)) as { consent: unknown };
    if (consent === "granted" || consent === "denied" || consent === "pending") return consent;
  } catch {
    // Falls through to the refusal below.
  }
  return broken(CONSENT, "must hold pending, denied or granted");
}

async function readHeads(path: string): Promise<SignedLedgerHead[]> {
  const file = await readIfThere(path);
  if (file === undefined) return [];
  try {
    const heads: unknown = JSON.parse(new TextDecoder().decode(file));
    if (Array.isArray(heads)) return heads as SignedLedgerHead[];
  } catch {
    // Falls through to the refusal below.
  }
  return broken(LEDGER_HEADS, "must hold a list of tree heads");
}

/** The lines of a file; a last one that a crash tore is cut off, so that the next one starts on a line of its own. */
async function readLines<T>(path: string, name: string): Promise<T[]> {
  const file = await readIfThere(path);
  if (file === undefined) return [];
  const end = file.lastIndexOf(0x0a) + 1;
  // An unfinished line was never reported as written, so nothing that anybody relies on is lost with it.
  if (end < file.length) await truncate(path, end);
  const lines = new TextDecoder().decode(file.subarray(0, end)).split("\n").slice(0, -1);
  return lines.map((line, i) => {
    try {
      return JSON.parse(line) as T;
    } catch {
      return broken(`${name}:${i + 1}`, "must be JSON");
    }
  });
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
