/** What the runtime of one task is given. */
import type { TaskConfig, TaskMessage, TaskOutput } from "@kindred/engine";
import type { CryptoSuite } from "@kindred/secagg";
import type { CoordinatorKey } from "../store/coordinator-key.ts";
import type { AggregationPorts } from "./aggregations.ts";
import type { Clock } from "./clock.ts";
import type { Commit } from "./commit.ts";
import type { StoredTask } from "./open-task.ts";
import type { RunningSum } from "./running-sum.ts";

type ModelOutput = Extract<TaskOutput, { type: "model" }>;

/** How messages reach devices. A device without a connection gets the message when it comes back. */
export interface Outbox {
  send(device: string, message: TaskMessage): void;
  connected(device: string): boolean;
}

export interface TaskRuntimeOptions {
  readonly config: TaskConfig;
  readonly key: CoordinatorKey;
  readonly suite: CryptoSuite;
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  readonly outbox: Outbox;
  /** Reads what is stored of the task. */
  readonly load: () => Promise<StoredTask>;
  /** Writes a batch of transitions; resolves with the newest sequence once it is durable. */
  readonly commit: (batch: Omit<Commit, "task" | "traffic">) => Promise<number>;
  readonly recover: AggregationPorts["recover"];
  /** An empty sum for a round. */
  readonly newSum: () => RunningSum;
  readonly releases: {
    run: AggregationPorts["release"];
    /** A release is durable; what it supersedes may go. */
    published(output: ModelOutput): Promise<void>;
  };
  /** Every output once it is durable, for status lines and metrics. */
  readonly observe: (output: TaskOutput) => void;
  readonly logger: { error(fields: object, message: string): void };
  /** Milliseconds a device may be without connection before it counts as departed. */
  readonly reconnectGrace: number;
}
