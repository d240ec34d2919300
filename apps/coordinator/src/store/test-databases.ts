/** Databases for tests: PGlite always, PostgreSQL where `TEST_DATABASE_URL` names one; every test file has its own. */
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import { type Database, openDatabase } from "./database.ts";
import type { TaskRecord } from "./stores.ts";

const url = process.env["TEST_DATABASE_URL"] || undefined;
if (url === undefined && process.env["CI"])
  throw new Error("TEST_DATABASE_URL must name a PostgreSQL database when CI is set");

/** A URL of a PostgreSQL schema that nobody else uses, and how to remove it. */
export function postgresqlSchema(): { url: string; schema: string; drop(): Promise<void> } {
  if (url === undefined) throw new Error("TEST_DATABASE_URL is not set");
  const schema = `test_${randomUUID().replaceAll("-", "")}`;
  const own = new URL(url);
  own.searchParams.set("schema", schema);
  return {
    url: own.toString(),
    schema,
    drop: async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
      await client.end();
    },
  };
}

/** Whether the PostgreSQL suites run. */
export const hasPostgresql = url !== undefined;

/** For `describe.skipIf(!hasPostgresql)`: says in the report why a suite is skipped. */
export const POSTGRESQL = hasPostgresql ? "PostgreSQL" : "PostgreSQL (skipped: set TEST_DATABASE_URL)";

/** A freshly initialised PGlite as a tar file, kept between runs: to initialise one takes seconds, to load one a fraction. */
async function pgliteArchive(): Promise<string> {
  const folder = fileURLToPath(new URL("../../node_modules/.cache/kindred", import.meta.url));
  // The resolved path names PGlite's version.
  const version = createHash("sha256")
    .update(import.meta.resolve("@electric-sql/pglite"))
    .digest("hex");
  const path = join(folder, `pglite-${version.slice(0, 16)}.tar`);
  if (existsSync(path)) return path;
  const pglite = await PGlite.create("memory://");
  const image = await pglite.dumpDataDir("none");
  await pglite.close();
  await mkdir(folder, { recursive: true });
  const temporary = join(folder, randomUUID());
  await writeFile(temporary, new Uint8Array(await image.arrayBuffer()));
  await rename(temporary, path);
  return path;
}

/** What `openDatabase` takes as `image`. */
export async function pgliteImage(): Promise<Blob> {
  return new Blob([new Uint8Array(await readFile(await pgliteArchive()))]);
}

/** Puts an initialised, empty PGlite into a folder, where `openDatabase({ directory })` finds it. */
export async function initialiseFolder(directory: string): Promise<void> {
  const target = join(directory, "pglite");
  await mkdir(target, { recursive: true, mode: 0o700 });
  // Its member names start at the root; tar takes them relative to the target, and says so.
  await promisify(execFile)("tar", ["-xf", await pgliteArchive(), "-C", target]);
}

/** An empty, migrated database; `close` removes it. */
export async function emptyDatabase(
  kind: "pglite" | "postgresql",
): Promise<{ database: Database; close(): Promise<void> }> {
  if (kind === "pglite") {
    const database = await openDatabase({ image: await pgliteImage() });
    return { database, close: () => database.close() };
  }
  const { url: own, drop } = postgresqlSchema();
  const database = await openDatabase({ url: own });
  return {
    database,
    close: async () => {
      await database.close();
      await drop();
    },
  };
}

/** A task record whose plan says no more than the stores read. */
export function taskRecord(id: string, digestOf: (text: string) => string): TaskRecord {
  const plan = `{"rounds":5,"task":"${id}"}`;
  return {
    id,
    plan,
    signature: "5".repeat(128),
    planDigest: digestOf(plan),
    catalogueHash: digestOf(`catalogue of ${id}`),
    status: "running",
    createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  };
}
