/**
 * State, events and outputs of the round machine: one machine per task, on the coordinator.
 *
 * selecting → training → enrolling(R0) → sharing(R1) → masking(R2) → consistency(R3) → unmasking(R4) → aggregating → published.
 * Devices are named by the hexadecimal form of their Ed25519 public key.
 */
import type { LedgerBody } from "@kindred/privacy";
import type { ClientMessage, Plan, Rejection, ServerMessage } from "@kindred/protocol";
import type { CryptoSuite, RecoveryJob, ServerState } from "@kindred/secagg";
import type { ClippingRecord } from "./adaptive-clip.ts";
import type { ClusterOutcome } from "./cluster-release.ts";
import type { HeldOutRecord } from "./held-out.ts";
import type { SignalOutcome } from "./signals/signal-release.ts";

export type SecurePhase = "enrolling" | "sharing" | "masking" | "consistency" | "unmasking";
export type PhaseName =
  | "idle"
  | "selecting"
  | "training"
  | SecurePhase
  | "aggregating"
  | "finished"
  | "cancelled";

/** Milliseconds since the epoch at which each phase of the round began. */
export type PhaseTimes = Partial<Record<PhaseName, number>>;

/** What every phase of a round under way knows. */
interface RoundContext {
  readonly round: number;
  readonly times: PhaseTimes;
}

export type Phase =
  | { readonly name: "idle" }
  | ({
      readonly name: "selecting";
      readonly windowClosed: boolean;
      /** Public randomness of the round; 32 bytes. The ledger holds it since the round began. */
      readonly beacon: Uint8Array;
    } & RoundContext)
  | ({
      readonly name: "training";
      readonly beacon: Uint8Array;
      /** Selected devices and how far they are. */
      readonly selected: Map<string, "training" | "ready" | "departed">;
      /** Whether selection was Poisson and nobody was cut off. */
      readonly poisson: boolean;
    } & RoundContext)
  | ({
      readonly name: "secure";
      readonly stage: SecurePhase;
      readonly server: ServerState;
      /** Devices selected at the start, without those sent home. */
      readonly cohort: number;
      /** Devices that belong to the secure-aggregation cohort and have not departed. */
      readonly present: Set<string>;
      readonly enrolled: Set<string>;
      /** Accepted masked inputs, by device: names of the spooled vectors. */
      readonly inputs: Map<string, string>;
      /** The message each member has to answer, for those that reconnect. */
      readonly pending: Map<string, ServerMessage>;
      readonly poisson: boolean;
    } & RoundContext)
  | ({
      readonly name: "aggregating";
      readonly cohort: number;
      readonly survivors: readonly string[];
      /** Devices by member index. */
      readonly devices: readonly string[];
      readonly present: Set<string>;
      readonly inputs: ReadonlyMap<string, string>;
      readonly job: RecoveryJob;
      readonly sid: Uint8Array;
      readonly poisson: boolean;
    } & RoundContext)
  | { readonly name: "finished"; readonly reason: "rounds-done" | "budget-exhausted" }
  | { readonly name: "cancelled" };

/** `selected` as the machine knows it; whoever sends it adds what the ledger proves to that device. */
export type Selection = Omit<Extract<ServerMessage, { type: "selected" }>, "ledger">;

/** What the machine has to say to a device. */
export type TaskMessage = Exclude<ServerMessage, { type: "selected" }> | Selection;

/** ε spent so far; `null` = no guarantee because noise is off. */
export interface Spent {
  readonly coordinator: number | null;
  readonly observer: number | null;
}

/** A device's participations in this task, as the coordinator counts them. */
export interface ParticipationCount {
  readonly count: number;
  readonly lastRound: number;
}

export interface TaskState {
  readonly phase: Phase;
  /** Last round attempted; 0 before the first. */
  readonly round: number;
  readonly modelHash: string;
  /** Rounds whose aggregate was released. */
  readonly released: number;
  /** Whether every cohort so far was a Poisson sample, nobody cut off and no round failed. Recorded; no ε rests on it. */
  readonly poisson: boolean;
  readonly spent: Spent;
  readonly participations: Map<string, ParticipationCount>;
  /** Devices that wait to be selected. */
  readonly pool: Set<string>;
}

export interface TaskConfig {
  readonly plan: Plan;
  /** 64 hexadecimal digits. */
  readonly planDigest: string;
}

/** What a release says of its round; every personal quantity in it comes out of the noisy sum. */
export interface ReleaseFigures {
  /** Mean next-item loss in nats before the update, from the noisy sum. */
  readonly loss: number;
  /** Standard deviation of the noise on `loss`, nats. */
  readonly lossDeviation: number;
  /** Mean simplified silhouette, from the noisy sum. */
  readonly silhouette: number;
  /** Where the plan holds interactions out; from the noisy sum. */
  readonly heldOut?: HeldOutRecord | undefined;
  /** Where the plan adapts the clip norm; from the noisy sum. */
  readonly clipping?: ClippingRecord | undefined;
  /** What came of the clusters; `null` where the round collected a signal. */
  readonly clusters: ClusterOutcome | null;
  /** What came of the signal, where the round collected one. */
  readonly signal?: SignalOutcome | undefined;
}

/** What computing a release gave. */
export interface Release extends ReleaseFigures {
  readonly modelHash: string;
  readonly optimiserHash: string;
}

type MemberMessage = Extract<ClientMessage, { type: "advertise" | "shares" | "consistency" | "reveal" }>;

