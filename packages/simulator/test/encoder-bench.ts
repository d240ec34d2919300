/**
 * Prints what architecture, inputs and personal parameters do to the encoder, trained on everybody's data in one place:
 * leave-last-out, full ranking, 5-core. The number of epochs is chosen on the second-last items, which the encoder is not
 * trained on. `npx -y pnpm@10 bench:encoder --data DIR [--rows gru,transformer] [--people 1000] [--epochs 20] [--seeds 1]
 * [--personal 200]`; with `--personal` that many people get parameters of their own, and are ranked with and without them.
 */
import { parseArgs } from "node:util";
import {
  InterestEncoder,
  itemFeatures,
  loadBackend,
  nextItemRanks,
  type RankingMetrics,
  rankingMetrics,
  seededRandom,
} from "@kindred/encoder";
import { parsePlanInput } from "@kindred/protocol";
import {
  evaluationUsers,
  kCore,
  leaveLastOut,
  loadPopulation,
  sampleUsers,
  userSequences,
} from "../src/index.ts";

const ROWS: Record<string, Record<string, unknown>> = {
  transformer: {},
  "transformer-items-only": { inputs: [] },
  "transformer-gap": { inputs: ["gap"] },
  "transformer-rating": { inputs: ["rating"] },
  gru: { architecture: "gru", layers: 1 },
  "gru-items-only": { architecture: "gru", layers: 1, inputs: [] },
  "gru-2": { architecture: "gru" },
};

const { values: given } = parseArgs({
  options: {
    data: { type: "string" },
    rows: { type: "string", default: "transformer,transformer-items-only,gru,gru-items-only" },
    epochs: { type: "string", default: "20" },
    seeds: { type: "string", default: "1" },
    people: { type: "string" },
    personal: { type: "string", default: "0" },
  },
});
if (given.data === undefined) throw new Error("Name the folder of a data set: --data DIR");
const everybody = kCore(loadPopulation(given.data), 5);
const population = given.people === undefined ? everybody : sampleUsers(everybody, Number(given.people), 1);
const split = leaveLastOut(population);
const catalogue = population.items.map((item) => ({ ...item, tags: [...item.tags] }));
const sequences = userSequences(split.validation.train).filter(({ items }) => items.length >= 2);
const validation = evaluationUsers(split.validation);
const test = evaluationUsers(split);
const backend = await loadBackend();

const print = (cells: readonly (string | number)[]) => process.stdout.write(`| ${cells.join(" | ")} |\n`);
const cells = ({ hr10, ndcg10, mrr }: RankingMetrics) => [hr10, ndcg10, mrr].map((value) => value.toFixed(4));
process.stdout.write(`${population.name}: ${population.users.length} people, ${catalogue.length} items\n\n`);
print(["encoder", "seed", "weights", "epoch", "minutes", "HR@10", "NDCG@10", "MRR"]);
print(Array.from({ length: 8 }, () => "---"));

for (const row of given.rows.split(","))
  for (let seed = 1; seed <= Number(given.seeds); seed++) {
    const changes = ROWS[row];
    if (changes === undefined) throw new Error(`There is no row ${row}: ${Object.keys(ROWS).join(", ")}`);
    const plan = parsePlanInput({ task: "bench", encoder: { ...changes, seed }, personal: {} });
    const encoder = InterestEncoder.create({
      backend,
      shape: plan.encoder,
      training: plan.training,
      features: itemFeatures(catalogue, plan.encoder),
      itemCount: catalogue.length,
    });
    const started = performance.now();
    const { bestEpoch } = await encoder.trainCentralised({
      sequences,
      validation,
      epochs: Number(given.epochs),
      patience: 3,
      batchSize: 32,
      learningRate: 2e-3,
      optimiser: "adam",
      random: seededRandom(seed),
    });
    const minutes = (performance.now() - started) / 60_000;
    const about = [row, seed, encoder.layout.length, bestEpoch, minutes.toFixed(1)];
    print([...about, ...cells(rankingMetrics(nextItemRanks({ encoder, users: test })))]);
    const few = test.slice(0, Number(given.personal));
    if (few.length > 0) {
      const own = few.map((user) => {
        const fit = { sequence: user.sequence, options: plan.personal!, random: seededRandom(seed) };
        return { ...user, personal: encoder.fitPersonal(fit).parameters };
      });
      const having = own.filter(({ personal }) => personal !== undefined).length;
      for (const [name, users] of [
        [`${few.length} of them`, few],
        [`with personal parameters (${having} have some)`, own],
      ] as const)
        print([name, ...about.slice(1), ...cells(rankingMetrics(nextItemRanks({ encoder, users })))]);
    }
    encoder.dispose();
  }
