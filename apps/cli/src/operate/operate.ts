/** `kindred model` and `kindred operator`: what operators see and decide. */
import { randomBytes } from "node:crypto";
import { operatorToken, parseOperators, tokenHash } from "@kindred/coordinator";
import { decodeModel, KindredError } from "@kindred/protocol";
import type { Command } from "commander";
import { prepareOutput } from "../input-files.ts";
import { writeReleased } from "../model/released-model.ts";
import { plural } from "../report/format.ts";
import { printable } from "../terminal/text.ts";
import { CoordinatorApi, type ListedModel } from "./coordinator-api.ts";

interface TaskFlags {
  readonly url: string;
  readonly task: string;
}

interface GetFlags extends TaskFlags {
  readonly of?: string;
  readonly out: string;
}

interface RollBackFlags extends TaskFlags {
  readonly to: string;
  readonly reason: string;
}

interface Terminal {
  readonly stdout: { write(text: string): unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Digits of a hash that are printed and that are enough to name a model. */
const SHORT = 12;

function modelLine({ round, hash, parent, createdAt, current }: ListedModel): string {
  const made = parent === null ? "the initial model" : `made from ${parent.slice(0, SHORT)}`;
  const when = createdAt.slice(0, 16).replace("T", " ");
  return `${current ? "*" : " "} round ${`${round}`.padStart(4)}  ${hash.slice(0, SHORT)}  ${when}  ${made}`;
}

/** Prints the models of a task, first to last; a star marks the one in use. */
export async function listModels({ url, task }: TaskFlags, { stdout }: Terminal): Promise<void> {
  const models = await new CoordinatorApi(url).models(task);
  for (const model of models) stdout.write(`${printable(modelLine(model))}\n`);
}

/**
 * Writes a released model to a file, as devices get it, and what it belongs to beside it.
 * @throws KindredError `option-invalid` for a model that does not exist, `model-invalid` where what came is another one
 */
export async function getModel(flags: GetFlags, { stdout }: Terminal): Promise<void> {
  const { url, task, of, out } = flags;
  const api = new CoordinatorApi(url);
  const models = await api.models(task);
  const model =
    of === undefined
      ? models.find(({ current }) => current)
      : demandModel(models, { of, task, flag: "--of" });
  if (model === undefined) throw noModel(models, { of: "", task, flag: "--of" });
  await prepareOutput("--out", out);
  const [file, catalogueHash] = await Promise.all([api.blob(model.hash), api.catalogueHash(task)]);
  const decoded = decodeModel(file, model.hash);
  if (!decoded.ok) throw new KindredError(decoded.rejection);
  await writeReleased(out, file, { task, round: model.round, hash: model.hash, catalogueHash });
  const signals = Object.keys(decoded.value.signals ?? {});
  stdout.write(
    printable(
      `${out}: model of round ${model.round}, ${file.length.toLocaleString("en")} bytes` +
        `${signals.length > 0 ? `, with ${signals.join(" and ")}` : ""}; hash ${model.hash}`,
    ),
  );
  stdout.write("\n");
}

/**
 * Goes back to an earlier model of a task.
 * @throws KindredError `option-invalid` for a missing token or a model that does not exist, or what the coordinator refuses
 */
export async function rollBackModel(flags: RollBackFlags, { stdout, env }: Terminal): Promise<void> {
  const { url, task, to, reason } = flags;
  const token = env["KINDRED_OPERATOR_TOKEN"];
  if (token === undefined || token === "")
    throw new KindredError({
      code: "option-invalid",
      field: "KINDRED_OPERATOR_TOKEN",
      rule: "must hold the operator's token",
      fix: "export it in the environment; one is made with `kindred operator token NAME --role operator`",
    });
  const api = new CoordinatorApi(url);
  const models = await api.models(task);
  const current = models.find((model) => model.current);
  const target = demandModel(models, { of: to, task, flag: "--to" });
  if (current === undefined) throw noModel(models, { of: to, task, flag: "--to" });
  const done = await api.rollBack(task, { token, to: target.hash, from: current.hash, reason });
  const { round, hash } = done.model;
  stdout.write(
    done.changed
      ? `Devices are given the model of round ${round} (${hash.slice(0, SHORT)}) from now on; the ledger says who decided.\n`
      : `The model of round ${round} (${hash.slice(0, SHORT)}) is in use already; nothing has changed.\n`,
  );
}

interface NamedModel {
  readonly of: string;
  readonly task: string;
  readonly flag: string;
}

/** @throws KindredError `option-invalid` where no model is named so */
function demandModel(models: readonly ListedModel[], named: NamedModel): ListedModel {
  const model = chosen(models, named.of);
  if (model === undefined) throw noModel(models, named);
  return model;
}

function noModel(models: readonly ListedModel[], { of, task, flag }: NamedModel): KindredError {
  return new KindredError({
    code: "option-invalid",
    field: flag,
    rule: `must name one of the ${plural(models.length, "model")} of ${task}, found "${of}"`,
    fix: `pass a round, or at least ${SHORT} digits of a hash, as \`kindred model list\` has them`,
  });
}

function chosen(models: readonly ListedModel[], to: string): ListedModel | undefined {
  if (/^\d{1,9}$/.test(to)) return models.find(({ round }) => round === Number(to));
  return to.length < SHORT ? undefined : models.find(({ hash }) => hash.startsWith(to));
}

/**
 * Prints a fresh token, and the entry by which a coordinator knows it.
 * @throws KindredError `option-invalid` for a name or a role that cannot be
 */
export function printOperatorToken(
  { name, role }: { name: string; role: string },
  { stdout, random }: Pick<Terminal, "stdout"> & { random: (length: number) => Uint8Array },
): void {
  const token = operatorToken(random(32));
  const entry = `${name}:${role}:${tokenHash(token)}`;
  parseOperators(entry);
  stdout.write(`Token  ${token}\nEntry  ${entry}\n\n`);
  stdout.write(
    `The token is ${printable(name)}'s secret and is shown this once: KINDRED_OPERATOR_TOKEN of their commands. The entry goes\n` +
      `into the coordinator's KINDRED_OPERATORS, and becomes public in its ledger at the next start.\n`,
  );
}

/** Adds the commands to the command line. */
export function addOperateCommands(program: Command): void {
  const terminal = { stdout: process.stdout, env: process.env };
  const model =
    program.commands.find((command) => command.name() === "model") ??
    program.command("model").description("released models of a task");
  const ofTask = (name: string) =>
    model
      .command(name)
      .requiredOption("--url <url>", "address of the coordinator")
      .requiredOption("--task <id>", "the task");
  ofTask("list")
    .description("models, first to last; a star marks the one in use")
    .action((flags: TaskFlags) => listModels(flags, terminal));
  ofTask("get")
    .description("write a released model to a file")
    .option("--of <model>", "round that released it, or its hash (default: the one in use)")
    .option("--out <file>", "where it goes", ".kindred/model.kindred")
    .action((flags: GetFlags) => getModel(flags, terminal));
  ofTask("rollback")
    .description("go on from an earlier model; needs KINDRED_OPERATOR_TOKEN (docs/deployment.md)")
    .requiredOption("--to <model>", "round that released it (0: the initial one), or its hash")
    .requiredOption("--reason <text>", "why; public in the ledger")
    .action((flags: RollBackFlags) => rollBackModel(flags, terminal));
  program
    .command("operator")
    .description("who may act on a coordinator")
    .command("token <name>")
    .description("a fresh token, and the entry by which a coordinator knows it")
    .requiredOption("--role <role>", "operator, auditor or viewer")
    .action((name: string, { role }: { role: string }) => {
      printOperatorToken(
        { name, role },
        { ...terminal, random: (length) => new Uint8Array(randomBytes(length)) },
      );
    });
}
