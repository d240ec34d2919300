/** `kindred simulate`, the demo: an embedded coordinator, real SDK clients over real sockets, and what came of it. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Coordinator } from "@kindred/coordinator";
import { blockDeviation, planEpsilon, type RoundRecord, type TaskOutput } from "@kindred/engine";
import { decodeModel, KindredError, type Model, type Plan, type SignedPlan } from "@kindred/protocol";
import { stringify } from "yaml";
import { renderReport } from "../report/html.ts";
import {
  PHASES,
  type Phase,
  type RoundResult,
  type SimulationResult,
  toJson,
} from "../report/simulation-result.ts";
import { createProgress, type Progress } from "../terminal/progress.ts";
import { renderSummary } from "../terminal/table.ts";
import { ClientFleet } from "./client-fleet.ts";
import type { ClientStatistics } from "./client-worker.ts";
import type { SimulateOptions } from "./options.ts";
import { QualityMeter } from "./quality.ts";
import { buildScenario, type Scenario } from "./scenario.ts";
import { verdict } from "./verdict.ts";

/** Milliseconds a device may be gone before the round goes on without it. */
const RECONNECT_GRACE_MS = 400;
/** Model versions whose quality is measured for the learning curve, at the most. */
const CURVE_POINTS = 8;
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
      `\n${renderSummary(result, { columns: stdout.columns ?? 80, color: stdout.isTTY === true && env["NO_COLOR"] === undefined })}`,
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

interface Run {
  readonly signed: SignedPlan;
  readonly records: readonly RoundRecord[];
  readonly traffic: ReadonlyMap<number, { readonly up: number; readonly down: number }>;
  readonly models: readonly Model[];
  readonly modelBytes: number;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly ledger: string;
  readonly clients: ClientStatistics;
  readonly refusals: ReadonlyMap<string, number>;
  readonly backend: string;
}

interface RunInput {
  readonly scenario: Scenario;
  readonly options: SimulateOptions;
  readonly progress: Progress;
  readonly directory: string;
  readonly databaseUrl: string | undefined;
}

async function runRounds({ scenario, options, progress, directory, databaseUrl }: RunInput): Promise<Run> {
  const records: RoundRecord[] = [];
  const refusals = new Map<string, number>();
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const { rounds } = scenario.plan;
  const starting = "Starting the coordinator and the clients";
  progress.task(starting, 0);
  const show: ShowContext = {
    progress,
    records,
    rounds,
    finish: () => finish(),
    last: undefined,
    live: false,
    shown: 0,
  };
  const coordinator = await Coordinator.start({
    directory,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    port: 0,
    reconnectGrace: RECONNECT_GRACE_MS,
    observe: (_, output) => showOutput(output, show),
  });
  try {
    const { plan } = scenario;
    const { task } = plan;
    const signed = await coordinator.createTask({ plan, catalogue: scenario.catalogue });
    const fleet = await ClientFleet.start({
      url: coordinator.url,
      scenario,
      options,
      threads: Math.max(1, Math.min(availableParallelism(), Math.ceil(scenario.clients / 8))),
      refused: ({ code, rule }) =>
        refusals.set(`${code}: ${rule}`, (refusals.get(`${code}: ${rule}`) ?? 0) + 1),
    });
    progress.task(starting, 1);
    show.live = true;
    if (show.last !== undefined) showPhase(show.last, show);
    await finished;
    const clients = await fleet.stop();
    return {
      signed,
      records,
      refusals,
      clients,
      backend: fleet.backend,
      ...(await collect(coordinator.url, task)),
    };
  } finally {
    await coordinator.close();
  }
}

interface ShowContext {
  readonly progress: Progress;
  readonly records: RoundRecord[];
  readonly rounds: number;
  readonly finish: () => void;
  /** The phase that began last, shown once the clients are there. */
  last: PhaseOutput | undefined;
  live: boolean;
  /** The round on display. */
  shown: number;
}

type PhaseOutput = Extract<TaskOutput, { type: "phase" }>;

function showOutput(output: TaskOutput, context: ShowContext): void {
  if (output.type === "finished") context.finish();
  if (output.type === "phase") {
    context.last = output;
    if (context.live) showPhase(output, context);
  }
  if (output.type !== "round" || output.record.status === "running") return;
  const { record } = output;
  context.records.push(record);
  context.progress.roundDone({ ...roundOutcome(record), epsilon: record.epsilon.coordinator });
}

function showPhase({ round, phase, clients, dropped }: PhaseOutput, context: ShowContext): void {
  const { progress, rounds } = context;
  if (round !== context.shown) progress.round({ round, rounds });
  context.shown = round;
  progress.phase({ round, phase: phase as Phase, clientsIn: clients, dropped });
}

