/**
 * What a pre-trained start is worth: NDCG@10 of federated training from weights that one part of the people made, and from
 * scratch, both on the other people and measured on them.
 *
 *     npx -y pnpm@10 bench:pretraining <data folder> [rounds] [seeds]
 */
import {
  InterestEncoder,
  itemFeatures,
  loadBackend,
  nextItemRanks,
  rankingMetrics,
  seededRandom,
} from "@kindred/encoder";
import { compressWeights, KindredError, type PlanInput, parsePlanInput } from "@kindred/protocol";
import {
  evaluationUsers,
  kCore,
  leaveLastOut,
  loadPopulation,
  type Population,
  simulateFederated,
  userSequences,
} from "../src/index.ts";

const [folder, roundsText = "20", seedsText = "1"] = process.argv.slice(2);
if (folder === undefined)
  throw new KindredError({
    code: "option-invalid",
    field: "data folder",
    rule: "must be given",
    fix: "name a folder of a data set",
  });
const rounds = Number(roundsText);

/** People whose logs may be used: every fifth. */
const CONSENTED = 5;

/** Of the server: one that suits a start from scratch, and a gentle one. */
const LEARNING_RATES = [0.01, 0.002];

const plan = (seed: number, learningRate = LEARNING_RATES[0]!): PlanInput =>
  parsePlanInput({
    task: "bench",
    rounds,
    encoder: { layers: 1, dimension: 32, heads: 2, feedForward: 64, sequenceLength: 30, dropout: 0.2, seed },
    training: { learningRate: 0.1 },
    server: { optimiser: "fedadam", learningRate, warmupRounds: 2 },
    clustering: { clusters: 8, microClusters: 0 },
  });

const population = kCore(loadPopulation(folder), 5);
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

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}

function encoderOf({ encoder: shape, training }: PlanInput): InterestEncoder {
  const features = itemFeatures(items, shape);
  return InterestEncoder.create({ backend, shape, training, features, itemCount: items.length });
}

const ndcg = (encoder: InterestEncoder): string =>
  rankingMetrics(nextItemRanks({ encoder, users })).ndcg10.toFixed(4);

/** NDCG@10 after the rounds, by the server's learning rate. */
async function federated(seed: number, start: Float32Array): Promise<string> {
  const results: string[] = [];
  for (const learningRate of LEARNING_RATES) {
    const of = plan(seed, learningRate);
    const encoder = encoderOf(of);
    encoder.setWeights(start);
    const noiseless = { plan: of, encoder, sequences, items, cohort: 64, noiseCohort: 0, seed };
    await simulateFederated({ ...noiseless, clusterFrom: rounds + 1 });
    results.push(`${ndcg(encoder)} (η ${learningRate})`);
    encoder.dispose();
  }
  return results.join(", ");
}

write(`${population.name}: ${agreed.train.users.length} people pre-train, ${users.length} are measured`);
for (let seed = 1; seed <= Number(seedsText); seed++) {
  const of = plan(seed);
  const encoder = encoderOf(of);
  const scratch = encoder.getWeights();
  write(`seed ${seed}`);
  write(`  scratch      start ${ndcg(encoder)}, after ${rounds} rounds ${await federated(seed, scratch)}`);
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
  write(`  pre-trained  start ${ndcg(encoder)}, after ${rounds} rounds ${await federated(seed, trained)}`);
  for (const sparsity of [0, 0.3, 0.5, 0.7]) {
    encoder.setWeights(compressWeights(trained, { precision: "int8", sparsity }));
    write(`  8 bits, ${sparsity} pruned: ${ndcg(encoder)}`);
  }
  encoder.dispose();
}
