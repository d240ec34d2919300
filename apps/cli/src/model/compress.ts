/** `kindred model compress`: what weights lose and devices save by pruning and 8 bits, and the weights that are left. */
import type { RankingMetrics } from "@kindred/encoder";
import { compressWeights, packWeights } from "@kindred/protocol";
import { refuseFlag } from "../input-files.ts";
import { fact, heading, type Row } from "../terminal/rows.ts";
import {
  measured,
  newEncoder,
  print,
  readEvaluated,
  readWeights,
  type Terminal,
  writeWeights,
} from "./at-hand.ts";
import { readTaskFiles, type TaskFileFlags } from "./task-files.ts";

export interface CompressFlags extends TaskFileFlags {
  readonly weights: string;
  readonly sparsity: string;
  readonly evaluate?: string;
  readonly out?: string;
}

/** One sparsity. */
export interface Compression {
  readonly sparsity: number;
  /** Weights that are 0, as a share. */
  readonly zero: number;
  /** Bytes of the weights in a model file. */
  readonly bytes: number;
  /** Euclidean norm of what is lost over that of the weights. */
  readonly lost: number;
  /** On the people of `--evaluate`. */
  readonly quality: RankingMetrics | undefined;
}

export interface CompressReport {
  /** Bytes as float32. */
  readonly bytes: number;
  readonly quality: RankingMetrics | undefined;
  readonly compressions: readonly Compression[];
  /** Hash of the weights that were written. */
  readonly hash: string | undefined;
}

/**
 * Compresses by each sparsity of `--sparsity`, prints size and loss of each, and writes the last where `--out` says.
 * @throws KindredError naming flag, or file and field
 */
export async function compress(flags: CompressFlags, terminal: Terminal): Promise<CompressReport> {
  const sparsities = flags.sparsity.split(",").map((text) => {
    const sparsity = Number(text);
    if (text.trim() === "" || !(sparsity >= 0 && sparsity <= 0.99))
      refuseFlag("--sparsity", `must be shares from 0 to 0.99, found "${text}"`, "such as 0,0.3,0.5");
    return sparsity;
  });
  const files = await readTaskFiles(flags);
  const weights = await readWeights("--weights", flags.weights, files);
  const people = await readEvaluated(flags.evaluate, files);
  const encoder = await newEncoder(files);
  try {
    const qualityOf = (of: Float32Array): RankingMetrics | undefined => {
      encoder.setWeights(of);
      return people && measured(encoder, people);
    };
    const results = sparsities.map((sparsity) => compressWeights(weights, { precision: "int8", sparsity }));
    const compressions = results.map((compressed, i) => {
      const { scales, present, codes } = packWeights(compressed);
      return {
        sparsity: sparsities[i]!,
        zero: compressed.filter((weight) => weight === 0).length / compressed.length,
        bytes: scales.length + present.length + codes.length,
        lost: distance(weights, compressed) / distance(weights, new Float32Array(weights.length)),
        quality: qualityOf(compressed),
      };
    });
    const last = results.at(-1)!;
    const source = `8 bits, ${sparsities.at(-1)} pruned`;
    const hash =
      flags.out === undefined ? undefined : await writeWeights(flags.out, { files, source, weights: last });
    const report = {
      bytes: 4 * weights.length,
      quality: qualityOf(weights),
      compressions,
      hash,
    };
    print(summary(report, flags), terminal);
    return report;
  } finally {
    encoder.dispose();
  }
}

function distance(a: Float32Array, b: Float32Array): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(squares);
}

function summary({ bytes, quality, compressions, hash }: CompressReport, { out }: CompressFlags): Row[] {
  const of = (metrics: RankingMetrics | undefined): string[] =>
    metrics === undefined ? [] : [metrics.ndcg10.toFixed(4), metrics.hr10.toFixed(4)];
  const rows: Row[] = [
    heading("Weights on the device", ["kB", "zero", "lost", ...(quality ? ["NDCG@10", "HR@10"] : [])]),
    { label: "float32", cells: [(bytes / 1000).toFixed(1), "", "", ...of(quality)] },
    ...compressions.map(({ sparsity, zero, bytes: packed, lost, quality: own }) => ({
      label: `8 bits, ${(100 * sparsity).toFixed(0)} % pruned`,
      cells: [
        (packed / 1000).toFixed(1),
        `${(100 * zero).toFixed(0)} %`,
        `${(100 * lost).toFixed(1)} %`,
        ...of(own),
      ],
    })),
  ];
  const { sparsity } = compressions.at(-1)!;
  rows.push(fact("in a plan", `model: { download: { precision: int8, sparsity: ${sparsity} } }`));
  if (out !== undefined && hash !== undefined) rows.push(fact("written to", out), fact("weights hash", hash));
  return rows;
}
