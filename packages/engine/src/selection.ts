/** Selecting a cohort and waiting for it to train. */
import { hexToBytes, type Rejection, rosterSigningBytes } from "@kindred/protocol";
import { startServer } from "@kindred/secagg";
import { failRound } from "./lifecycle.ts";
import type { Phase, TaskConfig, TaskEnvironment, TaskOutput, TaskState, Transition } from "./task-state.ts";

/** Check-ins beyond this multiple of the largest cohort are asked to come back later (pace steering). */
const POOL_FACTOR = 32;

/** A Poisson cohort is drawn once this share of the devices that give the target on average are waiting. */
const POISSON_POOL = 0.85;

interface Context {
  readonly config: TaskConfig;
  readonly env: TaskEnvironment;
}

/** Why a device may not take part in the coming round, by the coordinator's own count. */
function capRejection(state: TaskState, device: string, { config }: Context): Rejection | undefined {
  const { maximum, minimumSeparation } = config.plan.participation;
  const past = state.participations.get(device);
  if (past === undefined) return undefined;
  if (past.count >= maximum)
    return {
      code: "participation-cap",
      field: "device",
      rule: `has taken part ${past.count} times, the plan allows ${maximum}`,
      fix: "nothing to do: the device keeps receiving models",
    };
  const next = "round" in state.phase && state.phase.name === "selecting" ? state.round : state.round + 1;
  if (next - past.lastRound < minimumSeparation)
    return {
      code: "participation-cap",
      field: "device",
      rule: `took part in round ${past.lastRound}, the plan asks for ${minimumSeparation} rounds in between`,
      fix: "check in again later",
    };
  return undefined;
}

/** A device asks to take part. It waits in the pool until a cohort is drawn; late joiners wait for the next round. */
export function checkIn(state: TaskState, device: string, context: Context): Transition {
  const { config, env } = context;
  const { phase } = state;
  if (phase.name === "finished" || phase.name === "cancelled") {
    const message = { type: "task-finished", modelHash: hexToBytes(state.modelHash) } as const;
    return { state, outputs: [{ type: "accepted" }, { type: "send", to: device, message }] };
  }
  const capped = capRejection(state, device, context);
  const { cohort, deadlines } = config.plan;
  if (capped !== undefined || (state.pool.size >= cohort.maximum * POOL_FACTOR && !state.pool.has(device))) {
    const spread = env.random(2);
    const afterMs = Math.round(deadlines.selecting * (1 + ((spread[0]! << 8) | spread[1]!) / 0x10000));
    const message = { type: "come-back", afterMs, code: capped?.code ?? "rate-limited" } as const;
    return { state, outputs: [{ type: "accepted" }, { type: "send", to: device, message }] };
  }
  state.pool.add(device);
  if (phase.name !== "selecting") return { state, outputs: [{ type: "accepted" }] };
  const drawn = drawCohort(state, context, { final: false });
  return { state: drawn.state, outputs: [{ type: "accepted" }, ...drawn.outputs] };
}

/** Draws the cohort if the window has passed and enough devices wait, or at the deadline (`final`). */
export function drawCohort(state: TaskState, context: Context, { final }: { final: boolean }): Transition {
  const { phase } = state;
  if (phase.name !== "selecting") return { state, outputs: [] };
  const { config, env } = context;
  const { cohort, deadlines } = config.plan;
  if (!phase.windowClosed && !final) return { state, outputs: [] };
  const waiting = [...state.pool]
    .filter((device) => capRejection(state, device, context) === undefined)
    .sort();
  const wanted =
    cohort.sampling === "poisson"
      ? Math.ceil((POISSON_POOL * cohort.target) / cohort.samplingRate)
      : Math.min(cohort.maximum, Math.ceil(cohort.target * cohort.overSelection));
  if (waiting.length < wanted && !final) return { state, outputs: [] };
  const selected =
    cohort.sampling === "poisson"
      ? waiting.filter(() => uniform(env) < cohort.samplingRate)
      : shuffle(waiting, env).slice(0, wanted);
  if (selected.length < cohort.minimum)
    return failRound(
      state,
      {
        code: "cohort-too-small",
        field: "cohort",
        rule: `needs ${cohort.minimum} devices, ${selected.length} of ${waiting.length} waiting were selected`,
        fix: "wait for more devices, lower cohort.minimum, or raise samplingRate",
      },
      context,
    );
  for (const device of selected) state.pool.delete(device);
  const { round, times, beacon } = phase;
  const planDigest = hexToBytes(config.planDigest);
  const modelHash = hexToBytes(state.modelHash);
  const training: Phase = {
    name: "training",
    round,
    times: { ...times, training: env.now },
    beacon,
    selected: new Map(selected.map((device) => [device, "training"])),
    poisson: cohort.sampling === "poisson",
  };
  return {
    state: { ...state, phase: training },
    outputs: [
      { type: "phase", round, phase: "training", clients: selected.length, dropped: 0 },
      { type: "timer", round, name: "training", at: env.now + deadlines.training },
      ...selected.map(
        (to): TaskOutput => ({
          type: "send",
          to,
          message: { type: "selected", round, planDigest, modelHash, beacon, trainForMs: deadlines.training },
        }),
      ),
    ],
  };
}

