import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  assembleFeatures,
  catalogueHash,
  decodeFeatureBundle,
  decodeFeatureManifest,
  parseCatalogue,
  sha256Hex,
} from "@kindred/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BuildOptions, buildCatalogue } from "./build.ts";
import type { EmbeddingSource } from "./embedding-source.ts";
import type { SourceItem } from "./source-items.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kindred-build-"));
});
afterEach(() => rm(directory, { recursive: true }));

const GENRES = ["crime", "love", "war", "music"];
const itemOf = (i: number): SourceItem => ({
  id: `item-${i}`,
  title: `Number ${i} of ${GENRES[i % 4]}`,
  text: "",
  tags: [GENRES[i % 4]!, `year ${i % 7}`],
  attributes: { price: i },
  vectors: i % 5 === 0 ? {} : { image: Float32Array.of(i % 4, 1, (i % 4) ** 2) },
});
const items = Array.from({ length: 60 }, (_, i) => itemOf(i));

const build = (changes: Partial<BuildOptions> = {}) =>
  buildCatalogue({
    items,
    directory,
    dimension: 8,
    textBuckets: 4096,
    seed: 1,
    related: { pairs: [], byTags: true },
    refit: false,
    progress: () => undefined,
    ...changes,
  });

async function results() {
  const { manifest: file, segments } = decodeFeatureBundle(
    new Uint8Array(await readFile(join(directory, "features.kindred"))),
  );
  const manifest = decodeFeatureManifest(file, sha256Hex(file));
  const catalogue = parseCatalogue(JSON.parse(await readFile(join(directory, "catalogue.json"), "utf8")));
  return { manifest, catalogue, features: assembleFeatures(manifest, segments) };
}

const cosine = (features: Float32Array, a: number, b: number): number => {
  let dot = 0;
  for (let i = 0; i < 8; i++) dot += features[a * 8 + i]! * features[b * 8 + i]!;
  return dot;
};

describe("building a catalogue", () => {
  it("gives every item a row of norm 1, nearer to what is alike, under the catalogue's hash", async () => {
    const report = await build();
    const { manifest, catalogue, features } = await results();
    expect(manifest.catalogue).toBe(catalogueHash(catalogue));
    expect(catalogue.items[3]).toEqual({
      id: "item-3",
      title: "Number 3 of music",
      tags: ["music", "year 3"],
    });
    expect(report).toMatchObject({ items: 60, added: 60, unused: 0, embedded: 0 });
    expect(report.modalities.map(({ name }) => name)).toEqual([
      "title",
      "tags",
      "attributes",
      "vectors.image",
    ]);
    expect(report.loss!.mean).toBeLessThan(1e-3);
    for (let item = 0; item < 60; item++) expect(cosine(features, item, item)).toBeCloseTo(1, 1);
    const mean = (same: boolean) => {
      let sum = 0;
      let count = 0;
      for (let a = 0; a < 60; a++)
        for (let b = 0; b < a; b++)
          if ((a % 4 === b % 4) === same) {
            sum += cosine(features, a, b);
            count++;
          }
      return sum / count;
    };
    expect(mean(true)).toBeGreaterThan(mean(false) + 0.5);
  });

  it("gives the same files again from the same items", async () => {
    const first = await build();
    const again = await build({ refit: true });
    expect(again.featuresHash).toBe(first.featuresHash);
    expect(await build()).toMatchObject({ featuresHash: first.featuresHash, added: 0, loss: undefined });
  });

  it("takes no rows of other items where making everything anew was interrupted", async () => {
    await build();
    const turned = items.slice().reverse();
    await mkdir(join(directory, "build.kindred.part"));
    await expect(build({ items: turned, refit: true })).rejects.toThrow("EISDIR");
    await rm(join(directory, "build.kindred.part"), { recursive: true });
    await build({ items: turned });
    const { features } = await results();
    await build({ items: turned, refit: true });
    expect(features).toEqual((await results()).features);
  });

  it("keeps the rows of items that stay, whatever is added, taken away, changed or moved", async () => {
    await build();
    const before = await results();
    const changed = { ...itemOf(7), title: "Another title" };
    const later = [itemOf(60), ...items.slice(1, 7), changed, ...items.slice(8).reverse(), itemOf(61)];
    const report = await build({ items: later });
    const after = await results();
    expect(report).toMatchObject({ items: 61, added: 3, unused: 2 });
    expect(report.download.update).toBeLessThan(report.download.whole / 2);
    expect(after.manifest.segments[0]).toEqual(before.manifest.segments[0]);
    for (const [position, { id }] of later.entries()) {
      const old = Number(id.slice(5));
      if (old >= 60 || old === 7) continue;
      expect(after.features.subarray(position * 8, position * 8 + 8)).toEqual(
        before.features.subarray(old * 8, old * 8 + 8),
      );
    }
    // A new item is where its kind is: item 60 is of the genre of item 4.
    expect(
      cosine(
        after.features,
        0,
        later.findIndex(({ id }) => id === "item-4"),
      ),
    ).toBeGreaterThan(0.5);
  });

  it("asks an embedding model for new texts only", async () => {
    const asked: number[] = [];
    const embedding: EmbeddingSource = {
      name: "counting",
      batchSize: 100,
      embed: async (texts) => {
        asked.push(texts.length);
        return texts.map((text) => Float32Array.from(GENRES, (genre) => (text.includes(genre) ? 1 : 0)));
      },
    };
    await build({ embedding });
    const report = await build({ embedding, items: [...items, itemOf(60)] });
    expect(asked).toEqual([60, 1]);
    expect(report).toMatchObject({ added: 1, embedded: 1 });
    expect((await results()).manifest.source).toContain("counting");
  });

  it("learns to trust the vectors that relate items, and leaves noise", async () => {
    const random = (seed: number) =>
      Math.sin(seed * 12.9898) * 43758.5453 - Math.floor(Math.sin(seed * 12.9898) * 43758.5453);
    const many = Array.from({ length: 400 }, (_, i) => {
      const group = i % 20;
      const good = Float32Array.from(
        { length: 20 },
        (_, j) => (j === group ? 1 : 0) + 0.2 * random(i * 31 + j),
      );
      const bad = Float32Array.from({ length: 20 }, (_, j) => random(i * 77 + j + 0.5) - 0.5);
      return { id: `${i}`, title: "x", text: "", tags: [], attributes: {}, vectors: { bad, good } };
    });
    const pairs = Array.from({ length: 380 }, (_, i) => [i, i + 20] as const);
    const { modalities, fusion } = await build({ items: many, related: { pairs, byTags: false } });
    const weight = (name: string) => modalities.find((modality) => modality.name === name)!.weight;
    expect(weight("vectors.good")).toBeGreaterThan(5 * weight("vectors.bad"));
    expect(fusion).toMatchObject({ pairs: 380, better: true });
  });

  it("refuses to go on with other options, and a state that is damaged", async () => {
    await build();
    await expect(build({ dimension: 16 })).rejects.toThrow("--refit");
    await writeFile(join(directory, "build.kindred"), "damaged");
    await expect(build()).rejects.toThrow("must be the state of an earlier build");
    expect(await build({ refit: true })).toMatchObject({ added: 60 });
  });
});
