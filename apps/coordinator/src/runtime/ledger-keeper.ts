/** The one end of the coordinator's ledger: writers take turns at it, and devices are shown heads and proofs of it. */
import { LedgerTree } from "@kindred/privacy";
import type { LedgerEvidence } from "@kindred/protocol";
import type { CoordinatorKey } from "../store/coordinator-key.ts";
import type { Database } from "../store/database.ts";
import { ledgerEntryOf } from "./commit.ts";

/** Entries of one transaction while the tree is built. */
const PAGE = 1_000;

export class LedgerKeeper {
  readonly #database: Database;
  readonly #tree: LedgerTree;
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ database, key }: { database: Database; key: CoordinatorKey }) {
    this.#database = database;
    this.#tree = new LedgerTree(key);
  }

  /**
   * Runs what reads or writes the ledger after all earlier turns, and then brings the tree up to what is stored.
   * @throws whatever `action` throws, or the database does; the tree is then brought up in the next turn
   */
  inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      const result = await action();
      await this.#catchUp();
      return result;
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /**
   * What a device that is selected for a round is shown.
   * @param selection.remembered size of the tree head that the device says it remembers, 0 for none
   * @throws Error if the ledger does not hold the round's start
   */
  evidence(selection: { task: string; round: number; remembered: number }): LedgerEvidence {
    return this.#tree.evidence(selection);
  }

  async #catchUp(): Promise<void> {
    for (let more = true; more; ) {
      const page = await this.#database.tx("follow ledger", ({ ledger }) =>
        ledger.list({ from: this.#tree.size, limit: PAGE }),
      );
      for (const record of page) this.#tree.append(ledgerEntryOf(record));
      more = page.length === PAGE;
    }
  }
}
