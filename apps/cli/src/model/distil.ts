/** `kindred model distil`: what a larger encoder has learned, in one that devices can carry. */
import { writeFile } from "node:fs/promises";
import { type RankingMetrics, seededRandom, teacherSequences } from "@kindred/encoder";
import { encodeWeightsFile, weightsHash } from "@kindred/protocol";
import { refuseFlag, wholeNumber } from "../input-files.ts";
import { createProgress } from "../terminal/progress.ts";
import { fact, heading, type Row } from "../terminal/rows.ts";
import { measured, newEncoder, print, readLog, readWeights, type Terminal } from "./at-hand.ts";
import { leaveLastOut } from "./interaction-log.ts";
import { breath, type PretrainStage, stage, walksOf } from "./pretrain.ts";
import { readTaskFiles, type TaskFileFlags } from "./task-files.ts";

export interface DistilFlags extends TaskFileFlags {
  readonly teacher: string;
  readonly teacherPlan: string;
  readonly teacherFeatures?: string;
  readonly related?: string;
  readonly log?: string;
  readonly walks: string;
  readonly copies: string;
  readonly epochs: string;
  readonly evaluate?: string;
  readonly seed: string;
  readonly out: string;
}

export interface DistilReport {
  readonly stage: PretrainStage;
  /** Numbers of weights. */
  readonly weights: { readonly teacher: number; readonly student: number };
  readonly hash: string;
  /** On the people of `--evaluate`. */
  readonly evaluation: { readonly teacher: RankingMetrics; readonly student: RankingMetrics } | undefined;
}

/** Items of a beginning that are kept: the teacher goes on from there. */
const KEPT = 2;
const LENGTH = 20;
const TEMPERATURE = 1;

/**
 * Lets the teacher go on from the beginnings of walks and logs, trains the plan's encoder on what it says and on the log
 * itself, writes its weights and prints what was lost.
 * @throws KindredError naming flag, or file, line and field
 */
export async function distil(flags: DistilFlags, { stdout, env }: Terminal): Promise<DistilReport> {
  const seed = wholeNumber("--seed", flags.seed, { least: 0, most: 0xffffffff });
  const epochs = wholeNumber("--epochs", flags.epochs, { least: 1, most: 1_000 });
  const perItem = wholeNumber("--walks", flags.walks, { least: 0, most: 100 });
  const copies = wholeNumber("--copies", flags.copies, { least: 1, most: 100 });
  const files = await readTaskFiles(flags);
  const teacherFiles = await readTaskFiles({
    plan: flags.teacherPlan,
    catalogue: flags.catalogue,
    ...(flags.teacherFeatures !== undefined && { features: flags.teacherFeatures }),
  });
  const log = flags.log === undefined ? [] : await readLog("--log", flags.log, files);
  const people =
    flags.evaluate === undefined
      ? undefined
      : leaveLastOut(await readLog("--evaluate", flags.evaluate, files));
  const progress = createProgress({ stream: stdout, now: () => Date.now(), env });
  const teacher = await newEncoder(teacherFiles);
  const student = await newEncoder(files);
  try {
    teacher.setWeights(await readWeights("--teacher", flags.teacher, teacherFiles));
    const random = seededRandom(seed);
    const report = (label: string) => async (fraction: number) => {
      progress.task(label, fraction);
      await breath();
    };
    const walks =
      perItem === 0
        ? []
        : await walksOf(files, { flags, perItem, random, progress: report("Finding what is alike") });
    if (walks.length + log.length === 0)
      refuseFlag("--walks", "must be above 0 without --log", "the teacher has nothing to go on from");
    const beginnings = [...walks, ...log];
    const said = await teacherSequences(teacher, {
      beginnings: Array.from(
        { length: copies * beginnings.length },
        (_, i) => beginnings[i % beginnings.length]!,
      ),
      kept: KEPT,
      length: Math.min(LENGTH, files.catalogue.items.length),
      temperature: TEMPERATURE,
      random,
      progress: report("Listening to the teacher"),
    });
    const learned = await stage(student, {
      name: "the teacher",
      sequences: [...said, ...log],
      epochs,
      random,
      progress: report("Teaching"),
    });
    const weights = student.getWeights();
    await writeFile(
      flags.out,
      encodeWeightsFile({ ...files.belongsTo, encoder: files.shape, source: "distilled", weights }),
    );
    const result = {
      stage: learned,
      weights: { teacher: teacher.layout.length, student: weights.length },
      hash: weightsHash(weights),
      evaluation: people && { teacher: measured(teacher, people), student: measured(student, people) },
    };
    progress.done();
    print(summary(result, flags), { stdout, env });
    return result;
  } finally {
    progress.done();
    teacher.dispose();
    student.dispose();
  }
}

function summary({ stage: learned, weights, hash, evaluation }: DistilReport, { out }: DistilFlags): Row[] {
  const { sequences, bestEpoch, epochs } = learned;
  const rows = [
    heading("Distillation"),
    fact("taught by", `${sequences} sequences, best of ${epochs} epochs: ${bestEpoch}`),
  ];
  for (const name of ["teacher", "student"] as const) {
    const quality = evaluation?.[name];
    const found =
      quality === undefined ? "" : `: NDCG@10 ${quality.ndcg10.toFixed(4)}, HR@10 ${quality.hr10.toFixed(4)}`;
    rows.push(fact(name, `${weights[name]} weights${found}`));
  }
  if (evaluation !== undefined && evaluation.teacher.ndcg10 > 0) {
    const kept = (100 * evaluation.student.ndcg10) / evaluation.teacher.ndcg10;
    rows.push(
      fact("kept", `${kept.toFixed(1)} % of the teacher's NDCG@10 on ${evaluation.student.n} people`),
    );
  }
  rows.push(fact("written to", out), fact("weights hash", hash));
  return rows;
}
