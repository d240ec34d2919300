/** `kindred model pretrain`: weights that a task starts from, learned from public material. */
import { basename } from "node:path";
import {
  type Foresight,
  graphOfPairs,
  itemWalks,
  type RankingMetrics,
  type Sequence,
  similarityGraph,
} from "@kindred/encoder";
import { readRelated } from "../catalogue/related-items.ts";
import { prepareOutput, readBytes, readText, refuseFlag, wholeNumber } from "../input-files.ts";
import { createProgress } from "../terminal/progress.ts";
import { fact, heading, type Row } from "../terminal/rows.ts";
import { measured, newEncoder, print, type Terminal, writeWeights } from "./at-hand.ts";
import {
  breathing,
  type Learned,
  type LearningFlags,
  learn,
  type Material,
  readMaterial,
} from "./learning.ts";
import { demandReleased } from "./released-model.ts";
import { learnFromSignals, signalForesight } from "./signal-lessons.ts";
import type { TaskFiles } from "./task-files.ts";

export interface PretrainFlags extends LearningFlags {
  readonly related?: string;
  readonly walks: string;
  readonly signals?: string;
  readonly drawn: string;
}

export interface PretrainReport {
  readonly stages: readonly Learned[];
  readonly hash: string;
  /** On the people of `--evaluate`, before and after. */
  readonly evaluation: { readonly before: RankingMetrics; readonly after: RankingMetrics } | undefined;
}

const WALK_LENGTH = 20;
const NEIGHBOURS = 16;

/**
 * Pre-trains, writes the weights and prints what was learned.
 * @throws KindredError naming flag, or file, line and field
 */
export async function pretrain(flags: PretrainFlags, { stdout, env }: Terminal): Promise<PretrainReport> {
  const perItem = wholeNumber("--walks", flags.walks, { least: 0, most: 100 });
  const drawn = wholeNumber("--drawn", flags.drawn, { least: 100, most: 1_000_000 });
  if (perItem === 0 && flags.log === undefined && flags.signals === undefined)
    refuseFlag("--walks", "must be above 0 without --log or --signals", "there is nothing to learn from");
  await prepareOutput("--out", flags.out);
  const material = await readMaterial(flags);
  const { files, evaluated, log } = material;
  const foresight = flags.signals === undefined ? undefined : await readForesight(flags.signals, files);
  const progress = createProgress({ stream: stdout, now: () => Date.now(), env });
  const encoder = await newEncoder(files);
  try {
    const before = evaluated && measured(encoder, evaluated);
    const stages: Learned[] = [];
    const from = async (name: string, sequences: readonly Sequence[]): Promise<void> => {
      if (sequences.length === 0) return;
      const label = `Learning from ${name}`;
      stages.push(
        await learn(encoder, {
          name,
          sequences,
          material,
          progress: (fraction) => progress.task(label, fraction),
        }),
      );
    };
    if (perItem > 0) {
      const finding = (fraction: number) => progress.task("Finding what is alike", fraction);
      await from(
        "walks over items",
        await walksOf(material, { related: flags.related, perItem, progress: finding }),
      );
    }
    if (foresight !== undefined)
      stages.push(
        await learnFromSignals(encoder, {
          ...{ foresight, material, count: drawn },
          progress: (label, fraction) => progress.task(label, fraction),
        }),
      );
    await from("the log", log);
    const hash = await writeWeights(flags.out, {
      files,
      source: `pre-trained on ${stages.map(({ name }) => name).join(" and ")}`,
      weights: encoder.getWeights(),
    });
    const report = {
      stages,
      hash,
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

/**
 * What the signals of a released model foresee.
 * @throws KindredError `option-invalid` where it has none, or they are about more items than the catalogue has
 */
async function readForesight(file: string, { catalogue }: TaskFiles): Promise<Foresight> {
  const bytes = await readBytes("--signals", file);
  const { signals = {} } = await demandReleased("--signals", file, { bytes, catalogue });
  const itemCount = catalogue.items.length;
  const { transitions, popularity } = signals;
  const rows = 1 + (popularity?.clusters.length ?? 0);
  if (
    transitions?.items.some((item) => item >= itemCount) ||
    (popularity?.entries.at(-1) ?? 0) >= rows * itemCount
  )
    refuseFlag(
      "--signals",
      `must be about the ${itemCount} items of --catalogue`,
      "pass the catalogue of the task that released the model",
    );
  return (
    signalForesight(signals, itemCount) ??
    refuseFlag(
      "--signals",
      "must be a model with signals",
      "pass one that was released after a round that collects them (docs/interests.md)",
    )
  );
}

/** Walks over items that are alike, or over the pairs of `--related`. */
async function walksOf(
  { files, random }: Material,
  options: {
    readonly related: string | undefined;
    readonly perItem: number;
    readonly progress: (fraction: number) => void;
  },
): Promise<Sequence[]> {
  const { related, perItem, progress } = options;
  const { items } = files.catalogue;
  const graph =
    related === undefined
      ? await similarityGraph(files.features, {
          dimension: files.shape.dimension,
          neighbours: NEIGHBOURS,
          progress: breathing(progress),
        })
      : graphOfPairs(
          items.length,
          readRelated(await readText("--related", related), {
            name: basename(related),
            items,
            most: Number.POSITIVE_INFINITY,
          }),
        );
  return itemWalks(graph, { length: Math.min(WALK_LENGTH, files.shape.sequenceLength), perItem, random });
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
    fact(
      "weights hash",
      `${hash}; a task with adapters, ratings, interests or model.download starts from another`,
    ),
    fact("start a task", `kindred up --plan … --catalogue … --weights ${out}`),
  );
  return rows;
}
