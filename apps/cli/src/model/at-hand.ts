/** What the model tools share: an encoder for a task's files, logs to measure on, and how they print. */
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import {
  type EvaluationUser,
  InterestEncoder,
  loadBackend,
  nextItemRanks,
  type RankingMetrics,
  rankingMetrics,
  type Sequence,
} from "@kindred/encoder";
import { checkWeightsFit, decodeWeightsFile, encodeWeightsFile, weightsHash } from "@kindred/protocol";
import { readBytes, readText, refuseFlag } from "../input-files.ts";
import { fit, type Row } from "../terminal/rows.ts";
import { leaveLastOut, readInteractionLog } from "./interaction-log.ts";
import type { TaskFiles } from "./task-files.ts";

export interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly env: Record<string, string | undefined>;
}

/** An encoder as the plan draws it, all of it trainable. */
export async function newEncoder(files: TaskFiles): Promise<InterestEncoder> {
  const { shape, training, features, catalogue } = files;
  return InterestEncoder.create({
    backend: await loadBackend(),
    shape,
    training,
    features,
    itemCount: catalogue.items.length,
  });
}

/** @throws KindredError naming flag, or file, line and field */
export async function readLog(flag: string, file: string, files: TaskFiles): Promise<Sequence[]> {
  const { sequences } = readInteractionLog(await readText(flag, file), {
    name: basename(file),
    catalogue: files.catalogue,
  });
  const usable = sequences.filter(({ items }) => items.length >= 2);
  if (usable.length === 0)
    refuseFlag(flag, "must have a person with two interactions with items of the catalogue", "check the ids");
  return usable;
}

/**
 * The people of `--evaluate`, if there is one.
 * @throws KindredError naming flag, or file, line and field
 */
export async function readEvaluated(
  file: string | undefined,
  files: TaskFiles,
): Promise<EvaluationUser[] | undefined> {
  return file === undefined ? undefined : leaveLastOut(await readLog("--evaluate", file, files));
}

/** NDCG@10 and other measures of how an encoder ranks. */
export function measured(encoder: InterestEncoder, users: readonly EvaluationUser[]): RankingMetrics {
  return rankingMetrics(nextItemRanks({ encoder, users }));
}

/**
 * Weights of the task from a file.
 * @throws KindredError `model-invalid` if they belong to another catalogue, other features or another shape
 */
export async function readWeights(flag: string, file: string, files: TaskFiles): Promise<Float32Array> {
  const found = decodeWeightsFile(await readBytes(flag, file));
  checkWeightsFit(found, { ...files.belongsTo, encoder: files.shape });
  return found.weights;
}

/**
 * Writes weights of the task to a file.
 * @param options.source what they come from, in words
 * @returns their hash
 */
export async function writeWeights(
  file: string,
  options: { readonly files: TaskFiles; readonly source: string; readonly weights: Float32Array },
): Promise<string> {
  const { files, source, weights } = options;
  await writeFile(file, encodeWeightsFile({ ...files.belongsTo, encoder: files.shape, source, weights }));
  return weightsHash(weights);
}

export function print(rows: readonly Row[], { stdout, env }: Terminal): void {
  const width = stdout.columns || 80;
  const color = stdout.isTTY === true && env["NO_COLOR"] === undefined;
  for (const row of rows) for (const line of fit(row, { width, color })) stdout.write(`${line}\n`);
}
