/** From the flags of `kindred catalogue build` to files and a summary. */
import { basename, join } from "node:path";
import { readText, refuseFlag, wholeNumber } from "../input-files.ts";
import { createProgress } from "../terminal/progress.ts";
import { fact, fit, heading, type Row } from "../terminal/rows.ts";
import { type BuildReport, buildCatalogue } from "./build.ts";
import type { EmbeddingSource } from "./embedding-source.ts";
import { embeddingsEndpoint } from "./embeddings-endpoint.ts";
import { onnxEmbeddings } from "./onnx-embeddings.ts";
import { readRelated, relatedByTags } from "./related-items.ts";
import { readSourceItems } from "./source-items.ts";

export interface CatalogueBuildFlags {
  readonly items: string;
  readonly out: string;
  readonly dimension: string;
  readonly embeddings?: string;
  readonly model?: string;
  readonly modelDimensions?: string;
  readonly onnx?: string;
  readonly precision: string;
  readonly related?: string;
  readonly seed: string;
  readonly refit?: boolean;
}

interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly env: Record<string, string | undefined>;
}

const TEXT_BUCKETS = 32_768;

/**
 * Builds, and prints what was built.
 * @throws KindredError naming flag, or file, line and field
 */
export async function catalogueBuild(
  flags: CatalogueBuildFlags,
  { stdout, env }: Terminal,
): Promise<BuildReport> {
  const dimension = wholeNumber("--dimension", flags.dimension, { least: 2, most: 512 });
  const seed = wholeNumber("--seed", flags.seed, { least: 0, most: 0xffffffff });
  const items = readSourceItems(await readText("--items", flags.items), basename(flags.items));
  const pairs =
    flags.related === undefined
      ? relatedByTags(items, seed)
      : readRelated(await readText("--related", flags.related), { name: basename(flags.related), items });
  const progress = createProgress({ stream: stdout, now: () => Date.now(), env });
  const embedding = await embeddingSource(flags, env);
  try {
    const report = await buildCatalogue({
      items,
      directory: flags.out,
      dimension,
      textBuckets: TEXT_BUCKETS,
      seed,
      ...(embedding && { embedding }),
      related: { pairs, byTags: flags.related === undefined },
      refit: flags.refit === true,
      progress: (label, fraction) => progress.task(label, fraction),
    });
    progress.done();
    const width = stdout.columns || 80;
    const color = stdout.isTTY === true && env["NO_COLOR"] === undefined;
    for (const row of summary(report, flags))
      for (const line of fit(row, { width, color })) stdout.write(`${line}\n`);
    return report;
  } finally {
    progress.done();
    await embedding?.close?.();
  }
}

async function embeddingSource(
  flags: CatalogueBuildFlags,
  env: Terminal["env"],
): Promise<(EmbeddingSource & { close?(): Promise<void> }) | undefined> {
  const { embeddings: url, onnx: folder, model, precision } = flags;
  if (folder !== undefined) {
    if (url !== undefined) refuseFlag("--onnx", "must not come with --embeddings", "choose one");
    if (precision !== "fp32" && precision !== "q8")
      return refuseFlag("--precision", `must be fp32 or q8, found "${precision}"`, "use fp32");
    return onnxEmbeddings({ folder, precision });
  }
  if (url === undefined) return undefined;
  if (model === undefined)
    return refuseFlag("--model", "must be there with --embeddings", "name the endpoint's model");
  const key = env["KINDRED_EMBEDDINGS_KEY"];
  const dimensions =
    flags.modelDimensions === undefined
      ? undefined
      : wholeNumber("--model-dimensions", flags.modelDimensions, { least: 1, most: 8_192 });
  return embeddingsEndpoint({
    url,
    model,
    ...(key !== undefined && { key }),
    ...(dimensions !== undefined && { dimensions }),
  });
}

function summary(report: BuildReport, { out, related }: CatalogueBuildFlags): Row[] {
  const { items, added, unused, download, fusion, loss } = report;
  const rows = [
    heading("Catalogue"),
    fact("items", `${items}, of which ${added} got rows now`),
    fact(
      "on the device",
      `${kilobytes(download.whole)}; ${kilobytes(download.update)} for one that has the last build`,
    ),
    heading("Kinds of vectors"),
    ...report.modalities.map(({ name, width, weight }) =>
      fact(name, `weight ${weight.toFixed(2)}, ${width} entries`),
    ),
  ];
  if (fusion !== undefined) {
    const { accuracy, better } = fusion;
    const { prior, learned } = accuracy;
    const from = related === undefined ? "items that share a rare tag" : "the related items given";
    rows.push(
      fact(
        "weights learned from",
        `${fusion.pairs} pairs of ${from}: nearest of 32 in ${percent(learned)} of the pairs kept back (${percent(prior)} before${better ? "" : "; no better, so the weights stay"})`,
      ),
    );
  }
  if (loss !== undefined)
    rows.push(
      fact(
        "loss by 8 bits",
        `1 − cosine ${loss.mean.toExponential(1)} (largest ${loss.largest.toExponential(1)}); ${percent(loss.neighboursKept)} of the ten nearest stay`,
      ),
    );
  if (unused > items)
    rows.push(fact("unused rows", `${unused}: --refit makes the files smaller, once for every device`));
  rows.push(
    heading("Files"),
    fact("catalogue", join(out, "catalogue.json")),
    fact("features", join(out, "features.kindred")),
    fact("features hash", report.featuresHash),
    fact(
      "start a task",
      `kindred up --plan … --catalogue ${join(out, "catalogue.json")} --features ${join(out, "features.kindred")}`,
    ),
  );
  return rows;
}

const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
