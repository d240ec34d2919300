/**
 * What this device has written down of its taking part: the participations themselves, what became of their rounds, and the
 * newest heads of its coordinators' ledgers. Memory is ahead of the store, never behind it.
 */
import type { ParticipationEntry, RoundOutcome } from "@kindred/engine";
import type { SignedLedgerHead } from "@kindred/privacy";
import type { Plan } from "@kindred/protocol";
import { completeEntry, type PrivacyAccount, privacyAccount } from "./privacy-account.ts";
import type { ClientStore, StoredState } from "./store.ts";

export class ParticipationRecord {
  readonly #store: Pick<ClientStore, "appendParticipation" | "appendOutcome" | "saveLedgerHead">;
  readonly #entries: ParticipationEntry[];
  readonly #outcomes: RoundOutcome[];
  /** By the coordinator's key. */
  readonly #heads: Map<string, SignedLedgerHead>;

  /** @param stored what the store held when it was opened */
  constructor(
    store: Pick<ClientStore, "appendParticipation" | "appendOutcome" | "saveLedgerHead">,
    stored: Pick<StoredState, "participations" | "outcomes" | "ledgerHeads">,
  ) {
    this.#store = store;
    this.#entries = [...stored.participations];
    this.#outcomes = [...stored.outcomes];
    this.#heads = new Map(stored.ledgerHeads.map((head) => [head.coordinatorKey, head]));
  }

  /** The device's own ledger, oldest first. */
  get entries(): readonly ParticipationEntry[] {
    return this.#entries;
  }

  /** The newest verified head of each coordinator's ledger. */
  get heads(): readonly SignedLedgerHead[] {
    return [...this.#heads.values()];
  }

  /** What the participations add up to. */
  account(): PrivacyAccount {
    return privacyAccount(this.#entries, this.#outcomes);
  }

  /** Writes a participation down, with what the accountant says of it; resolves once it is durable. */
  async append(entry: ParticipationEntry, plan: Plan): Promise<void> {
    const full = completeEntry(entry, { plan, entries: this.#entries, outcomes: this.#outcomes });
    // Counts at once: a failing disk must not let the device spend twice.
    this.#entries.push(full);
    await this.#store.appendParticipation(full);
  }

  /**
   * What the coordinator said of a round: written down once for each round and model, and only of rounds that this device
   * sent its input in.
   * @param said.released content hash of the model that the round released; `undefined` where it failed
   */
  noteOutcome(said: {
    readonly task: string;
    readonly round: number;
    /** Milliseconds since the epoch. */
    readonly time: number;
    readonly released: string | undefined;
  }): void {
    const { task, round, time, released } = said;
    const modelHash = released ?? null;
    const isOwn = this.#entries.some((entry) => entry.task === task && entry.round === round);
    const known = this.#outcomes.some(
      (past) => past.task === task && past.round === round && past.modelHash === modelHash,
    );
    if (!isOwn || known) return;
    const outcome: RoundOutcome = {
      task,
      round,
      time,
      outcome: released === undefined ? "failed" : "published",
      modelHash,
    };
    this.#outcomes.push(outcome);
    // Nothing rests on it: what is lost counts as published.
    this.#store.appendOutcome(outcome).catch(() => undefined);
  }

  /** The newest verified head of one coordinator's ledger. */
  headOf(coordinatorKey: string): SignedLedgerHead | undefined {
    return this.#heads.get(coordinatorKey);
  }

  /** Takes a verified head in place of the one before; resolves once it is durable. */
  async rememberHead(head: SignedLedgerHead): Promise<void> {
    this.#heads.set(head.coordinatorKey, head);
    await this.#store.saveLedgerHead(head);
  }

  /** Forgets everything in memory; the store is cleared by its owner. */
  clear(): void {
    this.#entries.length = 0;
    this.#outcomes.length = 0;
    this.#heads.clear();
  }
}
