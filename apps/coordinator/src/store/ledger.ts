/** The stored privacy ledger: one hash chain per coordinator. Making and verifying entries is @kindred/privacy's part. */
import type { Prisma } from "../generated/prisma/client.ts";
import { ConflictError, isUniqueViolation } from "./errors.ts";

export interface LedgerRecord {
  /** 0, 1, 2 … */
  readonly index: number;
  /** Hash of the entry before it. */
  readonly previous: string;
  /** RFC 3339, exactly as hashed. */
  readonly time: string;
  /** Canonical JSON, exactly as hashed. */
  readonly body: string;
  readonly hash: string;
  /** The coordinator's Ed25519 signature, 128 hexadecimal digits. */
  readonly signature: string;
}

export class LedgerStore {
  readonly #db: Prisma.TransactionClient;

  constructor(transaction: Prisma.TransactionClient) {
    this.#db = transaction;
  }

  /**
   * Appends an entry that continues the chain: index = newest + 1 (0 at first) and previous = newest hash.
   * @throws ConflictError if it does not, or if a concurrent transaction appended another
   */
  async append(entry: LedgerRecord): Promise<void> {
    const last = await this.last();
    const expected = last === undefined ? 0 : last.index + 1;
    if (entry.index !== expected)
      throw new ConflictError(`ledger entry ${entry.index} does not follow; the next index is ${expected}`);
    if (last !== undefined && entry.previous !== last.hash)
      throw new ConflictError(
        `ledger entry ${entry.index} does not continue the hash of entry ${last.index}`,
      );
    try {
      await this.#db.ledgerEntry.create({ data: entry });
    } catch (error) {
      if (isUniqueViolation(error)) throw new ConflictError(`ledger entry ${entry.index} exists already`);
      throw error;
    }
  }

  async last(): Promise<LedgerRecord | undefined> {
    return (await this.#db.ledgerEntry.findFirst({ orderBy: { index: "desc" } })) ?? undefined;
  }

  /** Entries from index `from` on, at most `limit`. */
  async list({ from, limit }: { from: number; limit: number }): Promise<LedgerRecord[]> {
    return this.#db.ledgerEntry.findMany({
      where: { index: { gte: from } },
      orderBy: { index: "asc" },
      take: limit,
    });
  }
}
