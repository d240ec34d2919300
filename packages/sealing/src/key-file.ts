/**
 * Storage keys in files, and their rotation. A rotation that is cut off leaves the coming key beside the present one, and
 * everything opens with the two; whoever finds it so goes on.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hexToBytes, KindredError } from "@kindred/protocol";
import { KeyRing } from "./key-ring.ts";

const coming = (file: string): string => `${file}.next`;

/**
 * A key from its text form, 64 hexadecimal digits.
 * @param field what a refusal names
 * @throws KindredError `option-invalid`; the text itself is never repeated
 */
export function parseStorageKey(text: string, field: string): Uint8Array {
  const hex = text.trim().toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex))
    throw new KindredError({
      code: "option-invalid",
      field,
      rule: "must be an AES-256 key of 64 hexadecimal digits",
      fix: "restore it from the backup; where nothing is stored yet, make one with `openssl rand -hex 32`",
    });
  return hexToBytes(hex);
}

/**
 * The ring of a key file, which is made on first use with mode 0600. Processes that start together get the same key.
 * @throws KindredError `option-invalid` for a malformed file or one that others can read
 */
export async function loadKeyFile(file: string): Promise<KeyRing> {
  const present = (await readKey(file)) ?? (await createKey(file));
  const next = await readKey(coming(file));
  return new KeyRing({
    current: next ?? present,
    previous: next === undefined ? [] : [present],
    source: file,
  });
}

/**
 * Puts a coming key beside the present one, unless one is there already. Load the file again, seal everything with the
 * ring's present key, then call {@link finishRotation}.
 */
export async function startRotation(file: string): Promise<void> {
  await loadKeyFile(file);
  if ((await readKey(coming(file))) === undefined) await createKey(coming(file));
}

/** The coming key takes the place of the present one, which is gone then. */
export async function finishRotation(file: string): Promise<void> {
  await rename(coming(file), file);
  await syncFolder(dirname(file));
}

/** Removes the key file and a coming key: what is still sealed with them cannot be opened any more. */
export async function discardKeyFile(file: string): Promise<void> {
  for (const path of [coming(file), file]) await rm(path, { force: true });
}

async function readKey(file: string): Promise<Uint8Array | undefined> {
  try {
    const { mode } = await stat(file);
    if (process.platform !== "win32" && (mode & 0o077) !== 0)
      throw new KindredError({
        code: "option-invalid",
        field: file,
        rule: `must be readable by its owner only, but has mode ${(mode & 0o777).toString(8)}`,
        fix: "chmod 600 the file, and rotate the key if somebody may have read it",
      });
    return parseStorageKey(await readFile(file, "utf8"), file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes a fresh key under a temporary name and links it: the file appears whole, and never replaces another. */
async function createKey(file: string): Promise<Uint8Array> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = join(folder, `.${randomUUID()}.key`);
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(`${randomBytes(32).toString("hex")}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(temporary, file);
    await syncFolder(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  const key = await readKey(file);
  if (key === undefined) throw new Error(`the key file ${file} was removed while it was made`);
  return key;
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return; // folders cannot be opened there, and NTFS journals names itself
  const handle = await open(path, "r");
  await handle.sync().finally(() => handle.close());
}
