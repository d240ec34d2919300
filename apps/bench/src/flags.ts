/** The flags that benchmarks have in common, checked before anything is measured. */
import { existsSync, statSync } from "node:fs";
import { KindredError } from "@kindred/protocol";
import { kCore, loadPopulation, type Population, sampleUsers } from "@kindred/simulator";

/** Interactions that every person and every item of a data set has at least. */
const K_CORE = 5;

/** @throws KindredError `option-invalid`, always */
export function refuse(flag: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field: flag, rule, fix });
}

/** @throws KindredError `option-invalid` for anything but a whole number within the range */
export function wholeNumber(
  flag: string,
  text: string,
  [minimum, maximum]: readonly [number, number],
): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < minimum || value > maximum)
    refuse(
      flag,
      `must be a whole number from ${minimum} to ${maximum}, found "${text}"`,
      value > maximum ? `pass ${flag} ${maximum} or less` : `pass ${flag} ${minimum} or more`,
    );
  return value;
}

/** @throws KindredError `option-invalid` for anything but a number above the bound and up to the maximum */
export function numberAbove(
  bound: number,
  { flag, text, maximum }: { readonly flag: string; readonly text: string; readonly maximum: number },
): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > bound && value <= maximum))
    refuse(
      flag,
      `must have numbers above ${bound} and up to ${maximum}, found "${text}"`,
      `pass ${flag} with numbers of that range`,
    );
  return value;
}

/** Flags of a benchmark on a data set. */
export interface DataFlags {
  readonly data?: string;
  readonly people?: string;
}

/**
 * The 5-core of the data set in a folder, or of it a sample of people, the same in every run.
 * @throws KindredError `option-invalid` without a folder, `dataset-invalid` for one that holds no data set
 */
export function dataSet({ data, people }: DataFlags): Population {
  if (data === undefined || !(existsSync(data) && statSync(data).isDirectory()))
    refuse(
      "--data",
      data === undefined ? "must be there" : `must be a folder, found "${data}"`,
      "pass the folder of ml-latest-small, movietweetings-100k or completejourney",
    );
  const all = kCore(loadPopulation(data), K_CORE);
  if (people === undefined) return all;
  return sampleUsers(all, wholeNumber("--people", people, [1, all.users.length]), 1);
}

/**
 * As {@link dataSet}, and the sample is reduced to a 5-core of its own: fewer people and items than were asked for, each item
 * with enough to learn from.
 * @throws KindredError as {@link dataSet}, and `option-invalid` where the sample has no 5-core
 */
export function denseDataSet(flags: DataFlags): Population {
  const sample = dataSet(flags);
  try {
    return kCore(sample, K_CORE);
  } catch (error) {
    if (!(error instanceof KindredError)) throw error;
    // The data set has a 5-core, or there would be no sample.
    return refuse(
      "--people",
      `must leave people and items with ${K_CORE} interactions each, found none in the sample of ${flags.people}`,
      "pass a larger --people, or leave it out for everybody",
    );
  }
}
