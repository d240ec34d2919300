/** The benchmarks by name, with their flags. Names and flags are what people type; what a flag may be is checked by each. */
import { benchClient } from "./client/bench-client.ts";
import { benchDrift } from "./client/bench-drift.ts";
import { benchExplanations } from "./client/bench-explanations.ts";
import { benchPrivacy } from "./privacy/bench-privacy.ts";
import { benchClusters } from "./quality/bench-clusters.ts";
import { benchDistillation } from "./quality/bench-distillation.ts";
import { benchEncoder } from "./quality/bench-encoder.ts";
import { benchInterests } from "./quality/bench-interests.ts";
import { benchPretraining } from "./quality/bench-pretraining.ts";
import { benchRatings } from "./quality/bench-ratings.ts";
import { benchSecagg } from "./secagg/bench-secagg.ts";
import { parseSecaggOptions, type SecaggFlags } from "./secagg/options.ts";
import { benchUpload } from "./upload/bench-upload.ts";

/** As commander takes it: how it is written, what it means, and the default where there is one. */
type Flag = readonly [flag: string, meaning: string, preset?: string];

export interface Benchmark {
  readonly name: string;
  readonly description: string;
  /** Measures on a data set: it takes `--data` and `--people` besides its own flags. */
  readonly data?: true;
  /** Its own; `--json` goes without saying. */
  readonly flags: readonly Flag[];
  /** What `--json` writes; the result by default. */
  readonly written?: "rows";
  /** Takes the text of each flag by its name in camel case, and prints what it measured. */
  readonly run: (flags: never, out: NodeJS.WriteStream) => Promise<unknown>;
}

async function measureSecagg(flags: SecaggFlags, out: NodeJS.WriteStream): Promise<void> {
  const { exact } = await benchSecagg(parseSecaggOptions(flags), out);
  if (!exact) process.exitCode = 1;
}

export const BENCHMARKS: readonly Benchmark[] = [
  {
    name: "secagg",
    description: "whole rounds of secure aggregation; the server has a process of its own",
    flags: [
      ["--clients <n>", "members of the cohort", "100"],
      ["--length <d>", "entries of the vector", "100000"],
      ["--dropout <p>", "share of members that vanish between R1 and R2", "0.1"],
      ["--graph <kind>", "complete or regular", "regular"],
      ["--bits <b>", "entries are integers modulo 2^b", "20"],
      ["--surplus <n>", "components of noise that clients add and the server removes again", "0"],
      ["--workers <n>", "threads that recover the sum (default: what the machine runs at once)"],
      ["--processes <n>", "processes that hold the clients", "2"],
      [
        "--warm-ups <n>",
        "smaller rounds before the measured one: with none it also pays for compilation",
        "4",
      ],
      ["--seed <s>", "who drops out, and the vectors", "1"],
    ],
    run: measureSecagg,
  },
  {
    name: "privacy",
    description: "exact discrete Gaussian samples, encoding, accountants and noise overshoot, per core",
    flags: [["--samples <n>", "samples drawn for each rate", "4000000"]],
    run: benchPrivacy,
  },
  {
    name: "upload",
    description: "bytes that a member sends in a round, by plan",
    flags: [["--items <n>", "items of the catalogue", "2414"]],
    run: benchUpload,
  },
  {
    name: "client",
    description:
      "interests and recommendations on one device, in elapsed time; pin it to a core to see what one gives",
    flags: [
      ["--items <n>", "items of the catalogue", "10000"],
      ["--events <n>", "interactions on record", "200"],
      ["--repeats <n>", "interactions added, one by one", "40"],
      ["--backend <name>", "tensorflow, wasm or cpu (default: the best that loads)"],
    ],
    run: benchClient,
  },
  {
    name: "drift",
    description:
      "how soon and how surely a planted change of interests is seen, and false alarms without one",
    flags: [
      ["--people <n>", "people with a change, and as many without", "100"],
      ["--seed <s>", "of the people", "1"],
    ],
    run: benchDrift,
  },
  {
    name: "explanations",
    description: "whether the score hangs on what an explanation cites: against as many items at random",
    data: true,
    flags: [
      ["--cases <n>", "recommendations explained", "300"],
      ["--epochs <n>", "epochs of the encoder's training", "5"],
      ["--seed <s>", "of initial weights, training and what is drawn", "1"],
    ],
    run: benchExplanations,
  },
  {
    name: "clusters",
    description: "what privacy costs clusters, on made-up people whose clusters are known",
    flags: [
      ["--users <n,…>", "sizes of the population", "1000,5000,20000"],
      ["--seeds <n>", "populations of each size, over which means are taken", "3"],
    ],
    written: "rows",
    run: benchClusters,
  },
  {
    name: "encoder",
    description: "what architecture, inputs and personal parameters do to the encoder, trained in one place",
    data: true,
    flags: [
      ["--rows <names>", "encoders", "transformer,transformer-items-only,gru,gru-items-only"],
      ["--epochs <n>", "epochs at the most", "20"],
      ["--seeds <n>", "trainings of each encoder", "1"],
      ["--personal <n>", "people who get parameters of their own, and are ranked with and without", "0"],
    ],
    run: benchEncoder,
  },
  {
    name: "ratings",
    description: "errors of predicted ratings: of the mean, of the shared head, and with a person's taste",
    data: true,
    flags: [["--rounds <n>", "steps or rounds that train the head", "300"]],
    run: benchRatings,
  },
  {
    name: "pretraining",
    description: "what weights that some people made are worth as the start of others' rounds",
    data: true,
    flags: [
      ["--rounds <n>", "federated rounds of 64 people", "20"],
      ["--seeds <n>", "repetitions", "1"],
    ],
    run: benchPretraining,
  },
  {
    name: "interests",
    description: "how well the cluster of the next item is foretold, with a next-interest head and without",
    data: true,
    flags: [
      ["--epochs <n>", "epochs at the most", "10"],
      ["--seeds <n>", "trainings of each encoder", "1"],
      ["--weights <w,…>", "weights of the head beside the next item, an encoder for each", "1"],
      ["--groups <n>", "groups of items that the head tells apart", "64"],
      ["--clusters <n>", "clusters of items, which are foretold", "16"],
    ],
    run: benchInterests,
  },
  {
    name: "distillation",
    description: "what a small encoder gains by learning from a larger one",
    data: true,
    flags: [
      ["--epochs <n>", "epochs of the small encoder at the most", "10"],
      ["--teacher-epochs <n>", "epochs of the larger one at the most", "10"],
      ["--seeds <n>", "repetitions", "1"],
      ["--settings <t:w,…>", "temperature and weight of what the larger one expects", "2:0.5,1:0.5"],
      ["--top <n>", "likeliest items kept of what it expects each time; all others are one", "64"],
    ],
    run: benchDistillation,
  },
];
