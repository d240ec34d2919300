/**
 * Storage keys in files, and their rotation. A rotation that is cut off leaves the coming key beside the present one, and
 * everything opens with the two; whoever finds it so goes on.
 */
import { randomBytes } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { KeyRing, type UnsealedRecords } from "./key-ring.ts";
import { parseSecret, readSecretFile, syncFolder, writeSecretFile } from "./secret-file.ts";

const coming = (file: string): string => `${file}.next`;

/**
 * A key from its text form, 64 hexadecimal digits.
 * @param field what a refusal names
 * @throws KindredError `option-invalid`; the text itself is never repeated
 */
export function parseStorageKey(text: string, field: string): Uint8Array {
  const fix = "restore it from the backup; where nothing is stored yet, make one with `openssl rand -hex 32`";
  return parseSecret(text, { field, what: "an AES-256 key", fix });
}

/**
 * The ring of a key file, which is made on first use with mode 0600. Processes that start together get the same key.
 * @throws KindredError `option-invalid` for a malformed file or one that others can read
 */
export async function loadKeyFile(
  file: string,
  { unsealed = "refuse" }: { readonly unsealed?: UnsealedRecords } = {},
): Promise<KeyRing> {
  const present = (await readKey(file)) ?? (await createKey(file));
  const next = await readKey(coming(file));
  return new KeyRing({
    current: next ?? present,
    previous: next === undefined ? [] : [present],
    source: file,
    unsealed,
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
  const content = await readSecretFile(file, "rotate the key");
  return content && parseStorageKey(Buffer.from(content).toString("utf8"), file);
}

/** Another process may have made one in the meantime: then it is that one. */
async function createKey(file: string): Promise<Uint8Array> {
  await writeSecretFile(file, { content: `${randomBytes(32).toString("hex")}\n`, replace: false });
  const key = await readKey(file);
  if (key === undefined) throw new Error(`the key file ${file} was removed while it was made`);
  return key;
}
