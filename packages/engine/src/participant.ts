/**
 * The participant machine: one device's side of a task, sans-IO. The SDK feeds it what the coordinator says and what
 * its own effects returned, and carries out its outputs.
 */
import { verifyLedgerEvidence } from "@kindred/privacy";
import {
  bytesToHex,
  type ClientMessage,
  encodeFrame,
  equalBytes,
  type Rejection,
  type ServerMessage,
} from "@kindred/protocol";
import { type ClientEvent, startClient, stepClient, wipeMasks } from "@kindred/secagg";
import type {
  ParticipantConfig,
  ParticipantEnvironment,
  ParticipantEvent,
  ParticipantOutput,
  ParticipantState,
} from "./participant-state.ts";
import { mayParticipate } from "./personal-ledger.ts";

interface ParticipantTransition {
  readonly state: ParticipantState;
  readonly outputs: readonly ParticipantOutput[];
}

export function startParticipant(): ParticipantState {
  return { name: "waiting" };
}

interface Context {
  readonly config: ParticipantConfig;
  readonly env: ParticipantEnvironment;
}

/** One transition. Messages of another round or phase are ignored: the coordinator's word never moves a device backwards. */
export function stepParticipant(
  state: ParticipantState,
  event: ParticipantEvent,
  { config, env }: { config: ParticipantConfig; env: ParticipantEnvironment },
): ParticipantTransition {
  const context = { config, env };
  switch (event.type) {
    case "message":
      return onMessage(state, event.message, context);
    case "trained":
      if (state.name !== "training" || state.round !== event.round) return stay(state);
      return {
        state: { ...state, name: "ready" },
        outputs: [{ type: "send", message: { type: "ready", round: state.round } }],
      };
    case "training-failed":
      if (state.name !== "training" || state.round !== event.round) return stay(state);
      return refuse(state, { round: event.round, rejection: event.rejection }, context);
    case "masked": {
      if (state.name !== "secure" || state.round !== event.round || !isMasking(state)) return stay(state);
      const { round, vector } = event;
      const answer: ClientMessage = { type: "masked-input", round, vector, signature: state.statement };
      return { state: { ...state, answer }, outputs: [{ type: "send", message: answer }] };
    }
    case "withdraw": {
      if (!("round" in state)) return { state: { name: "waiting" }, outputs: [] };
      const { round } = state;
      return {
        state: { name: "waiting" },
        outputs: [
          { type: "send", message: { type: "leave", round, code: "consent-missing" } },
          ...forgetRound(state, context),
        ],
      };
    }
  }
}

function stay(state: ParticipantState): ParticipantTransition {
  return { state, outputs: [] };
}

/** Leaves a round on the device's own account: tells the coordinator the code, the app the whole reason. */
function refuse(
  state: ParticipantState,
  { round, rejection }: { round: number; rejection: Rejection },
  context: Context,
): ParticipantTransition {
  return {
    state: { name: "waiting" },
    outputs: [
      { type: "send", message: { type: "leave", round, code: rejection.code } },
      ...forgetRound(state, context),
      { type: "refused", round, rejection },
      { type: "check-in", afterMs: 0 },
    ],
  };
}

