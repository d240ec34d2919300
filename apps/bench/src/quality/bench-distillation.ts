/**
 * `pnpm bench distillation`: what distillation is worth: NDCG@10 of a large encoder (the teacher), of the default one (the
 * student) trained by itself, and of the same trained on what the teacher expects (Hinton et al. 2015); students of one
 * seed from the same start.
 */
import { nextItemRanks, rankingMetrics, softTargets } from "@kindred/encoder";
import { parsePlanInput } from "@kindred/protocol";
import { type DataFlags, denseDataSet, numberAbove, refuse, wholeNumber } from "../flags.ts";
import { MarkdownTable } from "../markdown-table.ts";
import { centralisedTrial, type TrainedEncoder, trainInOnePlace } from "./centralised-trial.ts";

/** What commander hands over. */
export interface DistillationFlags extends DataFlags {
  readonly epochs: string;
  readonly teacherEpochs: string;
  readonly seeds: string;
  readonly settings: string;
  readonly top: string;
  readonly json?: string;
}

/** What differs from the default encoder, and the learning rate that suits the size. */
const TEACHER = { shape: { dimension: 128, layers: 3, heads: 4, feedForward: 256 }, learningRate: 1e-3 };
const STUDENT = { shape: {}, learningRate: 2e-3 };

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a flag out of range, `dataset-invalid` for a folder without a data set
 */
export async function benchDistillation(
  flags: DistillationFlags,
  out: NodeJS.WritableStream,
): Promise<MarkdownTable> {
  const epochs = wholeNumber("--epochs", flags.epochs, [1, 1000]);
  const teacherEpochs = wholeNumber("--teacher-epochs", flags.teacherEpochs, [1, 1000]);
  const seeds = wholeNumber("--seeds", flags.seeds, [1, 100]);
  const settings = flags.settings.split(",").map(settingOf);
  const top = wholeNumber("--top", flags.top, [1, 1_000_000]);
  const trial = await centralisedTrial(denseDataSet(flags), out);
  const { sequences } = trial;
  const table = new MarkdownTable(out, [
    "encoder",
    "seed",
    "weights",
    "epoch",
    "NDCG@10 of the choice",
    "HR@10",
    "NDCG@10",
    "MRR",
  ]);
  const row = (name: string, seed: number, { encoder, bestEpoch, validationNdcg10 }: TrainedEncoder) => {
    const { hr10, ndcg10, mrr } = rankingMetrics(nextItemRanks({ encoder, users: trial.test }));
    const measured = [validationNdcg10, hr10, ndcg10, mrr].map((value) => value.toFixed(4));
    table.row([name, seed, encoder.layout.length, bestEpoch, ...measured]);
  };
  for (let seed = 1; seed <= seeds; seed++) {
    const planOf = (shape: object) => parsePlanInput({ task: "bench", encoder: { ...shape, seed } });
    const student = { plan: planOf(STUDENT.shape), epochs, learningRate: STUDENT.learningRate };
    const teacher = await trainInOnePlace(trial, {
      plan: planOf(TEACHER.shape),
      epochs: teacherEpochs,
      learningRate: TEACHER.learningRate,
    });
    row(`teacher, ${TEACHER.shape.layers} layers of ${TEACHER.shape.dimension}`, seed, teacher);
    const alone = await trainInOnePlace(trial, student);
    row("student by itself", seed, alone);
    alone.encoder.dispose();
    for (const { temperature, weight } of settings) {
      const targets = await softTargets([teacher.encoder], { sequences, top, temperature });
      const taught = await trainInOnePlace(trial, { ...student, teaching: { targets, temperature, weight } });
      row(`distilled, T = ${temperature}, α = ${weight}`, seed, taught);
      taught.encoder.dispose();
    }
    teacher.encoder.dispose();
  }
  await table.save(flags.json);
  return table;
}

/** Temperature and weight of the teacher's distribution, from `2:0.5`. */
function settingOf(text: string): { readonly temperature: number; readonly weight: number } {
  const [temperature, weight, ...more] = text.split(":");
  if (temperature === undefined || weight === undefined || more.length > 0)
    refuse(
      "--settings",
      `must be temperature:weight, with commas between, found "${text}"`,
      "pass --settings 2:0.5,1:0.5",
    );
  return {
    temperature: numberAbove(0, { flag: "--settings", text: temperature, maximum: 100 }),
    weight: numberAbove(0, { flag: "--settings", text: weight, maximum: 1 }),
  };
}
