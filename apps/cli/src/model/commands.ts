/** The commands of `kindred model`. */
import type { Command } from "commander";
import { type CompressFlags, compress } from "./compress.ts";
import { type DistilFlags, distil } from "./distil.ts";
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
    .command("distil")
    .description("what a larger encoder has learned, in the plan's encoder")
    .requiredOption("--teacher <file>", "the larger encoder's weights, as kindred model pretrain wrote them")
    .requiredOption("--teacher-plan <file>", "the plan that they were pre-trained with")
    .requiredOption("--plan <file>", "plan of the task (YAML or JSON)")
    .requiredOption("--catalogue <file>", "the catalogue of both (JSON or YAML)")
    .option("--features <file>", "features of its items, as kindred catalogue build wrote them")
    .option("--teacher-features <file>", "features that the teacher was pre-trained with")
    .option(
      "--related <file>",
      "CSV of related items (id,related) to walk over (default: items of near features)",
    )
    .option("--walks <n>", "walks from each item that the teacher goes on from", "1")
    .option("--log <file>", "CSV of interactions of people who agreed to it (user,item,time[,action,rating])")
    .option("--copies <n>", "times that the teacher goes on from each walk and person", "2")
    .option("--epochs <n>", "passes over what it says at the most", "10")
    .option("--evaluate <file>", "log of other people, to measure on and not to learn from")
    .option("--seed <s>", "seed of walks, draws and training", "1")
    .option("--out <file>", "where the weights go", ".kindred/distilled.kindred")
    .action(async (flags: DistilFlags) => {
      await distil(flags, { stdout: process.stdout, env: process.env });
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
