import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tokenVector, writeTinyModel } from "../../test/tiny-onnx-model.ts";
import { onnxEmbeddings } from "./onnx-embeddings.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-onnx-"));
  await writeTinyModel(join(folder, "tiny"));
});

afterAll(() => rm(folder, { recursive: true }));

/** Mean of the token vectors, of norm 1. */
function expected(...tokens: string[]): number[] {
  const vectors = tokens.map(tokenVector);
  const sum = vectors[0]!.map((_, i) => vectors.reduce((total, vector) => total + vector[i]!, 0));
  const norm = Math.hypot(...sum);
  return sum.map((entry) => entry / norm);
}

describe("a local ONNX model", () => {
  it("embeds texts of different lengths by the mean of their tokens, padding left out", async () => {
    const source = await onnxEmbeddings({ folder: join(folder, "tiny"), precision: "fp32" });
    try {
      const vectors = await source.embed(["Crime thriller", "love", "unheard love story"]);
      const wanted = [expected("crime", "thriller"), expected("love"), expected("[UNK]", "love", "story")];
      wanted.forEach((vector, text) => {
        vector.forEach((entry, i) => {
          expect(vectors[text]![i]).toBeCloseTo(entry, 5);
        });
      });
      expect(source.name).toMatch(/^onnx tiny [0-9a-f]{12}$/);
    } finally {
      await source.close();
    }
  });

  it("is refused where a file is missing or is no model", async () => {
    await expect(onnxEmbeddings({ folder, precision: "fp32" })).rejects.toThrow("config.json");
    await expect(onnxEmbeddings({ folder: join(folder, "tiny"), precision: "q8" })).rejects.toThrow(
      "onnx/model_quantized.onnx",
    );
    const broken = join(folder, "broken");
    await writeTinyModel(broken);
    await writeFile(join(broken, "onnx", "model.onnx"), "no model");
    await expect(onnxEmbeddings({ folder: broken, precision: "fp32" })).rejects.toThrow(
      "must be a model that loads",
    );
  });
});
