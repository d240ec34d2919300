/** Recognising a data set by its files. */

import { readdirSync } from "node:fs";
import type { Population } from "../population.ts";
import { loadCompleteJourney } from "./complete-journey.ts";
import { loadMovieLens } from "./movielens.ts";
import { loadMovieTweetings } from "./movietweetings.ts";
import { datasetError } from "./table.ts";

/** The data sets we read. One file of `files` is enough to recognise a set; the loader then asks for the others. */
const DATA_SETS: readonly {
  readonly name: string;
  readonly files: readonly string[];
  readonly load: (directory: string) => Population;
}[] = [
  { name: "MovieLens", files: ["ratings.csv", "movies.csv"], load: loadMovieLens },
  { name: "MovieTweetings", files: ["ratings.dat", "movies.dat"], load: loadMovieTweetings },
  {
    name: "The Complete Journey",
    files: ["transactions_sample.csv", "products.csv"],
    load: loadCompleteJourney,
  },
];

/**
 * Loads the data set of a folder, as published (no k-core): {@link loadMovieLens}, {@link loadMovieTweetings} or
 * {@link loadCompleteJourney}, whichever its files belong to. The set with most files present wins.
 *
 * @param directory the folder that holds the files
 * @throws {KindredError} `dataset-invalid` when the folder is missing or its files are of no known set, or from the loader
 */
export function loadPopulation(directory: string): Population {
  const recognised = recognise(directory);
  if (recognised) return recognised.load(directory);
  const known = DATA_SETS.map(({ name, files }) => `${name} (${files.join(", ")})`).join("; ");
  throw datasetError(directory, {
    rule: "is no data set known here",
    fix: `point at a folder of one of these: ${known}`,
  });
}

/**
 * Whether the files of a folder belong to a data set that {@link loadPopulation} reads.
 *
 * @throws {KindredError} `dataset-invalid` when the folder is missing
 */
export function isDataSet(directory: string): boolean {
  return recognise(directory) !== undefined;
}

function recognise(directory: string): (typeof DATA_SETS)[number] | undefined {
  const present = new Set(listFiles(directory));
  return DATA_SETS.map((set) => ({ set, found: set.files.filter((file) => present.has(file)).length }))
    .filter(({ found }) => found > 0)
    .sort((a, b) => b.found - a.found)[0]?.set;
}

function listFiles(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const rule =
      code === "ENOENT" ? "does not exist" : code === "ENOTDIR" ? "is a file" : `cannot be read (${code})`;
    throw datasetError(directory, { rule, fix: "point at the folder that holds the data set's files" });
  }
}
