#!/usr/bin/env -S npx tsx
/** `kindred`: the command line of operators and auditors. */
import { describeRejection, KindredError } from "@kindred/protocol";
import { Command } from "commander";
import { addAuditCommands } from "./audit/commands.ts";
import { addCatalogueCommands } from "./catalogue/commands.ts";
import { addExperimentCommands } from "./experiment/commands.ts";
import { addModelCommands } from "./model/commands.ts";
import { addOperateCommands } from "./operate/operate.ts";
import { addPrivacyCommands } from "./privacy-plan/commands.ts";
import { type RotateKeyFlags, rotateKey } from "./rotate-key.ts";
import { parseSimulateOptions, type SimulateFlags } from "./simulate/options.ts";
import { simulate } from "./simulate/simulate.ts";
import { type UpFlags, up } from "./up.ts";

const program = new Command("kindred")
  .description("Federated interest learning for apps")
  .showHelpAfterError();

program
  .command("simulate")
  .description("a whole task on this machine: embedded coordinator, real clients, report")
  .option(
    "--data <dir>",
    "folder of ml-latest-small, movietweetings-100k or completejourney (default: synthetic people)",
  )
  .option("--clients <n>", "devices to simulate")
  .option("--cohort <n>", "people a round aims at")
  .option("--rounds <n>", "rounds to run")
  .option("--dropout <p>", "probability that a selected client vanishes during a round", "0.05")
  .option("--epsilon <e>", "ε against the coordinator, over all rounds", "8")
  .option("--evaluation", "let each device hold its last interaction out and judge the round's model by it")
  .option("--signals", "let the first two rounds collect popularity and transitions in place of training")
  .option("--no-privacy", "turn the noise off (secure aggregation only)")
  .option(
    "--noise-cohort <n>",
    "also train in process with the noise that n people a round would see; 0 leaves it out",
    "10000",
  )
  .option("--seed <s>", "seed of population, sampling of people, dropout and initial weights", "1")
  .option("--json <file>", "write the result as JSON")
  .option("--out <dir>", "folder for report, ledger, plan and models", ".kindred/demo")
  .action(async (flags: SimulateFlags) => {
    await simulate(parseSimulateOptions(flags), { stdout: process.stdout, env: process.env });
  });

program
  .command("up")
  .description("start a coordinator; settings also come from the environment (docs/deployment.md)")
  .option("--directory <dir>", "folder of key, blobs and the embedded database")
  .option("--host <host>", "address to listen on")
  .option("--port <port>", "port of HTTP and sockets")
  .option("--plan <file>", "plan of a task to create at start (YAML or JSON)")
  .option("--catalogue <file>", "catalogue of that task (JSON or YAML)")
  .option("--features <file>", "features of its items, as kindred catalogue build wrote them")
  .option("--weights <file>", "weights it starts from, as kindred model wrote them")
  .action(async (flags: UpFlags) => {
    const stopped = new Promise<void>((resolve) => {
      process.once("SIGINT", resolve);
      process.once("SIGTERM", resolve);
    });
    await up(flags, { stdout: process.stdout, env: process.env, stopped });
  });

program
  .command("rotate-key")
  .description("a new storage key for a coordinator that is stopped (docs/deployment.md)")
  .option("--directory <dir>", "folder of key, blobs and the embedded database")
  .option("--adopt-unsealed", "also take over a store of before records were sealed, once")
  .action(async (flags: RotateKeyFlags) => {
    await rotateKey(flags, { stdout: process.stdout, env: process.env, now: Date.now });
  });

addCatalogueCommands(program);
addModelCommands(program);
addAuditCommands(program);
addPrivacyCommands(program);
addExperimentCommands(program);
addOperateCommands(program);

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof KindredError ? describeRejection(error.rejection) : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = 1;
});
