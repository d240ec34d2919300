/** `kindred up`: a coordinator of its own, until it is told to stop. */
import { readFile } from "node:fs/promises";
import { Coordinator } from "@kindred/coordinator";
import { KindredError } from "@kindred/protocol";
import { pino } from "pino";
import { parse } from "yaml";

export interface UpFlags {
  readonly directory: string;
  readonly host: string;
  readonly port: string;
  readonly plan?: string;
  readonly catalogue?: string;
}

/** Reads a YAML or JSON document. @throws KindredError naming the flag */
async function readDocument(flag: string, file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch {
    throw new KindredError({
      code: "option-invalid",
      field: flag,
      rule: `must be a readable file, found "${file}"`,
      fix: "check the path",
    });
  }
  try {
    return parse(text) as unknown;
  } catch (error) {
    const where = error instanceof Error ? error.message.split("\n")[0] : "it cannot be parsed";
    throw new KindredError({
      code: "option-invalid",
      field: flag,
      rule: `must be YAML or JSON: ${where}`,
      fix: "correct the file",
    });
  }
}

/** Starts a coordinator and resolves once it has stopped (SIGINT or SIGTERM). */
export async function up(
  flags: UpFlags,
  { stdout, env }: { stdout: NodeJS.WritableStream; env: Record<string, string | undefined> },
): Promise<void> {
  const port = Number(flags.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new KindredError({
      code: "option-invalid",
      field: "--port",
      rule: `must be a whole number from 0 to 65535, found "${flags.port}"`,
      fix: "pass --port 8787",
    });
  if ((flags.plan === undefined) !== (flags.catalogue === undefined))
    throw new KindredError({
      code: "option-invalid",
      field: "--plan",
      rule: "needs --catalogue and the reverse",
      fix: "pass both files",
    });
  const documents =
    flags.plan === undefined || flags.catalogue === undefined
      ? undefined
      : {
          plan: await readDocument("--plan", flags.plan),
          catalogue: await readDocument("--catalogue", flags.catalogue),
        };
  const coordinator = await Coordinator.start({
    directory: flags.directory,
    host: flags.host,
    port,
    ...optional("databaseUrl", env["DATABASE_URL"]),
    ...optional("keySeed", env["KINDRED_COORDINATOR_KEY"]),
    corsOrigins: (env["KINDRED_CORS_ORIGINS"] ?? "").split(",").filter((origin) => origin !== ""),
    logger: pino({ level: env["KINDRED_LOG_LEVEL"] ?? "info" }),
  });
  stdout.write(`Coordinator at ${coordinator.url}\nPublic key    ${coordinator.publicKey}\n`);
  try {
    if (documents !== undefined) {
      const { plan } = await coordinator.createTask(documents);
      stdout.write(`Task          ${plan.task}: ${plan.rounds} rounds\n`);
    }
    await new Promise<void>((resolve) => {
      process.once("SIGINT", resolve);
      process.once("SIGTERM", resolve);
    });
  } finally {
    await coordinator.close();
  }
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined || value === "" ? {} : ({ [key]: value } as { [P in K]?: string });
}
