/**
 * The coordinator's database: PostgreSQL through `DATABASE_URL`, or PGlite (PostgreSQL in this process) in a
 * data folder or in memory. Same schema, same migrations.
 *
 * Every access is a named transaction whose callback receives the stores bound to it (after Janus's `run_tx`),
 * so that journal entries, ledger entries, a round and a model version are committed together or not at all.
 */
import { mkdir } from "node:fs/promises";
import { PGlite } from "@electric-sql/pglite";
import { KindredError } from "@kindred/protocol";
import type { KeyRing } from "@kindred/sealing";
import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { PrismaPGlite } from "pglite-prisma-adapter";
import { Prisma, PrismaClient } from "../generated/prisma/client.ts";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import { ConflictError, isWriteConflict, TransactionError } from "./errors.ts";
import { defaultMigrations, migrate, type SqlConnection } from "./migrations.ts";
import { Stores } from "./stores.ts";

/** Attempts of one transaction that loses against concurrent ones, before it fails. */
const MAX_ATTEMPTS = 8;
/** Milliseconds to wait for a connection, and milliseconds one transaction may last. */
const MAX_WAIT_MS = 30_000;
const MAX_DURATION_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;

export interface DatabaseOptions {
  /** `postgresql://…`; `?schema=` names a PostgreSQL schema, which is created when missing. Excludes `directory`. */
  readonly url?: string;
  /** Folder of an embedded database; without `url` and `directory` the database lives in memory. */
  readonly directory?: string;
  /**
   * What `PGlite.dumpDataDir` gave: a database in memory starts from it instead of being initialised, which saves
   * seconds where many are opened, as in tests.
   */
  readonly image?: Blob;
  /** Loads what journal entries are sealed with, once the data folder is this process's; without it they are not. */
  readonly keys?: () => Promise<KeyRing>;
  /** Folder of the SQL migrations; by default the repository's `prisma/migrations`. */
  readonly migrations?: string;
}

