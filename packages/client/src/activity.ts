/** What a client reports to its app: phases and outcomes, nothing personal. */
import type { Rejection } from "@kindred/protocol";

/** What happens, without anything personal in it. */
export type ParticipationActivity =
  | { readonly type: "connected" }
  | { readonly type: "disconnected" }
  | { readonly type: "phase"; readonly phase: ParticipationPhase; readonly round: number | undefined }
  /** A masked input is about to leave; its participation is recorded. `encodeMs`: clipping, rotation, rounding, noise. */
  | {
      readonly type: "contributed";
      readonly round: number;
      readonly epsilon: number | null;
      readonly encodeMs: number;
    }
  | { readonly type: "released"; readonly round: number; readonly modelHash: string }
  /** The round went on or ended without this device. */
  | { readonly type: "round-failed"; readonly round: number; readonly rejection: Rejection }
  /** This device left the round on its own account. */
  | { readonly type: "refused"; readonly round: number; readonly rejection: Rejection }
  | { readonly type: "finished"; readonly modelHash: string }
  /** The client stopped for good; starting it again needs the fix. */
  | { readonly type: "stopped"; readonly rejection: Rejection };

/**
 * `connecting` until the coordinator knows the device; `waiting` for a cohort; `training`; `ready`; `securing` the
 * cryptographic phases; `capped` when the device has taken part as often as it may; `finished`; `stopped`.
 */
export type ParticipationPhase =
  | "connecting"
  | "waiting"
  | "training"
  | "ready"
  | "securing"
  | "capped"
  | "finished"
  | "stopped";
