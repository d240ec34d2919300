/** Where an audit takes its documents from: files, folders, and a coordinator's public address. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ModelFile, parseHeads, parseLedger, readModelFile } from "@kindred/audit/verify";
import type { LedgerHead, SignedLedgerHead } from "@kindred/privacy";
import { hexToBytes, KindredError } from "@kindred/protocol";

/** Milliseconds that a coordinator has to begin its answer. */
const ANSWER_MS = 30_000;

function refuse(field: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field, rule, fix });
}

async function readText(field: string, file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) =>
    refuse(
      field,
      `must be a readable file, found "${file}" (${error.code ?? error.message})`,
      "check the path",
    ),
  );
}

/** The address of a coordinator's ledger; the coordinator's own address stands for it. */
function ledgerAddress(address: string): URL {
  const url = URL.canParse(address)
    ? new URL(address)
    : refuse("LEDGER", `must be a file or an address, found "${address}"`, "correct the address");
  if (url.pathname === "/") url.pathname = "/v1/ledger";
  return url;
}

async function download(url: URL): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) }).catch((error: unknown) => {
    const cause =
      error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : String(error);
    return refuse(
      "LEDGER",
      `must answer, but ${url.href} does not (${cause})`,
      "check that the coordinator is up",
    );
  });
  if (!response.ok)
    refuse(
      "LEDGER",
      `must be a ledger, but ${url.href} answers ${response.status}`,
      "use the address /v1/ledger",
    );
  return response.text();
}

/**
 * Reads a ledger.
 * @param source a file of JSON lines, or the http(s) address of a coordinator or of its ledger
 * @throws KindredError `option-invalid`
 */
export async function readLedger(source: string): Promise<unknown[]> {
  const remote = /^https?:/i.test(source);
  return parseLedger(remote ? await download(ledgerAddress(source)) : await readText("LEDGER", source));
}

/** Reads tree heads. @throws KindredError `option-invalid` */
export async function readHeads(file: string): Promise<(LedgerHead | SignedLedgerHead)[]> {
  return parseHeads(await readText("--head", file));
}

/** Reads every file of a folder, one after another, without keeping weights. @throws KindredError `option-invalid` */
export async function readModels(folder: string): Promise<ModelFile[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) =>
    refuse(
      "--models",
      `must be a folder, found "${folder}" (${error.code ?? error.message})`,
      "check the path",
    ),
  );
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const files: ModelFile[] = [];
  for (const name of names.sort()) files.push(readModelFile(name, await readFile(join(folder, name))));
  return files;
}

/** An Ed25519 key from its hexadecimal form. @throws KindredError `option-invalid` */
export function readKey(text: string): Uint8Array {
  if (!/^[0-9a-fA-F]{64}$/.test(text))
    refuse(
      "--key",
      `must be the coordinator's public key, 64 hexadecimal digits, found "${text}"`,
      "take it from the operator's own publication; `kindred up` prints it",
    );
  return hexToBytes(text.toLowerCase());
}
