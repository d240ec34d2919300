/** The store's side of the ports that the HTTP interface reads through (`http/app.ts`). */
import type { HttpPorts, PublicBlob } from "../http/ports.ts";
import type { BlobStore, ByteRange } from "./blobs.ts";
import type { Database } from "./database.ts";
import type { LedgerRecord } from "./ledger.ts";

/** Ledger entries of one transaction while the ledger is streamed. */
const LEDGER_PAGE = 100;

/** The ledger from index `from` on, in pages, so that a slow reader holds no transaction open. */
async function* streamLedger(database: Database, from: number): AsyncGenerator<LedgerRecord> {
  let next = from;
  for (;;) {
    const page = await database.tx("read ledger", ({ ledger }) =>
      ledger.list({ from: next, limit: LEDGER_PAGE }),
    );
    yield* page;
    if (page.length < LEDGER_PAGE) return;
    next += page.length;
  }
}

/**
 * Finds blobs that anyone may download: released model versions, catalogues and further files of tasks. What became public stays
 * public, so a positive answer is remembered.
 */
class PublicBlobs {
  readonly #database: Database;
  readonly #blobs: BlobStore<"released">;
  readonly #known = new Set<string>();

  constructor(database: Database, blobs: BlobStore<"released">) {
    this.#database = database;
    this.#blobs = blobs;
  }

  async find(hash: string): Promise<PublicBlob | undefined> {
    const size = await this.#blobs.size(hash);
    if (size === undefined || !(await this.#isPublic(hash))) return undefined;
    return {
      size,
      stream: async (range?: ByteRange) => {
        const stream = await this.#blobs.stream(hash, range);
        if (stream === undefined) throw new Error(`blob ${hash} was removed while it was served`);
        return stream;
      },
    };
  }

  async #isPublic(hash: string): Promise<boolean> {
    if (this.#known.has(hash)) return true;
    const found = await this.#database.tx(
      "find public blob",
      async ({ models, tasks }) =>
        (await models.isReleased(hash)) || (await tasks.hasCatalogue(hash)) || (await tasks.hasFile(hash)),
    );
    if (found) this.#known.add(hash);
    return found;
  }
}

/** Connects the HTTP interface to a database and the released blobs. */
export function httpPorts(
  database: Database,
  blobs: BlobStore<"released">,
): Pick<HttpPorts, "tasks" | "rounds" | "models" | "ledger" | "blobs"> {
  return {
    tasks: {
      list: () => database.tx("list tasks", ({ tasks }) => tasks.list()),
      get: (id) => database.tx("read task", ({ tasks }) => tasks.get(id)),
    },
    rounds: {
      list: (task) => database.tx("list rounds", ({ rounds }) => rounds.list(task)),
      get: (task, number) => database.tx("read round", ({ rounds }) => rounds.get(task, number)),
    },
    models: {
      current: (task) => database.tx("read model", ({ models }) => models.current(task)),
      list: (task) => database.tx("list models", ({ models }) => models.list(task)),
    },
    ledger: { stream: (from) => streamLedger(database, from) },
    blobs: new PublicBlobs(database, blobs),
  };
}
