import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { syntheticPopulation } from "@kindred/simulator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { benchDrift } from "../src/client/bench-drift.ts";
import { benchExplanations, wilsonInterval } from "../src/client/bench-explanations.ts";
import { benchClusters } from "../src/quality/bench-clusters.ts";
import { benchDistillation } from "../src/quality/bench-distillation.ts";
import { benchEncoder } from "../src/quality/bench-encoder.ts";
import { benchInterests } from "../src/quality/bench-interests.ts";
import { benchPretraining } from "../src/quality/bench-pretraining.ts";
import { benchRatings } from "../src/quality/bench-ratings.ts";
import { centralisedTrial } from "../src/quality/centralised-trial.ts";

function sink() {
  let text = "";
  const stream = {
    write: (chunk: string) => {
      text += chunk;
      return true;
    },
  };
  return { stream: stream as unknown as NodeJS.WritableStream, text: () => text };
}

let data: string;
const interests = () => ({ data, epochs: "1", seeds: "1", weights: "1", groups: "4", clusters: "3" });
const distillation = () => ({
  data,
  epochs: "1",
  teacherEpochs: "1",
  seeds: "1",
  settings: "1:0.5",
  top: "8",
});
/** People whose last item is one they had before, so that nothing new of theirs can be foretold. */
const creaturesOfHabit = () => {
  const population = syntheticPopulation({ users: 5, items: 30, groups: 2, seed: 1, eventsPerUser: 6 });
  const users = population.users.map(({ interactions, ...user }) => ({
    ...user,
    interactions: [...interactions, interactions[0]!],
  }));
  return { ...population, users };
};
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "kindred-bench-quality-"));
  // The least that is read as ml-latest-small: few people, few items, ratings by group.
  const population = syntheticPopulation({ users: 24, items: 30, groups: 2, seed: 4, eventsPerUser: 14 });
  const films = population.items.map(({ title, tags }, i) => `${i + 1},"${title}",${tags.join("|")}`);
  const place = new Map(population.items.map(({ id }, i) => [id, i + 1]));
  const ratings = population.users.flatMap(({ interactions }, user) =>
    interactions.map(
      ({ item }, i) => `${user + 1},${place.get(item)},${1 + ((user + i) % 9) / 2},${i * 3600}`,
    ),
  );
  await writeFile(join(data, "movies.csv"), `movieId,title,genres\n${films.join("\n")}\n`);
  await writeFile(join(data, "ratings.csv"), `userId,movieId,rating,timestamp\n${ratings.join("\n")}\n`);
  await writeFile(join(data, "tags.csv"), "userId,movieId,tag,timestamp\n");
  await writeFile(join(data, "links.csv"), "movieId,imdbId,tmdbId\n");
});
afterAll(() => rm(data, { recursive: true }));

describe("benchmarks on a data set", () => {
  it("explanations holds what is cited against as much at random, and prints what its JSON holds", async () => {
    const { stream, text } = sink();
    const json = join(data, "explanations.json");
    const flags = { data, cases: "6", epochs: "1", seed: "1", json };
    const result = await benchExplanations(flags, stream);
    expect(JSON.parse(await readFile(json, "utf8"))).toEqual(result);
    expect(result.cases + result.uncited + result.tooShort).toBeGreaterThanOrEqual(6);
    expect(result.cases).toBeGreaterThan(0);
    expect(result.meanLoss.cited).toBeGreaterThan(result.meanLoss.random);
    expect(text()).toContain(`${(100 * result.share).toFixed(1)} % of cases`);
  });

  it("encoder, ratings and pretraining print a table and write its rows", async () => {
    const encoder = sink();
    const json = join(data, "encoder.json");
    const few = { data, epochs: "1", seeds: "1", personal: "2", json };
    await benchEncoder({ ...few, rows: "gru" }, encoder.stream);
    const rows = JSON.parse(await readFile(json, "utf8"));
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(encoder.text()).toContain(`| ${row["NDCG@10"]} |`);
    const { rows: ratings } = await benchRatings({ data, rounds: "2" }, sink().stream);
    expect(ratings.map((row) => row["predicted by"])).toContain("rounds of 100, offsets and taste");
    const { rows: starts } = await benchPretraining({ data, rounds: "3", seeds: "1" }, sink().stream);
    expect(starts.filter((row) => row["start"] === "pre-trained")).toHaveLength(2);
  });

  it("interests compares ways of foretelling on the same people, and each head with an encoder without one", async () => {
    const { stream, text } = sink();
    const json = join(data, "interests.json");
    const { rows } = await benchInterests({ ...interests(), weights: "0.5,2", json }, stream);
    expect(JSON.parse(await readFile(json, "utf8"))).toEqual(rows);
    expect(rows.map((row) => row["foretold by"])).toEqual([
      "the same as last",
      "summed scores, encoder without head",
      ...["0.5", "2"].flatMap((weight) =>
        ["summed scores", "head, scores within groups", "head alone, items of a group alike"].map(
          (by) => `${by}, encoder with head of weight ${weight}`,
        ),
      ),
    ]);
    const people = Number(/: (\d+) people/.exec(text())![1]);
    for (const row of rows) {
      const right = Number(row["accuracy"]) * people;
      expect(Math.abs(right - Math.round(right))).toBeLessThan(0.01);
      expect(text()).toContain(`| ${row["accuracy"]} |`);
    }
  });

  it("distillation compares a teacher with students, alone and taught", async () => {
    const { stream, text } = sink();
    const json = join(data, "distillation.json");
    const { rows } = await benchDistillation({ ...distillation(), settings: "2:0.9", json }, stream);
    expect(JSON.parse(await readFile(json, "utf8"))).toEqual(rows);
    expect(rows.map((row) => row["encoder"])).toEqual([
      "teacher, 3 layers of 128",
      "student by itself",
      "distilled, T = 2, α = 0.9",
    ]);
    const [teacher, alone, taught] = rows.map((row) => Number(row["weights"]));
    expect(teacher).toBeGreaterThan(3 * alone!);
    expect(taught).toBe(alone);
    for (const row of rows) expect(text()).toContain(`| ${row["MRR"]} |`);
  });
});

