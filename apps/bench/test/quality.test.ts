import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { syntheticPopulation } from "@kindred/simulator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { benchDrift } from "../src/client/bench-drift.ts";
import { benchExplanations, wilsonInterval } from "../src/client/bench-explanations.ts";
import { benchClusters } from "../src/quality/bench-clusters.ts";
import { benchEncoder } from "../src/quality/bench-encoder.ts";
import { benchPretraining } from "../src/quality/bench-pretraining.ts";
import { benchRatings } from "../src/quality/bench-ratings.ts";

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
  ["--users", () => benchClusters({ users: "1000,few", seeds: "1" }, sink().stream)],
  ["--cases", () => benchExplanations({ data, cases: "no", epochs: "1", seed: "1" }, sink().stream)],
  ["--people", () => benchDrift({ people: "-1", seed: "1" }, sink().stream)],
])("refuses a wrong %s with rule and fix", async (field, run) => {
  await expect(run()).rejects.toMatchObject({ rejection: { code: "option-invalid", field } });
});
