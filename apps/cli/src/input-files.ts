/** Files that flags name. */
import { constants } from "node:fs";
import { access, mkdir, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { KindredError } from "@kindred/protocol";
import { parse } from "yaml";

/** @throws KindredError `option-invalid` naming the flag */
export function refuseFlag(flag: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field: flag, rule, fix });
}

/** @throws KindredError `option-invalid` naming the flag */
export async function readBytes(flag: string, file: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch(() =>
    refuseFlag(flag, `must be a readable file, found "${file}"`, "check the path"),
  );
  return new Uint8Array(bytes);
}

/**
 * Makes the folder of a file that is to be written, before the work whose result it will hold.
 * @throws KindredError `option-invalid` naming the flag
 */
export async function prepareOutput(flag: string, file: string): Promise<void> {
  const folder = dirname(file);
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    if ((await stat(file).catch(() => undefined))?.isDirectory()) throw new Error("it is a folder");
  } catch (error) {
    refuseFlag(flag, `must be a file that can be written: ${(error as Error).message}`, "check the path");
  }
}

/** Reads a file as UTF-8. @throws KindredError `option-invalid` naming the flag */
export async function readText(flag: string, file: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(flag, file));
}

/** Reads a YAML or JSON document. @throws KindredError `option-invalid` naming the flag */
export async function readDocument(flag: string, file: string): Promise<unknown> {
  const text = await readText(flag, file);
  try {
    return parse(text) as unknown;
  } catch (error) {
    const where = error instanceof Error ? error.message.split("\n")[0] : "it cannot be parsed";
    return refuseFlag(flag, `must be YAML or JSON: ${where}`, "correct the file");
  }
}

/** Reads a flag that is a whole number. @throws KindredError `option-invalid` naming the flag */
export function wholeNumber(
  flag: string,
  text: string,
  { least, most }: { readonly least: number; readonly most: number },
): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  return refuseFlag(
    flag,
    `must be a whole number from ${least} to ${most}, found "${text}"`,
    "correct the number",
  );
}