export type TaskEvent =
  /** Begins the next round with the devices that wait, so that a replay needs nothing from before it. */
  | { readonly type: "start"; readonly pool: readonly string[] }
  | { readonly type: "check-in"; readonly device: string }
  | { readonly type: "ready"; readonly device: string; readonly round: number }
  | { readonly type: "member"; readonly device: string; readonly message: MemberMessage }
  /** The masked vector itself is spooled outside; `vector` names it. */
  | {
      readonly type: "masked-input";
      readonly device: string;
      readonly round: number;
      readonly vector: string;
      /** The device's, over `sharingSigningBytes`. */
      readonly signature: Uint8Array;
    }
  | { readonly type: "departed"; readonly device: string }
  | { readonly type: "timer"; readonly round: number; readonly name: string }
  /**
   * `corrupt`: members, by index, whose revealed shares were found wrong; the sum came out in spite of them. `kept`:
   * survivors, by index, whose surplus noise could not be removed.
   */
  | {
      readonly type: "aggregated";
      readonly round: number;
      readonly release: Release;
      readonly corrupt?: readonly number[];
      readonly kept?: readonly number[];
    }
  | { readonly type: "aggregation-failed"; readonly round: number; readonly rejection: Rejection }
  /** The coordinator cannot go on with the round, in whichever phase it is. */
  | { readonly type: "abandon"; readonly round: number; readonly rejection: Rejection }
  | { readonly type: "cancel" }
  /** An operator's word: training goes on from an earlier model, which the store knows to be one of the task's. */
  | {
      readonly type: "roll-back";
      /** 64 hexadecimal digits. */
      readonly to: string;
      /** Hash of the model that the operator takes for the one in use. */
      readonly from: string;
      readonly reason: string;
      readonly operator: string;
    };

/** Outcome of a round, stored durably with the transition that decides it. */
export interface RoundRecord {
  readonly round: number;
  readonly status: "running" | "published" | "failed" | "cancelled";
  readonly cohort: number;
  readonly survivors: number;
  readonly dropped: number;
  readonly epsilon: Spent;
  readonly loss: number | null;
  /** Standard deviation of the noise on `loss`. */
  readonly lossDeviation: number | null;
  readonly silhouette: number | null;
  /** Where the plan holds interactions out, and the noise lets it be seen. */
  readonly heldOut?: HeldOutRecord | undefined;
  /** What the release did to the clusters; `null` without a release, or where the round collected a signal. */
  readonly clusters: ClusterOutcome | null;
  /** What the release collected, where the round collected a signal. */
  readonly signal?: SignalOutcome | undefined;
  readonly reason: string | null;
  /** Devices whose revealed shares were found wrong, or were dealt wrong: evidence, no proof. */
  readonly corrupt: readonly string[];
  /** Whether this cohort and all before it were Poisson samples, nobody cut off and no round failed. */
  readonly poisson: boolean;
  readonly times: PhaseTimes;
}

export type TaskOutput =
  | { readonly type: "accepted" }
  | { readonly type: "rejected"; readonly rejection: Rejection }
  | { readonly type: "send"; readonly to: string; readonly message: TaskMessage }
  | { readonly type: "timer"; readonly round: number; readonly name: string; readonly at: number }
  /** Add a spooled vector to the round's running sum. */
  | { readonly type: "accumulate"; readonly round: number; readonly vector: string }
  /** Forget the round's running sum and spool. */
  | { readonly type: "discard"; readonly round: number; readonly vectors: readonly string[] }
  /**
   * Recover the plain sum from the running sum and compute the release; the answer comes back as `aggregated`, or as
   * `aggregation-failed`. Whoever does it wipes the job.
   */
  | {
      readonly type: "aggregate";
      readonly round: number;
      readonly job: RecoveryJob;
      readonly sid: Uint8Array;
      readonly survivors: number;
      readonly vectors: readonly string[];
    }
  | { readonly type: "ledger"; readonly body: LedgerBody }
  | { readonly type: "round"; readonly record: RoundRecord }
  | {
      readonly type: "model";
      readonly round: number;
      readonly hash: string;
      readonly parent: string;
      readonly optimiserHash: string;
    }
  | { readonly type: "participation"; readonly device: string; readonly round: number }
  /** The model that devices are given from now on, and without moments of the server optimiser. */
  | { readonly type: "rolled-back"; readonly hash: string }
  /** A phase begins with so many clients in it, and so many of the cohort gone. */
  | {
      readonly type: "phase";
      readonly round: number;
      readonly phase: PhaseName;
      readonly clients: number;
      readonly dropped: number;
    }
  /** The round is over; answer with `start`. */
  | { readonly type: "next" }
  | { readonly type: "finished" };

/** Outputs that have to be durable before any other output of the same transition takes effect. */
export type DurableOutput = Extract<
  TaskOutput,
  { type: "ledger" | "round" | "model" | "participation" | "rolled-back" }
>;

export interface TaskEnvironment {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Randomness of this transition, recorded with its event so that a replay is exact. */
  readonly random: (length: number) => Uint8Array;
  readonly suite: CryptoSuite;
  /** The coordinator's signature over `rosterSigningBytes`. */
  readonly signRoster: (message: Uint8Array) => Uint8Array;
}

export interface Transition {
  readonly state: TaskState;
  readonly outputs: readonly TaskOutput[];
}
