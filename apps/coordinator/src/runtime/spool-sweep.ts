/** Removes what a crash left in the spool: masked vectors of rounds that are over, optimiser states of older ones. */
import type { BlobStore } from "../store/blobs.ts";
import type { Database } from "../store/database.ts";

/** Younger blobs may belong to a write under way, such as that of a second coordinator on the same folder. */
const ORPHANED_AFTER_MS = 3_600_000;

interface SweepOptions {
  readonly database: Database;
  readonly spool: BlobStore<"spool">;
  /** Names of the vectors that rounds under way need. */
  readonly needed: Iterable<string>;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** @returns how many blobs were removed */
export async function sweepSpool({ database, spool, needed, now }: SweepOptions): Promise<number> {
  const keep = new Set(needed);
  const states = await database.tx("list optimiser states", async ({ tasks, models }) => {
    const found = [];
    for (const { id } of await tasks.list()) found.push(await models.optimiser(id));
    return found;
  });
  for (const state of states) if (state !== undefined) keep.add(state.blobHash);
  let removed = 0;
  for await (const { hash, storedAt } of spool.list())
    if (!keep.has(hash) && now - storedAt > ORPHANED_AFTER_MS && (await spool.delete(hash))) removed++;
  return removed;
}
