/** `kindred model distil`: what a larger encoder has learned, in one that devices can carry. */
import {
  type InterestEncoder,
  type RankingMetrics,
  type Sequence,
  softTargetBytes,
  softTargets,
} from "@kindred/encoder";
import { prepareOutput, refuseFlag, wholeNumber } from "../input-files.ts";
import { createProgress } from "../terminal/progress.ts";
import { fact, heading, type Row } from "../terminal/rows.ts";
import { measured, newEncoder, print, readWeights, type Terminal, writeWeights } from "./at-hand.ts";
import { breathing, type Learned, type LearningFlags, learn, readMaterial } from "./learning.ts";
import { readTaskFiles } from "./task-files.ts";

export interface DistilFlags extends LearningFlags {
  readonly log: string;
  /** Files of weights; the student learns from the mean of what several expect. */
  readonly teacher: readonly string[];
  readonly teacherPlan: string;
  readonly teacherFeatures?: string;
  readonly temperature: string;
  readonly softWeight: string;
  readonly top: string;
}

export interface DistilReport {
  readonly stage: Learned;
  /** Numbers of weights, the teachers' in all. */
  readonly weights: { readonly teachers: number; readonly student: number };
  readonly hash: string;
  /** On the people of `--evaluate`. */
  readonly evaluation:
    | { readonly teachers: readonly RankingMetrics[]; readonly student: RankingMetrics }
    | undefined;
}

/** Bytes that what teachers expect may take: a process that asks for more is stopped without a word on most machines. */
const MOST_BYTES = 2 ** 32;

/**
 * Trains the plan's encoder on a log: on what the teachers expect after each interaction, and on what followed. Writes its
 * weights and prints what was lost.
 * @throws KindredError naming flag, or file, line and field
 */
export async function distil(flags: DistilFlags, { stdout, env }: Terminal): Promise<DistilReport> {
  const temperature = numberWithin("--temperature", flags.temperature, { above: 0, most: 100 });
  const weight = numberWithin("--soft-weight", flags.softWeight, { above: 0, most: 1 });
  const top = wholeNumber("--top", flags.top, { least: 1, most: 1_000_000 });
  await prepareOutput("--out", flags.out);
  const material = await readMaterial(flags);
  const { files, evaluated, log } = material;
  checkTop(top, { sequences: log, itemCount: files.catalogue.items.length });
  const progress = createProgress({ stream: stdout, now: () => Date.now(), env });
  const report = (label: string) => (fraction: number) => progress.task(label, fraction);
  const teachers: InterestEncoder[] = [];
  const student = await newEncoder(files);
  try {
    teachers.push(...(await readTeachers(flags)));
    const stage = await learn(student, {
      name: "the teacher",
      sequences: log,
      material,
      teach: async (sequences) => ({
        targets: await softTargets(teachers, {
          sequences,
          top,
          temperature,
          progress: breathing(report("Listening to the teacher")),
        }),
        temperature,
        weight,
      }),
      progress: report("Teaching"),
    });
    const weights = student.getWeights();
    const result = {
      stage,
      weights: {
        teachers: teachers.reduce((sum, { layout }) => sum + layout.length, 0),
        student: weights.length,
      },
      hash: await writeWeights(flags.out, { files, source: "distilled", weights }),
      evaluation: evaluated && {
        teachers: teachers.map((teacher) => measured(teacher, evaluated)),
        student: measured(student, evaluated),
      },
    };
    progress.done();
    print(summary(result, flags), { stdout, env });
    return result;
  } finally {
    progress.done();
    for (const teacher of teachers) teacher.dispose();
    student.dispose();
  }
}

/**
 * Checks that what is kept of the teachers fits into memory.
 * @throws KindredError naming `--top` and the most that it may be for so long a log
 */
export function checkTop(
  top: number,
  {
    sequences,
    itemCount,
  }: { readonly sequences: readonly Pick<Sequence, "items">[]; readonly itemCount: number },
): void {
  const each = softTargetBytes(sequences);
  const most = Math.floor(MOST_BYTES / each);
  if (Math.min(top, itemCount) <= most) return;
  refuseFlag(
    "--top",
    `must be at most ${most} for a log of this length, for it keeps ${each} bytes of each, found ${top}`,
    most < 1 ? "pass a shorter --log" : `pass --top ${most} or less`,
  );
}

async function readTeachers({
  teacher,
  teacherPlan,
  teacherFeatures,
  catalogue,
}: DistilFlags): Promise<InterestEncoder[]> {
  const files = await readTaskFiles({
    plan: teacherPlan,
    catalogue,
    ...(teacherFeatures !== undefined && { features: teacherFeatures }),
  });
  const encoders: InterestEncoder[] = [];
  for (const file of teacher) {
    const weights = await readWeights("--teacher", file, files);
    const encoder = await newEncoder(files);
    encoder.setWeights(weights);
    encoders.push(encoder);
  }
  return encoders;
}

function numberWithin(
  flag: string,
  text: string,
  { above, most }: { readonly above: number; readonly most: number },
): number {
  const value = Number(text);
  if (text.trim() !== "" && value > above && value <= most) return value;
  return refuseFlag(
    flag,
    `must be a number above ${above}, at most ${most}, found "${text}"`,
    "correct the number",
  );
}

function summary({ stage, weights, hash, evaluation }: DistilReport, { out }: DistilFlags): Row[] {
  const quality = (name: string, { ndcg10, hr10 }: RankingMetrics): Row =>
    fact(name, `NDCG@10 ${ndcg10.toFixed(4)}, HR@10 ${hr10.toFixed(4)}`);
  const rows = [
    heading("Distillation"),
    fact("taught by", `${stage.sequences} sequences, best of ${stage.epochs} epochs: ${stage.bestEpoch}`),
    fact("weights", `${weights.teachers} of teachers, ${weights.student} of the student`),
  ];
  if (evaluation !== undefined) {
    const { teachers, student } = evaluation;
    const best = Math.max(...teachers.map(({ ndcg10 }) => ndcg10));
    rows.push(
      ...teachers.map((of, i) => quality(teachers.length === 1 ? "teacher" : `teacher ${i + 1}`, of)),
      quality("student", student),
    );
    if (best > 0) {
      const kept = (100 * student.ndcg10) / best;
      rows.push(fact("kept", `${kept.toFixed(1)} % of the teacher's NDCG@10 on ${student.n} people`));
    }
  }
  rows.push(fact("written to", out), fact("weights hash", hash));
  return rows;
}
