/**
 * One process per data folder: two PGlite instances on the same files destroy them.
 *
 * Node has no `flock`, so the lock is a file that names its owner by process id and start time; a lock whose
 * owner is gone is taken over. It does not reach across machines or containers that share a volume.
 */
import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KindredError } from "@kindred/protocol";

export interface DirectoryLock {
  /** Gives the folder free. Safe to call twice. */
  release(): Promise<void>;
}

/** "pid start-time"; the start time (Linux: field 22 of /proc/pid/stat, clock ticks since boot) tells a reused pid apart. */
async function identity(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the command in parentheses and may hold blanks, so count from its end.
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  return `${pid} ${start}`;
}

async function isAlive(owner: string): Promise<boolean> {
  const pid = Number.parseInt(owner, 10);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to another user.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return (await identity(pid)) === owner;
}

/**
 * Locks a folder for this process.
 * @throws KindredError `option-invalid` while another owner lives
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const path = join(directory, "kindred.lock");
  const mine = join(directory, `kindred.lock.${randomUUID()}`);
  await writeFile(mine, await identity(process.pid), { mode: 0o600 });
  try {
    // Two attempts: the first may find the lock of a dead owner and set it aside.
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        await link(mine, path);
        return { release: () => rm(path, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const owner = await readFile(path, "utf8").catch(() => "");
      if (await isAlive(owner)) throw inUse(directory, owner);
      await setAside(path, { owner, stale: `${mine}.stale` });
    }
    throw inUse(directory, await readFile(path, "utf8").catch(() => ""));
  } finally {
    await rm(mine, { force: true });
  }
}

/** Removes a dead owner's lock, unless a third process took it over since `owner` was read: then it is put back. */
async function setAside(path: string, { owner, stale }: { owner: string; stale: string }): Promise<void> {
  try {
    await rename(path, stale);
    if ((await readFile(stale, "utf8")) !== owner) await link(stale, path);
  } catch (error) {
    if (!["ENOENT", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    await rm(stale, { force: true });
  }
}

function inUse(directory: string, owner: string): KindredError {
  return new KindredError({
    code: "option-invalid",
    field: "data folder",
    rule: `must not be in use, but process ${owner.split(" ")[0] ?? "?"} holds ${directory}`,
    fix: "stop that process, choose another data folder, or use PostgreSQL through DATABASE_URL",
  });
}
