/**
 * What the SDK keeps on the device, as a port, and the implementation that keeps it in memory.
 * `fileStore` of `@kindred/client/node` and `browserStore` of `@kindred/client/browser` keep it for good.
 */
import type { ParticipationEntry, RoundOutcome } from "@kindred/engine";
import type { SignedLedgerHead } from "@kindred/privacy";
import type { Interaction } from "./interactions.ts";

/** A person's answer to whether this device may take part. */
export type Consent = "pending" | "denied" | "granted";

/**
 * Files kept for the next start: the signed plan, the catalogue, its features and the newest model, which are public, and the
 * person's own parameters, which are theirs and never sent.
 */
export type CachedFile = "plan" | "catalogue" | "features" | "model" | "personal";

/** Everything in a store except the cached files. */
export interface StoredState {
  /** 32-byte seed of the device's Ed25519 identity; `undefined` before there is one. */
  readonly identity: Uint8Array | undefined;
  readonly consent: Consent;
  /** In the order in which they were appended. */
  readonly interactions: readonly Interaction[];
  readonly participations: readonly ParticipationEntry[];
  /** In the order in which they were heard of. */
  readonly outcomes: readonly RoundOutcome[];
  /** The newest verified tree head of each coordinator, by its key. */
  readonly ledgerHeads: readonly SignedLedgerHead[];
}

/**
 * The device's storage. One client uses a store at a time. A write is complete when its promise resolves; writes
 * are not mixed up when they are started before earlier ones have ended.
 */
export interface ClientStore {
  load(): Promise<StoredState>;
  saveIdentity(seed: Uint8Array): Promise<void>;
  saveConsent(consent: Consent): Promise<void>;
  appendInteraction(interaction: Interaction): Promise<void>;
  /** Resolves only once the entry survives a power cut: it is written before the masked input leaves. */
  appendParticipation(entry: ParticipationEntry): Promise<void>;
  appendOutcome(outcome: RoundOutcome): Promise<void>;
  /** Replaces the head of the same coordinator. Resolves only once it survives a power cut. */
  saveLedgerHead(head: SignedLedgerHead): Promise<void>;
  readCached(name: CachedFile): Promise<Uint8Array | undefined>;
  writeCached(name: CachedFile, file: Uint8Array): Promise<void>;
  /**
   * Replaces the store's key and seals everything anew. What is cut off on the way is readable all the same, and done with
   * the next `load`.
   * @throws KindredError `option-invalid` where the key is not the store's own to replace
   */
  rotateKey(): Promise<void>;
  /** Removes everything, and the key where it is this store's alone. */
  clear(): Promise<void>;
}

/** A store that lasts as long as the process, for tests, simulations and trials. */
export function memoryStore(): ClientStore {
  let identity: Uint8Array | undefined;
  let consent: Consent = "pending";
  let interactions: Interaction[] = [];
  let participations: ParticipationEntry[] = [];
  let outcomes: RoundOutcome[] = [];
  const heads = new Map<string, SignedLedgerHead>();
  const files = new Map<CachedFile, Uint8Array>();
  return {
    load: async () => ({
      identity: identity?.slice(),
      consent,
      interactions: [...interactions],
      participations: [...participations],
      outcomes: [...outcomes],
      ledgerHeads: [...heads.values()],
    }),
    saveIdentity: async (seed) => {
      identity = seed.slice();
    },
    saveConsent: async (value) => {
      consent = value;
    },
    appendInteraction: async (interaction) => {
      interactions.push(interaction);
    },
    appendParticipation: async (entry) => {
      participations.push(entry);
    },
    appendOutcome: async (outcome) => {
      outcomes.push(outcome);
    },
    saveLedgerHead: async (head) => {
      heads.set(head.coordinatorKey, head);
    },
    readCached: async (name) => files.get(name),
    writeCached: async (name, file) => {
      files.set(name, file);
    },
    // Nothing is written anywhere.
    rotateKey: async () => undefined,
    clear: async () => {
      identity?.fill(0);
      identity = undefined;
      consent = "pending";
      interactions = [];
      participations = [];
      outcomes = [];
      heads.clear();
      files.clear();
    },
  };
}
