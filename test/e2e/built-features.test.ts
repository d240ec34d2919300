import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Coordinator } from "../../apps/coordinator/src/index.ts";
import { initialiseFolder } from "../../apps/coordinator/src/store/test-databases.ts";
import { httpTaskSource, systemClock } from "../../packages/client/src/index.ts";
import { encoderLayout } from "../../packages/encoder/src/layout.ts";
import {
  catalogueHash,
  compressWeights,
  decodeModel,
  encodeFeatureBundle,
  encodeFeatureManifest,
  encodeFeatureSegment,
  encodeWeightsFile,
  parseCatalogue,
  parsePlanInput,
  quantiseRows,
  sha256Hex,
  weightsHash,
} from "../../packages/protocol/src/index.ts";

const ENCODER = { layers: 1, dimension: 4, heads: 1, feedForward: 4, sequenceLength: 4, itemDeltaRank: 0 };
const planOf = (task: string) => ({
  task,
  encoder: ENCODER,
  cohort: { minimum: 4, target: 4, maximum: 5, minSurvivors: 4, corruption: 0, dropout: 0 },
  privacy: { mechanism: "none" },
  clustering: { clusters: 2, microClusters: 0 },
});
const catalogueOf = (items: number) =>
  parseCatalogue({
    schema: "kindred.catalogue/1",
    items: Array.from({ length: items }, (_, i) => ({ id: `${i}`, title: `Item ${i}`, tags: [] })),
  });

/** Segments of the given numbers of rows; entry j of row r is r + j. */
function bundleOf(...rows: number[]) {
  let at = 0;
  const files = rows.map((count) => {
    const values = Float32Array.from({ length: 4 * count }, (_, i) => at + (i >> 2) + (i % 4));
    at += count;
    return encodeFeatureSegment(quantiseRows(values, 4));
  });
  const manifest = encodeFeatureManifest({
    catalogue: catalogueHash(catalogueOf(at)),
    dimension: 4,
    source: "test",
    segments: files.map((file, i) => ({ hash: sha256Hex(file), rows: rows[i]! })),
    rowOf: Uint32Array.from({ length: at }, (_, item) => item),
  });
  return encodeFeatureBundle({ manifest, segments: new Map(files.map((file) => [sha256Hex(file), file])) });
}

let folder: string;
let coordinator: Coordinator;
const requested: string[] = [];

function source(task: string) {
  const get: typeof fetch = (input, init) => {
    requested.push(new URL(String(input)).pathname);
    return fetch(input, init);
  };
  return httpTaskSource({ url: coordinator.url, task, clock: systemClock, fetch: get });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-features-"));
  await initialiseFolder(join(folder, "database"));
  coordinator = await Coordinator.start({ directory: folder, port: 0 });
  await coordinator.createTask({ plan: planOf("old"), catalogue: catalogueOf(6), features: bundleOf(6) });
  await coordinator.createTask({ plan: planOf("new"), catalogue: catalogueOf(8), features: bundleOf(6, 2) });
});

afterAll(async () => {
  await coordinator.close();
  await rm(folder, { recursive: true });
});

describe("features that were built beforehand", () => {
  it("reach devices, and a task with more items costs the new rows only", async () => {
    const old = await source("old").material();
    expect(old.features).toHaveLength(24);
    expect(old.features![4]).toBeCloseTo(1, 1);
    requested.length = 0;
    const { features, downloaded, files } = await source("new").material(old.files);
    expect(features!.subarray(0, 24)).toEqual(old.features);
    expect(features![31]).toBeCloseTo(10, 1);
    // Plan, catalogue, manifest and one segment.
    expect(requested).toHaveLength(4);
    requested.length = 0;
    const again = await source("new").material(files);
    expect(again.features).toEqual(features);
    expect(requested).toEqual(["/v1/tasks/new/plan"]);
    expect(again.downloaded).toBeLessThan(downloaded);
  });

  it("are downloaded anew where what was kept is damaged", async () => {
    const broken = { catalogue: Uint8Array.of(1), features: Uint8Array.of(2) };
    const { features } = await source("old").material(broken);
    expect(features).toHaveLength(24);
  });

  it.each([
    ["of another catalogue", { catalogue: catalogueOf(7) }, "features.catalogue"],
    [
      "of another dimension",
      { plan: { ...planOf("x"), encoder: { ...ENCODER, dimension: 8 } } },
      "dimension",
    ],
  ])("are refused %s", async (_, change, field) => {
    const documents = { plan: planOf("x"), catalogue: catalogueOf(6), features: bundleOf(6) };
    await expect(coordinator.createTask({ ...documents, ...change })).rejects.toThrow(field);
  });
});

describe("pre-trained weights", () => {
  const plan = planOf("trained");
  const { encoder } = parsePlanInput(plan);
  const catalogue = catalogueOf(6);
  const weights = new Float32Array(encoderLayout(encoder, 6).length).fill(0.25);
  const file = { catalogue: catalogueHash(catalogue), features: "", encoder, source: "test", weights };

  it("are the first model, under the hash that the plan names", async () => {
    const signed = await coordinator.createTask({ plan, catalogue, weights: encodeWeightsFile(file) });
    expect(signed.plan.resolved.weightsHash).toBe(weightsHash(weights));
    const from = source("trained");
    const { modelHash } = await from.progress();
    const { model, file: served } = await from.model(modelHash!);
    expect(model.weights).toEqual(weights);
    expect(decodeModel(served, modelHash!).ok).toBe(true);
  });

  it("are compressed before the plan names them, where devices download compressed ones", async () => {
    const small = { ...planOf("small"), model: { download: { sparsity: 0.5 } } };
    const drawn = Float32Array.from(weights, (_, i) => Math.sin(i));
    const signed = await coordinator.createTask({
      plan: small,
      catalogue,
      weights: encodeWeightsFile({ ...file, weights: drawn }),
    });
    const compressed = compressWeights(drawn, { precision: "int8", sparsity: 0.5 });
    expect(signed.plan.resolved.weightsHash).toBe(weightsHash(compressed));
    const from = source("small");
    const { model } = await from.model((await from.progress()).modelHash!);
    expect(model).toMatchObject({ weights: compressed, compressed: true });
  });

  it.each([
    ["of another encoder", { encoder: { ...encoder, heads: 2 } }, "weights.encoder.heads"],
    ["for built features", { features: "f".repeat(64) }, "weights.features"],
    ["of another length", { weights: new Float32Array(7) }, "weights.weights"],
  ])("are refused %s", async (_, change, field) => {
    const wrong = encodeWeightsFile({ ...file, ...change });
    const creating = coordinator.createTask({ plan: planOf("y"), catalogue, weights: wrong });
    await expect(creating).rejects.toThrow(field);
  });
});
