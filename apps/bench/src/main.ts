/** `pnpm bench`: what the parts of Kindred cost on this machine. */
import { describeRejection, KindredError } from "@kindred/protocol";
import { Command } from "commander";
import { BENCHMARKS } from "./benchmarks.ts";

const program = new Command("bench")
  .description("Benchmarks of Kindred. Each prints what it measured, and writes it with --json FILE.")
  .addHelpText("after", "\nThe flags of a benchmark: bench NAME --help")
  .showHelpAfterError();

for (const { name, description, data, flags, written = "result", run } of BENCHMARKS) {
  const json = `write the ${written} as JSON`;
  const command = program.command(name).description(description);
  if (data) onData(command).option("--json <file>", json);
  for (const flag of flags) command.option(...flag);
  if (!data) command.option("--json <file>", json);
  command.action(async (given) => {
    await run(given as never, process.stdout);
  });
}

/** The flags of a command that measures on a data set. */
function onData(command: Command): Command {
  return command
    .helpGroup("Commands on a data set, named with --data:")
    .option(
      "--data <dir>",
      "folder of ml-latest-small, movietweetings-100k or completejourney; must be there",
    )
    .option("--people <n>", "a sample of so many people, the same in every run (default: all)");
}

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof KindredError ? describeRejection(error.rejection) : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = 1;
});
