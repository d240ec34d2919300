/**
 * Prints what distillation is worth: NDCG@10 of a large encoder (the teacher), of the default one (the student) trained by
 * itself, and of the same trained on what the teacher expects (Hinton et al. 2015); all in one place, leave-last-out, full
 * ranking, 5-core, epochs chosen on the second-last items, students of one seed from the same start.
 * `npx -y pnpm@10 bench:distillation --data DIR [--people 1000] [--epochs 10] [--teacher-epochs 10] [--seeds 1]
 * [--settings 2:0.5,1:0.5] [--top 64]`, a setting being temperature and weight of the teacher's distribution.
 */
import { parseArgs } from "node:util";
import {
  InterestEncoder,
  itemFeatures,
  loadBackend,
  nextItemRanks,
  rankingMetrics,
  seededRandom,
  softTargets,
  type Teaching,
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

const { values: given } = parseArgs({
  options: {
    data: { type: "string" },
    people: { type: "string", default: "1000" },
    epochs: { type: "string", default: "10" },
    "teacher-epochs": { type: "string", default: "10" },
    seeds: { type: "string", default: "1" },
    settings: { type: "string", default: "2:0.5,1:0.5" },
    top: { type: "string", default: "64" },
  },
});
if (given.data === undefined) throw new Error("Name the folder of a data set: --data DIR");
const everybody = kCore(loadPopulation(given.data), 5);
const people = Math.min(Number(given.people), everybody.users.length);
const population = kCore(sampleUsers(everybody, people, 1), 5);
const split = leaveLastOut(population);
const items = population.items.map((item) => ({ ...item, tags: [...item.tags] }));
const sequences = userSequences(split.validation.train).filter((own) => own.items.length >= 2);
const validation = evaluationUsers(split.validation);
const test = evaluationUsers(split);
const backend = await loadBackend();

const print = (cells: readonly (string | number)[]) =>
  process.stdout.write(
    `| ${cells.map((cell) => (typeof cell === "number" ? cell.toFixed(4) : cell)).join(" | ")} |\n`,
  );

const SHAPES = { teacher: { dimension: 128, layers: 3, heads: 4, feedForward: 256 }, student: {} };

/** Trains an encoder, and prints how it ranks. The caller disposes of it. */
async function row(
  name: string,
  of: { readonly role: keyof typeof SHAPES; readonly seed: number; readonly teaching?: Teaching },
): Promise<InterestEncoder> {
  const { role, seed, teaching } = of;
  const { encoder: shape, training } = parsePlanInput({ task: "bench", encoder: { ...SHAPES[role], seed } });
  const features = itemFeatures(items, shape);
  const encoder = InterestEncoder.create({ backend, shape, training, features, itemCount: items.length });
  const { bestEpoch, epochs } = await encoder.trainCentralised({
    sequences,
    validation,
    epochs: Number(role === "teacher" ? given["teacher-epochs"] : given.epochs),
    patience: 3,
    batchSize: 32,
    learningRate: role === "teacher" ? 1e-3 : 2e-3,
    optimiser: "adam",
    ...(teaching && { teaching }),
    random: seededRandom(seed),
  });
  const { hr10, ndcg10, mrr } = rankingMetrics(nextItemRanks({ encoder, users: test }));
  const chosen = epochs[bestEpoch - 1]!.ndcg10!;
  print([name, String(seed), String(encoder.layout.length), String(bestEpoch), chosen, hr10, ndcg10, mrr]);
  return encoder;
}

process.stdout.write(`${population.name}: ${population.users.length} people, ${items.length} items\n\n`);
print(["encoder", "seed", "weights", "epoch", "NDCG@10 of the choice", "HR@10", "NDCG@10", "MRR"]);
print(Array.from({ length: 8 }, () => "---"));
for (let seed = 1; seed <= Number(given.seeds); seed++) {
  const teacher = await row("teacher, 3 layers of 128", { role: "teacher", seed });
  (await row("student by itself", { role: "student", seed })).dispose();
  for (const setting of given.settings.split(",")) {
    const [temperature = Number.NaN, weight = Number.NaN] = setting.split(":").map(Number);
    const targets = await softTargets([teacher], { sequences, top: Number(given.top), temperature });
    const teaching = { targets, temperature, weight };
    const name = `distilled, T = ${temperature}, α = ${weight}`;
    (await row(name, { role: "student", seed, teaching })).dispose();
  }
  teacher.dispose();
}
