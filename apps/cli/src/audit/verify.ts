/** `kindred audit verify`: is this ledger what an honest coordinator leaves behind? */
import { writeFile } from "node:fs/promises";
import { formatHead, verifyLedger } from "@kindred/audit/verify";
import { KindredError } from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { isRich } from "../terminal/text.ts";
import type { AuditTerminal } from "./audit-terminal.ts";
import { readHeads, readKey, readLedger, readModels } from "./read-sources.ts";
import { renderVerdict } from "./verdict-text.ts";

/** What commander hands over. */
export interface VerifyFlags {
  readonly key?: string;
  readonly models?: string;
  readonly head?: string;
  readonly saveHead?: string;
  readonly json?: boolean;
}

/**
 * Verifies a ledger and says what came of it.
 * @param source a file of JSON lines, or an http(s) address
 * @returns whether every rule holds
 * @throws KindredError `option-invalid` for what cannot be read
 */
export async function verifyCommand(
  source: string,
  flags: VerifyFlags,
  { stdout, env }: AuditTerminal,
): Promise<boolean> {
  const key = flags.key === undefined ? undefined : readKey(flags.key);
  const heads = flags.head === undefined ? [] : await readHeads(flags.head);
  const models = flags.models === undefined ? undefined : await readModels(flags.models);
  const verdict = verifyLedger(await readLedger(source), {
    verify: nodeSuite().verify,
    heads,
    ...(key === undefined ? {} : { key }),
    ...(models === undefined ? {} : { models }),
  });
  const sound = verdict.violations.length === 0;
  if (flags.json) stdout.write(`${JSON.stringify({ source, sound, ...verdict }, null, 2)}\n`);
  else
    stdout.write(
      renderVerdict(verdict, {
        context: { source, heads: heads.length, models: models?.length },
        columns: stdout.columns || 80,
        color: isRich(stdout.isTTY, env),
      }),
    );
  // What does not hold is not worth remembering.
  if (sound && flags.saveHead !== undefined) {
    const file = flags.saveHead;
    await writeFile(file, formatHead(verdict.head)).catch((error: NodeJS.ErrnoException) => {
      throw new KindredError({
        code: "option-invalid",
        field: "--save-head",
        rule: `must be a file that can be written, found "${file}" (${error.code ?? error.message})`,
        fix: "name another file",
      });
    });
  }
  return sound;
}
