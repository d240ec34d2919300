/** `kindred experiment quality`: rows on data sets, measured one after the other, kept as they are finished. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KindredError } from "@kindred/protocol";
import { createProgress, type Progress } from "../terminal/progress.ts";
import { type ExperimentData, loadExperimentData } from "./experiment-data.ts";
import type { ExperimentOptions } from "./options.ts";
import { renderExperimentReport } from "./report.ts";
import type { DataSetResult, ExperimentResult, RowMeasurement } from "./result.ts";
import { RowCache, type RowKey } from "./row-cache.ts";
import { type ExperimentRow, experimentRows, type RowContext } from "./rows.ts";
import { type MeasuredRow, summarise } from "./summary.ts";
import { markdownTables, terminalTables } from "./tables.ts";

interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly env: Record<string, string | undefined>;
  /** What was typed, for the record. */
  readonly command: string;
}

/**
 * Runs the experiment and writes `report.html`, `tables.md`, `result.json` and what `--json` names. The files are
 * written anew after every row, so that an interrupted experiment has them too.
 *
 * @throws KindredError for unusable data or flags
 */
export async function runExperiment(
  options: ExperimentOptions,
  { stdout, env, command }: Terminal,
): Promise<ExperimentResult> {
  const started = Date.now();
  const rows = chosenRows(options);
  const progress = createProgress({ stream: stdout, now: () => Date.now(), env });
  let sets: readonly DataSetResult[] = [];
  const result = (): ExperimentResult => ({
    command,
    seeds: options.seeds,
    sets,
    seconds: (Date.now() - started) / 1000,
  });
  try {
    for (const folder of options.folders) {
      const data = await loadExperimentData(folder, { people: options.people });
      const before = [...sets];
      for await (const set of measureSet(data, { rows, options, progress, started })) {
        sets = [...before, set];
        await writeFiles(result(), options);
      }
    }
  } finally {
    progress.done();
  }
  stdout.write(`\n${terminalTables(result())}`);
  stdout.write(`\nReport: ${join(options.out, "report.html")}\n`);
  return result();
}

/** @throws KindredError `option-invalid` on a row that there is not */
function chosenRows(options: ExperimentOptions): ExperimentRow[] {
  const all = experimentRows(options);
  if (options.rows === undefined) return all;
  const unknown = options.rows.find((id) => !all.some((row) => row.id === id));
  if (unknown !== undefined)
    throw new KindredError({
      code: "option-invalid",
      field: "--rows",
      rule: `names the row "${unknown}", which there is not`,
      fix: `choose from ${all.map(({ id }) => id).join(", ")}`,
    });
  return all.filter(({ id }) => options.rows!.includes(id));
}

interface SetRun {
  readonly rows: readonly ExperimentRow[];
  readonly options: ExperimentOptions;
  readonly progress: Progress;
  readonly started: number;
}

/** The table of one data set after each row; finished rows are read, the others measured until the time is over. */
async function* measureSet(
  data: ExperimentData,
  { rows, options, progress, started }: SetRun,
): AsyncGenerator<DataSetResult> {
  const cache = new RowCache(join(options.out, "rows"));
  const { name, users, items } = data.population;
  progress.note(`${name}: ${users.length} people, ${items.length} items`);
  const measured: MeasuredRow[] = [];
  const missing: { name: string; reason: string }[] = [];
  for (const row of rows) {
    const measurements: RowMeasurement[] = [];
    for (const seed of row.seeded ? options.seeds : [0]) {
      const cell = await measureCell(row, { data, seed, options, cache, progress, started });
      if ("reason" in cell) missing.push(cell);
      else measurements.push(cell);
    }
    measured.push({ row, measurements });
    yield summarise(data, { rows: measured, missing });
  }
}

interface CellRun extends Omit<SetRun, "rows"> {
  readonly data: ExperimentData;
  readonly seed: number;
  readonly cache: RowCache;
}

/** One row with one seed: read from the cache, measured and kept, or a reason why there is none. */
async function measureCell(
  row: ExperimentRow,
  { data, seed, options, cache, progress, started }: CellRun,
): Promise<RowMeasurement | { readonly name: string; readonly reason: string }> {
  const keyOf = ({ id, settings }: ExperimentRow): RowKey => {
    return { row: id, seed, fingerprint: data.fingerprint, settings };
  };
  const name = row.seeded ? `${row.name}, seed ${seed}` : row.name;
  const label = `${data.population.name}, ${name}`;
  const kept = await cache.read(keyOf(row));
  if (kept !== undefined) {
    progress.note(`${label}: finished before`);
    return kept;
  }
  if ((Date.now() - started) / 1000 > options.timeLimit) return { name, reason: "the time was over" };
  const needed = experimentRows(options).find(({ id }) => id === row.needs);
  const trained = needed && (await cache.readWeights(keyOf(needed)));
  if (needed !== undefined && trained === undefined) return { name, reason: `it needs the row ${needed.id}` };
  const keep = (weights: Float32Array): Promise<void> => cache.writeWeights(keyOf(row), weights);
  const measurement = await measureRow(row, { data, seed, label, progress, trained, keep });
  await cache.write(keyOf(row), measurement);
  return measurement;
}

async function measureRow(
  row: ExperimentRow,
  {
    label,
    progress,
    ...context
  }: Omit<RowContext, "progress"> & { readonly label: string; readonly progress: Progress },
): Promise<RowMeasurement> {
  const started = Date.now();
  progress.task(label, 0);
  const measurement = await row.run({
    ...context,
    progress: async (fraction) => {
      progress.task(label, Math.min(0.99, fraction));
      // Lets signals and the terminal have their turn between two long computations.
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  progress.task(label, 1);
  return { ...measurement, seconds: (Date.now() - started) / 1000 };
}

async function writeFiles(result: ExperimentResult, { out, json }: ExperimentOptions): Promise<void> {
  await mkdir(out, { recursive: true });
  const document = `${JSON.stringify(result, null, 2)}\n`;
  await writeFile(join(out, "result.json"), document);
  await writeFile(join(out, "tables.md"), markdownTables(result));
  await writeFile(join(out, "report.html"), renderExperimentReport(result));
  if (json !== undefined) await writeFile(json, document);
}
