import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { KindredError } from "@kindred/protocol";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "./database.ts";
import { defaultMigrations, migrate, type SqlConnection } from "./migrations.ts";
import {
  describeDatabase,
  describeSchema,
  parseSchema,
  type SchemaDescription,
} from "./schema-description.ts";
import { hasPostgresql, POSTGRESQL, pgliteImage, postgresqlSchema } from "./test-databases.ts";

let pglite: PGlite;
let connection: SqlConnection;
let folder: string;
let directory: string;
let schema = "s0";
let count = 0;

beforeAll(async () => {
  pglite = await PGlite.create("memory://", { loadDataDir: await pgliteImage() });
  connection = {
    query: async (sql, parameters) =>
      (await pglite.query<Record<string, unknown>>(sql, [...parameters])).rows,
    execute: async (script) => {
      await pglite.exec(script);
    },
  };
  folder = await mkdtemp(join(tmpdir(), "kindred-migrations-"));
});
afterAll(async () => {
  await pglite?.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  count += 1;
  schema = `s${count}`;
  directory = join(folder, schema);
  await cp(defaultMigrations(), directory, { recursive: true });
  await pglite.exec(`SET search_path = ${schema}`);
});

const run = () => migrate(connection, { directory, schema });
async function addMigration(name: string, script: string): Promise<void> {
  await mkdir(join(directory, name));
  await writeFile(join(directory, name, "migration.sql"), script);
}
async function addAndApply(name: string, script: string): Promise<string[]> {
  await addMigration(name, script);
  return run();
}
const bookkeeping = () =>
  connection.query('SELECT * FROM "_prisma_migrations" ORDER BY "migration_name"', []);