describe("benchmarks on made-up people", () => {
  it("drift sees planted changes and raises few false alarms", async () => {
    const { stream, text } = sink();
    const result = await benchDrift({ people: "12", seed: "3" }, stream);
    expect(result.f1).toBeGreaterThan(0.8);
    expect(result.delay.largest).toBeLessThanOrEqual(10);
    expect(result.falseAlarms).toBeLessThan(5);
    expect(text()).toContain(result.f1.toFixed(3));
  });

  it("clusters says of each size and ε what privacy costs", async () => {
    const { rows } = await benchClusters({ users: "300", seeds: "1" }, sink().stream);
    expect(rows).toHaveLength(8);
    for (const row of rows) expect(Number(row["cost"])).toBeGreaterThan(0.9);
  });
});

it("gives a share its interval by Wilson, which stays within 0 to 1", () => {
  // Newcombe (1998), table I: 81 of 263, and 0 of 20.
  expect(wilsonInterval(81, 263)).toEqual([expect.closeTo(0.2553, 4), expect.closeTo(0.3662, 4)]);
  expect(wilsonInterval(0, 20)).toEqual([expect.closeTo(0, 9), expect.closeTo(0.1611, 4)]);
  expect(wilsonInterval(0, 0)).toEqual([0, 1]);
});

it.each([
  ["--data", () => benchRatings({ rounds: "1" }, sink().stream)],
  ["--data", () => benchRatings({ rounds: "1", data: join(data, "nowhere") }, sink().stream)],
  ["--people", () => benchRatings({ rounds: "1", data, people: "0" }, sink().stream)],
  ["--rounds", () => benchPretraining({ rounds: "0", seeds: "1", data }, sink().stream)],
  [
    "--rows",
    () => benchEncoder({ data, rows: "abacus", epochs: "1", seeds: "1", personal: "0" }, sink().stream),
  ],
  ["--weights", () => benchInterests({ ...interests(), weights: "1,0" }, sink().stream)],
  ["--groups", () => benchInterests({ ...interests(), groups: "1" }, sink().stream)],
  ["--clusters", () => benchInterests({ ...interests(), clusters: "1000" }, sink().stream)],
  ["--people", () => benchInterests({ ...interests(), people: "1" }, sink().stream)],
  ["--data", () => centralisedTrial(creaturesOfHabit(), sink().stream)],
  ["--settings", () => benchDistillation({ ...distillation(), settings: "2" }, sink().stream)],
  ["--settings", () => benchDistillation({ ...distillation(), settings: "2:0.5,0:1" }, sink().stream)],
  ["--settings", () => benchDistillation({ ...distillation(), settings: "2:1.5" }, sink().stream)],
  ["--teacher-epochs", () => benchDistillation({ ...distillation(), teacherEpochs: "" }, sink().stream)],
  ["--top", () => benchDistillation({ ...distillation(), top: "0" }, sink().stream)],
  ["--users", () => benchClusters({ users: "1000,few", seeds: "1" }, sink().stream)],
  ["--cases", () => benchExplanations({ data, cases: "no", epochs: "1", seed: "1" }, sink().stream)],
  ["--people", () => benchDrift({ people: "-1", seed: "1" }, sink().stream)],
])("refuses a wrong %s with rule and fix", async (field, run) => {
  await expect(run()).rejects.toMatchObject({ rejection: { code: "option-invalid", field } });
});
