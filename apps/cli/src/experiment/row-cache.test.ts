import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RowMeasurement } from "./result.ts";
import { RowCache } from "./row-cache.ts";

const MEASUREMENT: RowMeasurement = {
  quality: { hr10: 0.1, ndcg10: 0.05, mrr: 0.04, coverage: 0.3, novelty: 5, diversity: 0.8 },
  ranks: [1, 20],
  settings: "",
  curve: [],
  federated: null,
  clusters: null,
  nextInterest: null,
  unseen: null,
  seconds: 1.5,
};
const KEY = { row: "ease", seed: 1, fingerprint: "data-1", settings: { rounds: 3 } };
let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "kindred-rows-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe("the cache of finished rows", () => {
  it("gives back what was written under the same key, and nothing under another", async () => {
    const cache = new RowCache(join(directory, "rows"));
    expect(await cache.read(KEY)).toBeUndefined();
    await cache.write(KEY, MEASUREMENT);
    expect(await cache.read(KEY)).toEqual(MEASUREMENT);
    for (const other of [
      { ...KEY, row: "ease-recency" },
      { ...KEY, seed: 2 },
      { ...KEY, fingerprint: "data-2" },
      { ...KEY, settings: { rounds: 4 } },
    ])
      expect(await cache.read(other)).toBeUndefined();
  });

  it("keeps weights bit by bit", async () => {
    const cache = new RowCache(join(directory, "weights"));
    expect(await cache.readWeights(KEY)).toBeUndefined();
    const weights = Float32Array.of(0.1, -2.5, 1e-30).subarray(1);
    await cache.writeWeights(KEY, weights);
    expect(await cache.readWeights(KEY)).toEqual(Float32Array.of(-2.5, 1e-30));
    expect(await cache.readWeights({ ...KEY, seed: 2 })).toBeUndefined();
  });

  it("measures a damaged row again", async () => {
    const cache = new RowCache(join(directory, "damaged"));
    await cache.write(KEY, MEASUREMENT);
    const [name] = await readdir(join(directory, "damaged"));
    await writeFile(join(directory, "damaged", name!), '{"format":1,"meas');
    expect(await cache.read(KEY)).toBeUndefined();
    await writeFile(join(directory, "damaged", name!), '{"format":0,"measurement":{}}');
    expect(await cache.read(KEY)).toBeUndefined();
  });
});
