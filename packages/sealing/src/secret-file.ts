/** Files that hold a secret: only their owner reads them, and they appear whole. */
import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hexToBytes, KindredError } from "@kindred/protocol";

/**
 * 32 secret bytes from their text form, 64 hexadecimal digits.
 * @param refusal what a refusal names; the text itself is never repeated
 * @throws KindredError `option-invalid`
 */
export function parseSecret(
  text: string,
  { field, what, fix }: { readonly field: string; readonly what: string; readonly fix: string },
): Uint8Array {
  const hex = text.trim().toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex))
    throw new KindredError({
      code: "option-invalid",
      field,
      rule: `must be ${what} of 64 hexadecimal digits`,
      fix,
    });
  return hexToBytes(hex);
}

/**
 * The content of a file, or `undefined` if there is none.
 * @param remedy what else to do about a file that others could read
 * @throws KindredError `option-invalid` for a file that others can read
 */
export async function readSecretFile(file: string, remedy: string): Promise<Uint8Array | undefined> {
  try {
    const { mode } = await stat(file);
    if (process.platform !== "win32" && (mode & 0o077) !== 0)
      throw new KindredError({
        code: "option-invalid",
        field: file,
        rule: `must be readable by its owner only, but has mode ${(mode & 0o777).toString(8)}`,
        fix: `chmod 600 the file, and ${remedy} if somebody may have read it`,
      });
    return new Uint8Array(await readFile(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Writes a file with mode 0600, durably, under a temporary name first: it appears whole. Without `replace` it never takes
 * the place of another, which then stays as it is.
 */
export async function writeSecretFile(
  file: string,
  { content, replace }: { readonly content: Uint8Array | string; readonly replace: boolean },
): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = join(folder, `.${randomUUID()}.key`);
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await (replace ? rename : link)(temporary, file);
    await syncFolder(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return; // folders cannot be opened there, and NTFS journals names itself
  const handle = await open(path, "r");
  await handle.sync().finally(() => handle.close());
}