function roundOutcome(
  record: RoundRecord,
): Pick<
  RoundResult,
  "round" | "status" | "cohort" | "survivors" | "dropped" | "loss" | "lossDeviation" | "reason"
> {
  const { round, status, cohort, survivors, dropped, loss, lossDeviation, reason } = record;
  return {
    round,
    status: status === "running" ? "failed" : status,
    cohort,
    survivors,
    dropped,
    loss,
    lossDeviation,
    reason,
  };
}

/** Reads everything public back over HTTP, as an auditor would. */
async function collect(
  url: string,
  task: string,
): Promise<Pick<Run, "traffic" | "models" | "modelBytes" | "files" | "ledger">> {
  const get = async (path: string): Promise<Response> => {
    const response = await fetch(`${url}${path}`);
    if (response.ok) return response;
    throw new KindredError({
      code: "not-found",
      field: path,
      rule: `answered ${response.status}`,
      fix: "run the simulation again",
    });
  };
  const rounds = (await (await get(`/v1/tasks/${task}/rounds`)).json()) as
    | RoundDocument[]
    | { rounds: RoundDocument[] };
  const list = Array.isArray(rounds) ? rounds : rounds.rounds;
  const traffic = new Map(
    list.map(({ round, statistics }) => [
      round,
      { up: statistics.bytesUp ?? 0, down: statistics.bytesDown ?? 0 },
    ]),
  );
  const ledger = await (await get("/v1/ledger")).text();
  const files = new Map<string, Uint8Array>();
  const models: Model[] = [];
  let modelBytes = 0;
  for (const hash of modelHashes(ledger, task)) {
    const file = new Uint8Array(await (await get(`/v1/blobs/${hash}`)).arrayBuffer());
    const decoded = decodeModel(file, hash);
    if (!decoded.ok) throw new KindredError(decoded.rejection);
    models.push(decoded.value);
    files.set(`models/${String(decoded.value.round).padStart(4, "0")}-${hash.slice(0, 12)}.kindred`, file);
    modelBytes = file.length;
  }
  return { traffic, models, modelBytes, files, ledger };
}

interface RoundDocument {
  readonly round: number;
  readonly statistics: { readonly bytesUp?: number; readonly bytesDown?: number };
}

/** Hashes of the model versions, initial one first, as the ledger names them. */
function modelHashes(ledger: string, task: string): string[] {
  const hashes: string[] = [];
  for (const line of ledger.split("\n").filter((text) => text !== "")) {
    const entry = JSON.parse(line) as { body: unknown };
    const body = (typeof entry.body === "string" ? JSON.parse(entry.body) : entry.body) as {
      kind: string;
      task: string;
      modelHash?: string;
    };
    if (body.task !== task || body.modelHash === undefined) continue;
    if (body.kind === "round-started" && hashes.length > 0) continue;
    hashes.push(body.modelHash);
  }
  return hashes;
}

interface MeasureInput {
  readonly scenario: Scenario;
  readonly options: SimulateOptions;
  readonly progress: Progress;
  readonly run: Run;
  readonly started: number;
}

async function measure({
  scenario,
  options,
  progress,
  run,
  started,
}: MeasureInput): Promise<SimulationResult> {
  const meter = await QualityMeter.create(scenario);
  try {
    const { models, signed } = run;
    const first = models[0]!;
    const last = models.at(-1)!;
    const learning = [];
    const chosen = curve(models);
    for (const [i, model] of chosen.entries()) {
      progress.task("Measuring the models", i / chosen.length);
      learning.push({ round: model.round, ...meter.model(model) });
    }
    progress.task("Measuring the models", 1);
    const bar = (label: string) => (fraction: number) => progress.task(label, Math.min(0.99, fraction));
    const centralised = await meter.centralised(bar("Training the same encoder centrally"));
    progress.task("Training the same encoder centrally", 1);
    const noiseCohort = options.noiseCohort === 0 ? undefined : await noisyRun(meter, { options, progress });
    const before = meter.clusters(first);
    const after = meter.clusters(last);
    const { plan } = signed;
    const result: SimulationResult = {
      data: scenario.population.name,
      clients: scenario.clients,
      items: scenario.catalogue.items.length,
      cohort: scenario.cohort,
      seed: options.seed,
      rounds: run.records.map((record) => roundResult(record, run)),
      metrics: {
        before: pick(learning[0]!),
        after: pick(learning.at(-1)!),
        popularity: meter.popularity(),
        centralised,
        ...(noiseCohort === undefined ? {} : { noiseCohort }),
        silhouette: { before: before.silhouette, after: after.silhouette },
        ari: after.ari,
        users: meter.users,
      },
      epsilon: {
        coordinator: run.records.at(-1)?.epsilon.coordinator ?? null,
        observer: run.records.at(-1)?.epsilon.observer ?? null,
        delta: plan.privacy.delta,
        promised: options.privacy ? planEpsilon(plan, plan.participation.maximum) : null,
      },
      noise: options.privacy ? noiseOf(plan, run.clients) : null,
      learning: learning.map(({ round, ndcg10 }) => ({ round, ndcg10 })),
      clusters: after.clusters,
      vector: {
        length: plan.resolved.blocks.reduce((sum, { length }) => sum + length, 0),
        padded: plan.resolved.mechanism.paddedLength,
        bits: plan.resolved.mechanism.modulusBits,
      },
      backend: run.backend,
      durationMs: Date.now() - started,
      notes: [
        ...scenario.population.notes,
        ...[...run.refusals].map(([reason, count]) => `${count} × a device left a round: ${reason}`),
      ],
      verdict: [],
    };
    return { ...result, verdict: verdict(result) };
  } finally {
    meter.dispose();
  }
}

