/** How rounds begin, fail and are published; shared by the phases. */

import { noiseLevel } from "@kindred/privacy";
import type { ErrorCode, Rejection } from "@kindred/protocol";
import { bytesToHex, hexToBytes } from "@kindred/protocol";
import { checkRoundBudget, epsilonAfter, mostExposed } from "./round-budget.ts";
import type {
  Phase,
  PhaseTimes,
  RoundRecord,
  TaskConfig,
  TaskEnvironment,
  TaskEvent,
  TaskOutput,
  TaskState,
  Transition,
} from "./task-state.ts";

const BEACON_BYTES = 32;

/** Begins the round after the last one, or finishes the task. */
export function beginNextRound(state: TaskState, config: TaskConfig, env: TaskEnvironment): Transition {
  const { plan } = config;
  const round = state.round + 1;
  if (round > plan.rounds) return finish(state, "rounds-done");
  const budget = checkRoundBudget(state, plan);
  if (!budget.ok) {
    const finished = finish({ ...state, round }, "budget-exhausted");
    return {
      state: finished.state,
      outputs: [
        {
          type: "ledger",
          body: {
            kind: "round-failed",
            task: plan.task,
            round,
            reason: budget.rejection.code,
            spent: { before: state.spent, after: state.spent },
          },
        },
        {
          type: "round",
          record: failedRecord({
            round,
            spent: state.spent,
            reason: budget.rejection.rule,
            times: { finished: env.now },
          }),
        },
        ...finished.outputs,
      ],
    };
  }
  const times: PhaseTimes = { selecting: env.now };
  const { cohort, deadlines } = plan;
  const beacon = env.random(BEACON_BYTES);
  return {
    state: { ...state, round, phase: { name: "selecting", round, windowClosed: false, beacon, times } },
    outputs: [
      {
        type: "ledger",
        body: {
          kind: "round-started",
          task: plan.task,
          round,
          planDigest: config.planDigest,
          modelHash: state.modelHash,
          beacon: bytesToHex(beacon),
          promised: budget.value,
        },
      },
      {
        type: "round",
        record: { ...failedRecord({ round, spent: state.spent, reason: null, times }), status: "running" },
      },
      { type: "phase", round, phase: "selecting", clients: state.pool.size, dropped: 0 },
      {
        type: "timer",
        round,
        name: "selection-window",
        at: env.now + Math.min(cohort.selectionWindow, deadlines.selecting),
      },
      { type: "timer", round, name: "selecting", at: env.now + deadlines.selecting },
    ],
  };
}

function finish(state: TaskState, reason: "rounds-done" | "budget-exhausted"): Transition {
  const modelHash = hexToBytes(state.modelHash);
  const outputs: TaskOutput[] = [...state.pool].map((to) => ({
    type: "send",
    to,
    message: { type: "task-finished", modelHash },
  }));
  return {
    state: { ...state, phase: { name: "finished", reason }, pool: new Set() },
    outputs: [...outputs, { type: "finished" }],
  };
}

function failedRecord(input: {
  round: number;
  spent: RoundRecord["epsilon"];
  reason: string | null;
  times: PhaseTimes;
}): RoundRecord {
  return {
    round: input.round,
    status: "failed",
    cohort: 0,
    survivors: 0,
    dropped: 0,
    epsilon: input.spent,
    loss: null,
    lossDeviation: null,
    silhouette: null,
    clusters: null,
    reason: input.reason,
    corrupt: [],
    poisson: false,
    times: input.times,
  };
}

type ActivePhase = Extract<Phase, { round: number }>;

/** Devices that wait for an answer in a phase. */
function presentDevices(phase: ActivePhase): string[] {
  switch (phase.name) {
    case "selecting":
      return [];
    case "training":
      return [...phase.selected].filter(([, progress]) => progress !== "departed").map(([device]) => device);
    case "secure":
    case "aggregating":
      return [...phase.present];
  }
}

function cohortSize(phase: ActivePhase): number {
  switch (phase.name) {
    case "selecting":
      return 0;
    case "training":
      return phase.selected.size;
    case "secure":
    case "aggregating":
      return phase.cohort;
  }
}

/**
 * Ends the round under way without a release; nothing of it is kept, and the next one may start. It starts by an event
 * of its own, so that the journal of a round can be replayed without what came before it.
 */
export function failRound(
  state: TaskState,
  { code, rule }: Rejection,
  { config, env }: { config: TaskConfig; env: TaskEnvironment },
): Transition {
  const closed = closeRound(state, { code, rule, status: "failed", config, env });
  return { state: closed.state, outputs: [...closed.outputs, { type: "next" }] };
}

/** The operator's word: the round under way and the task end; what was released stays. */
export function cancelTask(
  state: TaskState,
  { config, env }: { config: TaskConfig; env: TaskEnvironment },
): Transition {
  if (state.phase.name === "finished" || state.phase.name === "cancelled") return { state, outputs: [] };
  const closed = closeRound(state, {
    code: "cancelled",
    rule: "the operator cancelled the task",
    status: "cancelled",
    config,
    env,
  });
  return {
    state: { ...closed.state, phase: { name: "cancelled" } },
    outputs: [...closed.outputs, { type: "finished" }],
  };
}

/**
 * An operator's word: the round under way fails, and training goes on from an earlier model. What the model in use taught is
 * given up; what it cost stays spent. Without effect if that model is the one in use, so that it may be said again.
 */
