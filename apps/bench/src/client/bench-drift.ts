/**
 * `pnpm bench drift`: how well a change of interests is seen. People who stay as they are give the false alarms; people
 * with a planted change give F1 and the delay, by the change points that `evolution()` is made of.
 */
import { writeFile } from "node:fs/promises";
import { changePoints, type Matrix, matrixFromRows } from "@kindred/clustering";
import { seededRandom } from "@kindred/encoder";
import { wholeNumber } from "../flags.ts";

/** What commander hands over. */
export interface DriftFlags {
  readonly people: string;
  readonly seed: string;
  readonly json?: string;
}

export interface DriftResult {
  /** People with a planted change, and as many who stay as they are. */
  readonly people: number;
  /** Of planted changes, seen within ten events of it and at most five places off. */
  readonly f1: number;
  readonly precision: number;
  readonly recall: number;
  /** Events after the change until it is seen first, of those that are seen; the median and the largest. */
  readonly delay: { readonly median: number; readonly largest: number };
  /** Changes seen in 1,000 events of people who stay as they are. */
  readonly falseAlarms: number;
}

const DIMENSION = 16;
/** Events before a planted change, and after it until which it has to be seen. */
const BEFORE = 50;
const WITHIN = 10;
/** Places that a change may be off. */
const NEAR = 5;
/** Events of somebody who stays as they are. */
const STATIONARY = 100;
/** Deviation of an event around its interest, each direction on its own. */
const SPREAD = 0.7;

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a flag out of range
 */
export async function benchDrift(flags: DriftFlags, out: NodeJS.WritableStream): Promise<DriftResult> {
  const people = wholeNumber("--people", flags.people, [1, 100_000]);
  const random = seededRandom(wholeNumber("--seed", flags.seed, [0, 2 ** 31 - 1]));
  const delays: number[] = [];
  const counts = { found: 0, wrong: 0, missed: 0 };
  let alarms = 0;
  for (let i = 0; i < people; i++) {
    alarms += places(
      eventsOf(random, { interests: 1 + (i % 4), events: STATIONARY, run: 1 + (i % 3) }),
    ).length;
    const kind = { interests: 1 + (i % 2), run: 2 };
    const rows = [
      ...eventsOf(random, { ...kind, events: BEFORE }),
      ...eventsOf(random, { ...kind, events: WITHIN }),
    ];
    const seen = places(rows);
    const near = seen.filter(isNear).length;
    counts.found += Math.min(1, near);
    counts.missed += near === 0 ? 1 : 0;
    counts.wrong += seen.length - Math.min(1, near);
    const delay = near === 0 ? undefined : delayOf(rows);
    if (delay !== undefined) delays.push(delay);
  }
  const { found, wrong, missed } = counts;
  delays.sort((a, b) => a - b);
  const result: DriftResult = {
    people,
    f1: (2 * found) / (2 * found + wrong + missed),
    precision: found / Math.max(1, found + wrong),
    recall: found / (found + missed),
    delay: {
      median: delays[Math.floor(delays.length / 2)] ?? Number.NaN,
      largest: delays.at(-1) ?? Number.NaN,
    },
    falseAlarms: (1000 * alarms) / (people * STATIONARY),
  };
  out.write(inWords(result));
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

/** Unit vectors of events in runs of up to `run`, each run around one of the person's interests, drawn afresh. */
function eventsOf(
  random: () => number,
  { interests, events, run }: { readonly interests: number; readonly events: number; readonly run: number },
): number[][] {
  const direction = () => Array.from({ length: DIMENSION }, () => gaussian(random));
  const centres = Array.from({ length: interests }, direction);
  const rows: number[][] = [];
  while (rows.length < events) {
    const centre = centres[Math.floor(random() * interests)]!;
    const length = 1 + Math.floor(random() * run);
    for (let i = 0; i < length && rows.length < events; i++)
      rows.push(centre.map((value) => value + SPREAD * gaussian(random)));
  }
  return rows;
}

function places(rows: readonly number[][]): number[] {
  const points: Matrix = matrixFromRows([...rows]);
  return changePoints(points).map(({ index }) => index);
}

const isNear = (index: number): boolean => Math.abs(index - BEFORE) <= NEAR;

/** The fewest events after the change by which it is seen; `undefined` where it never is. */
function delayOf(rows: readonly number[][]): number | undefined {
  for (let after = 1; after <= WITHIN; after++)
    if (places(rows.slice(0, BEFORE + after)).some(isNear)) return after;
  return undefined;
}

/** A standard normal deviate (Box and Muller 1958). */
function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function inWords({ people, f1, precision, recall, delay, falseAlarms }: DriftResult): string {
  return [
    `${people} people with a change after ${BEFORE} events, ${people} who stay as they are for ${STATIONARY}\n\n`,
    `F1 within ${WITHIN} events          ${f1.toFixed(3)} (precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)})\n`,
    `delay in events           ${delay.median} (median), ${delay.largest} (largest)\n`,
    `false alarms per 1,000    ${falseAlarms.toFixed(2)}\n`,
  ].join("");
}
