/**
 * Runs the round machine of one task: one serial mailbox, every batch of transitions committed before its effects,
 * effects safe to repeat. A restart replays the journal of the round under way and goes on.
 */
import {
  type Release,
  resumeMessage,
  startTask,
  stepTask,
  type TaskConfig,
  type TaskEnvironment,
  type TaskEvent,
  type TaskHistory,
  type TaskOutput,
  type TaskState,
} from "@kindred/engine";
import { KindredError, type Rejection, type Result, type ServerMessage } from "@kindred/protocol";
import type { CryptoSuite } from "@kindred/secagg";
import type { CoordinatorKey } from "../store/coordinator-key.ts";
import type { Database } from "../store/database.ts";
import type { JournalRecord } from "../store/journal.ts";
import type { Clock } from "./clock.ts";
import { commitTransitions } from "./commit.ts";
import {
  decodeJournaledEvent,
  encodeJournaledEvent,
  type JournaledEvent,
  transitionRandom,
} from "./journal-codec.ts";
import type { RunningSum } from "./running-sum.ts";

/** Events that one transaction commits together at the most. */
const MAX_BATCH = 256;

/** How messages reach devices. A device without a connection gets the message when it comes back. */
export interface Outbox {
  send(device: string, message: ServerMessage): void;
  connected(device: string): boolean;
}

type AggregateOutput = Extract<TaskOutput, { type: "aggregate" }>;

export interface TaskRuntimeOptions {
  readonly config: TaskConfig;
  readonly database: Database;
  readonly key: CoordinatorKey;
  readonly suite: CryptoSuite;
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  readonly outbox: Outbox;
  readonly sum: RunningSum;
  readonly release: (output: AggregateOutput, sum: Uint32Array) => Promise<Release>;
  /** Every output once it is durable, for status lines and metrics. */
  readonly observe: (output: TaskOutput) => void;
  readonly traffic: (round: number) => Record<string, number>;
  /** An internal failure: the runtime has stopped and has to be opened again. */
  readonly failed: (error: unknown) => void;
  /** Milliseconds a device may be without connection before it counts as departed. */
  readonly reconnectGrace: number;
}

interface Letter {
  readonly event: TaskEvent;
  readonly resolve: (result: Rejection | undefined) => void;
}

export class TaskRuntime {
  readonly #options: TaskRuntimeOptions;
  readonly #mailbox: Letter[] = [];
  readonly #timers = new Set<() => void>();
  #state: TaskState;
  #sequence: number;
  #draining: Promise<void> | undefined;
  #stopped = false;

  private constructor(
    options: TaskRuntimeOptions,
    { state, sequence }: { state: TaskState; sequence: number },
  ) {
    this.#options = options;
    this.#state = state;
    this.#sequence = sequence;
  }

  /** Restores a task from its history and journal, and sets it going. */
  static async open(
    options: TaskRuntimeOptions,
    {
      history,
      journal,
      sequence,
    }: { history: TaskHistory; journal: readonly JournalRecord[]; sequence: number },
  ): Promise<TaskRuntime> {
    const runtime = new TaskRuntime(options, { state: startTask(history), sequence });
    await runtime.#replay(journal.map(({ payload }) => decodeJournaledEvent(payload)));
    return runtime;
  }

  get state(): TaskState {
    return this.#state;
  }

  /**
   * Puts an event into the mailbox.
   * @returns once its transition is durable: the machine's rejection, or nothing
   */
  submit(event: TaskEvent): Promise<Rejection | undefined> {
    if (this.#stopped) return Promise.resolve(stoppedRejection());
    return new Promise((resolve) => {
      this.#mailbox.push({ event, resolve });
      this.#draining ??= this.#drain();
    });
  }

  /** Spools a masked input and submits it. The acknowledgement means that it is durable and counted. */
  async submitMaskedInput(
    device: string,
    { round, vector }: { round: number; vector: Uint8Array },
  ): Promise<Rejection | undefined> {
    const { phase } = this.#state;
    if (
      phase.name !== "secure" ||
      phase.stage !== "masking" ||
      phase.round !== round ||
      !phase.present.has(device)
    ) {
      // Still submitted, with a name no vector has: the machine knows the reason, or that it is a repetition.
      return this.submit({ type: "masked-input", device, round, vector: "" });
    }
    const received: Result<string> = await this.#options.sum.receive(vector);
    if (!received.ok) return received.rejection;
    const rejection = await this.submit({ type: "masked-input", device, round, vector: received.value });
    if (rejection !== undefined) await this.#options.sum.refuse(received.value);
    return rejection;
  }

  /** What a device that connects has to answer now, if anything. */
  resume(device: string): ServerMessage | undefined {
    return resumeMessage(this.#state, device, {
      config: this.#options.config,
      now: this.#options.clock.now(),
    });
  }

