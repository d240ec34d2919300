/** `kindred up`: a coordinator of its own, until it is told to stop. */
import { resolve } from "node:path";
import { Coordinator, readEnvironment } from "@kindred/coordinator";
import { KindredError } from "@kindred/protocol";
import { pino } from "pino";
import { readBytes, readDocument } from "./input-files.ts";

export interface UpFlags {
  readonly directory?: string;
  readonly host?: string;
  readonly port?: string;
  readonly plan?: string;
  readonly catalogue?: string;
  readonly features?: string;
  readonly weights?: string;
}

interface Process {
  readonly stdout: NodeJS.WritableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Resolves when the process is told to stop. */
  readonly stopped: Promise<void>;
}

/**
 * Starts a coordinator and resolves once it has stopped. Flags win over environment variables.
 * @throws KindredError for an unusable flag, variable, plan or catalogue
 */
export async function up(flags: UpFlags, { stdout, env, stopped }: Process): Promise<void> {
  if ((flags.plan === undefined) !== (flags.catalogue === undefined))
    throw new KindredError({
      code: "option-invalid",
      field: flags.plan === undefined ? "--plan" : "--catalogue",
      rule: "must be there: a task needs both",
      fix: "pass --plan and --catalogue",
    });
  for (const name of ["features", "weights"] as const)
    if (flags[name] !== undefined && flags.plan === undefined)
      throw new KindredError({
        code: "option-invalid",
        field: `--${name}`,
        rule: "must come with a task: it belongs to one",
        fix: "pass --plan and --catalogue too",
      });
  const documents =
    flags.plan === undefined || flags.catalogue === undefined
      ? undefined
      : {
          plan: await readDocument("--plan", flags.plan),
          catalogue: await readDocument("--catalogue", flags.catalogue),
          ...(flags.features !== undefined && { features: await readBytes("--features", flags.features) }),
          ...(flags.weights !== undefined && { weights: await readBytes("--weights", flags.weights) }),
        };
  const { logLevel, ...settings } = readEnvironment({
    ...env,
    ...(flags.port === undefined ? {} : { KINDRED_PORT: flags.port }),
    ...(flags.host === undefined ? {} : { KINDRED_HOST: flags.host }),
    ...(flags.directory === undefined ? {} : { KINDRED_DATA: resolve(flags.directory) }),
  });
  const coordinator = await Coordinator.start({ ...settings, logger: pino({ level: logLevel }) });
  stdout.write(`Coordinator at ${coordinator.url}\nPublic key    ${coordinator.publicKey}\n`);
  try {
    if (documents !== undefined) {
      const { plan } = await coordinator.createTask(documents);
      stdout.write(`Task          ${plan.task}: ${plan.rounds} rounds\n`);
    }
    await stopped;
  } finally {
    await coordinator.close();
  }
}
