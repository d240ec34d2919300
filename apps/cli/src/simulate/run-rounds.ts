/** Runs the rounds of a simulation: an embedded coordinator, worker threads of SDK clients, and what it left behind. */
import { availableParallelism } from "node:os";
import { Coordinator } from "@kindred/coordinator";
import type { RoundRecord, TaskOutput } from "@kindred/engine";
import { decodeModel, KindredError, type Model, type PlanInput, type SignedPlan } from "@kindred/protocol";
import type { Phase, RoundResult } from "../report/simulation-result.ts";
import type { Progress } from "../terminal/progress.ts";
import { ClientFleet } from "./client-fleet.ts";
import type { ClientStatistics } from "./client-worker.ts";
import type { SimulateOptions } from "./options.ts";
import type { Scenario } from "./scenario.ts";

/** Milliseconds a device may be gone before the round goes on without it. */
const RECONNECT_GRACE_MS = 400;

/** What the rounds left behind. */
export interface Run {
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

/** Starts coordinator and clients, and returns once the task has finished. */
export async function runRounds({
  scenario,
  options,
  progress,
  directory,
  databaseUrl,
}: RunInput): Promise<Run> {
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
    plan: scenario.plan,
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
  readonly plan: PlanInput;
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
  context.progress.roundDone({ ...roundOutcome(record, context.plan), epsilon: record.epsilon.coordinator });
}

function showPhase({ round, phase, clients, dropped }: PhaseOutput, context: ShowContext): void {
  const { progress, rounds } = context;
  if (round !== context.shown) progress.round({ round, rounds });
  context.shown = round;
  progress.phase({ round, phase: phase as Phase, clientsIn: clients, dropped });
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

type RoundOutcome = Pick<
  RoundResult,
  | "round"
  | "status"
  | "cohort"
  | "survivors"
  | "dropped"
  | "loss"
  | "lossDeviation"
  | "heldOut"
  | "signal"
  | "reason"
>;

/** What a record says about the outcome of its round. */
export function roundOutcome(
  record: RoundRecord,
  { evaluation }: Pick<PlanInput, "evaluation">,
): RoundOutcome {
  const { round, status, cohort, survivors, dropped, loss, lossDeviation, reason } = record;
  return {
    round,
    status: status === "running" ? "failed" : status,
    cohort,
    survivors,
    dropped,
    loss,
    lossDeviation,
    ...(evaluation !== undefined && status === "published" && { heldOut: record.heldOut ?? null }),
    ...(record.signal !== undefined && { signal: record.signal }),
    reason,
  };
}
