/** Embeddings by a local ONNX model through `@huggingface/transformers`, an optional package. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { KindredError } from "@kindred/protocol";
import type { EmbeddingSource } from "./embedding-source.ts";

/** The part of the package that is used. */
interface Transformers {
  readonly env: { allowRemoteModels: boolean; allowLocalModels: boolean; localModelPath: string };
  pipeline(
    task: "feature-extraction",
    model: string,
    options: { dtype: string; device: string; local_files_only: boolean },
  ): Promise<Extractor>;
}

interface Extractor {
  (
    texts: string[],
    options: { pooling: "mean"; normalize: boolean },
  ): Promise<{ dims: readonly number[]; data: ArrayLike<number> }>;
  dispose(): Promise<unknown>;
}

export interface OnnxOptions {
  /** Folder with config.json, tokenizer.json, tokenizer_config.json and onnx/model.onnx. */
  readonly folder: string;
  /** Which of the folder's models: `fp32` is onnx/model.onnx, `q8` onnx/model_quantized.onnx. */
  readonly precision: "fp32" | "q8";
  readonly batchSize?: number;
}

const FILES = { fp32: "onnx/model.onnx", q8: "onnx/model_quantized.onnx" };

/**
 * Loads the model; nothing is downloaded. Token vectors are averaged and normalised, as sentence-transformers do.
 * @throws KindredError `option-invalid` if the package or a file is missing, or the model does not load
 */
export async function onnxEmbeddings({
  folder,
  precision,
  batchSize = 16,
}: OnnxOptions): Promise<EmbeddingSource & { close(): Promise<void> }> {
  const refuse = (rule: string, fix: string): never => {
    throw new KindredError({ code: "option-invalid", field: "--onnx", rule, fix });
  };
  const model = resolve(folder);
  for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json", FILES[precision]])
    if (!existsSync(resolve(model, file)))
      refuse(
        `must be a folder with ${file}, found "${folder}"`,
        "export the model with Hugging Face Optimum",
      );
  const content = createHash("sha256").update(await readFile(resolve(model, FILES[precision])));
  const { env, pipeline } = await loadTransformers();
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = `${dirname(model)}/`;
  const extractor: Extractor = await pipeline("feature-extraction", basename(model), {
    dtype: precision,
    device: "cpu",
    local_files_only: true,
  }).catch((error: unknown) => {
    const why = error instanceof Error ? error.message.split("\n")[0] : "unknown reason";
    return refuse(`must be a model that loads: ${why}`, "check the folder's files");
  });
  return {
    name: `onnx ${basename(model)} ${content.digest("hex").slice(0, 12)}`,
    batchSize,
    async embed(texts) {
      const { dims, data } = await extractor([...texts], { pooling: "mean", normalize: true });
      const [count = 0, width = 0] = dims;
      return Array.from({ length: count }, (_, i) =>
        Float32Array.from({ length: width }, (_, j) => Number(data[i * width + j])),
      );
    },
    close: async () => {
      await extractor.dispose();
    },
  };
}

async function loadTransformers(): Promise<Transformers> {
  try {
    return (await import("@huggingface/transformers")) as unknown as Transformers;
  } catch {
    throw new KindredError({
      code: "option-invalid",
      field: "--onnx",
      rule: "needs the package @huggingface/transformers, which is not installed",
      fix: "npm install @huggingface/transformers",
    });
  }
}
