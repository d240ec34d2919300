import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encoderLayout, initialWeights } from "@kindred/encoder/layout";
import {
  catalogueHash,
  decodeWeightsFile,
  encodeModel,
  type Model,
  modelHash,
  parseCatalogue,
  parsePlanInput,
  unnamedClustering,
  weightsHash,
} from "@kindred/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Terminal } from "./at-hand.ts";
import { compress } from "./compress.ts";
import { checkTop, distil } from "./distil.ts";
import { pretrain } from "./pretrain.ts";

const plan = {
  task: "films",
  encoder: {
    layers: 1,
    dimension: 16,
    heads: 2,
    feedForward: 16,
    sequenceLength: 8,
    dropout: 0,
    itemDeltaRank: 4,
  },
};
const GROUPS = ["crime", "love", "war"];
const catalogue = parseCatalogue({
  schema: "kindred.catalogue/1",
  items: Array.from({ length: 36 }, (_, i) => ({
    id: `${i}`,
    title: `Film ${i}`,
    tags: [GROUPS[i % 3]!],
  })),
});

/** Each person goes through their group's films in the order of the catalogue, from a film of their own. */
function log(from: number, to: number): string {
  const lines = ["user,item,time"];
  for (let person = from; person < to; person++)
    for (let step = 0; step < 6; step++) {
      const film = ((person % 3) + 3 * (Math.floor(person / 3) + step)) % 36;
      lines.push(`${person},${film},${step * 1000}`);
    }
  return lines.join("\n");
}

let folder: string;
let printed = "";
const at = (name: string): string => join(folder, name);
const terminal = {
  stdout: { write: (text: string) => (printed += text), columns: 120 } as unknown as Terminal["stdout"],
  env: {},
};
const task = () => ({ plan: at("plan.json"), catalogue: at("catalogue.json") });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-model-"));
  await writeFile(at("plan.json"), JSON.stringify(plan));
  await writeFile(at("catalogue.json"), JSON.stringify(catalogue));
  await writeFile(at("agreed.csv"), log(0, 60));
  await writeFile(at("others.csv"), log(60, 90));
});
afterAll(() => rm(folder, { recursive: true }));

const train = (changes: Partial<Parameters<typeof pretrain>[0]>) =>
  pretrain(
    { ...task(), out: at("weights.kindred"), walks: "0", drawn: "600", epochs: "30", seed: "1", ...changes },
    terminal,
  );

