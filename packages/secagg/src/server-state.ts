/** The coordinator's states: one per phase, each with exactly that phase's data, and what they say about members. */
import type { Rejection, ShareKind } from "@kindred/protocol";
import type { Enrolment } from "./enrolment.ts";
import type { PackedReveal } from "./recovery-job.ts";
import type { RoundBinding, Session } from "./session.ts";

export interface ServerConfig extends RoundBinding {
  /** The coordinator's Ed25519 signature over `rosterSigningBytes(sid)`. */
  readonly signRoster: (sid: Uint8Array) => Uint8Array;
}

/** One answer per member index. */
export type Slots<T> = readonly (T | undefined)[];

/** The cohort, from the end of enrolling on. Arrays are by member index. */
export interface Roll {
  readonly config: ServerConfig;
  readonly session: Session;
  /** Device keys, hexadecimal. */
  readonly devices: readonly string[];
  readonly indexOf: ReadonlyMap<string, number>;
}

/** Who has to answer the phase under way. */
interface Attendance {
  /** Whoever has not departed. */
  readonly present: readonly boolean[];
  /** Whom the phase asks: U1, U2, U3 and the signers of U3 in turn. */
  readonly asked: readonly boolean[];
  /** Members asked and present whose answer is missing. */
  readonly waiting: number;
  /** Members whose answer counts. */
  readonly answered: number;
}

/** What the machine keeps of a masked input. */
export interface AcceptedInput {
  /** Identifies the vector; empty where the event had none. */
  readonly digest: Uint8Array;
  /** The member's, over U2. */
  readonly signature: Uint8Array;
}

interface SharingData extends Roll, Attendance {
  /** The boxes of each member one after another, in the order of its neighbours: a million objects would be a burden. */
  readonly shares: Slots<Uint8Array>;
}
interface MaskingData extends SharingData {
  /** U2, sorted. */
  readonly sharing: readonly number[];
  /** What members sign over U2 with their masked inputs: `sharingSigningBytes`. */
  readonly sharingStatement: Uint8Array;
  /** Accepted masked inputs. */
  readonly inputs: Slots<AcceptedInput>;
}
interface ConsistencyData extends MaskingData {
  /** U3, sorted. */
  readonly survivors: readonly number[];
  /** What members sign over U3: `consistencySigningBytes`, hashed once for all of them. */
  readonly statement: Uint8Array;
  readonly signatures: Slots<Uint8Array>;
}
interface UnmaskingData extends ConsistencyData {
  readonly reveals: Slots<PackedReveal>;
  /** By member: which of its secrets R4 recovers. */
  readonly recovered: Slots<ShareKind>;
}

export interface EnrollingState {
  readonly phase: "enrolling";
  readonly config: ServerConfig;
  readonly enrolment: Enrolment;
}
export interface SharingState extends SharingData {
  readonly phase: "sharing";
}
export interface MaskingState extends MaskingData {
  readonly phase: "masking";
}
export interface ConsistencyState extends ConsistencyData {
  readonly phase: "consistency";
}
export interface UnmaskingState extends UnmaskingData {
  readonly phase: "unmasking";
}
export interface FinishedState {
  readonly phase: "finished";
  readonly roll: Roll;
  readonly sharing: readonly number[];
  readonly survivors: readonly number[];
}
export interface FailedState {
  readonly phase: "failed";
  readonly rejection: Rejection;
  /** Absent where the round failed in enrolling. */
  readonly roll: Roll | undefined;
}

export type RunningState = SharingState | MaskingState | ConsistencyState | UnmaskingState;
export type ServerState = EnrollingState | RunningState | FinishedState | FailedState;
export type ServerPhase = EnrollingState["phase"] | RunningState["phase"];

/** What a coordinator may ask about the cohort. */
export interface ServerMembers {
  /** 32 bytes. */
  readonly sid: Uint8Array;
  /** Device keys in hexadecimal by member index. */
  readonly devices: readonly string[];
  readonly indexOf: ReadonlyMap<string, number>;
  /** Shares that reconstruct a secret. */
  readonly threshold: number;
  /** Signatures over U3 without which nobody reveals. */
  readonly quorum: number;
  /** U2, sorted; from masking on. */
  readonly sharing: readonly number[] | undefined;
  /** U3, sorted; from consistency on. */
  readonly survivors: readonly number[] | undefined;
  /** Device keys of the members whose answer the present phase still awaits. */
  readonly waitingFor: readonly string[];
}

/** The cohort as far as it is known; `undefined` while it enrols and where it never formed. */
export function serverMembers(state: ServerState): ServerMembers | undefined {
  const roll = rollOf(state);
  if (roll === undefined) return undefined;
  return {
    sid: roll.session.sid,
    devices: roll.devices,
    indexOf: roll.indexOf,
    threshold: roll.session.threshold,
    quorum: roll.session.quorum,
    sharing: "sharing" in state ? state.sharing : undefined,
    survivors: "survivors" in state ? state.survivors : undefined,
    waitingFor: "waiting" in state ? roll.devices.filter((_, member) => isAwaited(state, member)) : [],
  };
}

/** The cohort behind a state, without the answers. */
export function rollOf(state: ServerState): Roll | undefined {
  switch (state.phase) {
    case "enrolling":
      return undefined;
    case "finished":
    case "failed":
      return state.roll;
    default: {
      const { config, session, devices, indexOf } = state;
      return { config, session, devices, indexOf };
    }
  }
}

/** Whether the phase still waits for the member's answer. */
export function isAwaited(state: RunningState, member: number): boolean {
  return state.asked[member]! && state.present[member]! && answers(state)[member] === undefined;
}

/** What has been answered in the present phase. */
export function answers(state: RunningState): Slots<unknown> {
  switch (state.phase) {
    case "sharing":
      return state.shares;
    case "masking":
      return state.inputs;
    case "consistency":
      return state.signatures;
    case "unmasking":
      return state.reveals;
  }
}

/** `slots` with one place filled; the original stays as it is. */
export function withSlot<T>(slots: readonly T[], position: number, value: T): readonly T[] {
  const copy = slots.slice();
  copy[position] = value;
  return copy;
}
