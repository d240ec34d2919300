/** `pnpm bench`: what the parts of Kindred cost on this machine. */
import { describeRejection, KindredError } from "@kindred/protocol";
import { Command } from "commander";
import { benchClient, type ClientFlags } from "./client/bench-client.ts";
import { benchDrift, type DriftFlags } from "./client/bench-drift.ts";
import { benchExplanations, type ExplanationsFlags } from "./client/bench-explanations.ts";
import { benchPrivacy, type PrivacyFlags } from "./privacy/bench-privacy.ts";
import { benchClusters, type ClustersFlags } from "./quality/bench-clusters.ts";
import { benchDistillation, type DistillationFlags } from "./quality/bench-distillation.ts";
import { benchEncoder, type EncoderFlags } from "./quality/bench-encoder.ts";
import { benchInterests, type InterestsFlags } from "./quality/bench-interests.ts";
import { benchPretraining, type PretrainingFlags } from "./quality/bench-pretraining.ts";
import { benchRatings, type RatingsFlags } from "./quality/bench-ratings.ts";
import { benchSecagg } from "./secagg/bench-secagg.ts";
import { parseSecaggOptions, type SecaggFlags } from "./secagg/options.ts";
import { benchUpload, type UploadFlags } from "./upload/bench-upload.ts";

const program = new Command("bench")
  .description("Benchmarks of Kindred. Each prints what it measured, and writes it with --json FILE.")
  .addHelpText("after", "\nThe flags of a benchmark: bench NAME --help")
  .showHelpAfterError();

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
  .command("upload")
  .description("bytes that a member sends in a round, by plan")
  .option("--items <n>", "items of the catalogue", "2414")
  .option("--json <file>", "write the result as JSON")
  .action(async (flags: UploadFlags) => {
    await benchUpload(flags, process.stdout);
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

program
  .command("drift")
  .description("how soon and how surely a planted change of interests is seen, and false alarms without one")
  .option("--people <n>", "people with a change, and as many without", "100")
  .option("--seed <s>", "of the people", "1")
  .option("--json <file>", "write the result as JSON")
  .action(async (flags: DriftFlags) => {
    await benchDrift(flags, process.stdout);
  });

onData("explanations")
  .description("whether the score hangs on what an explanation cites: against as many items at random")
  .option("--cases <n>", "recommendations explained", "300")
  .option("--epochs <n>", "epochs of the encoder's training", "5")
  .option("--seed <s>", "of initial weights, training and what is drawn", "1")
  .action(async (flags: ExplanationsFlags) => {
    await benchExplanations(flags, process.stdout);
  });

program
  .command("clusters")
  .description("what privacy costs clusters, on made-up people whose clusters are known")
  .option("--users <n,…>", "sizes of the population", "1000,5000,20000")
  .option("--seeds <n>", "populations of each size, over which means are taken", "3")
  .option("--json <file>", "write the rows as JSON")
  .action(async (flags: ClustersFlags) => {
    await benchClusters(flags, process.stdout);
  });

onData("encoder")
  .description("what architecture, inputs and personal parameters do to the encoder, trained in one place")
  .option("--rows <names>", "encoders", "transformer,transformer-items-only,gru,gru-items-only")
  .option("--epochs <n>", "epochs at the most", "20")
  .option("--seeds <n>", "trainings of each encoder", "1")
  .option("--personal <n>", "people who get parameters of their own, and are ranked with and without", "0")
  .action(async (flags: EncoderFlags) => {
    await benchEncoder(flags, process.stdout);
  });

onData("ratings")
  .description("errors of predicted ratings: of the mean, of the shared head, and with a person's taste")
  .option("--rounds <n>", "steps or rounds that train the head", "300")
  .action(async (flags: RatingsFlags) => {
    await benchRatings(flags, process.stdout);
  });

onData("pretraining")
  .description("what weights that some people made are worth as the start of others' rounds")
  .option("--rounds <n>", "federated rounds of 64 people", "20")
  .option("--seeds <n>", "repetitions", "1")
  .action(async (flags: PretrainingFlags) => {
    await benchPretraining(flags, process.stdout);
  });

onData("interests")
  .description("how well the cluster of the next item is foretold, with a next-interest head and without")
  .option("--epochs <n>", "epochs at the most", "10")
  .option("--seeds <n>", "trainings of each encoder", "1")
  .option("--weights <w,…>", "weights of the head beside the next item, an encoder for each", "1")
  .option("--groups <n>", "groups of items that the head tells apart", "64")
  .option("--clusters <n>", "clusters of items, which are foretold", "16")
  .action(async (flags: InterestsFlags) => {
    await benchInterests(flags, process.stdout);
  });

onData("distillation")
  .description("what a small encoder gains by learning from a larger one")
  .option("--epochs <n>", "epochs of the small encoder at the most", "10")
  .option("--teacher-epochs <n>", "epochs of the larger one at the most", "10")
  .option("--seeds <n>", "repetitions", "1")
  .option("--settings <t:w,…>", "temperature and weight of what the larger one expects", "2:0.5,1:0.5")
  .option("--top <n>", "likeliest items kept of what it expects each time; all others are one", "64")
  .action(async (flags: DistillationFlags) => {
    await benchDistillation(flags, process.stdout);
  });

/** A command that measures on a data set. */
function onData(name: string): Command {
  return program
    .command(name)
    .helpGroup("Commands on a data set, named with --data:")
    .option(
      "--data <dir>",
      "folder of ml-latest-small, movietweetings-100k or completejourney; must be there",
    )
    .option("--people <n>", "a sample of so many people, the same in every run (default: all)")
    .option("--json <file>", "write the result as JSON");
}

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof KindredError ? describeRejection(error.rejection) : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = 1;
});
