import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type ExperimentFlags, parseExperimentOptions } from "./options.ts";

const root = mkdtempSync(join(tmpdir(), "kindred-experiment-"));
for (const name of ["one", "two", "notes"]) mkdirSync(join(root, name));
for (const name of ["one", "two"]) writeFileSync(join(root, name, "ratings.csv"), "");
afterAll(() => rmSync(root, { recursive: true, force: true }));

const FLAGS: ExperimentFlags = {
  data: join(root, "one"),
  seeds: "3",
  epochs: "40",
  rounds: "600",
  cohort: "100",
  epsilons: "1, 8",
  noise: "100000:5000,1000000:10000",
  serverRate: "0.005",
  start: "signals",
  drawn: "10000",
  clip: "0.3",
  clusters: "32",
  out: "out",
};

describe("the flags of an experiment", () => {
  it("become options", () => {
    const options = parseExperimentOptions({ ...FLAGS, rows: "ease,centralised", timeLimit: "1.5" });
    expect(options.folders).toEqual([join(root, "one")]);
    expect(options.seeds).toEqual([1, 2, 3]);
    expect(options.rows).toEqual(["ease", "centralised"]);
    expect(options.epsilons).toEqual([1, 8]);
    expect(options.noise).toEqual([
      { people: 100_000, cohort: 5000 },
      { people: 1_000_000, cohort: 10_000 },
    ]);
    expect(options.timeLimit).toBe(90);
    expect(parseExperimentOptions(FLAGS).timeLimit).toBe(Number.POSITIVE_INFINITY);
  });

  it("find the data sets in a folder", () => {
    expect(parseExperimentOptions({ ...FLAGS, data: root }).folders).toEqual([
      join(root, "one"),
      join(root, "two"),
    ]);
    const notes = join(root, "notes");
    expect(parseExperimentOptions({ ...FLAGS, data: notes }).folders).toEqual([notes]);
  });

  it.each([
    [{ data: join(root, "absent") }, "--data must be a folder"],
    [{ seeds: "0" }, "--seeds must be a whole number from 1"],
    [{ cohort: "9.5" }, "--cohort must be a whole number"],
    [{ epsilons: "8,none" }, '--epsilons must be a number from 0.1 to 100, found "none"'],
    [{ noise: "100000" }, "--noise must list people:cohort pairs"],
    [{ noise: "100000:200000" }, "--noise must be a whole number from 100 to 100000"],
    [{ timeLimit: "" }, "--time-limit must be a number"],
  ])("refuse %o", (wrong, message) => {
    expect(() => parseExperimentOptions({ ...FLAGS, ...wrong })).toThrow(message);
  });
});
