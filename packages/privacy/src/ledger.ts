/**
 * The privacy ledger: an append-only, hash-chained, signed list of what was promised, spent, published and changed.
 *
 * hash = SHA-256 of the canonical JSON (RFC 8785) of { body, index, previous, time }; the signature is
 * Ed25519 over the 32 bytes of the hash. A coordinator appends before it publishes, so whoever holds the
 * ledger can check every release offline. What a task has spent is a fold over it, see ledger-budget.ts.
 *
 * Every ε here is cumulative: after the round in question, over all rounds of the task. `null` means no
 * guarantee (noise off).
 */

import { bytesToHex, canonicalJson, hexToBytes, type Plan, sha256Hex } from "@kindred/protocol";

/** Cumulative ε against the coordinator and against observers of released models; null = no guarantee. */
export interface Spending {
  readonly coordinator: number | null;
  readonly observer: number | null;
}

/** What an operator may do: run tasks, read everything, or see what is public. */
export type OperatorRole = "operator" | "auditor" | "viewer";

/** What one entry records. */
export type LedgerBody =
  | {
      readonly kind: "plan-accepted";
      readonly task: string;
      /** Hex SHA-256 of the plan. */
      readonly planDigest: string;
      /** The plan itself: with it the ledger alone says what every round had to keep. */
      readonly plan: Plan;
      /** Limit of the coordinator's ε; null when the plan has no noise. */
      readonly epsilon: number | null;
      readonly delta: number;
      readonly participations: number;
      readonly rounds: number;
      readonly catalogueHash: string;
      /** The initial model. */
      readonly modelHash: string;
    }
  | {
      readonly kind: "round-started";
      readonly task: string;
      readonly round: number;
      readonly planDigest: string;
      /** Model the round starts from. */
      readonly modelHash: string;
      /** Public randomness of the round, hex, 32 bytes: published before the cohort is drawn, bound by its session id. */
      readonly beacon: string;
      /** Spending once this round is published. */
      readonly promised: Spending;
    }
  | {
      readonly kind: "round-released";
      readonly task: string;
      readonly round: number;
      readonly cohort: number;
      readonly survivors: number;
      readonly noise: { readonly localDeviation: number; readonly honest: number; readonly scale: number };
      readonly spent: { readonly before: Spending; readonly after: Spending };
      /** The released model. */
      readonly modelHash: string;
      /** The model the round started from. */
      readonly parentModelHash: string;
      /**
       * With surplus noise only: components of it that were removed, by the number of survivors, and survivors whose
       * components stayed in because their seeds could not be reconstructed.
       */
      readonly removed?: { readonly components: number; readonly kept: number };
      /** With an adaptive clip norm only: that of the round, the noisy share of updates within it, and the next one. */
      readonly clipping?: { readonly norm: number; readonly fraction: number; readonly next: number };
    }
  | {
      readonly kind: "round-failed";
      readonly task: string;
      readonly round: number;
      readonly reason: string;
      /** Nothing was released, but where masked inputs had arrived the coordinator may have seen their sum. */
      readonly spent: { readonly before: Spending; readonly after: Spending };
    }
  | {
      /** A released model becomes the one that devices are given for use. */
      readonly kind: "model-promoted";
      readonly task: string;
      /** Round that released it; 0 for the initial model. */
      readonly round: number;
      readonly modelHash: string;
      /** Who decided; null when the plan's own gate did. */
      readonly operator: string | null;
    }
  | {
      /** Training goes on from an earlier model. */
      readonly kind: "model-rolled-back";
      readonly task: string;
      /** The model that is given up. */
      readonly fromModelHash: string;
      /** An earlier model of the task. */
      readonly toModelHash: string;
      readonly reason: string;
      /** Who decided; a roll-back by nobody breaks the rule `operator`. */
      readonly operator: string | null;
    }
  | {
      /** A setting of the coordinator changed; what a plan promises cannot change. */
      readonly kind: "configuration-changed";
      readonly setting: string;
      /** As text; null = not set. */
      readonly before: string | null;
      readonly after: string | null;
      readonly operator: string | null;
    }
  | {
      /** A person or service is given a role, another one, or none any more. */
      readonly kind: "operator-changed";
      readonly operator: string;
      /** null = revoked. */
      readonly role: OperatorRole | null;
      /** Hex SHA-256 of the credential that proves the identity; null when the role is revoked. */
      readonly credentialHash: string | null;
    };

/** A body that concerns one task. */
export type TaskBody = Extract<LedgerBody, { task: string }>;

/** One link of the chain. */
export interface LedgerEntry {
  /** 0 for the first entry, then one more each. */
  readonly index: number;
  /** Hash of the entry before, hex; 64 zeros for the first. */
  readonly previous: string;
  /** ISO 8601 in UTC with milliseconds. */
  readonly time: string;
  readonly body: LedgerBody;
  /** Hex SHA-256, see the module's head. */
  readonly hash: string;
  /** Hex Ed25519 signature over the bytes of `hash`. */
  readonly signature: string;
}

/** Holds the secret key; the ledger never sees it. */
export interface LedgerSigner {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Detached Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** `previous` of the first entry. */
export const LEDGER_ROOT = "0".repeat(64);

/** Hex SHA-256 that an entry of this content must carry. @throws TypeError on what JSON cannot hold, such as NaN. */
export function ledgerHash(content: Pick<LedgerEntry, "index" | "previous" | "time" | "body">): string {
  const { index, previous, time, body } = content;
  return sha256Hex(canonicalJson({ index, previous, time, body }));
}

/**
 * The next entry of a ledger.
 *
 * Its time is never before that of the entry it follows, even where the clock was set back.
 *
 * @param options.tail The last entry so far; undefined for an empty ledger.
 * @param options.time When, as an ISO 8601 string in UTC with milliseconds.
 * @throws TypeError when the body holds something JSON cannot, such as an infinite ε (use null).
 */
export function appendEntry(options: {
  readonly tail: LedgerEntry | undefined;
  readonly body: LedgerBody;
  readonly time: string;
  readonly signer: LedgerSigner;
}): LedgerEntry {
  const { tail, body, signer } = options;
  const time = tail !== undefined && tail.time > options.time ? tail.time : options.time;
  const content = { index: tail ? tail.index + 1 : 0, previous: tail ? tail.hash : LEDGER_ROOT, time, body };
  const hash = ledgerHash(content);
  return { ...content, hash, signature: bytesToHex(signer.sign(hexToBytes(hash))) };
}
