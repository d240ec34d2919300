/** `kindred audit`: what an auditor does, without an account and without trusting the coordinator. */
import { describeRejection, KindredError } from "@kindred/protocol";
import type { Command } from "commander";
import { type AttackFlags, attackCommand } from "./attack.ts";
import { type ReportFlags, reportCommand } from "./report.ts";
import { type VerifyFlags, verifyCommand } from "./verify.ts";

/** Exit codes: everything holds, something does not, the input cannot be used. */
const EXIT = { holds: 0, broken: 1, unusable: 2 } as const;

/** Runs an audit and turns its outcome into the exit code of the process. */
async function withExitCode(run: () => Promise<boolean>): Promise<void> {
  try {
    process.exitCode = (await run()) ? EXIT.holds : EXIT.broken;
  } catch (error) {
    if (!(error instanceof KindredError)) throw error;
    process.stderr.write(`${describeRejection(error.rejection)}\n`);
    process.exitCode = EXIT.unusable;
  }
}

/** Adds the commands of the auditor. */
export function addAuditCommands(program: Command): void {
  const audit = program.command("audit").description("check a coordinator offline, without trusting it");
  const terminal = { stdout: process.stdout, env: process.env };
  audit
    .command("verify")
    .description("check a ledger: exit code 0 if it holds, 1 if a rule is broken, 2 if it cannot be read")
    .argument("<ledger>", "file of JSON lines, or the address of a coordinator")
    .option("--key <hex>", "public key of the coordinator, from a source other than the ledger")
    .option("--models <dir>", "folder with the model files that the ledger names")
    .option("--head <file>", "tree heads from earlier audits, or that devices export, one a line")
    .option("--save-head <file>", "remember the tree head of a ledger that holds")
    .option("--json", "write the outcome as JSON")
    .action((ledger: string, flags: VerifyFlags) =>
      withExitCode(() => verifyCommand(ledger, flags, terminal)),
    );
  attackOptions(audit.command("attack"))
    .description("attack the mechanism of a plan: exit code 1 if more leaks than is proven")
    .argument("[ledger]", "take the plan from this ledger; a plan with every default without it")
    .option("--json <file>", "write what was found as JSON")
    .action((ledger: string | undefined, flags: AttackFlags) =>
      withExitCode(() => attackCommand(ledger, flags, terminal)),
    );
  attackOptions(audit.command("report"))
    .description("everything in one HTML file: what was promised, what the ledger proves, what attacks found")
    .argument("<ledger>", "file of JSON lines, or the address of a coordinator")
    .option("--out <file>", "where the report goes", "audit.html")
    .option("--key <hex>", "public key of the coordinator, from a source other than the ledger")
    .option("--models <dir>", "folder with the model files that the ledger names")
    .option("--head <file>", "tree heads from earlier audits, or that devices export, one a line")
    .option("--no-attack", "leave the attacks out")
    .option("--json <file>", "write the same as JSON")
    .action((ledger: string, flags: ReportFlags) =>
      withExitCode(() => reportCommand(ledger, flags, terminal)),
    );
}

function attackOptions(command: Command): Command {
  return command
    .option("--deviation <share>", "noise that members really add, as a share of the promised deviation", "1")
    .option("--runs <n>", "runs of each of the two worlds", "1000")
    .option("--canaries <n>", "canaries of the one-run audit", "400")
    .option("--shadows <n>", "models trained to attack released models, 8 or more; 0 leaves that out", "32")
    .option("--seconds <s>", "time limit", "120")
    .option("--seed <s>", "seed of canaries and noise", "1");
}