async function noisyRun(
  meter: QualityMeter,
  { options, progress }: Pick<MeasureInput, "options" | "progress">,
) {
  const label = `The same with the noise of ${options.noiseCohort} people a round`;
  const run = await meter.noiseCohort(options.noiseCohort, (fraction) =>
    progress.task(label, Math.min(0.99, fraction)),
  );
  progress.task(label, 1);
  return { cohort: options.noiseCohort, ...run };
}

function pick({ hr10, ndcg10 }: { hr10: number; ndcg10: number }) {
  return { hr10, ndcg10 };
}

/** First and last model and some evenly between. */
function curve(models: readonly Model[]): Model[] {
  const points = Math.min(CURVE_POINTS, models.length);
  const indices = Array.from({ length: points }, (_, i) =>
    Math.round((i * (models.length - 1)) / Math.max(1, points - 1)),
  );
  return [...new Set(indices)].map((index) => models[index]!);
}

function roundResult(record: RoundRecord, run: Run): RoundResult {
  const { times, epsilon, silhouette, cohort } = record;
  const moments = [...PHASES.map((phase) => times[phase]), times.finished];
  const ms = Object.fromEntries(
    PHASES.map((phase, i) => {
      const begun = times[phase];
      const ended = moments.slice(i + 1).find((moment) => moment !== undefined);
      return [phase, begun === undefined || ended === undefined ? 0 : ended - begun];
    }),
  ) as RoundResult["ms"];
  ms.total = (times.finished ?? 0) - (times.selecting ?? times.finished ?? 0);
  const { train, encode, crypto, participations } = run.clients;
  const share = Math.max(1, participations);
  const { up = 0, down = 0 } = run.traffic.get(record.round) ?? {};
  const members = Math.max(1, cohort);
  return {
    ...roundOutcome(record),
    epsilon: epsilon.coordinator,
    observerEpsilon: epsilon.observer,
    silhouette,
    ms,
    clientMs: { train: train / share, encode: encode / share, crypto: crypto / share },
    bytesUpPerClient: up / members,
    // Every selected device downloads the model once, over HTTP; the simulated ones of a thread share the copy.
    bytesDownPerClient: down / members + (cohort > 0 ? run.modelBytes : 0),
  };
}

/** How loud the noise is beside what the first cohort learned. */
function noiseOf(plan: Plan, { firstUpdate, firstUpdates }: ClientStatistics): SimulationResult["noise"] {
  const { mechanism, blocks } = plan.resolved;
  const block = blocks[0]!;
  const perCoordinate = blockDeviation(mechanism, { block, survivors: plan.cohort.target });
  const norm =
    firstUpdate === undefined
      ? 0
      : Math.sqrt(firstUpdate.reduce((sum, value) => sum + value * value, 0)) / Math.max(1, firstUpdates);
  return {
    multiplier: mechanism.noiseMultiplier,
    perCoordinate,
    signalToNoise: Math.min(norm, block.clip) / (perCoordinate * Math.sqrt(block.length)),
  };
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
  await writeFile(join(options.out, "ledger.jsonl"), run.ledger);
  await writeFile(join(options.out, "plan.yaml"), stringify(run.signed));
  for (const [name, file] of run.files) await writeFile(join(options.out, name), file);
  if (options.json !== undefined)
    await writeFile(options.json, `${JSON.stringify(toJson(result), null, 2)}\n`);
}
