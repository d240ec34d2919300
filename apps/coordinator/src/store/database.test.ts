import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { KindredError } from "@kindred/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDatabase } from "./database.ts";
import { TransactionError } from "./errors.ts";
import { defaultMigrations } from "./migrations.ts";
import { hasPostgresql, POSTGRESQL, postgresqlSchema } from "./test-databases.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-database-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The migrations, and one more that refuses a certain setting only when its transaction commits. */
async function migrationsWithDeferredRule(): Promise<string> {
  const directory = join(folder, "migrations");
  await cp(defaultMigrations(), directory, { recursive: true });
  await mkdir(join(directory, "99990101000000_deferred"), { recursive: true });
  await writeFile(
    join(directory, "99990101000000_deferred", "migration.sql"),
    `CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION 'refused at commit'; END; $$;
     CREATE CONSTRAINT TRIGGER late AFTER INSERT ON "Setting" DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW WHEN (NEW.value = 'late') EXECUTE FUNCTION refuse_late();`,
  );
  return directory;
}

async function checkFailingCommit(options: { url?: string }): Promise<void> {
  const database = await openDatabase({ ...options, migrations: await migrationsWithDeferredRule() });
  try {
    await database.ping();
    const set = (value: string) => database.tx("set", ({ settings }) => settings.set("key", value));
    await expect(set("late")).rejects.toThrow(TransactionError);
    expect(await database.tx("get", ({ settings }) => settings.get("key"))).toBeUndefined();
    await set("early");
    expect(await database.tx("get", ({ settings }) => settings.get("key"))).toBe("early");
  } finally {
    await database.close();
  }
}

describe("a commit that the database refuses", () => {
  it("fails the transaction on PGlite", () => checkFailingCommit({}));

  it.skipIf(!hasPostgresql)(`fails the transaction on ${POSTGRESQL}`, async () => {
    const { url, drop } = postgresqlSchema();
    await checkFailingCommit({ url }).finally(drop);
  });
});

describe("a database in a folder", () => {
  it("keeps every acknowledged commit when its process is killed, and frees the folder", async () => {
    const directory = join(folder, "killed");
    const script = fileURLToPath(new URL("./database.killed.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", script, directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = once(child, "close");
    let acknowledged = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line);
      if (acknowledged === 1)
        await expect(openDatabase({ directory })).rejects.toThrow(/must not be in use, but process \d+/);
      if (acknowledged === 20) child.kill("SIGKILL");
    }
    await closed;
    expect(acknowledged).toBeGreaterThanOrEqual(20);

    const database = await openDatabase({ directory });
    const entries = await database.tx("read", ({ journal }) => journal.read("task", 0));
    expect(entries.length).toBeGreaterThanOrEqual(acknowledged);
    expect(entries.map(({ sequence }) => sequence)).toEqual(entries.map((_, i) => i + 1));
    await expect(openDatabase({ directory })).rejects.toThrow(KindredError);
    await database.close();
    expect(await readdir(directory)).toEqual(["pglite"]);
  });

  it("is not opened when it belongs to nobody sensible", async () => {
    const directory = join(folder, "stale");
    await mkdir(directory);
    // The process lives, but it is another one than the lock's: it started later.
    await writeFile(join(directory, "kindred.lock"), `${process.pid} 1`);
    const { lockDirectory } = await import("./directory-lock.ts");
    const lock = await lockDirectory(directory);
    expect(await readFile(join(directory, "kindred.lock"), "utf8")).not.toBe(`${process.pid} 1`);
    await expect(lockDirectory(directory)).rejects.toThrow(KindredError);
    await lock.release();
    expect(await readdir(directory)).toEqual([]);
  });
});

describe("a database URL", () => {
  it.each([
    ["not a url", "must be a URL"],
    ["mysql://user:hunter2@host/db", "must start with postgresql://"],
    ["postgresql://user:hunter2@host/db?schema=a%22b", "must name a schema"],
  ])("%s is refused without repeating it", async (url, rule) => {
    const error = await openDatabase({ url }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(KindredError);
    expect((error as KindredError).rejection).toMatchObject({
      code: "option-invalid",
      field: "DATABASE_URL",
    });
    expect((error as KindredError).message).toContain(rule);
    expect((error as KindredError).message).not.toContain("hunter2");
  });

  it("excludes a folder", async () => {
    await expect(openDatabase({ url: "postgresql://h/d", directory: "x" })).rejects.toThrow(/excludes/);
  });
});
