/**
 * The coordinator's machine of one round of secure aggregation. It never sees a vector: it says whose masked input
 * counts, and at the end what turns the sum of those into the plain sum.
 *
 * Pure: state + event + environment in, state + outputs out. No step alters a state it was given, so a round can be
 * replayed from its events; an event copies a few arrays of n references, never the messages behind them.
 *
 * Members are named by the hexadecimal form of their device key. A message that is repeated word for word, in its
 * phase or later, is accepted again without effect; a different second message is rejected.
 */
import {
  type Advertisement,
  bytesToHex,
  consistencySigningBytes,
  type ErrorCode,
  encodeMemberSet,
  type Rejection,
  type ServerMessage,
  sharingSigningBytes,
} from "@kindred/protocol";
import { type MemberAnswer, recordAnswer, unexpected } from "./answers.ts";
import { fewestInTwoWindows } from "./certified-graph.ts";
import type { CryptoSuite } from "./crypto.ts";
import {
  addCandidate,
  admitCandidates,
  EMPTY_ENROLMENT,
  removeCandidate,
  secondAnswer,
} from "./enrolment.ts";
import { type RecoveryJob, recoveryJob } from "./recovery-job.ts";
import { equalAdvertisements } from "./roster.ts";
import {
  certificateMessage,
  directoryMessages,
  inboxMessages,
  survivorsMessages,
} from "./server-messages.ts";
import {
  answers,
  type ConsistencyState,
  type EnrollingState,
  isAwaited,
  type MaskingState,
  type RunningState,
  rollOf,
  type ServerConfig,
  type ServerPhase,
  type ServerState,
  type SharingState,
  type UnmaskingState,
  withSlot,
} from "./server-state.ts";
import { directoryOf, openSession, type Session } from "./session.ts";

export type ServerEvent =
  | { readonly type: "advertise"; readonly advertisement: Advertisement }
  | MemberAnswer
  /** The member is gone for good. A masked input or signature that it has given keeps counting. */
  | { readonly type: "departed"; readonly from: string }
  /** The deadline of `phase`, ignored where that phase is over; without `phase`, of whichever is under way. */
  | { readonly type: "close"; readonly phase?: ServerPhase };

export type ServerOutput =
  | { readonly type: "send"; readonly to: string; readonly message: ServerMessage }
  /** `repeated`: the message had been accepted before and has no effect; a masked input must not be added again. */
  | { readonly type: "accepted"; readonly from: string; readonly repeated: boolean }
  | { readonly type: "rejected"; readonly from: string; readonly rejection: Rejection }
  /** A phase has begun. */
  | { readonly type: "phase"; readonly phase: ServerPhase }
  /** Recover the plain sum from the sum of the survivors' masked inputs (`recoverPart`). The machine has ended. */
  | {
      readonly type: "unmask";
      readonly job: RecoveryJob;
      /** U3, sorted. */
      readonly survivors: readonly number[];
    }
  /** The round fails; the machine has ended. */
  | { readonly type: "failed"; readonly rejection: Rejection };

export interface ServerStep {
  readonly state: ServerState;
  readonly outputs: readonly ServerOutput[];
}

export interface ServerEnvironment {
  readonly suite: CryptoSuite;
}

/** The machine in its first phase, enrolling. It does not know who will come, so this phase ends by `close` only. */
export function startServer(config: ServerConfig): ServerState {
  return { phase: "enrolling", config, enrolment: EMPTY_ENROLMENT };
}

/** One transition. A phase ends when nobody is left to answer it, when it can no longer succeed, or by `close`. */
export function stepServer(state: ServerState, event: ServerEvent, env: ServerEnvironment): ServerStep {
  switch (event.type) {
    case "close":
      if (event.phase !== undefined && event.phase !== state.phase) return { state, outputs: [] };
      return close(state, "deadline-passed");
    case "departed":
      return depart(state, event.from);
    case "advertise":
      return advertise(state, event.advertisement, env);
    default:
      return answer(state, event, env);
  }
}

function advertise(
  state: ServerState,
  advertisement: Advertisement,
  { suite }: ServerEnvironment,
): ServerStep {
  const from = bytesToHex(advertisement.device);
  if (state.phase === "enrolling") {
    const added = addCandidate(state.enrolment, advertisement, { binding: state.config, suite });
    if (!added.ok) return refuse(state, from, added.rejection);
    const { enrolment, repeated } = added.value;
    return { state: { ...state, enrolment }, outputs: [{ type: "accepted", from, repeated }] };
  }
  const roll = rollOf(state);
  const member = roll?.indexOf.get(from);
  if (member === undefined) return refuse(state, from, unexpected("advertise", state.phase).rejection);
  if (equalAdvertisements(roll!.session.entries[member]!, advertisement))
    return { state, outputs: [{ type: "accepted", from, repeated: true }] };
  return refuse(state, from, secondAnswer("advertise"));
}

