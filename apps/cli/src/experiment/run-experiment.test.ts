import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { syntheticPopulation } from "@kindred/simulator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseExperimentOptions } from "./options.ts";
import type { ExperimentResult } from "./result.ts";
import { runExperiment } from "./run-experiment.ts";

let root = "";
let output = "";
const stdout = {
  write: (text: string) => {
    output += text;
    return true;
  },
  isTTY: false,
  columns: 100,
} as unknown as NodeJS.WriteStream;

/** A synthetic population in the form of MovieLens. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kindred-experiment-run-"));
  const { users, items } = syntheticPopulation({
    users: 60,
    items: 50,
    groups: 3,
    seed: 5,
    eventsPerUser: 14,
  });
  const numbers = new Map(items.map(({ id }, index) => [id, index + 1]));
  const movies = items.map(({ title, tags }, index) => `${index + 1},"${title}",${tags.join("|")}`);
  const ratings = users.flatMap(({ interactions }, user) =>
    interactions.map(({ item, time }) => `${user + 1},${numbers.get(item)},4,${Math.floor(time / 1000)}`),
  );
  await writeFile(join(root, "movies.csv"), `movieId,title,genres\n${movies.join("\n")}\n`);
  await writeFile(join(root, "ratings.csv"), `userId,movieId,rating,timestamp\n${ratings.join("\n")}\n`);
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function run(
  out: string,
  flags: { rows?: string; timeLimit?: string } = {},
): Promise<ExperimentResult> {
  output = "";
  const options = parseExperimentOptions({
    data: root,
    seeds: "1",
    epochs: "1",
    rounds: "4",
    cohort: "20",
    epsilons: "8",
    noise: "100000:5000",
    serverRate: "0.005",
    start: "signals",
    drawn: "200",
    clip: "0.3",
    clusters: "4",
    out: join(root, out),
    ...flags,
  });
  return runExperiment(options, { stdout, env: { CI: "1" }, command: "pnpm experiment quality" });
}

describe("an experiment", () => {
  it("measures every row, writes its files, and takes finished rows up again", async () => {
    const result = await run("whole");
    const [set] = result.sets;
    expect(set!.rows.map(({ id, seeds }) => [id, seeds])).toEqual([
      ["popularity", 1],
      ["item-knn", 1],
      ["ease", 1],
      ["ease-recency", 1],
      ["transitions", 1],
      ["sequential-rules", 1],
      ["centralised", 1],
      ["federated", 1],
      ["federated-100000-8", 1],
      ["federated-personal", 1],
      ["federated-hybrid", 1],
      ["hybrid", 1],
      ["unseen-items", 1],
    ]);
    for (const { columns } of set!.rows) {
      expect(columns.hr10.mean).toBeGreaterThanOrEqual(columns.ndcg10.mean);
      expect(columns.coverage.mean).toBeGreaterThan(0);
      expect(columns.coverage.mean).toBeLessThanOrEqual(1);
      expect(columns.diversity.mean).toBeGreaterThan(0);
    }
    const noisy = set!.rows.find(({ id }) => id === "federated-100000-8")!;
    expect(noisy.detail.federated).toMatchObject({
      native: { cohort: 20 },
      noise: { people: 100_000, cohort: 5000 },
      epsilon: 8,
    });
    expect(noisy.detail.clusters!.quality.clusters).toBeGreaterThan(0);
    const next = noisy.detail.nextInterest!;
    for (const { accuracy, macroPrecision, macroRecall, macroF1 } of [next, next.sameAsLast])
      for (const measure of [accuracy, macroPrecision, macroRecall, macroF1]) {
        expect(measure).toBeGreaterThanOrEqual(0);
        expect(measure).toBeLessThanOrEqual(1);
      }
    const { unseen } = set!.rows.at(-1)!.detail;
    expect(unseen!.people).toBeGreaterThan(0);
    expect(unseen!.people).toBeLessThan(set!.tested);
    expect(noisy.comparison!.id).toBe("federated");
    expect(noisy.detail.curve.at(-1)!.bytes).toBeGreaterThan(0);

    expect((await readdir(join(root, "whole"))).sort()).toEqual([
      "report.html",
      "result.json",
      "rows",
      "tables.md",
    ]);
    expect(JSON.parse(await readFile(join(root, "whole", "result.json"), "utf8")).sets).toHaveLength(1);
    expect(output).toContain("sequential item rules");

    const again = await run("whole", { timeLimit: "0" });
    expect(again.sets[0]!.rows).toEqual(set!.rows);
    expect(again.sets[0]!.missing).toEqual([]);
    expect(output).toContain("seed 1: finished before");
  });

  it("begins no row when the time is over, and says so", async () => {
    const { sets } = await run("late", { timeLimit: "0", rows: "popularity,centralised" });
    expect(sets[0]!.rows).toEqual([]);
    expect(sets[0]!.missing.map(({ name }) => name)).toEqual(["popularity", "encoder, centralised, seed 1"]);
    expect(await readFile(join(root, "late", "report.html"), "utf8")).toContain("No row was finished.");
  });

  it("runs no row whose weights are not there", async () => {
    const { sets } = await run("alone", { rows: "federated-personal" });
    expect(sets[0]!.missing[0]).toEqual({
      name: "federated + personal parameters, seed 1",
      reason: "it needs the row federated",
    });
  });

  it("refuses a row that there is not", async () => {
    await expect(run("none", { rows: "bert" })).rejects.toThrow('names the row "bert"');
  });
});