export function rollBack(
  state: TaskState,
  { to, from, reason, operator }: Extract<TaskEvent, { type: "roll-back" }>,
  { config, env }: { config: TaskConfig; env: TaskEnvironment },
): Transition {
  if (to === state.modelHash) return { state, outputs: [{ type: "accepted" }] };
  if (from !== state.modelHash) {
    const rejection: Rejection = {
      code: "message-unexpected",
      field: "from",
      rule: `must be the model in use, which is ${state.modelHash} by now`,
      fix: "look at the models again, and decide anew",
    };
    return { state, outputs: [{ type: "rejected", rejection }] };
  }
  const rule = "the operator went back to an earlier model";
  const closed = closeRound(state, { code: "cancelled", rule, status: "failed", config, env });
  return {
    state: { ...closed.state, modelHash: to },
    outputs: [
      ...closed.outputs,
      {
        type: "ledger",
        body: {
          kind: "model-rolled-back",
          task: config.plan.task,
          fromModelHash: state.modelHash,
          toModelHash: to,
          reason,
          operator,
        },
      },
      { type: "rolled-back", hash: to },
      { type: "accepted" },
      ...(closed.outputs.length > 0 ? [{ type: "next" } as const] : []),
    ],
  };
}

function closeRound(
  state: TaskState,
  {
    code,
    rule,
    status,
    config,
    env,
  }: {
    code: ErrorCode;
    rule: string;
    status: "failed" | "cancelled";
    config: TaskConfig;
    env: TaskEnvironment;
  },
): Transition {
  const { phase } = state;
  if (!("round" in phase)) return { state, outputs: [] };
  const { round } = phase;
  const cohort = cohortSize(phase);
  const present = presentDevices(phase);
  const inputs = "inputs" in phase ? [...phase.inputs.values()] : [];
  // Nothing is released, but from the first masked input on a person can only take the coordinator's word for it.
  const spent =
    inputs.length === 0
      ? state.spent
      : epsilonAfter(config.plan, { released: state.released, exposed: mostExposed(state) });
  const outputs: TaskOutput[] = [
    {
      type: "ledger",
      body: {
        kind: "round-failed",
        task: config.plan.task,
        round,
        reason: code,
        spent: { before: state.spent, after: spent },
      },
    },
    {
      type: "round",
      record: {
        ...failedRecord({
          round,
          spent,
          reason: `${code}: ${rule}`,
          times: { ...phase.times, finished: env.now },
        }),
        status,
        cohort,
        dropped: cohort - present.length,
      },
    },
    { type: "discard", round, vectors: inputs },
    ...present.map(
      (to): TaskOutput => ({ type: "send", to, message: { type: "round-failed", round, code, rule } }),
    ),
  ];
  // Whether a draw succeeds depends on its size, so what is drawn after a failed one is no plain Poisson sample.
  return { state: { ...state, phase: { name: "idle" }, spent, poisson: false }, outputs };
}

/** Records a release in the ledger and publishes it; the next round may start. */
export function publishRound(
  state: TaskState,
  {
    release,
    corrupt = [],
    kept = [],
  }: Pick<Extract<TaskEvent, { type: "aggregated" }>, "release" | "corrupt" | "kept">,
  {
    phase,
    config,
    env,
  }: { phase: Extract<Phase, { name: "aggregating" }>; config: TaskConfig; env: TaskEnvironment },
): Transition {
  const { plan } = config;
  const { round } = phase;
  const poisson = state.poisson && phase.poisson;
  const released = state.released + 1;
  const after = epsilonAfter(plan, { released, exposed: mostExposed(state) });
  const survivors = phase.survivors.length;
  const { localDeviation, honest, scale, surplus } = plan.resolved.mechanism;
  const modelHash = hexToBytes(release.modelHash);
  const published: TaskState = {
    ...state,
    phase: { name: "idle" },
    modelHash: release.modelHash,
    released,
    poisson,
    spent: after,
  };
  const outputs: TaskOutput[] = [
    {
      type: "ledger",
      body: {
        kind: "round-released",
        task: plan.task,
        round,
        cohort: phase.cohort,
        survivors,
        noise: { localDeviation, honest, scale },
        spent: { before: state.spent, after },
        modelHash: release.modelHash,
        parentModelHash: state.modelHash,
        ...(surplus === undefined
          ? {}
          : { removed: { components: noiseLevel(surplus, survivors), kept: kept.length } }),
        ...(release.clipping === undefined ? {} : { clipping: release.clipping }),
      },
    },
    {
      type: "model",
      round,
      hash: release.modelHash,
      parent: state.modelHash,
      optimiserHash: release.optimiserHash,
    },
    {
      type: "round",
      record: {
        round,
        status: "published",
        cohort: phase.cohort,
        survivors,
        dropped: phase.cohort - survivors,
        epsilon: after,
        loss: release.loss,
        lossDeviation: release.lossDeviation,
        silhouette: release.silhouette,
        ...(release.heldOut === undefined ? {} : { heldOut: release.heldOut }),
        clusters: release.clusters,
        ...(release.signal === undefined ? {} : { signal: release.signal }),
        reason: null,
        corrupt: corrupt.map((member) => phase.devices[member]!),
        poisson,
        times: { ...phase.times, finished: env.now },
      },
    },
    { type: "discard", round, vectors: [...phase.inputs.values()] },
    ...[...phase.present].map(
      (to): TaskOutput => ({ type: "send", to, message: { type: "released", round, modelHash, survivors } }),
    ),
  ];
  return { state: published, outputs: [...outputs, { type: "next" }] };
}