function answer(state: ServerState, event: MemberAnswer, env: ServerEnvironment): ServerStep {
  const { from } = event;
  if (state.phase === "enrolling" || state.phase === "finished" || state.phase === "failed")
    return refuse(state, from, unexpected(event.type, state.phase).rejection);
  const member = state.indexOf.get(from);
  if (member === undefined) return refuse(state, from, NOT_A_MEMBER);
  const recorded = recordAnswer(state, event, { member, suite: env.suite });
  if (!recorded.ok) return refuse(state, from, recorded.rejection);
  const { repeated } = recorded.value;
  const outputs: ServerOutput[] = [{ type: "accepted", from, repeated }];
  return repeated ? { state, outputs } : after(outputs, settle(recorded.value.state));
}

function depart(state: ServerState, from: string): ServerStep {
  if (state.phase === "enrolling")
    return { state: { ...state, enrolment: removeCandidate(state.enrolment, from) }, outputs: [] };
  if (state.phase === "finished" || state.phase === "failed") return { state, outputs: [] };
  const member = state.indexOf.get(from);
  if (member === undefined || !state.present[member]) return { state, outputs: [] };
  const waiting = state.waiting - (isAwaited(state, member) ? 1 : 0);
  // Shares of a departed member are of no use: without it in U2 nothing needs recovery.
  const lost = state.phase === "sharing" && state.shares[member] !== undefined;
  const answered = state.answered - (lost ? 1 : 0);
  return settle({ ...state, waiting, answered, present: withSlot(state.present, member, false) });
}

/** Ends the phase as soon as its result is certain. */
function settle(state: RunningState): ServerStep {
  const hopeless = state.answered + state.waiting < required(state);
  return state.waiting === 0 || hopeless ? close(state, "too-few-survivors") : { state, outputs: [] };
}

/**
 * Ends the phase under way.
 * @param code what it is called if members that are needed have not answered R3 or R4
 */
function close(state: ServerState, code: ErrorCode): ServerStep {
  switch (state.phase) {
    case "enrolling":
      return closeEnrolling(state);
    case "sharing":
      return closeSharing(state);
    case "masking":
      return closeMasking(state);
    case "consistency":
      return closeConsistency(state, code);
    case "unmasking":
      return closeUnmasking(state, code);
    default:
      return { state, outputs: [] };
  }
}

/** U1 is fixed: the first `maximumCohort` to have advertised get the roster. */
function closeEnrolling({ config, enrolment }: EnrollingState): ServerStep {
  const { admitted, turnedAway } = admitCandidates(enrolment, config.maximumCohort);
  const outputs: ServerOutput[] = turnedAway.map(({ device }) => ({
    type: "rejected",
    from: device,
    rejection: {
      code: "dropped-out",
      field: "advertise",
      rule: `must be among the first ${config.maximumCohort} of the round`,
      fix: "take part in the next round",
    },
  }));
  const minimum = Math.max(config.minimumCohort, config.minSurvivors);
  if (admitted.length < minimum) {
    const rule = `must have at least ${minimum} members, found ${admitted.length}`;
    return after(outputs, fail(undefined, { ...TOO_FEW, code: "cohort-too-small", field: "cohort", rule }));
  }
  const entries = admitted.map(({ advertisement }) => advertisement);
  const { directory, tree } = directoryOf(entries);
  const opened = openSession(config, directory);
  if (!opened.ok) return after(outputs, fail(undefined, opened.rejection));
  const session: Session = { ...opened.value, entries };
  const devices = admitted.map(({ device }) => device);
  const everybody = devices.map(() => true);
  const state: SharingState = {
    phase: "sharing",
    config,
    session,
    devices,
    indexOf: new Map(devices.map((device, member) => [device, member])),
    present: everybody,
    asked: everybody,
    waiting: devices.length,
    answered: 0,
    shares: emptySlots(devices.length),
  };
  const message = directoryMessages(session, { config, entries, tree });
  return after(outputs, begin(state, message));
}

/** U2 is fixed: whoever sealed shares and is still there. Their boxes are delivered. */
function closeSharing(state: SharingState): ServerStep {
  const sharing = answeredMembers(state);
  if (sharing.length < required(state)) return tooFew(state, sharing.length, "too-few-survivors");
  const { config, session, shares } = state;
  const { round } = config;
  const next: MaskingState = {
    ...state,
    phase: "masking",
    ...asking(state, sharing),
    sharing,
    sharingStatement: sharingSigningBytes(session.sid, encodeMemberSet(sharing, session.size)),
    inputs: emptySlots(state.devices.length),
  };
  return begin(next, inboxMessages(session, { round, sharing, shares }));
}

/** U3 is fixed: whoever has a masked input in the sum, departed or not. */
function closeMasking(state: MaskingState): ServerStep {
  const { config, session, inputs } = state;
  const survivors = answeredMembers(state);
  if (survivors.length < required(state)) return tooFew(state, survivors.length, "too-few-survivors");
  const gap = checkRing(session, survivors);
  if (gap !== undefined) return fail(state, gap);
  const next: ConsistencyState = {
    ...state,
    phase: "consistency",
    ...asking(state, survivors),
    survivors,
    statement: consistencySigningBytes(session.sid, survivors),
    signatures: emptySlots(state.devices.length),
  };
  const statements = inputs.map((input) => input?.signature);
  const { round } = config;
  return beginOrFail(next, survivorsMessages(session, { round, survivors, statements }));
}