describe("migrate", () => {
  it("applies every migration once and keeps Prisma's books", async () => {
    const names = (await readdir(directory)).sort();
    expect(await run()).toEqual(names);
    expect(await run()).toEqual([]);
    const rows = await bookkeeping();
    expect(rows.map((row) => row["migration_name"])).toEqual(names);
    for (const row of rows) {
      const file = await readFile(join(directory, String(row["migration_name"]), "migration.sql"));
      expect(row["checksum"]).toBe(createHash("sha256").update(file).digest("hex"));
      expect(row).toMatchObject({ logs: null, rolled_back_at: null, applied_steps_count: 1 });
      expect(row["finished_at"]).toBeInstanceOf(Date);
      expect(row["id"]).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it("applies a later migration to a database that is in use", async () => {
    await run();
    await addMigration("99990101000000_more", 'CREATE TABLE "More" ("id" INTEGER PRIMARY KEY)');
    expect(await run()).toEqual(["99990101000000_more"]);
    expect(await connection.query('SELECT count(*)::int AS n FROM "More"', [])).toEqual([{ n: 0 }]);
  });

  it("refuses a database to which an edited migration was applied", async () => {
    const [name] = await run();
    const path = join(directory, name!, "migration.sql");
    await writeFile(path, `${await readFile(path, "utf8")}\n-- a comment`);
    await expect(run()).rejects.toMatchObject({
      rejection: { code: "option-invalid", field: `prisma/migrations/${name}` },
    });
    await expect(run()).rejects.toThrow(/edited after it had been applied/);
  });

  it("refuses a database that a newer version has written", async () => {
    await addMigration("99990101000000_newer", "SELECT 1");
    await run();
    await rm(join(directory, "99990101000000_newer"), { recursive: true });
    await expect(run()).rejects.toThrow(/unknown to this version/);
    await rename(join(directory, (await readdir(directory))[0]!), join(directory, "20000101000000_renamed"));
    await expect(run()).rejects.toThrow(KindredError);
  });

  it("refuses a migration that another tool left unfinished, and applies it again once it is rolled back", async () => {
    await run();
    const [half] = await addAndApply("99990101000000_half", "SELECT 1");
    await connection.query(
      'UPDATE "_prisma_migrations" SET "finished_at" = NULL WHERE "migration_name" = $1',
      [half],
    );
    await expect(run()).rejects.toThrow(/did not finish/);
    await connection.query(
      'UPDATE "_prisma_migrations" SET "rolled_back_at" = now() WHERE "migration_name" = $1',
      [half],
    );
    expect(await run()).toEqual([half]);
  });

  it("applies nothing of a migration that fails, and goes on once it is mended", async () => {
    await run();
    await addMigration("99990101000000_bad", 'CREATE TABLE "Half" ("id" INTEGER); SELECT nonsense;');
    await expect(run()).rejects.toThrow(/99990101000000_bad failed/);
    expect(await connection.query(`SELECT to_regclass('"Half"') AS found`, [])).toEqual([{ found: null }]);
    await writeFile(
      join(directory, "99990101000000_bad", "migration.sql"),
      'CREATE TABLE "Half" ("id" INTEGER PRIMARY KEY)',
    );
    expect(await run()).toEqual(["99990101000000_bad"]);
  });

  it.skipIf(!hasPostgresql)(`lets coordinators start together on ${POSTGRESQL}`, async () => {
    const { url, schema: own, drop } = postgresqlSchema();
    try {
      const databases = await Promise.all(Array.from({ length: 4 }, () => openDatabase({ url })));
      const client = new pg.Client({ connectionString: url, options: `-c search_path=${own}` });
      await client.connect();
      const { rows } = await client.query('SELECT "migration_name" FROM "_prisma_migrations"');
      expect(rows.map((row) => row["migration_name"]).sort()).toEqual((await readdir(directory)).sort());
      expect(await describeDatabase(async (sql, p) => (await client.query(sql, [...p])).rows, own)).toEqual(
        describeSchema(parseSchema(await schemaText())),
      );
      await client.end();
      await Promise.all(databases.map((database) => database.close()));
    } finally {
      await drop();
    }
  });
});

const schemaText = () => readFile(join(defaultMigrations(), "..", "schema.prisma"), "utf8");

describe("schema.prisma and the migrations", () => {
  const declared = async () => describeSchema(parseSchema(await schemaText()));
  const migrated = () => describeDatabase(connection.query, schema);

  it("agree on columns, keys, indexes and references", async () => {
    await run();
    const found = await migrated();
    expect(found).toEqual(await declared());
    expect(found.columns.length).toBeGreaterThan(40);
    expect(found.indexes).toContain('unique "LedgerEntry" (hash)');
    expect(found.references).toContain('"Round" (task) -> "Task" (id) on delete CASCADE');
  });

  it.each<[string, string, keyof SchemaDescription]>([
    ["a missing column", 'ALTER TABLE "Round" DROP COLUMN "loss"', "columns"],
    ["an additional column", 'ALTER TABLE "Round" ADD COLUMN "extra" TEXT', "columns"],
    ["another type", 'ALTER TABLE "Round" ALTER COLUMN "cohort" TYPE BIGINT', "columns"],
    ["a column that became nullable", 'ALTER TABLE "Task" ALTER COLUMN "plan" DROP NOT NULL', "columns"],
    ["a lost default", 'ALTER TABLE "Task" ALTER COLUMN "journalSequence" DROP DEFAULT', "columns"],
    ["an additional table", 'CREATE TABLE "Extra" ("id" TEXT PRIMARY KEY)', "columns"],
    ["a missing index", 'DROP INDEX "ModelVersion_hash_idx"', "indexes"],
    ["a missing unique index", 'DROP INDEX "LedgerEntry_previous_key"', "indexes"],
    ["a missing primary key", 'ALTER TABLE "Participation" DROP CONSTRAINT "Participation_pkey"', "indexes"],
    ["a missing reference", 'ALTER TABLE "Round" DROP CONSTRAINT "Round_task_fkey"', "references"],
  ])("are seen to disagree over %s", async (_what, script, part) => {
    await run();
    await connection.execute(script);
    expect((await migrated())[part]).not.toEqual((await declared())[part]);
  });

  it("are seen to disagree over a field that has no migration", async () => {
    await run();
    const text = (await schemaText()).replace("reason             String?", "$&\n  extra Int @unique");
    const more = describeSchema(parseSchema(text));
    expect(more.columns).toContain('"Round".extra integer not null');
    expect(more.indexes).toContain('unique "Round" (extra)');
    expect((await migrated()).columns).not.toEqual(more.columns);
  });

  it("make the ledger append-only for the database, too", async () => {
    await run();
    await connection.execute(`INSERT INTO "LedgerEntry" VALUES (0, 'a', 'b', '{}', 'c', 'd')`);
    for (const script of [
      'UPDATE "LedgerEntry" SET "body" = 1',
      'DELETE FROM "LedgerEntry"',
      'TRUNCATE "LedgerEntry"',
    ])
      await expect(connection.execute(script)).rejects.toThrow(/append-only/);
  });
});
