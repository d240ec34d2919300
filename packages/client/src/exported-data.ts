/** Everything that a client keeps about a person, as one document for that person. */
import type { ParticipationEntry, RoundOutcome } from "@kindred/engine";
import type { SignedLedgerHead } from "@kindred/privacy";
import { bytesToHex } from "@kindred/protocol";
import type { Interaction } from "./interactions.ts";
import type { ClientStore, Consent } from "./store.ts";

/** A tree head as a document: PROTOCOL.md, section 10. */
export type LedgerHeadDocument = { readonly schema: "kindred.ledger-head/1" } & SignedLedgerHead;

export interface ExportedData {
  readonly schema: "kindred.export/1";
  /** Milliseconds since the epoch. */
  readonly exportedAt: number;
  readonly task: string;
  readonly consent: Consent;
  /** The device's public key, hexadecimal; `null` if it has none. */
  readonly device: string | null;
  readonly interactions: readonly Interaction[];
  readonly participations: readonly ParticipationEntry[];
  readonly outcomes: readonly RoundOutcome[];
  readonly ledgerHeads: readonly LedgerHeadDocument[];
  /** Content hash of the model in use. */
  readonly model: string | null;
  /** The person's own parameters as they are kept, a `kindred.personal/1` document; `null` without, or where they cannot be read. */
  readonly personal: unknown;
}

/** The store's contents, without the secret half of the identity. */
export async function exportStore(
  store: ClientStore,
  about: Pick<ExportedData, "task" | "exportedAt" | "ledgerHeads" | "model"> & {
    readonly publicKeyOf: (seed: Uint8Array) => Uint8Array;
  },
): Promise<ExportedData> {
  const { identity, consent, interactions, participations, outcomes } = await store.load();
  const personal = await store.readCached("personal");
  const { publicKeyOf, ...rest } = about;
  return {
    schema: "kindred.export/1",
    ...rest,
    consent,
    device: identity === undefined ? null : bytesToHex(publicKeyOf(identity)),
    interactions,
    participations,
    outcomes,
    personal: personal === undefined ? null : readable(personal),
  };
}

/** A damaged file holds nothing back of the rest; its parameters are fitted again at the next `personalise()`. */
function readable(file: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(file)) as unknown;
  } catch {
    return null;
  }
}
