/** How the store fails. Both are thrown: neither is something a client did. */
import { Prisma } from "../generated/prisma/client.ts";

/**
 * Another writer was there first: a second coordinator runs the same task, or a caller's idea of the journal
 * or the ledger is stale. Nothing of the transaction was written.
 */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

/** A transaction failed for a reason of infrastructure; nothing of it was written. `cause` is the driver's error. */
export class TransactionError extends Error {
  override readonly name = "TransactionError";
  /** Name under which the transaction was run. */
  readonly transaction: string;

  constructor(transaction: string, cause: unknown) {
    super(`transaction "${transaction}" failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.transaction = transaction;
  }
}

/** Whether PostgreSQL broke the transaction off in favour of a concurrent one (serialisation failure, deadlock). */
export function isWriteConflict(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === "P2034";
}

/** Whether a unique index or a primary key refused a row. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === "P2002";
}
