/** `kindred model pretrain`: weights that a task starts from, learned from public material. */
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import {
  graphOfPairs,
  type InterestEncoder,
  itemWalks,
  type RankingMetrics,
  type Sequence,
  seededRandom,
  similarityGraph,
} from "@kindred/encoder";
import { encodeWeightsFile, weightsHash } from "@kindred/protocol";
import { readRelated } from "../catalogue/related-items.ts";
import { readText, refuseFlag, wholeNumber } from "../input-files.ts";
import { createProgress } from "../terminal/progress.ts";
import { fact, heading, type Row } from "../terminal/rows.ts";
import { measured, newEncoder, print, readLog, type Terminal } from "./at-hand.ts";
import { leaveLastOut } from "./interaction-log.ts";
import { readTaskFiles, type TaskFileFlags, type TaskFiles } from "./task-files.ts";

export interface PretrainFlags extends TaskFileFlags {
  readonly out: string;
  readonly related?: string;
  readonly log?: string;
  readonly walks: string;
  readonly epochs: string;
  readonly evaluate?: string;
  readonly seed: string;
}

/** What one kind of material did. */
export interface PretrainStage {
  readonly name: string;
  readonly sequences: number;
  /** Epoch whose weights were kept, 0 where none was better than what there was; and how many were trained. */
  readonly bestEpoch: number;
  readonly epochs: number;
  /** NDCG@10 on the last items, which were kept back, before and after. */
  readonly before: number;
  readonly after: number;
}

export interface PretrainReport {
  readonly stages: readonly PretrainStage[];
  readonly hash: string;
  /** On the people of `--evaluate`, before and after. */
  readonly evaluation: { readonly before: RankingMetrics; readonly after: RankingMetrics } | undefined;
}

/** Of Adam; the same for walks and logs. */
const LEARNING_RATE = 0.002;
/** Sequences of a step: fewer where there are few, so that an epoch has some thirty steps at least. */
const BATCH = { least: 4, most: 64, steps: 32 };
const PATIENCE = 3;
const WALK_LENGTH = 20;
const NEIGHBOURS = 16;
/** Sequences at the most whose last item is kept back, to know when to stop. */
const MOST_KEPT_BACK = 1_000;

/**
 * Pre-trains, writes the weights and prints what was learned.
 * @throws KindredError naming flag, or file, line and field
 */
export async function pretrain(flags: PretrainFlags, { stdout, env }: Terminal): Promise<PretrainReport> {
  const seed = wholeNumber("--seed", flags.seed, { least: 0, most: 0xffffffff });
  const epochs = wholeNumber("--epochs", flags.epochs, { least: 1, most: 1_000 });
  const perItem = wholeNumber("--walks", flags.walks, { least: 0, most: 100 });
  if (perItem === 0 && flags.log === undefined)
    refuseFlag("--walks", "must be above 0 without --log", "there is nothing to learn from");
  const files = await readTaskFiles(flags);
  const log = flags.log === undefined ? undefined : await readLog("--log", flags.log, files);
  const evaluated =
    flags.evaluate === undefined
      ? undefined
      : leaveLastOut(await readLog("--evaluate", flags.evaluate, files));
  const progress = createProgress({ stream: stdout, now: () => Date.now(), env });
  const encoder = await newEncoder(files);
  try {
    const random = seededRandom(seed);
    const before = evaluated && measured(encoder, evaluated);
    const stages: PretrainStage[] = [];
    const learn = async (name: string, sequences: readonly Sequence[]): Promise<void> => {
      stages.push(
        await stage(encoder, {
          name,
          sequences,
          epochs,
          random,
          progress: (fraction) => progress.task(`Learning from ${name}`, fraction),
        }),
      );
    };
    if (perItem > 0) {
      const walks = await walksOf(files, {
        flags,
        perItem,
        random,
        progress: (fraction) => progress.task("Finding what is alike", fraction),
      });
      await learn("walks over items", walks);
    }
    if (log !== undefined) await learn("the log", log);
    const weights = encoder.getWeights();
    const source = `pre-trained on ${stages.map(({ name }) => name).join(" and ")}`;
    await writeFile(
      flags.out,
      encodeWeightsFile({ ...files.belongsTo, encoder: files.shape, source, weights }),
    );
    const report = {
      stages,
      hash: weightsHash(weights),
      evaluation:
        evaluated === undefined || before === undefined
          ? undefined
          : { before, after: measured(encoder, evaluated) },
    };
    progress.done();
    print(summary(report, flags), { stdout, env });
    return report;
  } finally {
    progress.done();
    encoder.dispose();
  }
}

