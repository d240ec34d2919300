/**
 * Applies `prisma/migrations/<name>/migration.sql` at start-up.
 *
 * Prisma's own `migrate deploy` needs a native schema engine, which is a download; the SQL files and the
 * bookkeeping table are Prisma's, so that either tool can take over from the other.
 */
import { createHash, randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KindredError } from "@kindred/protocol";

/** One database session, outside any transaction. */
export interface SqlConnection {
  /** One statement with $1, $2 … parameters; returns its rows. */
  query(sql: string, parameters: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Several statements without parameters, sent as one simple query. */
  execute(script: string): Promise<void>;
}

/** The advisory lock that Prisma's schema engine takes while it migrates. */
const MIGRATION_LOCK = 72_707_369;

/** Prisma's bookkeeping table, column for column. */
const BOOKKEEPING = `
  CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum" VARCHAR(64) NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL,
    "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
  )`;

interface Migration {
  readonly name: string;
  readonly script: string;
  /** SHA-256 of the file, 64 hexadecimal digits, as Prisma computes it. */
  readonly checksum: string;
}

/** The repository's own migrations. */
export function defaultMigrations(): string {
  return fileURLToPath(new URL("../../../../prisma/migrations", import.meta.url));
}

/** Reads the migrations of a folder in the order of their names. */
async function readMigrations(directory: string): Promise<Migration[]> {
  const folders = (await readdir(directory, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const names = folders.map((entry) => entry.name).sort();
  return Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(directory, name, "migration.sql"));
      return {
        name,
        script: bytes.toString("utf8"),
        checksum: createHash("sha256").update(bytes).digest("hex"),
      };
    }),
  );
}

function refusal(name: string, { rule, fix }: { rule: string; fix: string }): KindredError {
  return new KindredError({ code: "option-invalid", field: `prisma/migrations/${name}`, rule, fix });
}

/** Applied migrations must be known and unchanged; returns those still to apply. */
function pendingMigrations(known: readonly Migration[], applied: Record<string, unknown>[]): Migration[] {
  const pending = new Map(known.map((migration) => [migration.name, migration]));
  for (const row of applied) {
    const name = String(row["migration_name"]);
    const migration = pending.get(name);
    if (migration === undefined)
      throw refusal(name, {
        rule: "is applied to the database but unknown to this version",
        fix: "start the version that wrote the database, or a newer one",
      });
    if (row["finished_at"] === null)
      throw refusal(name, {
        rule: "was begun by another tool and did not finish",
        fix: "mend the database by hand, then resolve it with `prisma migrate resolve`",
      });
    if (row["checksum"] !== migration.checksum)
      throw refusal(name, {
        rule: "was edited after it had been applied",
        fix: "restore the file and put the change into a new migration",
      });
    pending.delete(name);
  }
  return [...pending.values()];
}

/**
 * Brings a database up to date. Coordinators that start together take turns (advisory lock); each migration is
 * one transaction together with its bookkeeping row, so it is applied wholly or not at all.
 * @returns the names of the migrations applied now
 * @throws KindredError `option-invalid` if an applied migration is unknown, edited or unfinished
 */
export async function migrate(
  connection: SqlConnection,
  { directory, schema }: { directory: string; schema: string },
): Promise<string[]> {
  const known = await readMigrations(directory);
  await connection.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
  try {
    const [existing] = await connection.query(
      "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1) AS present",
      [schema],
    );
    if (existing?.["present"] !== true) await connection.execute(`CREATE SCHEMA "${schema}"`);
    await connection.execute(BOOKKEEPING);
    const applied = await connection.query(
      'SELECT "migration_name", "checksum", "finished_at" FROM "_prisma_migrations" WHERE "rolled_back_at" IS NULL',
      [],
    );
    const pending = pendingMigrations(known, applied);
    for (const migration of pending) await apply(connection, migration);
    return pending.map(({ name }) => name);
  } finally {
    await connection.query("SELECT pg_advisory_unlock($1)", [MIGRATION_LOCK]);
  }
}

async function apply(connection: SqlConnection, migration: Migration): Promise<void> {
  await connection.execute("BEGIN");
  try {
    await connection.execute(migration.script);
    await connection.query(
      `INSERT INTO "_prisma_migrations" ("id", "checksum", "finished_at", "migration_name", "applied_steps_count")
       VALUES ($1, $2, clock_timestamp(), $3, 1)`,
      [randomUUID(), migration.checksum, migration.name],
    );
    await connection.execute("COMMIT");
  } catch (error) {
    await connection.execute("ROLLBACK");
    throw new Error(`migration ${migration.name} failed; nothing of it was applied`, { cause: error });
  }
}
