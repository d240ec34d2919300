/** The commands of `kindred model`. */
import type { Command } from "commander";
import { type CompressFlags, compress } from "./compress.ts";
import { type DistilFlags, distil } from "./distil.ts";
import { type GrowFlags, grow } from "./grow.ts";
import { type PretrainFlags, pretrain } from "./pretrain.ts";

/** Adds them to the command line. */
export function addModelCommands(program: Command): void {
  const model = program.command("model").description("weights that a task starts from");
  const terminal = { stdout: process.stdout, env: process.env };
  learningOptions(
    taskOptions(
      model
        .command("pretrain")
        .description(
          "weights from public material: walks over items that are alike, released signals, or a log that you may use",
        ),
    ),
    ".kindred/weights.kindred",
  )
    .option(LOG, LOG_IS)
    .option(
      "--related <file>",
      "CSV of related items (id,related) to walk over (default: items of near features)",
    )
    .option("--walks <n>", "walks from each item; 0 leaves them out", "4")
    .option(
      "--signals <file>",
      "released model whose transitions and popularity to learn from, as kindred model get wrote it",
    )
    .option("--drawn <n>", "sequences drawn from the signals", "10000")
    .action(async (flags: PretrainFlags) => {
      await pretrain(flags, terminal);
    });
  learningOptions(
    taskOptions(
      model
        .command("distil")
        .description("what a larger encoder expects, in the plan's encoder")
        .requiredOption(
          "--teacher <files...>",
          "the larger encoder's weights, as kindred model pretrain wrote them; of several, their mean teaches",
        )
        .requiredOption("--teacher-plan <file>", "the plan that they were pre-trained with")
        .option("--teacher-features <file>", "features that the teacher was pre-trained with"),
    ),
    ".kindred/distilled.kindred",
  )
    .requiredOption(LOG, LOG_IS)
    .option("--temperature <t>", "divides the scores of both: above 1 unlikely items count for more", "2")
    .option(
      "--soft-weight <share>",
      "weight of what the teacher expects; the rest is that of what followed",
      "0.9",
    )
    .option("--top <n>", "likeliest items kept of what it expects each time; all others are one", "64")
    .action(async (flags: DistilFlags) => {
      await distil(flags, terminal);
    });
  taskOptions(
    model
      .command("grow")
      .description("what was learned, for a catalogue that has gained and lost items")
      .requiredOption("--weights <file>", "weights, as kindred model wrote them, or a model of the task"),
  )
    .requiredOption("--into <file>", "the new catalogue")
    .option("--into-features <file>", "features of its items, as kindred catalogue build wrote them")
    .option("--out <file>", "where the weights go", ".kindred/grown.kindred")
    .action(async (flags: GrowFlags) => {
      await grow(flags, terminal);
    });
  taskOptions(
    model
      .command("compress")
      .description("what pruning and 8 bits save and cost, before a plan asks for them")
      .requiredOption("--weights <file>", "weights, as kindred model pretrain wrote them"),
  )
    .option("--sparsity <shares>", "shares of weights to prune, with commas between", "0,0.3,0.5,0.7")
    .option("--evaluate <file>", "log of interactions to measure on (user,item,time[,action,rating])")
    .option("--out <file>", "write the weights compressed by the last of them")
    .action(async (flags: CompressFlags) => {
      await compress(flags, terminal);
    });
}

/** The files of a task. */
function taskOptions(command: Command): Command {
  return command
    .requiredOption("--plan <file>", "plan of the task (YAML or JSON)")
    .requiredOption("--catalogue <file>", "its catalogue (JSON or YAML)")
    .option("--features <file>", "features of its items, as kindred catalogue build wrote them");
}

const LOG = "--log <file>";
const LOG_IS = "CSV of interactions of people who agreed to it (user,item,time[,action,rating])";

/** How long is learned, how it is measured, and where it goes. */
function learningOptions(command: Command, out: string): Command {
  return command
    .option("--epochs <n>", "passes over each material at the most", "10")
    .option("--evaluate <file>", "log of other people, to measure on and not to learn from")
    .option("--seed <s>", "seed of all that is drawn", "1")
    .option("--out <file>", "where the weights go", out);
}
