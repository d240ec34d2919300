/** `pnpm bench`: what the parts of Kindred cost on this machine. */
import { describeRejection, KindredError } from "@kindred/protocol";
import { Command } from "commander";
import { benchClient, type ClientFlags } from "./client/bench-client.ts";
import { benchPrivacy, type PrivacyFlags } from "./privacy/bench-privacy.ts";
import { benchSecagg } from "./secagg/bench-secagg.ts";
import { parseSecaggOptions, type SecaggFlags } from "./secagg/options.ts";

const program = new Command("bench").description("Benchmarks of Kindred").showHelpAfterError();

program
  .command("secagg")
  .description("whole rounds of secure aggregation; the server has a process of its own")
  .option("--clients <n>", "members of the cohort", "100")
  .option("--length <d>", "entries of the vector", "100000")
  .option("--dropout <p>", "share of members that vanish between R1 and R2", "0.1")
  .option("--graph <kind>", "complete or regular", "regular")
  .option("--bits <b>", "entries are integers modulo 2^b", "20")
  .option("--surplus <n>", "components of noise that clients add and the server removes again", "0")
  .option("--workers <n>", "threads that recover the sum (default: what the machine runs at once)")
  .option("--processes <n>", "processes that hold the clients", "2")
  .option("--seed <s>", "who drops out, and the vectors", "1")
  .option("--json <file>", "write the result as JSON")
  .action(async (flags: SecaggFlags) => {
    const { exact } = await benchSecagg(parseSecaggOptions(flags), process.stdout);
    if (!exact) process.exitCode = 1;
  });

program
  .command("privacy")
  .description("exact discrete Gaussian samples, encoding, accountants and noise overshoot, per core")
  .option("--samples <n>", "samples drawn for each rate", "4000000")
  .option("--json <file>", "write the result as JSON")
  .action(async (flags: PrivacyFlags) => {
    await benchPrivacy(flags, process.stdout);
  });

program
  .command("client")
  .description(
    "interests and recommendations on one device, in elapsed time; pin it to a core to see what one gives",
  )
  .option("--items <n>", "items of the catalogue", "10000")
  .option("--events <n>", "interactions on record", "200")
  .option("--repeats <n>", "interactions added, one by one", "40")
  .option("--backend <name>", "tensorflow, wasm or cpu (default: the best that loads)")
  .option("--json <file>", "write the result as JSON")
  .action(async (flags: ClientFlags) => {
    await benchClient(flags, process.stdout);
  });

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof KindredError ? describeRejection(error.rejection) : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = 1;
});
