/** What passes between a pool and its threads. */
import type { Rejection } from "@kindred/protocol";
import type { RecoveryFindings } from "../src/recovery.ts";
import type { RecoveryJob } from "../src/recovery-job.ts";

/** What the pool asks for. */
export interface RecoveryTask {
  readonly job: RecoveryJob;
  readonly owners: Uint32Array;
  /** Shared by the threads of a job: the next position in `owners`, and 1 once the job is cancelled. */
  readonly control: Int32Array;
}

/** Positions in `RecoveryTask.control`. */
export const NEXT = 0;
export const CANCELLED = 1;

/** A thread's part: what is to be added to the masked sum, or why there is none. */
export type RecoveryAnswer =
  | ({ readonly sum: Uint32Array } & RecoveryFindings)
  | { readonly rejection: Rejection };