/** A selected device has its update, or has gone; the phase ends when enough are ready or nobody is left to wait for. */
export function trainingProgress(
  state: TaskState,
  { device, progress }: { device: string; progress: "ready" | "departed" },
  context: Context,
): Transition {
  const { phase } = state;
  if (phase.name !== "training") return { state, outputs: [] };
  phase.selected.set(device, progress);
  const ready = [...phase.selected.values()].filter((value) => value === "ready").length;
  const training = [...phase.selected.values()].filter((value) => value === "training").length;
  const { cohort } = context.config.plan;
  const enough = cohort.sampling === "first-come" ? ready >= cohort.target : false;
  return enough || training === 0 ? closeTraining(state, context) : { state, outputs: [] };
}

/** Ends training: those who are ready form the secure-aggregation cohort. */
export function closeTraining(state: TaskState, context: Context): Transition {
  const { phase } = state;
  if (phase.name !== "training") return { state, outputs: [] };
  const { config, env } = context;
  const { plan } = config;
  const { round, times } = phase;
  const allReady = [...phase.selected]
    .filter(([, progress]) => progress === "ready")
    .map(([device]) => device);
  const ready =
    allReady.length > plan.cohort.maximum
      ? shuffle(allReady.sort(), env).slice(0, plan.cohort.maximum)
      : allReady;
  if (ready.length < plan.cohort.minimum)
    return failRound(
      state,
      {
        code: "cohort-too-small",
        field: "cohort",
        rule: `needs ${plan.cohort.minimum} devices with an update, ${ready.length} of ${phase.selected.size} have one`,
        fix: "allow more time for training, or raise overSelection",
      },
      context,
    );
  const members = new Set(ready);
  const sentHome = [...phase.selected]
    .filter(([device, progress]) => progress !== "departed" && !members.has(device))
    .map(([device]) => device);
  const server = startServer({
    task: plan.task,
    round,
    planDigest: hexToBytes(config.planDigest),
    modelHash: hexToBytes(state.modelHash),
    beacon: phase.beacon,
    bits: plan.resolved.mechanism.modulusBits,
    length: plan.resolved.mechanism.paddedLength,
    minimumCohort: plan.cohort.minSurvivors,
    maximumCohort: plan.cohort.maximum,
    minSurvivors: plan.cohort.minSurvivors,
    corruption: plan.cohort.corruption,
    dropout: plan.cohort.dropout,
    graph: plan.secureAggregation.graph,
    surplus: plan.resolved.mechanism.surplus,
    signRoster: (sid) => env.signRoster(rosterSigningBytes(sid)),
  });
  const enrol = { type: "enrol", round } as const;
  const secure: Phase = {
    name: "secure",
    stage: "enrolling",
    round,
    times: { ...times, enrolling: env.now },
    server,
    cohort: phase.selected.size - sentHome.length,
    present: new Set(ready),
    enrolled: new Set(),
    inputs: new Map(),
    pending: new Map(ready.map((device) => [device, enrol])),
    poisson: phase.poisson && allReady.length === ready.length,
  };
  return {
    state: { ...state, phase: secure },
    outputs: [
      {
        type: "phase",
        round,
        phase: "enrolling",
        clients: ready.length,
        dropped: phase.selected.size - sentHome.length - ready.length,
      },
      { type: "timer", round, name: "enrolling", at: env.now + plan.deadlines.enrolling },
      ...ready.map((to): TaskOutput => ({ type: "send", to, message: enrol })),
      ...sentHome.map(
        (to): TaskOutput => ({
          type: "send",
          to,
          message: { type: "come-back", afterMs: 0, code: "deadline-passed" },
        }),
      ),
    ],
  };
}

/** Uniform in [0, 1) with 32 bits from the transition's randomness. */
function uniform(env: TaskEnvironment): number {
  const bytes = env.random(4);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32;
}

/** Fisher–Yates on a copy. */
function shuffle<T>(values: readonly T[], env: TaskEnvironment): T[] {
  const out = [...values];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(uniform(env) * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
