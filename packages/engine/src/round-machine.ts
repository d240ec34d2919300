/**
 * The round machine of one task on the coordinator: a synchronous, deterministic function from state and event to
 * state and outputs. A restarted coordinator replays the journal of events through it and is where it was.
 *
 * `stepTask` consumes the state it is given; keep only the one it returns.
 */
import { bytesToHex, hexToBytes, type Rejection } from "@kindred/protocol";
import { type ServerEvent, type ServerOutput, serverMembers, stepServer } from "@kindred/secagg";
import { beginNextRound, cancelTask, failRound, publishRound, rollBack } from "./lifecycle.ts";
import { checkIn, closeTraining, drawCohort, trainingProgress } from "./selection.ts";
import type {
  ParticipationCount,
  Phase,
  SecurePhase,
  TaskConfig,
  TaskEnvironment,
  TaskEvent,
  TaskMessage,
  TaskOutput,
  TaskState,
  Transition,
} from "./task-state.ts";

/** Where a task stands between rounds, as it is stored. */
export interface TaskHistory {
  readonly round: number;
  readonly modelHash: string;
  readonly released: number;
  readonly poisson: boolean;
  readonly spent: TaskState["spent"];
  readonly participations: ReadonlyMap<string, ParticipationCount>;
}

/** The machine's state before the next round. */
export function startTask(history: TaskHistory): TaskState {
  return {
    ...history,
    participations: new Map(history.participations),
    pool: new Set(),
    phase: { name: "idle" },
  };
}

type SecureState = Extract<Phase, { name: "secure" }>;

interface Context {
  readonly config: TaskConfig;
  readonly env: TaskEnvironment;
}

/** One transition. An event that the present phase does not expect changes nothing and is rejected. */
export function stepTask(
  state: TaskState,
  event: TaskEvent,
  { config, env }: { config: TaskConfig; env: TaskEnvironment },
): Transition {
  const context = { config, env };
  switch (event.type) {
    case "start":
      return state.phase.name === "idle"
        ? beginNextRound({ ...state, pool: new Set(event.pool) }, config, env)
        : unexpected(state, event.type);
    case "check-in":
      return checkIn(state, event.device, context);
    case "ready":
      return ready(state, event, context);
    case "member":
      if (state.phase.name !== "secure" || state.phase.round !== event.message.round)
        return unexpected(state, event.message.type);
      return memberMessage(state, state.phase, { event, context });
    case "masked-input":
      return maskedInput(state, event, context);
    case "departed":
      return departed(state, event.device, context);
    case "timer":
      return timer(state, event, context);
    case "aggregated": {
      const { phase } = state;
      if (phase.name !== "aggregating" || phase.round !== event.round) return unexpected(state, event.type);
      return publishRound(state, event, { phase, config, env });
    }
    case "aggregation-failed":
      if (state.phase.name !== "aggregating" || state.phase.round !== event.round)
        return unexpected(state, event.type);
      return failRound(state, event.rejection, context);
    case "abandon":
      if (!("round" in state.phase) || state.phase.round !== event.round)
        return unexpected(state, event.type);
      return failRound(state, event.rejection, context);
    case "cancel":
      return cancelTask(state, context);
    case "roll-back":
      return rollBack(state, event, context);
  }
}

/** The message a device that reconnects has to answer now, if it belongs to the round under way. */
export function resumeMessage(
  state: TaskState,
  device: string,
  { config, now }: { config: TaskConfig; now: number },
): TaskMessage | undefined {
  const { phase } = state;
  if (phase.name === "secure") return phase.present.has(device) ? phase.pending.get(device) : undefined;
  if (phase.name !== "training" || phase.selected.get(device) !== "training") return undefined;
  const deadline = (phase.times.training ?? now) + config.plan.deadlines.training;
  return {
    type: "selected",
    round: phase.round,
    planDigest: hexToBytes(config.planDigest),
    modelHash: hexToBytes(state.modelHash),
    beacon: phase.beacon,
    trainForMs: Math.max(0, deadline - now),
  };
}

