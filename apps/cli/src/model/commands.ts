/** The commands of `kindred model`. */
import type { Command } from "commander";
import { type CompressFlags, compress } from "./compress.ts";
import { type PretrainFlags, pretrain } from "./pretrain.ts";

/** Adds them to the command line. */
export function addModelCommands(program: Command): void {
  const model = program.command("model").description("weights that a task starts from");
  model
    .command("pretrain")
    .description("weights from public material: walks over items that are alike, or a log that you may use")
    .requiredOption("--plan <file>", "plan of the task (YAML or JSON)")
    .requiredOption("--catalogue <file>", "its catalogue (JSON or YAML)")
    .option("--features <file>", "features of its items, as kindred catalogue build wrote them")
    .option(
      "--related <file>",
      "CSV of related items (id,related) to walk over (default: items of near features)",
    )
    .option("--walks <n>", "walks from each item; 0 leaves them out", "4")
    .option("--log <file>", "CSV of interactions of people who agreed to it (user,item,time[,action,rating])")
    .option("--epochs <n>", "passes over each material at the most", "10")
    .option("--evaluate <file>", "log of other people, to measure on and not to learn from")
    .option("--seed <s>", "seed of walks and of training", "1")
    .option("--out <file>", "where the weights go", ".kindred/weights.kindred")
    .action(async (flags: PretrainFlags) => {
      await pretrain(flags, { stdout: process.stdout, env: process.env });
    });
  model
    .command("compress")
    .description("what pruning and 8 bits save and cost, before a plan asks for them")
    .requiredOption("--weights <file>", "weights, as kindred model pretrain wrote them")
    .requiredOption("--plan <file>", "plan of the task (YAML or JSON)")
    .requiredOption("--catalogue <file>", "its catalogue (JSON or YAML)")
    .option("--features <file>", "features of its items, as kindred catalogue build wrote them")
    .option("--sparsity <shares>", "shares of weights to prune, with commas between", "0,0.3,0.5,0.7")
    .option("--evaluate <file>", "log of interactions to measure on (user,item,time[,action,rating])")
    .option("--out <file>", "write the weights compressed by the last of them")
    .action(async (flags: CompressFlags) => {
      await compress(flags, { stdout: process.stdout, env: process.env });
    });
}