  /** A device lost its connection; it counts as departed unless it is back in time. */
  disconnected(device: string): void {
    this.#later(this.#options.reconnectGrace, () => {
      if (!this.#options.outbox.connected(device)) void this.submit({ type: "departed", device });
    });
  }

  /** Stops timers and waits for what is under way; nothing that was acknowledged is lost. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    await this.#draining;
  }

  async #drain(): Promise<void> {
    // Let everything that arrived in this turn join the first batch.
    await Promise.resolve();
    let batch: Letter[] = [];
    try {
      while (this.#mailbox.length > 0) {
        batch = this.#mailbox.splice(0, MAX_BATCH);
        await this.#process(batch);
      }
    } catch (error) {
      // The state in memory may be ahead of the store: only a replay can be trusted now.
      this.#stopped = true;
      for (const { resolve } of [...batch, ...this.#mailbox.splice(0)]) resolve(stoppedRejection());
      this.#options.failed(error);
    } finally {
      this.#draining = undefined;
    }
  }

  async #process(batch: readonly Letter[]): Promise<void> {
    const { clock, config, database, key, random, traffic } = this.#options;
    const stepped: { letter: Letter; outputs: readonly TaskOutput[] }[] = [];
    const entries = [];
    for (const letter of batch) {
      const event: TaskEvent =
        letter.event.type === "start" ? { type: "start", pool: [...this.#state.pool].sort() } : letter.event;
      const journaled = { event, now: clock.now(), seed: random(32) };
      const outputs = this.#step(journaled);
      stepped.push({ letter, outputs });
      if (outputs.length === 1 && outputs[0]!.type === "rejected") continue; // changed nothing
      entries.push({
        round: this.#state.round,
        kind: event.type,
        payload: encodeJournaledEvent(journaled),
        time: journaled.now,
      });
    }
    if (entries.length > 0) {
      const outputs = stepped.flatMap(({ outputs: own }) => own);
      this.#sequence = await commitTransitions(
        database,
        { task: config.plan.task, after: this.#sequence, entries, outputs, now: clock.now(), traffic },
        key,
      );
    }
    for (const { letter, outputs } of stepped) {
      for (const output of outputs) await this.#effect(output);
      const rejected = outputs.find((output) => output.type === "rejected");
      letter.resolve(rejected?.type === "rejected" ? rejected.rejection : undefined);
    }
  }

  #step({ event, now, seed }: JournaledEvent): readonly TaskOutput[] {
    const { config, key, suite } = this.#options;
    const env: TaskEnvironment = {
      now,
      random: transitionRandom(seed),
      suite,
      signRoster: (message) => key.sign(message),
    };
    const transition = stepTask(this.#state, event, { config, env });
    this.#state = transition.state;
    return transition.outputs;
  }

  async #effect(output: TaskOutput): Promise<void> {
    const { clock, observe, outbox, sum } = this.#options;
    observe(output);
    switch (output.type) {
      case "send":
        outbox.send(output.to, output.message);
        break;
      case "timer":
        this.#later(output.at - clock.now(), () => {
          void this.submit({ type: "timer", round: output.round, name: output.name });
        });
        break;
      case "accumulate":
        await sum.add(output.vector);
        break;
      case "discard":
        await sum.discard(output.vectors);
        break;
      case "aggregate":
        void this.#aggregate(output);
        break;
      case "next":
        void this.submit({ type: "start", pool: [] });
        break;
      default:
        break;
    }
  }

  async #aggregate(output: AggregateOutput): Promise<void> {
    const { release, sum, suite } = this.#options;
    const { round } = output;
    try {
      // On a replay the running sum is rebuilt from the spool; otherwise every vector is in it already.
      for (const vector of output.vectors) await sum.add(vector);
      const result = await release(output, sum.unmask(output.job, suite));
      await this.submit({ type: "aggregated", round, release: result });
    } catch (error) {
      const rejection: Rejection =
        error instanceof KindredError
          ? error.rejection
          : {
              code: "internal",
              field: "aggregate",
              rule: "could not be computed",
              fix: "see the coordinator's log",
            };
      await this.submit({ type: "aggregation-failed", round, rejection });
      if (!(error instanceof KindredError)) this.#options.failed(error);
    }
  }

  /** Steps through the journal without effects, then repeats those that a restart lost. */
  async #replay(journal: readonly JournaledEvent[]): Promise<void> {
    const lost: TaskOutput[] = [];
    for (const entry of journal) {
      for (const output of this.#step(entry)) {
        if (output.type === "discard" || output.type === "phase") lost.length = 0;
        if (output.type === "timer" || output.type === "aggregate") lost.push(output);
      }
    }
    const { phase } = this.#state;
    if (phase.name === "secure")
      for (const vector of phase.inputs.values()) await this.#options.sum.add(vector);
    for (const output of lost) await this.#effect(output);
    if (phase.name === "idle") void this.submit({ type: "start", pool: [] });
    for (const device of this.#expectedDevices()) this.disconnected(device);
  }

  #expectedDevices(): string[] {
    const { phase, pool } = this.#state;
    switch (phase.name) {
      case "training":
        return [...pool, ...phase.selected.keys()];
      case "secure":
      case "aggregating":
        return [...pool, ...phase.present];
      default:
        return [...pool];
    }
  }

  #later(delay: number, callback: () => void): void {
    const cancel = this.#options.clock.setTimer(delay, () => {
      this.#timers.delete(cancel);
      callback();
    });
    this.#timers.add(cancel);
  }
}

function stoppedRejection(): Rejection {
  return {
    code: "internal",
    field: "task",
    rule: "is not being served at the moment",
    fix: "try again in a moment",
  };
}
