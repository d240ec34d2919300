/** What a participation in the rounds of one task is given. */
import type { ParticipantConfig, ParticipationEntry } from "@kindred/engine";
import type { KeystreamFactory, SignedLedgerHead } from "@kindred/privacy";
import type { CryptoSuite } from "@kindred/secagg";
import type { ParticipationActivity } from "./activity.ts";
import type { Clock } from "./clock.ts";
import type { WipeableContribution } from "./contribution.ts";
import type { NativeCryptography } from "./native.ts";
import type { TaskProgress } from "./task-source.ts";
import type { TransportFactory } from "./transport.ts";

/** What a participation needs of the client around it. */
export interface ParticipationPorts {
  /** The device's ledger; `append` resolves once the entry is durable. */
  readonly ledger: {
    entries(): readonly ParticipationEntry[];
    append(entry: ParticipationEntry): Promise<void>;
  };
  /** The coordinator said what became of a round. */
  readonly outcome: (round: number, outcome: { readonly released: string | undefined }) => void;
  /** The newest verified tree head of the coordinator's ledger; `remember` resolves once it is durable. */
  readonly ledgerHead: {
    newest(): SignedLedgerHead | undefined;
    remember(head: SignedLedgerHead): Promise<void>;
  };
  /** Trains from the round's model and computes the contribution. */
  readonly contribute: (round: {
    readonly round: number;
    readonly modelHash: string;
  }) => Promise<WipeableContribution>;
  readonly progress: () => Promise<TaskProgress>;
  /** The coordinator named its newest model. */
  readonly modelAnnounced: (modelHash: string) => void;
  readonly event: (event: ParticipationActivity) => void;
  readonly traffic: (bytes: { readonly sent: number; readonly received: number }) => void;
}

export interface ParticipationOptions {
  readonly url: string;
  readonly config: ParticipantConfig;
  readonly suite: CryptoSuite;
  readonly native?: NativeCryptography | undefined;
  readonly random: (length: number) => Uint8Array;
  readonly keystream?: KeystreamFactory | undefined;
  readonly clock: Clock;
  readonly transport: TransportFactory;
  /** Asks the app's backend for a fresh token that names the account. */
  readonly account?: (() => Promise<string>) | undefined;
  readonly ports: ParticipationPorts;
}
