import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encoderLayout, initialWeights } from "@kindred/encoder/layout";
import {
  catalogueHash,
  decodeWeightsFile,
  type EncoderWeightsFile,
  encodeModel,
  encodeWeightsFile,
  type Model,
  parseCatalogue,
  parsePlanInput,
  unnamedClustering,
  weightsHash,
} from "@kindred/protocol";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Terminal } from "./at-hand.ts";
import { grow } from "./grow.ts";

const plan = {
  task: "films",
  encoder: { layers: 1, dimension: 8, heads: 1, feedForward: 8, sequenceLength: 5, itemDeltaRank: 2 },
};
const { encoder } = parsePlanInput(plan);
const GENRES = ["crime", "love", "war"];
const film = (i: number) => ({ id: `${i}`, title: `Film ${i}`, tags: [GENRES[i % 3]!] });
const catalogueOf = (numbers: readonly number[]) =>
  parseCatalogue({ schema: "kindred.catalogue/1", items: numbers.map(film) });
const old = catalogueOf(Array.from({ length: 60 }, (_, i) => i));
const fresh = catalogueOf(Array.from({ length: 60 }, (_, i) => 62 - i));

const weights = initialWeights(encoder, 60);
const { offset } = encoderLayout(encoder, 60).tensors.find(({ name }) => name === "item.bias")!;
for (let i = 0; i < 60; i++) weights[offset + i] = i % 3;

let folder: string;
let printed = "";
const at = (name: string): string => join(folder, name);
const terminal = {
  stdout: { write: (text: string) => (printed += text), columns: 120 } as unknown as Terminal["stdout"],
  env: {},
};
const run = (changes: Partial<Parameters<typeof grow>[0]> = {}) =>
  grow(
    {
      plan: at("plan.json"),
      catalogue: at("old.json"),
      into: at("new.json"),
      weights: at("weights.kindred"),
      out: at("grown.kindred"),
      ...changes,
    },
    terminal,
  );
const written = async (): Promise<EncoderWeightsFile> =>
  decodeWeightsFile(new Uint8Array(await readFile(at("grown.kindred"))));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-grow-"));
  await writeFile(at("plan.json"), JSON.stringify(plan));
  await writeFile(at("old.json"), JSON.stringify(old));
  await writeFile(at("new.json"), JSON.stringify(fresh));
  const file = { catalogue: catalogueHash(old), features: "", encoder, source: "pre-trained", weights };
  await writeFile(at("weights.kindred"), encodeWeightsFile(file));
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => {
  printed = "";
});

describe("kindred model grow", () => {
  it("writes weights of the new catalogue, and says what became of the items", async () => {
    const report = await run();
    expect(report).toMatchObject({ kept: 57, added: 3, removed: 3 });
    expect(report.explained.bias).toBeGreaterThan(0.9);
    const file = await written();
    expect(file).toMatchObject({ catalogue: catalogueHash(fresh), features: "", encoder });
    expect(file.source).toBe("grown: 57 items kept, 3 added, 3 removed");
    expect(weightsHash(file.weights)).toBe(report.hash);
    fresh.items.forEach(({ id }, position) => {
      const bias = file.weights[offset + position]!;
      if (Number(id) < 60) expect(bias).toBe(Number(id) % 3);
      else expect(Math.abs(bias - (Number(id) % 3))).toBeLessThan(0.3);
    });
    expect(printed).toContain("57, as they were");
    expect(printed).toMatch(/9\d\.\d % of the variance of biases, 0\.0 % of deltas/);
    expect(printed).toContain("kindred up");
  });

  it("takes a model that the plan's task has released, without its heads", async () => {
    await run();
    const byWeights = await written();
    const rated = { ...plan, training: { ratings: {} } };
    await writeFile(at("rated.json"), JSON.stringify(rated));
    const whole = initialWeights(encoder, 60, parsePlanInput(rated).training);
    whole.set(weights);
    const model: Model = {
      task: "films",
      round: 3,
      parent: "0".repeat(64),
      weights: whole,
      centroids: Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0),
      clusters: 1,
      cells: new Float32Array(),
      clustering: unnamedClustering(1),
    };
    await writeFile(at("model.kindred"), encodeModel(model));
    await run({ plan: at("rated.json"), weights: at("model.kindred") });
    expect((await written()).weights).toEqual(byWeights.weights);

    await writeFile(at("other.json"), JSON.stringify({ ...rated, task: "books" }));
    await expect(run({ plan: at("other.json"), weights: at("model.kindred") })).rejects.toThrow(
      "--weights must be of the plan's task books, found films",
    );
    await expect(run({ weights: at("model.kindred") })).rejects.toThrow("weights must be");
  });

  it("refuses what does not belong together", async () => {
    await expect(run({ catalogue: at("new.json") })).rejects.toThrow("weights.catalogue must be");
    await expect(run({ features: at("none") })).rejects.toThrow("--into-features must be there");
    await expect(run({ intoFeatures: at("none") })).rejects.toThrow("--features must be there");
    await expect(run({ weights: at("none") })).rejects.toThrow("--weights must be a readable file");
    await expect(run({ weights: at("plan.json") })).rejects.toThrow("weights must be one deterministic CBOR");
  });
});