function onMessage(state: ParticipantState, message: ServerMessage, context: Context): ParticipantTransition {
  switch (message.type) {
    case "selected":
      return onSelected(state, message, context);
    case "enrol":
      return onEnrol(state, message, context);
    case "roster":
    case "neighbourhood":
    case "inbox":
    case "survivors":
    case "unmask":
      return onSecure(state, message, context);
    case "come-back":
      return {
        state: { name: "waiting" },
        outputs: [...forgetRound(state, context), { type: "check-in", afterMs: message.afterMs }],
      };
    case "released": {
      const outputs: ParticipantOutput[] = [
        { type: "released", round: message.round, modelHash: bytesToHex(message.modelHash) },
      ];
      const current = "round" in state && state.round === message.round;
      if (!current) return { state, outputs };
      return {
        state: { name: "waiting" },
        outputs: [...forgetRound(state, context), ...outputs, { type: "check-in", afterMs: 0 }],
      };
    }
    case "round-failed": {
      if (!("round" in state) || state.round !== message.round) return stay(state);
      const rejection = {
        code: message.code,
        field: "round",
        rule: message.rule,
        fix: "nothing to do: the device checks in for the next round",
      };
      return {
        state: { name: "waiting" },
        outputs: [
          ...forgetRound(state, context),
          { type: "round-failed", round: message.round, rejection },
          { type: "check-in", afterMs: 0 },
        ],
      };
    }
    case "task-finished":
      return {
        state: { name: "finished" },
        outputs: [
          ...forgetRound(state, context),
          { type: "finished", modelHash: bytesToHex(message.modelHash) },
        ],
      };
    case "challenge":
    case "welcome":
    case "rejection":
    case "ok":
      return stay(state);
  }
}

/** Wipes the secrets of the round under way, if any, and has its contribution forgotten. */
function forgetRound(state: ParticipantState, { env }: Context): ParticipantOutput[] {
  if (state.name === "secure") stepClient(state.client, { type: "leave" }, env);
  return "round" in state ? [{ type: "forget", round: state.round }] : [];
}

function onSelected(
  state: ParticipantState,
  message: Extract<ServerMessage, { type: "selected" }>,
  context: Context,
): ParticipantTransition {
  const { round, modelHash, beacon } = message;
  const { config } = context;
  if ("round" in state && state.round === round && !equalBytes(state.beacon, beacon)) {
    const rejection: Rejection = {
      code: "message-invalid",
      field: "selected.beacon",
      rule: "must be the one that this device was selected under",
      fix: "fix the beacon in the ledger before the round's first device is selected, and keep it",
    };
    return refuse(state, { round, rejection }, context);
  }
  if (state.name === "ready" && state.round === round)
    return { state, outputs: [{ type: "send", message: { type: "ready", round } }] };
  if ("round" in state && round <= state.round) return stay(state);
  if (!equalBytes(message.planDigest, config.planDigest)) {
    const rejection: Rejection = {
      code: "plan-invalid",
      field: "selected.planDigest",
      rule: "must be the digest of the plan this device verified",
      fix: "the coordinator must start a new task instead of changing a plan",
    };
    return refuse(state, { round, rejection }, context);
  }
  const history = checkHistory(message, context);
  if (!history.ok) return refuse(state, { round, rejection: history.rejection }, context);
  const remember: ParticipantOutput = { type: "remember", head: history.value };
  const allowed = allowedByLedger(round, context);
  if (!allowed.ok) {
    const refused = refuse(state, { round, rejection: allowed.rejection }, context);
    return { ...refused, outputs: [remember, ...refused.outputs] };
  }
  return {
    state: { name: "training", round, modelHash, beacon },
    outputs: [
      ...forgetRound(state, context),
      remember,
      { type: "train", round, modelHash: bytesToHex(modelHash) },
    ],
  };
}

/** Whether the coordinator's ledger goes on from what this device remembers of it, and holds the round's start. */
function checkHistory(
  { round, planDigest, modelHash, beacon, ledger }: Extract<ServerMessage, { type: "selected" }>,
  { config, env }: Context,
): ReturnType<typeof verifyLedgerEvidence> {
  const { task, privacy } = config.plan;
  const epsilonLimit = privacy.mechanism === "none" ? null : privacy.epsilon;
  return verifyLedgerEvidence(ledger, {
    verify: env.suite.verify,
    publicKey: config.coordinatorKey,
    remembered: env.ledgerHead,
    expected: { task, round, planDigest, modelHash, beacon, epsilonLimit },
  });
}

function allowedByLedger(round: number, { config, env }: Context): ReturnType<typeof mayParticipate> {
  return mayParticipate(env.ledger, {
    plan: config.plan,
    planDigest: bytesToHex(config.planDigest),
    round,
  });
}

