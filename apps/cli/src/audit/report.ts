/** `kindred audit report`: what was promised, what the ledger proves, and what attacks found, in one file. */
import { writeFile } from "node:fs/promises";
import { verifyLedger } from "@kindred/audit/verify";
import { KindredError } from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { type AttackFlags, attackPlanOf, parseAttackFlags, planOf } from "./attack.ts";
import type { AuditTerminal } from "./audit-terminal.ts";
import { readHeads, readKey, readLedger, readModels } from "./read-sources.ts";
import { renderAuditReport } from "./report-html.ts";
import { type AuditResult, auditBanner, holds } from "./report-words.ts";

/** What commander hands over. */
export interface ReportFlags extends AttackFlags {
  readonly out: string;
  readonly key?: string;
  readonly models?: string;
  readonly head?: string;
  /** False with `--no-attack`. */
  readonly attack: boolean;
}

async function write(flag: string, file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((error: NodeJS.ErrnoException) => {
    throw new KindredError({
      code: "option-invalid",
      field: flag,
      rule: `must be a file that can be written, found "${file}" (${error.code ?? error.message})`,
      fix: "name another file",
    });
  });
}

/**
 * Audits a ledger and the mechanism of its first task, and writes the report.
 * @returns whether everything holds
 * @throws KindredError `option-invalid`
 */
export async function reportCommand(
  source: string,
  flags: ReportFlags,
  terminal: AuditTerminal,
): Promise<boolean> {
  const settings = parseAttackFlags(flags);
  const key = flags.key === undefined ? undefined : readKey(flags.key);
  const heads = flags.head === undefined ? [] : await readHeads(flags.head);
  const models = flags.models === undefined ? undefined : await readModels(flags.models);
  const entries = await readLedger(source);
  const verdict = verifyLedger(entries, {
    verify: nodeSuite().verify,
    heads,
    ...(key === undefined ? {} : { key }),
    ...(models === undefined ? {} : { models }),
  });
  const attackable = flags.attack && verdict.tasks[0]?.proven != null;
  const result: AuditResult = {
    source,
    time: new Date().toISOString(),
    verdict,
    attack: attackable ? await attackPlanOf(planOf(entries), settings, terminal) : null,
    heads: heads.length,
    models: models?.length ?? null,
  };
  await write("--out", flags.out, renderAuditReport(result));
  if (flags.json !== undefined) await write("--json", flags.json, `${JSON.stringify(result, null, 2)}\n`);
  const { title, text } = auditBanner(result);
  terminal.stdout.write(`${title}. ${text}\nReport: ${flags.out}\n`);
  return holds(result);
}
