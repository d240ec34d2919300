/**
 * `pnpm bench pretraining`: what a pre-trained start is worth: NDCG@10 of federated training from weights that one part of
 * the people made, and from scratch, both on the other people and measured on them.
 */
import {
  InterestEncoder,
  itemFeatures,
  loadBackend,
  nextItemRanks,
  rankingMetrics,
  seededRandom,
} from "@kindred/encoder";
import { compressWeights, type PlanInput, parsePlanInput } from "@kindred/protocol";
import {
  evaluationUsers,
  leaveLastOut,
  type Population,
  simulateFederated,
  userSequences,
} from "@kindred/simulator";
import { type DataFlags, dataSet, wholeNumber } from "../flags.ts";
import { MarkdownTable } from "../markdown-table.ts";

/** What commander hands over. */
export interface PretrainingFlags extends DataFlags {
  readonly rounds: string;
  readonly seeds: string;
  readonly json?: string;
}

/** People whose logs may be used: every fifth. */
const CONSENTED = 5;
/** Of the server: one that suits a start from scratch, and a gentle one. */
const LEARNING_RATES = [0.01, 0.002] as const;
/** Rounds over which the server's rate rises. */
const WARM_UP = 2;
/** Shares of weights that are pruned before they are sent with 8 bits. */
const PRUNED = [0, 0.3, 0.5, 0.7];

function planOf(options: {
  readonly rounds: number;
  readonly seed: number;
  readonly learningRate: number;
}): PlanInput {
  const { rounds, seed, learningRate } = options;
  return parsePlanInput({
    task: "bench",
    rounds,
    encoder: { layers: 1, dimension: 32, heads: 2, feedForward: 64, sequenceLength: 30, dropout: 0.2, seed },
    training: { learningRate: 0.1 },
    server: { optimiser: "fedadam", learningRate, warmupRounds: WARM_UP },
    clustering: { clusters: 8, microClusters: 0 },
  });
}

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a flag out of range, `dataset-invalid` for a folder without a data set
 */
export async function benchPretraining(
  flags: PretrainingFlags,
  out: NodeJS.WritableStream,
): Promise<MarkdownTable> {
  const rounds = wholeNumber("--rounds", flags.rounds, [WARM_UP + 1, 100_000]);
  const seeds = wholeNumber("--seeds", flags.seeds, [1, 100]);
  const population = dataSet(flags);
  const part = (consented: boolean): Population => ({
    ...population,
    users: population.users.filter((_, i) => (i % CONSENTED === 0) === consented),
  });
  const others = leaveLastOut(part(false));
  const users = evaluationUsers(others);
  const sequences = userSequences(others.train);
  const agreed = leaveLastOut(part(true));
  const backend = await loadBackend();
  const items = population.items.map(({ id, title, tags }) => ({ id, title, tags: [...tags] }));
  const encoderOf = ({ encoder: shape, training }: PlanInput): InterestEncoder => {
    const features = itemFeatures(items, shape);
    return InterestEncoder.create({ backend, shape, training, features, itemCount: items.length });
  };
  const ndcg = (encoder: InterestEncoder): string =>
    rankingMetrics(nextItemRanks({ encoder, users })).ndcg10.toFixed(4);
  out.write(
    `${population.name}: ${agreed.train.users.length} people pre-train, ${users.length} are measured\n\n`,
  );
  const table = new MarkdownTable(out, ["seed", "start", "server rate", "before", `after ${rounds} rounds`]);
  /** NDCG@10 before and after the rounds, by the server's learning rate. */
  const federated = async (name: string, seed: number, start: Float32Array): Promise<void> => {
    for (const learningRate of LEARNING_RATES) {
      const plan = planOf({ rounds, seed, learningRate });
      const encoder = encoderOf(plan);
      encoder.setWeights(start);
      const before = ndcg(encoder);
      const noiseless = { plan, encoder, sequences, items, cohort: 64, noiseCohort: 0, seed };
      await simulateFederated({ ...noiseless, clusterFrom: rounds + 1 });
      table.row([seed, name, learningRate, before, ndcg(encoder)]);
      encoder.dispose();
    }
  };
  for (let seed = 1; seed <= seeds; seed++) {
    const encoder = encoderOf(planOf({ rounds, seed, learningRate: LEARNING_RATES[0] }));
    await federated("scratch", seed, encoder.getWeights());
    await encoder.trainCentralised({
      sequences: userSequences(agreed.train).filter((own) => own.items.length >= 2),
      validation: evaluationUsers(agreed),
      epochs: 15,
      patience: 3,
      batchSize: 64,
      learningRate: 0.002,
      optimiser: "adam",
      random: seededRandom(seed),
    });
    const trained = encoder.getWeights();
    await federated("pre-trained", seed, trained);
    for (const sparsity of PRUNED) {
      encoder.setWeights(compressWeights(trained, { precision: "int8", sparsity }));
      table.row([seed, `pre-trained, 8 bits, ${sparsity} pruned`, "", ndcg(encoder), ""]);
    }
    encoder.dispose();
  }
  await table.save(flags.json);
  return table;
}
