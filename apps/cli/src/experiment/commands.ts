/** `kindred experiment`. */
import type { Command } from "commander";
import { type ExperimentFlags, parseExperimentOptions } from "./options.ts";
import { runExperiment } from "./run-experiment.ts";

/** Adds the command. */
export function addExperimentCommands(program: Command): void {
  program
    .command("experiment")
    .description("experiments on real data")
    .command("quality")
    .description("how good recommendations, clusters and foresight are: leave-last-out, full ranking")
    .requiredOption("--data <dir>", "folder of a data set, or a folder of such folders")
    .option("--seeds <n>", "seeds of rows that are trained; mean and deviation are shown", "3")
    .option("--rows <ids>", "rows to run, with commas between (default: all)")
    .option("--people <n>", "a sample of so many people of each data set (default: all)")
    .option("--epochs <n>", "epochs of centralised training at the most", "40")
    .option("--rounds <n>", "rounds of a federated row", "120")
    .option("--cohort <n>", "people simulated per round", "100")
    .option("--epsilons <list>", "ε of the noisy rows", "8")
    .option(
      "--noise <list>",
      "people:cohort pairs whose noise federated rows bear",
      "100000:5000,1000000:10000",
    )
    .option("--server-rate <r>", "learning rate of the server's Adam", "0.002")
    .option("--clip <c>", "L2 norm to which a local update is clipped", "0.3")
    .option("--start <what>", "what federated rows start from: signals or nothing", "signals")
    .option("--drawn <n>", "sequences drawn from the signals that teach", "10000")
    .option("--clusters <n>", "fine clusters", "32")
    .option("--time-limit <minutes>", "begin no row later than this")
    .option("--json <file>", "write the result as JSON")
    .option("--out <dir>", "folder for report, tables and finished rows", ".kindred/experiment")
    .action(async (flags: ExperimentFlags) => {
      await runExperiment(parseExperimentOptions(flags), {
        stdout: process.stdout,
        env: process.env,
        command: ["pnpm experiment", ...process.argv.slice(3)].join(" "),
      });
    });
}
