/** The SDK in a browser: IndexedDB for storage, portable cryptography, the best tensor backend that loads. */
import { loadBackend } from "@kindred/encoder";
import type { ParticipationEntry } from "@kindred/engine";
import type { SignedLedgerHead } from "@kindred/privacy";
import { webNative, webSuite } from "@kindred/secagg/web";
import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from "idb";
import { type ClientOptions, createClient, type KindredClient } from "./client.ts";
import { createEncoderRuntime } from "./encoder-runtime.ts";
import type { Interaction } from "./interactions.ts";
import type { CachedFile, ClientStore, Consent } from "./store.ts";

interface Schema extends DBSchema {
  interactions: { key: number; value: Interaction };
  participations: { key: number; value: ParticipationEntry };
  identity: { key: "seed"; value: Uint8Array };
  consent: { key: "consent"; value: Consent };
  files: { key: CachedFile; value: Uint8Array };
  /** By the coordinator's key. */
  ledgerHeads: { key: string; value: SignedLedgerHead };
}

const VERSION = 2;

/**
 * Keeps one person's data in an IndexedDB database of this origin. One client uses it at a time.
 * @param name of the database; one per person who uses the device
 */
export function browserStore(name = "kindred"): ClientStore {
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
  return {
    async load() {
      const db = await database();
      return {
        identity: await db.get("identity", "seed"),
        consent: (await db.get("consent", "consent")) ?? "pending",
        interactions: await db.getAll("interactions"),
        participations: await db.getAll("participations"),
        ledgerHeads: await db.getAll("ledgerHeads"),
      };
    },
    async saveIdentity(seed) {
      await (await database()).put("identity", seed.slice(), "seed");
    },
    async saveConsent(consent) {
      await (await database()).put("consent", consent, "consent");
    },
    async appendInteraction(interaction) {
      await (await database()).add("interactions", interaction);
    },
    async appendParticipation(entry) {
      // Strict durability: complete only once the disk has it (Indexed Database API 3.0, §2.7.1).
      const transaction = (await database()).transaction("participations", "readwrite", {
        durability: "strict",
      });
      await transaction.store.add(entry);
      await transaction.done;
    },
    async saveLedgerHead(head) {
      const transaction = (await database()).transaction("ledgerHeads", "readwrite", {
        durability: "strict",
      });
      await transaction.store.put(head, head.coordinatorKey);
      await transaction.done;
    },
    readCached: async (file) => (await database()).get("files", file),
    async writeCached(file, content) {
      await (await database()).put("files", content, file);
    },
    async clear() {
      (await database()).close();
      opening = undefined;
      await deleteDB(name);
    },
  };
}

/** What every browser brings, without WebCrypto's asynchronous calls: the portable suite and secure randomness. */
export function browserDefaults(): Pick<ClientOptions, "suite" | "random"> {
  return {
    suite: webSuite(),
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  };
}

/** `url` and `task` as in `ClientOptions`; the rest has defaults. */
export interface BrowserClientOptions extends Omit<ClientOptions, "store" | "encoder" | "suite" | "random"> {
  /** Folder or URL prefix of the .wasm files of `@tensorflow/tfjs-backend-wasm`. */
  readonly wasmPath: string;
  /** Name of the IndexedDB database, `kindred` by default; one per person who uses the device. */
  readonly database?: string;
}

/**
 * Opens a client that keeps its data in IndexedDB and loads everything else by itself.
 */
export async function createBrowserClient(options: BrowserClientOptions): Promise<KindredClient> {
  const { wasmPath, database, ...rest } = options;
  return createClient({
    ...browserDefaults(),
    native: await webNative(),
    ...rest,
    store: browserStore(database),
    encoder: async (task) =>
      createEncoderRuntime({ ...task, backend: await loadBackend("wasm", { wasmPath }) }),
  });
}
