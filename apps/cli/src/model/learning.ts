/** What pre-training and distillation have in common: flags, what is learned from, and how an encoder learns it. */
import {
  type EvaluationUser,
  type InterestEncoder,
  type Sequence,
  seededRandom,
  type Teaching,
} from "@kindred/encoder";
import { refuseFlag, wholeNumber } from "../input-files.ts";
import { measured, readEvaluated, readLog } from "./at-hand.ts";
import { leaveLastOut } from "./interaction-log.ts";
import { readTaskFiles, type TaskFileFlags, type TaskFiles } from "./task-files.ts";

export interface LearningFlags extends TaskFileFlags {
  readonly out: string;
  readonly log?: string;
  readonly epochs: string;
  readonly evaluate?: string;
  readonly seed: string;
}

/** What the flags name. */
export interface Material {
  readonly files: TaskFiles;
  /** Empty without `--log`. */
  readonly log: readonly Sequence[];
  /** People of `--evaluate`. */
  readonly evaluated: readonly EvaluationUser[] | undefined;
  readonly epochs: number;
  readonly random: () => number;
}

/** What was learned from some material. */
export interface Learned {
  readonly name: string;
  readonly sequences: number;
  /** Epoch whose weights were kept, 0 where none was better than what there was; and how many were trained. */
  readonly bestEpoch: number;
  readonly epochs: number;
  /** NDCG@10 on the last items, which were kept back, before and after. */
  readonly before: number;
  readonly after: number;
}

/** Of Adam, for any material. */
const LEARNING_RATE = 0.002;
/** Sequences of a step: fewer where there are few, so that an epoch has some thirty steps at least. */
const BATCH = { least: 4, most: 64, steps: 32 };
const PATIENCE = 3;
/** Sequences at the most whose last item is kept back, to know when to stop. */
const MOST_KEPT_BACK = 1_000;

/** @throws KindredError naming flag, or file, line and field */
export async function readMaterial(flags: LearningFlags): Promise<Material> {
  const seed = wholeNumber("--seed", flags.seed, { least: 0, most: 0xffffffff });
  const epochs = wholeNumber("--epochs", flags.epochs, { least: 1, most: 1_000 });
  const files = await readTaskFiles(flags);
  const log = flags.log === undefined ? [] : await readLog("--log", flags.log, files);
  if (log.length > 0 && keptBack(log).shown.length === 0)
    refuseFlag(
      "--log",
      "must have a person with three interactions: a last one is kept back, to know when to stop",
      "pass a longer log",
    );
  return {
    files,
    log,
    evaluated: await readEvaluated(flags.evaluate, files),
    epochs,
    random: seededRandom(seed),
  };
}

/**
 * Trains on sequences but for last items, by which it stops; where nothing better is learned, the weights stay.
 * @param options.teach asked about the sequences as they are trained on
 */
export async function learn(
  encoder: InterestEncoder,
  options: {
    readonly name: string;
    readonly sequences: readonly Sequence[];
    readonly material: Pick<Material, "epochs" | "random">;
    readonly progress: (fraction: number) => void;
    readonly teach?: (sequences: readonly Sequence[]) => Promise<Teaching>;
  },
): Promise<Learned> {
  const { name, sequences, progress, teach } = options;
  const { epochs, random } = options.material;
  const { shown, validation } = keptBack(sequences);
  const teaching = await teach?.(shown);
  const start = encoder.getWeights();
  const kept = (): number => (validation.length === 0 ? 0 : measured(encoder, validation).ndcg10);
  const before = kept();
  const step = breathing(progress);
  const { epochs: trained, bestEpoch } = await encoder.trainCentralised({
    sequences: shown,
    epochs,
    batchSize: Math.max(BATCH.least, Math.min(BATCH.most, Math.floor(sequences.length / BATCH.steps))),
    learningRate: LEARNING_RATE,
    optimiser: "adam",
    ...(validation.length > 0 && { validation, patience: PATIENCE }),
    ...(teaching && { teaching }),
    onStep: ({ epochs: begun, fraction }) => step(Math.min(0.999, (begun + fraction) / epochs)),
    random,
  });
  progress(1);
  const learned = { name, sequences: sequences.length, epochs: trained.length, before };
  const after = kept();
  if (after >= before) return { ...learned, bestEpoch, after };
  encoder.setWeights(start);
  return { ...learned, bestEpoch: 0, after: before };
}

/** What is trained on, and the last items that are kept back from some of it. */
function keptBack(sequences: readonly Sequence[]): {
  readonly shown: Sequence[];
  readonly validation: EvaluationUser[];
} {
  const every = Math.ceil(sequences.length / MOST_KEPT_BACK);
  const cut = sequences.map((sequence, i) => (i % every === 0 ? leaveLastOut([sequence])[0] : undefined));
  const shown = sequences
    .map((sequence, i) => cut[i]?.sequence ?? sequence)
    .filter(({ items }) => items.length >= 2);
  return { shown, validation: cut.filter((user) => user !== undefined) };
}

/** Lets timers and the terminal have their turn after each step that is reported. */
export function breathing(progress: (fraction: number) => void): (fraction: number) => Promise<void> {
  return (fraction) => {
    progress(fraction);
    return new Promise((resolve) => setImmediate(resolve));
  };
}
