/** The commands of `kindred privacy`. */
import type { Command } from "commander";
import type { PrivacyPlanFlags } from "./options.ts";
import { privacyPlan } from "./privacy-plan.ts";

/** Adds them to the command line. */
export function addPrivacyCommands(program: Command): void {
  program
    .command("privacy")
    .description("what privacy a plan gives")
    .command("plan")
    .description("promise, noise and price of a plan, before anything runs")
    .option("--plan <file>", "plan to look at (YAML or JSON), in place of the flags below")
    .option("--catalogue <file>", "its catalogue, whose items decide the vector's length")
    .option("--epsilon <e>", "ε against the coordinator, over all participations (default: 4)")
    .option("--delta <d>", "δ (default: 1e-6)")
    .option("--rounds <n>", "rounds of the task (default: 20)")
    .option("--participations <n>", "rounds in which one device takes part at most (default: 4)")
    .option("--separation <n>", "a device takes part in every n-th round at most (default: 1)")
    .option("--cohort <n>", "people in a round (default: 1000)")
    .option(
      "--min-survivors <n>",
      "people without whom a round fails (default: nine tenths of those expected)",
    )
    .option("--corruption <p>", "share of a cohort that may collude with the coordinator (default: 0.05)")
    .option("--dropout <p>", "share of a cohort that may vanish (default: 0.2)")
    .option("--length <n>", "entries of the joint vector (default: 65536)")
    .option("--clusters <n>", "interest clusters (default: 16)")
    .option("--dimension <n>", "width of the encoder (default: 64)")
    .option(
      "--modulus-bits <n>",
      "sums are modulo 2 to this (default: auto, the fewest that cost next to nothing)",
    )
    .option("--model-clip <c>", "L2 norm to which a model update is clipped (default: 1)")
    .option("--clip-quantile <q>", "let that clip norm follow this quantile of the updates' norms")
    .option("--noise <design>", "worst-case or add-then-remove (default: worst-case)")
    .option("--noise-levels <n>", "components of noise that can be removed (default: 4)")
    .option("--weights <w>", "shares of model, counts, sums, evaluation (default: 1,0.25,0.35,0.25)")
    .option("--devices <n>", "devices of one person that may take part (default: 1)")
    .option("--json [file]", "print JSON instead, or also write it to a file")
    .option("--html <file>", "also write a page")
    .action(async (flags: PrivacyPlanFlags) => {
      await privacyPlan(flags, { stdout: process.stdout, env: process.env });
    });
}