describe("model tools", () => {
  it("pre-train on a log, for people who are not in it, and say what compression costs them", async () => {
    const report = await train({ log: at("agreed.csv"), evaluate: at("others.csv") });
    const { before, after } = report.evaluation!;
    expect(after.n).toBe(30);
    expect(after.ndcg10).toBeGreaterThan(before.ndcg10 + 0.2);
    const file = decodeWeightsFile(new Uint8Array(await readFile(at("weights.kindred"))));
    const { encoder } = parsePlanInput(plan);
    expect(file).toMatchObject({ catalogue: catalogueHash(catalogue), features: "", encoder });
    expect(file.weights).toHaveLength(encoderLayout(encoder, 36).length);
    expect(weightsHash(file.weights)).toBe(report.hash);
    expect(printed).toContain("30 people not trained on");

    printed = "";
    const { bytes, quality, compressions, hash } = await compress(
      {
        ...task(),
        weights: at("weights.kindred"),
        sparsity: "0,0.5,0.95",
        evaluate: at("others.csv"),
        out: at("small.kindred"),
      },
      terminal,
    );
    expect(quality).toEqual(after);
    expect(compressions[0]!.quality!.ndcg10).toBeGreaterThan(after.ndcg10 - 0.05);
    expect(compressions[0]!.bytes).toBeLessThan(bytes / 3);
    expect(compressions[1]!.bytes).toBeLessThan(compressions[0]!.bytes);
    expect(compressions[0]!.lost).toBeLessThan(0.02);
    expect(compressions[2]!.quality!.ndcg10).toBeLessThan(after.ndcg10);
    const small = decodeWeightsFile(new Uint8Array(await readFile(at("small.kindred"))));
    expect(weightsHash(small.weights)).toBe(hash);
    expect(printed).toContain("model: { download: { precision: int8, sparsity: 0.95 } }");
  });

  it("pre-train on walks, and keep the weights where nothing better is learned", async () => {
    const { stages } = await train({ walks: "2", epochs: "1" });
    expect(stages).toMatchObject([{ name: "walks over items", epochs: 1 }]);
    expect(stages[0]!.after).toBeGreaterThanOrEqual(stages[0]!.before);
    const file = decodeWeightsFile(new Uint8Array(await readFile(at("weights.kindred"))));
    const drawn = initialWeights(parsePlanInput(plan).encoder, 36);
    expect(weightsHash(file.weights) === weightsHash(drawn)).toBe(stages[0]!.bestEpoch === 0);
  });

  it("pre-train on what released signals foresee, for people who follow it", async () => {
    const model = (signals: Model["signals"]) =>
      encodeModel({
        ...{
          task: "films",
          round: 2,
          parent: "",
          weights: Float32Array.of(0),
          centroids: Float32Array.of(1),
        },
        ...{ clusters: 1, cells: new Float32Array(), clustering: unnamedClustering(1) },
        ...(signals && { signals }),
      });
    const released = { round: 2, people: 500, deviation: 1 };
    const items = Uint32Array.from({ length: 36 }, (_, item) => item);
    // After each film the next two of its group, as in the logs.
    const entries = Uint32Array.from(
      [...items].flatMap((film) =>
        [(film + 3) % 36, (film + 6) % 36].sort((a, b) => a - b).map((next) => film * 36 + next),
      ),
    );
    const transitions = { ...released, items, entries, counts: new Float32Array(entries.length).fill(40) };
    await writeFile(at("model.kindred"), model({ transitions }));
    const signals = { signals: at("model.kindred"), evaluate: at("others.csv"), epochs: "8" };
    const { stages, evaluation } = await train(signals);
    expect(stages).toMatchObject([{ name: "the signals", sequences: 600 }]);
    expect(evaluation!.after.ndcg10).toBeGreaterThan(evaluation!.before.ndcg10 + 0.2);

    const origin = { hash: modelHash(new Uint8Array(await readFile(at("model.kindred")))) };
    const saying = (catalogue: string) =>
      writeFile(at("model.kindred.json"), JSON.stringify({ ...origin, catalogueHash: catalogue }));
    await saying("f".repeat(64));
    await expect(train(signals)).rejects.toThrow("--signals must be a model of this catalogue");
    await saying(catalogueHash(catalogue));
    expect((await train({ ...signals, epochs: "1", drawn: "100" })).stages).toHaveLength(1);

    const popularity = {
      ...{ ...released, clusters: [], entries: Uint32Array.of(36), counts: Float32Array.of(1) },
    };
    await writeFile(at("larger.kindred"), model({ popularity }));
    await expect(train({ signals: at("larger.kindred") })).rejects.toThrow("--signals must be about the 36");
    await writeFile(at("bare.kindred"), model(undefined));
    await expect(train({ signals: at("bare.kindred") })).rejects.toThrow(
      "--signals must be a model with signals",
    );
    await expect(train({ signals: at("plan.json") })).rejects.toThrow("--signals must be a released model");
    await expect(train({ ...signals, out: folder })).rejects.toThrow(
      "--out must be a file that can be written",
    );
    await expect(train({ ...signals, drawn: "3" })).rejects.toThrow("--drawn");
  });

  it("write what a task takes whose plan has adapters and heads", async () => {
    const training = { trainable: "adapters", ratings: {}, interests: {} };
    await writeFile(at("rated.json"), JSON.stringify({ ...plan, training }));
    await train({ plan: at("rated.json"), out: at("rated.kindred"), log: at("agreed.csv"), epochs: "1" });
    const { weights } = decodeWeightsFile(new Uint8Array(await readFile(at("rated.kindred"))));
    expect(weights).toHaveLength(encoderLayout(parsePlanInput(plan).encoder, 36).length);
  });

  it("distil a larger encoder into the plan's", async () => {
    const large = { ...plan, encoder: { ...plan.encoder, layers: 2, dimension: 32, feedForward: 64 } };
    await writeFile(at("large.json"), JSON.stringify(large));
    const teacher = { plan: at("large.json"), out: at("teacher.kindred"), log: at("agreed.csv") };
    await train({ ...teacher, evaluate: at("others.csv") });
    printed = "";
    const teaching = {
      ...task(),
      teacher: [at("teacher.kindred")],
      teacherPlan: at("large.json"),
      temperature: "2",
      softWeight: "1",
      top: "12",
      log: at("agreed.csv"),
      epochs: "20",
      evaluate: at("others.csv"),
      seed: "1",
      out: at("student.kindred"),
    };
    const report = await distil(teaching, terminal);
    const { student, teachers } = report.evaluation!;
    expect(report.weights.student).toBeLessThan(report.weights.teachers / 2);
    expect(report.stage.sequences).toBe(60);
    expect(student.ndcg10).toBeGreaterThan(0.8 * teachers[0]!.ndcg10);
    const written = decodeWeightsFile(new Uint8Array(await readFile(at("student.kindred"))));
    expect(weightsHash(written.weights)).toBe(report.hash);
    expect(printed).toContain("of the teacher's NDCG@10 on 30 people");

    const both = [at("teacher.kindred"), at("teacher.kindred")];
    const byTwo = await distil({ ...teaching, teacher: both, epochs: "1" }, terminal);
    expect(byTwo.weights.teachers).toBe(2 * report.weights.teachers);
    expect(printed).toContain("teacher 2");

    await expect(distil({ ...teaching, softWeight: "1.5" }, terminal)).rejects.toThrow("--soft-weight");
    await expect(distil({ ...teaching, temperature: "0" }, terminal)).rejects.toThrow("--temperature");
    await expect(distil({ ...teaching, top: "0" }, terminal)).rejects.toThrow("--top");
  });

  it("refuse to keep more of what a teacher expects than memory holds", () => {
    const sequences = [{ items: { length: 1 + 2 ** 20 } }, { items: { length: 1 + 2 ** 20 } }];
    expect(() => checkTop(256, { sequences, itemCount: 5000 })).not.toThrow();
    expect(() => checkTop(257, { sequences, itemCount: 5000 })).toThrow(
      /--top must be at most 256 .*found 257/,
    );
    expect(() => checkTop(1_000_000, { sequences, itemCount: 200 })).not.toThrow();
  });

  it("refuse nothing to learn from, logs of other items, and weights of another plan", async () => {
    await expect(train({})).rejects.toThrow("--walks");
    await writeFile(at("foreign.csv"), "user,item,time\nx,none,1");
    await expect(train({ log: at("foreign.csv") })).rejects.toThrow("--log");
    await writeFile(at("short.csv"), "user,item,time\nx,1,1\nx,2,2\ny,3,1\ny,4,2");
    await expect(train({ log: at("short.csv") })).rejects.toThrow("--log must have a person with three");
    await train({ walks: "1", epochs: "1" });
    const other = { ...plan, encoder: { ...plan.encoder, dimension: 8 } };
    await writeFile(at("other.json"), JSON.stringify(other));
    const flags = { ...task(), plan: at("other.json"), weights: at("weights.kindred"), sparsity: "0" };
    await expect(compress(flags, terminal)).rejects.toThrow("weights.encoder.dimension must be 8");
    await expect(compress({ ...flags, sparsity: "0,2" }, terminal)).rejects.toThrow("--sparsity");
  });
});