function unexpected(state: TaskState, what: string): Transition {
  const phase = state.phase.name === "secure" ? state.phase.stage : state.phase.name;
  const rejection: Rejection = {
    code: "message-unexpected",
    field: what,
    rule: `does not belong to the present phase (${phase}, round ${state.round})`,
    fix: "check in again and follow the coordinator's messages",
  };
  return { state, outputs: [{ type: "rejected", rejection }] };
}

function ready(state: TaskState, event: Extract<TaskEvent, { type: "ready" }>, context: Context): Transition {
  const { phase } = state;
  const member = phase.name === "secure" && phase.round === event.round && phase.present.has(event.device);
  if (member) return { state, outputs: [{ type: "accepted" }] };
  if (phase.name !== "training" || phase.round !== event.round || !phase.selected.has(event.device))
    return unexpected(state, event.type);
  const progress = trainingProgress(state, { device: event.device, progress: "ready" }, context);
  return { state: progress.state, outputs: [{ type: "accepted" }, ...progress.outputs] };
}

function memberMessage(
  state: TaskState,
  phase: SecureState,
  { event, context }: { event: Extract<TaskEvent, { type: "member" }>; context: Context },
): Transition {
  const { device, message } = event;
  if (message.type === "advertise" && bytesToHex(message.advertisement.device) !== device)
    return {
      state,
      outputs: [
        {
          type: "rejected",
          rejection: {
            code: "not-authenticated",
            field: "advertisement.device",
            rule: "must be the device of this connection",
            fix: "advertise keys for your own device only",
          },
        },
      ],
    };
  if (!phase.present.has(device)) return unexpected(state, message.type);
  return secureStep(state, phase, { event: memberEvent(event), context });
}

function memberEvent({ device, message }: Extract<TaskEvent, { type: "member" }>): ServerEvent {
  switch (message.type) {
    case "advertise":
      return { type: "advertise", advertisement: message.advertisement };
    case "shares":
      return { type: "shares", from: device, peers: message.peers, boxes: message.boxes };
    case "consistency":
      return { type: "consistency", from: device, signature: message.signature };
    case "reveal": {
      const { owners, kinds, shares } = message;
      return { type: "reveal", from: device, owners, kinds, shares };
    }
  }
}

function maskedInput(
  state: TaskState,
  event: Extract<TaskEvent, { type: "masked-input" }>,
  context: Context,
): Transition {
  const { phase } = state;
  if (phase.name !== "secure" || phase.round !== event.round) return unexpected(state, event.type);
  const known = phase.inputs.get(event.device);
  if (known !== undefined)
    return known === event.vector
      ? { state, outputs: [{ type: "accepted" }] }
      : {
          state,
          outputs: [
            {
              type: "rejected",
              rejection: {
                code: "vector-invalid",
                field: "vector",
                rule: "must not change once it was accepted",
                fix: "repeat the stored bytes",
              },
            },
          ],
        };
  return secureStep(state, phase, {
    event: { type: "masked-input", from: event.device, signature: event.signature },
    context,
    vector: event.vector,
  });
}

function departed(state: TaskState, device: string, context: Context): Transition {
  state.pool.delete(device);
  const { phase } = state;
  if (phase.name === "training" && phase.selected.has(device))
    return trainingProgress(state, { device, progress: "departed" }, context);
  if (phase.name === "aggregating") phase.present.delete(device);
  if (phase.name !== "secure" || !phase.present.delete(device)) return { state, outputs: [] };
  phase.pending.delete(device);
  return secureStep(state, phase, { event: { type: "departed", from: device }, context });
}

function timer(state: TaskState, event: Extract<TaskEvent, { type: "timer" }>, context: Context): Transition {
  const { phase } = state;
  if (!("round" in phase) || phase.round !== event.round) return { state, outputs: [] };
  switch (phase.name) {
    case "selecting":
      if (event.name === "selection-window")
        return drawCohort({ ...state, phase: { ...phase, windowClosed: true } }, context, { final: false });
      return event.name === "selecting"
        ? drawCohort(state, context, { final: true })
        : { state, outputs: [] };
    case "training":
      return event.name === "training" ? closeTraining(state, context) : { state, outputs: [] };
    case "secure":
      return event.name === phase.stage
        ? secureStep(state, phase, { event: { type: "close" }, context })
        : { state, outputs: [] };
    case "aggregating":
      return { state, outputs: [] };
  }
}