/** Walks over items that are alike, or over the pairs of `--related`. */
export async function walksOf(
  files: TaskFiles,
  options: {
    readonly flags: Pick<PretrainFlags, "related">;
    readonly perItem: number;
    readonly random: () => number;
    readonly progress: (fraction: number) => void | Promise<void>;
  },
): Promise<Sequence[]> {
  const { flags, perItem, random, progress } = options;
  const { items } = files.catalogue;
  const graph =
    flags.related === undefined
      ? await similarityGraph(files.features, {
          dimension: files.shape.dimension,
          neighbours: NEIGHBOURS,
          progress: async (fraction) => {
            await progress(fraction);
            await breath();
          },
        })
      : graphOfPairs(
          items.length,
          readRelated(await readText("--related", flags.related), {
            name: basename(flags.related),
            items,
            most: Number.POSITIVE_INFINITY,
          }),
        );
  return itemWalks(graph, { length: Math.min(WALK_LENGTH, files.shape.sequenceLength), perItem, random });
}

/** Trains on sequences but for last items, by which it stops; where nothing better is learned, the weights stay. */
export async function stage(
  encoder: InterestEncoder,
  options: {
    readonly name: string;
    readonly sequences: readonly Sequence[];
    readonly epochs: number;
    readonly random: () => number;
    readonly progress: (fraction: number) => void;
  },
): Promise<PretrainStage> {
  const { name, sequences, epochs, random, progress } = options;
  const every = Math.ceil(sequences.length / MOST_KEPT_BACK);
  const cut = sequences.map((sequence, i) => (i % every === 0 ? leaveLastOut([sequence])[0] : undefined));
  const validation = cut.filter((user) => user !== undefined);
  const shown = sequences.map((sequence, i) => cut[i]?.sequence ?? sequence);
  const start = encoder.getWeights();
  const before = validation.length === 0 ? 0 : measured(encoder, validation).ndcg10;
  const { epochs: trained, bestEpoch } = await encoder.trainCentralised({
    sequences: shown.filter(({ items }) => items.length >= 2),
    epochs,
    batchSize: Math.max(BATCH.least, Math.min(BATCH.most, Math.floor(sequences.length / BATCH.steps))),
    learningRate: LEARNING_RATE,
    optimiser: "adam",
    ...(validation.length > 0 && { validation, patience: PATIENCE }),
    onStep: async ({ epochs: begun, fraction }) => {
      progress(Math.min(0.999, (begun + fraction) / epochs));
      await breath();
    },
    random,
  });
  progress(1);
  const learned = { name, sequences: sequences.length, epochs: trained.length, before };
  const after = validation.length === 0 ? 0 : measured(encoder, validation).ndcg10;
  if (after >= before) return { ...learned, bestEpoch, after };
  encoder.setWeights(start);
  return { ...learned, bestEpoch: 0, after: before };
}

/** Lets timers and the terminal have their turn. */
export function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function summary({ stages, hash, evaluation }: PretrainReport, { out }: PretrainFlags): Row[] {
  const rows = [heading("Pre-training")];
  for (const { name, sequences, bestEpoch, epochs, before, after } of stages)
    rows.push(
      fact(
        name,
        `${sequences} sequences, best of ${epochs} epochs: ${bestEpoch}; NDCG@10 on last items kept back ${before.toFixed(4)} → ${after.toFixed(4)}`,
      ),
    );
  if (evaluation !== undefined) {
    const { before, after } = evaluation;
    rows.push(
      fact(
        `${after.n} people not trained on`,
        `NDCG@10 ${before.ndcg10.toFixed(4)} → ${after.ndcg10.toFixed(4)}`,
      ),
      fact("", `HR@10 ${before.hr10.toFixed(4)} → ${after.hr10.toFixed(4)}`),
    );
  }
  rows.push(
    fact("written to", out),
    fact("weights hash", `${hash}; a task with adapters, ratings or model.download starts from another`),
    fact("start a task", `kindred up --plan … --catalogue … --weights ${out}`),
  );
  return rows;
}
