/** The flags of `kindred experiment quality`, checked before anything starts. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { KindredError } from "@kindred/protocol";
import { isDataSet } from "@kindred/simulator";
import type { Population } from "./result.ts";

/** What commander hands over: every value still a text. */
export interface ExperimentFlags {
  readonly data: string;
  readonly seeds: string;
  readonly rows?: string;
  readonly people?: string;
  readonly epochs: string;
  readonly rounds: string;
  readonly cohort: string;
  readonly epsilons: string;
  readonly noise: string;
  readonly serverRate: string;
  readonly clip: string;
  readonly start: string;
  readonly drawn: string;
  readonly clusters: string;
  readonly timeLimit?: string;
  readonly json?: string;
  readonly out: string;
}

/** The same, checked. */
export interface ExperimentOptions {
  /** Folders of data sets. */
  readonly folders: readonly string[];
  readonly seeds: readonly number[];
  /** Ids of rows; all where it is absent. */
  readonly rows: readonly string[] | undefined;
  /** A sample of so many people of each data set; all of them where it is absent. */
  readonly people: number | undefined;
  /** Epochs of a centralised run at the most. */
  readonly epochs: number;
  readonly rounds: number;
  /** People simulated per round. */
  readonly cohort: number;
  readonly epsilons: readonly number[];
  /** Populations, and their cohorts, whose noise federated rows bear. */
  readonly noise: readonly Population[];
  readonly serverLearningRate: number;
  readonly clip: number;
  /** What federated rows start from: an encoder that signals have taught, or the initial weights. */
  readonly start: "signals" | "nothing";
  /** Sequences drawn from the signals that teach. */
  readonly drawn: number;
  readonly clusters: number;
  /** No row begins later than so many seconds after the start. */
  readonly timeLimit: number;
  readonly json: string | undefined;
  readonly out: string;
}

function refuse(field: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field, rule, fix });
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly whole?: boolean;
}

function number(flag: string, text: string, { from, to, whole = false }: Range): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= from && value <= to) || (whole && !Number.isInteger(value)))
    refuse(
      flag,
      `must be a ${whole ? "whole " : ""}number from ${from} to ${to}, found "${text}"`,
      "correct the number",
    );
  return value;
}

function oneOf<T extends string>(flag: string, text: string, known: readonly T[]): T {
  const found = known.find((name) => name === text);
  return found ?? refuse(flag, `must be ${known.join(" or ")}, found "${text}"`, "correct the name");
}

const list = (text: string): string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

/**
 * Checks the flags.
 * @throws KindredError `option-invalid` naming the flag, the rule and the fix
 */
export function parseExperimentOptions(flags: ExperimentFlags): ExperimentOptions {
  const whole = (flag: string, text: string, to: number): number =>
    number(flag, text, { from: 1, to, whole: true });
  const seeds = whole("--seeds", flags.seeds, 100);
  const minutes =
    flags.timeLimit === undefined
      ? Number.POSITIVE_INFINITY
      : number("--time-limit", flags.timeLimit, { from: 0, to: 100_000 });
  return {
    folders: dataFolders(flags.data),
    seeds: Array.from({ length: seeds }, (_, i) => i + 1),
    rows: flags.rows === undefined ? undefined : list(flags.rows),
    people:
      flags.people === undefined
        ? undefined
        : number("--people", flags.people, { from: 50, to: 1e6, whole: true }),
    epochs: whole("--epochs", flags.epochs, 1000),
    rounds: whole("--rounds", flags.rounds, 100_000),
    cohort: number("--cohort", flags.cohort, { from: 8, to: 10_000, whole: true }),
    epsilons: list(flags.epsilons).map((text) => number("--epsilons", text, { from: 0.1, to: 100 })),
    noise: list(flags.noise).map(noisePopulation),
    serverLearningRate: number("--server-rate", flags.serverRate, { from: 1e-6, to: 10 }),
    clip: number("--clip", flags.clip, { from: 1e-4, to: 1000 }),
    start: oneOf("--start", flags.start, ["signals", "nothing"]),
    drawn: whole("--drawn", flags.drawn, 1_000_000),
    clusters: number("--clusters", flags.clusters, { from: 2, to: 512, whole: true }),
    timeLimit: minutes * 60,
    json: flags.json,
    out: flags.out,
  };
}

/** Cohorts of a population at the most: a plan names no more rounds for a signal. */
const MOST_COHORTS = 1024;

/** `people:cohort`. */
function noisePopulation(text: string): Population {
  const [people = "", cohort = "", ...more] = text.split(":");
  if (cohort === "" || more.length > 0)
    refuse("--noise", `must list people:cohort pairs, found "${text}"`, "pass 100000:5000,1000000:10000");
  const size = number("--noise", people, { from: 1000, to: 1e9, whole: true });
  const least = Math.max(100, Math.ceil(size / MOST_COHORTS));
  return { people: size, cohort: number("--noise", cohort, { from: least, to: size, whole: true }) };
}

/** The folder itself if it holds a data set, else the data sets in it. Without any, the loader says what it looked for. */
function dataFolders(directory: string): string[] {
  if (!(existsSync(directory) && statSync(directory).isDirectory()))
    refuse(
      "--data",
      `must be a folder, found "${directory}"`,
      "pass the folder of a data set, or one that holds folders of data sets",
    );
  if (isDataSet(directory)) return [directory];
  const inside = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(directory, name))
    .filter(isDataSet)
    .sort();
  return inside.length > 0 ? inside : [directory];
}