interface SecureInput {
  readonly event: ServerEvent;
  readonly context: Context;
  /** Name of the spooled vector, for a masked input. */
  readonly vector?: string;
}

/** Runs the secure-aggregation server and turns its outputs into the task's. */
function secureStep(
  state: TaskState,
  phase: SecureState,
  { event, context, vector }: SecureInput,
): Transition {
  const stepped = stepServer(phase.server, event, { suite: context.env.suite });
  let current: TaskState = { ...state, phase: { ...phase, server: stepped.state } };
  const outputs: TaskOutput[] = [];
  for (const output of stepped.outputs) {
    if (current.phase.name !== "secure") break;
    const next = secureOutput(current, current.phase, { output, context, vector });
    current = next.state;
    outputs.push(...next.outputs);
  }
  const after = current.phase;
  // R0 has no roster yet, so only this machine knows who is still to advertise.
  if (after.name === "secure" && after.stage === "enrolling" && event.type !== "close") {
    if (event.type === "advertise" && outputs.some((output) => output.type === "accepted"))
      after.enrolled.add(bytesToHex(event.advertisement.device));
    const missing = [...after.present].some((device) => !after.enrolled.has(device));
    if (!missing) {
      const closed = secureStep(current, after, { event: { type: "close" }, context });
      return { state: closed.state, outputs: [...outputs, ...closed.outputs] };
    }
  }
  return { state: current, outputs };
}

function secureOutput(
  state: TaskState,
  phase: SecureState,
  { output, context, vector }: { output: ServerOutput; context: Context; vector: string | undefined },
): Transition {
  const { env } = context;
  const { round } = phase;
  switch (output.type) {
    case "send":
      phase.pending.set(output.to, output.message);
      return {
        state,
        outputs: phase.present.has(output.to)
          ? [{ type: "send", to: output.to, message: output.message }]
          : [],
      };
    case "rejected":
      return { state, outputs: [{ type: "rejected", rejection: output.rejection }] };
    case "accepted": {
      const outputs: TaskOutput[] = [{ type: "accepted" }];
      if (vector !== undefined && !output.repeated) {
        phase.inputs.set(output.from, vector);
        const past = state.participations.get(output.from);
        state.participations.set(output.from, { count: (past?.count ?? 0) + 1, lastRound: round });
        outputs.push(
          { type: "participation", device: output.from, round },
          { type: "accumulate", round, vector },
        );
      }
      return { state, outputs };
    }
    case "phase":
      return enterStage(state, phase, { stage: output.phase, context });
    case "failed":
      return failRound(state, output.rejection, context);
    case "unmask": {
      const members = serverMembers(phase.server);
      if (members === undefined) throw new Error("an unmasked round has members");
      const survivors = output.survivors.map((index) => members.devices[index]!);
      const aggregating: Phase = {
        name: "aggregating",
        round,
        times: { ...phase.times, aggregating: env.now },
        cohort: phase.cohort,
        survivors,
        devices: members.devices,
        present: phase.present,
        inputs: phase.inputs,
        job: output.job,
        sid: members.sid,
        poisson: phase.poisson,
      };
      return {
        state: { ...state, phase: aggregating },
        outputs: [
          {
            type: "phase",
            round,
            phase: "aggregating",
            clients: survivors.length,
            dropped: phase.cohort - survivors.length,
          },
          {
            type: "aggregate",
            round,
            job: output.job,
            sid: members.sid,
            survivors: survivors.length,
            vectors: survivors.map((device) => phase.inputs.get(device)!),
          },
        ],
      };
    }
  }
}

function enterStage(
  state: TaskState,
  phase: SecureState,
  { stage, context }: { stage: SecurePhase; context: Context },
): Transition {
  const { config, env } = context;
  if (stage === phase.stage) return { state, outputs: [] };
  const { round } = phase;
  return {
    state: { ...state, phase: { ...phase, stage, times: { ...phase.times, [stage]: env.now } } },
    outputs: [
      {
        type: "phase",
        round,
        phase: stage,
        clients: phase.present.size,
        dropped: phase.cohort - phase.present.size,
      },
      { type: "timer", round, name: stage, at: env.now + config.plan.deadlines[stage] },
    ],
  };
}
