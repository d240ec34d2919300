/** `kindred simulate`, the demo: an embedded coordinator, real SDK clients over real sockets, and what came of it. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { renderReport } from "../report/html.ts";
import { layerTreeFile } from "../report/layer-tree.ts";
import { layerWords } from "../report/sections.ts";
import { type SimulationResult, toJson } from "../report/simulation-result.ts";
import { createProgress } from "../terminal/progress.ts";
import { renderSummary } from "../terminal/table.ts";
import { measure } from "./measure.ts";
import type { SimulateOptions } from "./options.ts";
import { type Run, runRounds } from "./run-rounds.ts";
import { buildScenario, type Scenario } from "./scenario.ts";

/** Names under which model versions are written. */
const MODEL_FILE = /^\d{4,}-[0-9a-f]{12}\.kindred$/;

interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly env: Record<string, string | undefined>;
}

/**
 * Runs a simulation and writes its files.
 * @returns the result, after the summary was printed
 * @throws KindredError for unusable data or flags
 */
export async function simulate(
  options: SimulateOptions,
  { stdout, env }: Terminal,
): Promise<SimulationResult> {
  const started = Date.now();
  const progress = createProgress({ stream: stdout, now: () => Date.now(), env });
  const ticking = setInterval(() => progress.tick(), 120);
  const work = await mkdtemp(join(tmpdir(), "kindred-"));
  try {
    const scenario = buildScenario(options);
    for (const line of introduction(scenario, options)) progress.note(line);
    const databaseUrl = ownSchema(env["DATABASE_URL"], started);
    if (databaseUrl !== undefined)
      progress.note(`PostgreSQL, schema ${new URL(databaseUrl).searchParams.get("schema")}`);
    const run = await runRounds({ scenario, options, progress, directory: work, databaseUrl });
    const result = await measure({ scenario, options, progress, run, started });
    await writeFiles({ options, result, run });
    progress.done();
    stdout.write(
      `\n${renderSummary(result, { columns: stdout.columns || 80, color: stdout.isTTY === true && env["NO_COLOR"] === undefined })}`,
    );
    stdout.write(`\nReport: ${join(options.out, "report.html")}\n`);
    return result;
  } finally {
    clearInterval(ticking);
    progress.done();
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * A simulation has a coordinator key of its own, and so a ledger of its own: in a shared PostgreSQL it takes a schema of
 * its own, unless the URL names one.
 */
function ownSchema(databaseUrl: string | undefined, started: number): string | undefined {
  if (databaseUrl === undefined || databaseUrl === "" || !URL.canParse(databaseUrl))
    return databaseUrl || undefined;
  const url = new URL(databaseUrl);
  if (!url.searchParams.has("schema")) url.searchParams.set("schema", `kindred_demo_${started.toString(36)}`);
  return url.toString();
}

function introduction({ population, plan, clients, cohort }: Scenario, options: SimulateOptions): string[] {
  const privacy = options.privacy
    ? `ε = ${options.epsilon}, δ = ${plan.privacy.delta}`
    : "no noise (secure aggregation only)";
  return [
    `${population.name}: ${clients} people, ${population.items.length} items`,
    `${plan.rounds} rounds, cohorts of ${cohort}, ${privacy}, dropout ${options.dropout}`,
  ];
}

function layersFile(layers: SimulationResult["layers"]): string {
  return layerTreeFile({ id: "layers", title: "Layers of interests", desc: layerWords(layers) }, layers);
}

async function writeFiles({
  options,
  result,
  run,
}: {
  options: SimulateOptions;
  result: SimulationResult;
  run: Run;
}): Promise<void> {
  const models = join(options.out, "models");
  await mkdir(models, { recursive: true });
  // Versions of an earlier run would look like this one's; anything else in the folder is somebody else's.
  for (const name of await readdir(models)) if (MODEL_FILE.test(name)) await rm(join(models, name));
  await writeFile(join(options.out, "report.html"), renderReport(result));
  const { layers, metrics } = result;
  await writeFile(join(options.out, "layers.svg"), layersFile(layers));
  if (metrics.noiseCohort !== undefined)
    await writeFile(join(options.out, "layers-noise-cohort.svg"), layersFile(metrics.noiseCohort.layers));
  await writeFile(join(options.out, "ledger.jsonl"), run.ledger);
  await writeFile(join(options.out, "plan.yaml"), stringify(run.signed));
  for (const [name, file] of run.files) await writeFile(join(options.out, name), file);
  if (options.json !== undefined)
    await writeFile(options.json, `${JSON.stringify(toJson(result), null, 2)}\n`);
}