function onEnrol(
  state: ParticipantState,
  message: Extract<ServerMessage, { type: "enrol" }>,
  context: Context,
): ParticipantTransition {
  const { round } = message;
  if (state.name === "secure" && state.round === round) return repeat(state);
  if (state.name !== "ready" || state.round !== round) return stay(state);
  const { plan, planDigest, device, coordinatorKey } = context.config;
  const { cohort, resolved } = plan;
  const client = startClient({
    task: plan.task,
    round,
    planDigest,
    modelHash: state.modelHash,
    beacon: state.beacon,
    coordinatorKey,
    device,
    bits: resolved.mechanism.modulusBits,
    length: resolved.mechanism.paddedLength,
    minimumCohort: cohort.minSurvivors,
    maximumCohort: cohort.maximum,
    minSurvivors: cohort.minSurvivors,
    corruption: cohort.corruption,
    dropout: cohort.dropout,
    graph: plan.secureAggregation.graph,
    surplus: resolved.mechanism.surplus,
  });
  return stepSecure(
    {
      name: "secure",
      round,
      beacon: state.beacon,
      client,
      heard: undefined,
      answer: undefined,
      statement: undefined,
    },
    { event: { type: "enrol" }, heard: message },
    context,
  );
}

type SecureState = Extract<ParticipantState, { name: "secure" }>;
type SecureMessage = Extract<
  ServerMessage,
  { type: "roster" | "neighbourhood" | "inbox" | "survivors" | "unmask" }
>;

function onSecure(state: ParticipantState, message: SecureMessage, context: Context): ParticipantTransition {
  if (state.name !== "secure" || state.round !== message.round) return stay(state);
  // A coordinator that lost its connection repeats its message; a *different* message of a phase already answered is
  // left to the client machine, which refuses it.
  if (state.heard?.type === message.type && sameMessage(state.heard, message)) return repeat(state);
  // Nothing may be signed or revealed before this device's own input is recorded and sent.
  if (isMasking(state) && message.type !== "inbox") {
    const rejection: Rejection = {
      code: "message-unexpected",
      field: message.type,
      rule: "must not come before this device's masked input",
      fix: "wait for the masked inputs before naming the survivors",
    };
    return refuse(state, { round: state.round, rejection }, context);
  }
  return stepSecure(state, { event: message, heard: message }, context);
}

/** Whether the masks are handed out and the masked vector is not yet there. */
function isMasking(state: SecureState): state is SecureState & { readonly statement: Uint8Array } {
  return state.statement !== undefined && state.answer === undefined;
}

function repeat(state: SecureState): ParticipantTransition {
  return state.answer === undefined
    ? stay(state)
    : { state, outputs: [{ type: "send", message: state.answer }] };
}

function sameMessage(a: ServerMessage, b: ServerMessage): boolean {
  return bytesToHex(encodeFrame(a)) === bytesToHex(encodeFrame(b));
}

function stepSecure(
  state: SecureState,
  { event, heard }: { event: ClientEvent; heard: ServerMessage },
  context: Context,
): ParticipantTransition {
  const { round } = state;
  const stepped = stepClient(state.client, event, context.env);
  const outputs: ParticipantOutput[] = [];
  let answer: ClientMessage | undefined;
  let statement: Uint8Array | undefined;
  for (const output of stepped.outputs) {
    switch (output.type) {
      case "send":
        answer = output.message;
        outputs.push({ type: "send", message: output.message });
        break;
      case "mask": {
        const allowed = allowedByLedger(round, context);
        if (!allowed.ok) {
          wipeMasks(output.job);
          const left = { ...state, client: stepped.state };
          return refuse(left, { round, rejection: allowed.rejection }, context);
        }
        statement = output.signature;
        outputs.push({
          type: "mask",
          round,
          sid: output.sid,
          job: output.job,
          epsilon: allowed.value.epsilon,
        });
        break;
      }
      case "refused":
        return refuse(state, { round, rejection: output.rejection }, context);
      case "finished":
        outputs.push({ type: "forget", round });
        break;
    }
  }
  return { state: { ...state, client: stepped.state, heard, answer, statement }, outputs };
}