interface Backend {
  readonly client: PrismaClient;
  readonly isolationLevel?: Prisma.TransactionIsolationLevel;
  /** Serialises transactions (PGlite has one connection) and reports a failed COMMIT, which its adapter swallows. */
  exclusive<T>(run: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export class Database {
  readonly #backend: Backend;
  /** `postgresql` or `pglite`. */
  readonly kind: "postgresql" | "pglite";

  readonly #keys: KeyRing | undefined;

  /** Use `openDatabase`. */
  constructor(kind: "postgresql" | "pglite", backend: Backend, keys: KeyRing | undefined) {
    this.kind = kind;
    this.#backend = backend;
    this.#keys = keys;
  }

  /**
   * Runs `work` in one transaction (REPEATABLE READ on PostgreSQL, serial on PGlite) and returns its result once
   * the commit is durable. `work` is run again when a concurrent transaction wins, so it must have no effects
   * besides its stores, and it must not start another transaction.
   * @param name for errors and metrics, such as "commit transition"
   * @throws what `work` throws if that is a `KindredError` or `ConflictError`, else `TransactionError`
   */
  async tx<T>(name: string, work: (stores: Stores) => Promise<T>): Promise<T> {
    const { client, isolationLevel } = this.#backend;
    const options = {
      maxWait: MAX_WAIT_MS,
      timeout: MAX_DURATION_MS,
      ...(isolationLevel === undefined ? {} : { isolationLevel }),
    };
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#backend.exclusive(() =>
          client.$transaction((transaction) => work(new Stores(transaction, this.#keys)), options),
        );
      } catch (error) {
        if (error instanceof KindredError || error instanceof ConflictError) throw error;
        if (!isWriteConflict(error) || attempt === MAX_ATTEMPTS) throw new TransactionError(name, error);
      }
    }
  }

  /** Resolves when the database answers. @throws TransactionError */
  async ping(): Promise<void> {
    try {
      await this.#backend.exclusive(() => this.#backend.client.$queryRaw`SELECT 1`);
    } catch (error) {
      throw new TransactionError("ping", error);
    }
  }

  /** Waits for the running transactions and releases the connections or the folder. */
  async close(): Promise<void> {
    await this.#backend.close();
  }
}

/**
 * Opens a database and brings it up to the newest migration.
 * @throws KindredError `option-invalid` for a URL that is not PostgreSQL's, a folder in use, or an edited or unknown migration
 */
export async function openDatabase(options: DatabaseOptions = {}): Promise<Database> {
  const kind = options.url === undefined ? "pglite" : "postgresql";
  const backend = await openBackend(options);
  try {
    return new Database(kind, backend, await options.keys?.());
  } catch (error) {
    await backend.close();
    throw error;
  }
}

async function openBackend(options: DatabaseOptions): Promise<Backend> {
  const { url, directory, image, migrations = defaultMigrations() } = options;
  if (url === undefined) {
    if (directory !== undefined) return openFolder(directory, migrations);
    const pglite = await PGlite.create("memory://", image === undefined ? {} : { loadDataDir: image });
    return startPglite(pglite, { migrations });
  }
  if (directory !== undefined)
    throw optionError("database.directory", {
      rule: "excludes database.url",
      fix: "give either a data folder or a PostgreSQL URL",
    });
  return openPostgresql(url, migrations);
}

function optionError(field: string, { rule, fix }: { rule: string; fix: string }): KindredError {
  return new KindredError({ code: "option-invalid", field, rule, fix });
}

/** Splits Prisma's `?schema=` off a PostgreSQL URL; `pg` does not know it. */
function parseUrl(text: string): { connectionString: string; schema: string } {
  const mistake = (rule: string) =>
    // The URL itself is not repeated: it holds a password.
    optionError("DATABASE_URL", { rule, fix: "use postgresql://user:password@host:5432/database" });
  if (!URL.canParse(text)) throw mistake("must be a URL");
  const url = new URL(text);
  if (url.protocol !== "postgresql:" && url.protocol !== "postgres:")
    throw mistake("must start with postgresql:// or postgres://");
  const schema = url.searchParams.get("schema") ?? "public";
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw mistake("must name a schema of lower-case letters, digits and underscores");
  url.searchParams.delete("schema");
  return { connectionString: url.toString(), schema };
}

async function openPostgresql(text: string, migrations: string): Promise<Backend> {
  const { connectionString, schema } = parseUrl(text);
  const settings = {
    connectionString,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    // `schema` was checked to be a plain identifier above.
    options: `-c search_path=${schema} -c TimeZone=UTC`,
  };
  const connection = new pg.Client(settings);
  await connection.connect();
  try {
    await migrate(
      {
        query: async (sql, parameters) => (await connection.query(sql, [...parameters])).rows,
        execute: async (script) => {
          await connection.query(script);
        },
      },
      { directory: migrations, schema },
    );
  } finally {
    await connection.end();
  }
  const client = new PrismaClient({ adapter: new PrismaPg(settings, { schema }) });
  return {
    client,
    isolationLevel: Prisma.TransactionIsolationLevel.RepeatableRead,
    exclusive: (run) => run(),
    close: () => client.$disconnect(),
  };
}

async function openFolder(directory: string, migrations: string): Promise<Backend> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lock = await lockDirectory(directory);
  try {
    const pglite = await PGlite.create(`${directory}/pglite`);
    return await startPglite(pglite, { migrations, lock });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function startPglite(
  pglite: PGlite,
  { migrations, lock }: { migrations: string; lock?: DirectoryLock },
): Promise<Backend> {
  try {
    const connection: SqlConnection = {
      query: async (sql, parameters) =>
        (await pglite.query<Record<string, unknown>>(sql, [...parameters])).rows,
      execute: async (script) => {
        await pglite.exec(script);
      },
    };
    await migrate(connection, { directory: migrations, schema: "public" });
  } catch (error) {
    await pglite.close();
    throw error;
  }
  // pglite-prisma-adapter catches the promise of `transaction`, so a COMMIT that fails would look like one that
  // succeeded. Keep the promise, and ask it after Prisma has finished.
  let outcome: Promise<unknown> | undefined;
  const transaction = pglite.transaction.bind(pglite);
  pglite.transaction = ((work: Parameters<typeof transaction>[0]) => {
    const running = transaction(work);
    outcome = running;
    return running;
  }) as typeof pglite.transaction;
  let tail: Promise<unknown> = Promise.resolve();
  const client = new PrismaClient({ adapter: new PrismaPGlite(pglite) });
  return {
    client,
    exclusive: (run) => {
      const result = tail.then(async () => {
        outcome = undefined;
        const value = await run();
        await outcome;
        return value;
      });
      tail = result.catch(() => undefined);
      return result;
    },
    close: async () => {
      await tail;
      await client.$disconnect();
      await pglite.close();
      await lock?.release();
    },
  };
}
