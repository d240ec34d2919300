/** `kindred model grow`: what a task has learned, for a catalogue that has gained and lost items. */
import { type GrownWeights, growWeights } from "@kindred/encoder";
import {
  checkWeightsFit,
  decodeWeightsFile,
  type EncoderWeightsFile,
  type TrainingOptions,
} from "@kindred/protocol";
import { prepareOutput, readBytes, refuseFlag } from "../input-files.ts";
import { fact, heading, type Row } from "../terminal/rows.ts";
import { print, type Terminal, writeWeights } from "./at-hand.ts";
import { readReleased } from "./released-model.ts";
import { readTaskFiles, type TaskFileFlags, type TaskFiles } from "./task-files.ts";

/** `catalogue` and `features` are those that the weights were trained with. */
export interface GrowFlags extends TaskFileFlags {
  readonly weights: string;
  readonly into: string;
  readonly intoFeatures?: string;
  readonly out: string;
}

export interface GrowReport extends Omit<GrownWeights, "weights"> {
  readonly hash: string;
}

/**
 * Grows the weights, writes them for the new catalogue, and prints what became of the items.
 * @throws KindredError naming the flag, or file and field
 */
export async function grow(flags: GrowFlags, terminal: Terminal): Promise<GrowReport> {
  const { plan, catalogue, features, into, intoFeatures, out } = flags;
  if ((features === undefined) !== (intoFeatures === undefined))
    refuseFlag(
      features === undefined ? "--features" : "--into-features",
      "must be there: either both catalogues have features that were built, or none",
      "pass the features of both, as kindred catalogue build wrote them",
    );
  await prepareOutput("--out", out);
  const before = await readTaskFiles({ plan, catalogue, ...(features !== undefined && { features }) });
  const after = await readTaskFiles({
    plan,
    catalogue: into,
    ...(intoFeatures !== undefined && { features: intoFeatures }),
  });
  const trained = await readTrained(flags.weights, before);
  const { weights, ...counts } = growWeights(trained.weights, {
    shape: before.shape,
    ...(trained.training && { training: trained.training }),
    from: before.catalogue.items,
    into: after.catalogue.items,
  });
  const source = `grown: ${counts.kept} items kept, ${counts.added} added, ${counts.removed} removed`;
  const hash = await writeWeights(out, { files: after, source, weights });
  const report = { ...counts, hash };
  print(summary(report, flags), terminal);
  return report;
}

interface Trained {
  readonly weights: Float32Array;
  /** Of the plan, where the weights have its adapters and heads. */
  readonly training?: TrainingOptions;
}

/** A weights file, or a model that a task has released. */
async function readTrained(file: string, files: TaskFiles): Promise<Trained> {
  const bytes = await readBytes("--weights", file);
  const model = await readReleased("--weights", file, { bytes, catalogue: files.catalogue });
  if (model === undefined) return { weights: fitting(decodeWeightsFile(bytes), files).weights };
  const { task } = files.plan;
  if (model.task !== task)
    refuseFlag("--weights", `must be of the plan's task ${task}, found ${model.task}`, "pass its plan");
  return { weights: model.weights, training: files.plan.training };
}

function fitting(found: EncoderWeightsFile, files: TaskFiles): EncoderWeightsFile {
  checkWeightsFit(found, { ...files.belongsTo, encoder: files.shape });
  return found;
}

function summary({ kept, added, removed, explained, hash }: GrowReport, flags: GrowFlags): Row[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const features = flags.intoFeatures === undefined ? "" : ` --features ${flags.intoFeatures}`;
  return [
    heading("Weights for the new catalogue"),
    fact("items kept", `${kept}, as they were`),
    fact("items added", `${added}, foretold from titles and tags`),
    fact("items removed", `${removed}`),
    fact(
      "foretold of known items",
      `${percent(explained.bias)} of the variance of biases, ${percent(explained.delta)} of deltas (5 folds)`,
    ),
    fact("written to", flags.out),
    fact("weights hash", hash),
    fact("start a task", `kindred up --plan … --catalogue ${flags.into}${features} --weights ${flags.out}`),
  ];
}