/** What every honest member would refuse U3 for. */
function checkRing({ kind, ring, degree, windowFloor }: Session, survivors: readonly number[]) {
  if (kind === "complete") return undefined;
  const fewest = fewestInTwoWindows(ring, { survivors, width: degree / 2 });
  if (fewest >= windowFloor) return undefined;
  const rule = `must leave at least ${windowFloor} survivors in every two windows of ${degree / 2} places of the ring, found ${fewest}`;
  return { ...TOO_FEW, code: "too-few-survivors", field: "masking", rule } satisfies Rejection;
}

/** Whoever signed U3 gets all signatures and is asked to reveal. */
function closeConsistency(state: ConsistencyState, code: ErrorCode): ServerStep {
  const signers = answeredMembers(state);
  if (signers.length < required(state)) return tooFew(state, signers.length, code);
  const { config, session, signatures } = state;
  const { round } = config;
  const reveals = emptySlots<UnmaskingState["reveals"][number] & object>(state.devices.length);
  const alive = new Set(state.survivors);
  const recovered = emptySlots<UnmaskingState["recovered"][number] & string>(state.devices.length).slice();
  for (const member of state.sharing) recovered[member] = alive.has(member) ? "self-mask" : "mask-key";
  const next: UnmaskingState = {
    ...state,
    phase: "unmasking",
    ...asking(state, signers),
    reveals,
    recovered,
  };
  return beginOrFail(next, certificateMessage(session, { round, signers, signatures }));
}

/** Whoever revealed is all there will be; what is left is work outside the machine. */
function closeUnmasking(state: UnmaskingState, code: ErrorCode): ServerStep {
  const { config, session, sharing, survivors, reveals } = state;
  const revealed = answeredMembers(state);
  if (revealed.length < required(state)) return tooFew(state, revealed.length, code);
  const job = recoveryJob({ session, binding: config, sharing, survivors, reveals });
  const roll = rollOf(state)!;
  return {
    state: { phase: "finished", roll, sharing, survivors },
    outputs: [{ type: "unmask", job, survivors }],
  };
}

/** Answers that the phase cannot do without. */
function required({ phase, config, session }: RunningState): number {
  const { threshold, quorum } = session;
  switch (phase) {
    case "sharing":
    case "masking":
      return Math.max(config.minSurvivors, threshold, quorum);
    case "consistency":
      return quorum;
    case "unmasking":
      return threshold;
  }
}

/** Whose answer counts, sorted; as many as `state.answered`. */
function answeredMembers(state: RunningState): number[] {
  const found: number[] = [];
  answers(state).forEach((given, member) => {
    if (given !== undefined && (state.phase !== "sharing" || state.present[member])) found.push(member);
  });
  return found;
}

function asking(
  { devices, present }: RunningState,
  members: readonly number[],
): Pick<RunningState, "asked" | "waiting" | "answered"> {
  const asked = devices.map(() => false);
  for (const member of members) asked[member] = true;
  return { asked, waiting: members.filter((member) => present[member]).length, answered: 0 };
}

/** Announces a phase and sends its message to everyone it asks. */
function begin(state: RunningState, message: (member: number) => ServerMessage): ServerStep {
  const outputs: ServerOutput[] = [{ type: "phase", phase: state.phase }];
  state.devices.forEach((to, member) => {
    if (isAwaited(state, member)) outputs.push({ type: "send", to, message: message(member) });
  });
  return { state, outputs };
}

/** Members may have departed after their last answer: a phase that too few can answer does not begin. */
function beginOrFail(state: RunningState, message: (member: number) => ServerMessage): ServerStep {
  if (state.waiting < required(state)) return tooFew(state, state.waiting, "too-few-survivors");
  return begin(state, message);
}

function tooFew(state: RunningState, found: number, code: ErrorCode): ServerStep {
  const rule = `must have answers of at least ${required(state)} members, found ${found}`;
  return fail(state, { ...TOO_FEW, code, field: state.phase, rule });
}

function fail(state: RunningState | undefined, rejection: Rejection): ServerStep {
  return {
    state: { phase: "failed", rejection, roll: state && rollOf(state) },
    outputs: [{ type: "failed", rejection }],
  };
}

function refuse(state: ServerState, from: string, rejection: Rejection): ServerStep {
  return { state, outputs: [{ type: "rejected", from, rejection }] };
}

function after(outputs: readonly ServerOutput[], step: ServerStep): ServerStep {
  return { state: step.state, outputs: [...outputs, ...step.outputs] };
}

function emptySlots<T>(length: number): readonly (T | undefined)[] {
  return Array.from({ length }, () => undefined);
}

const TOO_FEW = { fix: "repeat the round with more clients or longer deadlines" } as const;
const NOT_A_MEMBER: Rejection = {
  code: "dropped-out",
  field: "from",
  rule: "must be a member of the round's cohort",
  fix: "take part in the next round",
};
