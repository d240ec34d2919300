/** The commands of `kindred catalogue`. */
import type { Command } from "commander";
import { type CatalogueBuildFlags, catalogueBuild } from "./catalogue-build.ts";

/** Adds them to the command line. */
export function addCatalogueCommands(program: Command): void {
  program
    .command("catalogue")
    .description("the public items of a task")
    .command("build")
    .description("catalogue and item features from your items; run again when items are added")
    .requiredOption("--items <file>", "items: JSON lines, or CSV (docs/catalogue.md)")
    .option(
      "--out <dir>",
      "folder of the results, and of what the next build continues from",
      ".kindred/catalogue",
    )
    .option("--dimension <d>", "entries of a feature vector: the plan's encoder.dimension", "64")
    .option("--embeddings <url>", "OpenAI-compatible endpoint; its key from KINDRED_EMBEDDINGS_KEY")
    .option("--model <name>", "model of the endpoint")
    .option("--model-dimensions <n>", "let the endpoint shorten its vectors")
    .option("--onnx <dir>", "folder of a local ONNX model, in place of an endpoint")
    .option("--precision <p>", "which of its files: fp32 or q8", "fp32")
    .option(
      "--related <file>",
      "CSV of related items (id,related) that fusion weights are learned from (default: tags)",
    )
    .option("--seed <s>", "seed of projections and of learning", "1")
    .option("--refit", "make all rows anew: devices download all of them again")
    .action(async (flags: CatalogueBuildFlags) => {
      await catalogueBuild(flags, { stdout: process.stdout, env: process.env });
    });
}
