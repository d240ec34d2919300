/**
 * Runs the round machine of one task: one serial mailbox, every batch of transitions committed before its effects,
 * effects safe to repeat. Whenever memory may differ from the store – at the start, after a failed commit, after a step
 * that threw – the state is rebuilt from the journal, and what the round under way had set going is set going again.
 */
import {
  resumeMessage,
  startTask,
  type TaskEvent,
  type TaskMessage,
  type TaskOutput,
  type TaskState,
} from "@kindred/engine";
import type { Rejection } from "@kindred/protocol";
import type { NewJournalEntry } from "../store/journal.ts";
import { Aggregations } from "./aggregations.ts";
import { encodeJournaledEvent, type JournaledEvent } from "./journal-codec.ts";
import type { StoredTask } from "./open-task.ts";
import { isOver, journalRound, replayTask, stepJournaled } from "./replay.ts";
import type { RunningSum } from "./running-sum.ts";
import type { TaskRuntimeOptions } from "./task-runtime-ports.ts";
import { Timers } from "./timers.ts";

/** Events that one transaction commits together at the most. */
const MAX_BATCH = 256;
/** Pauses between attempts after an internal failure: the first, doubled each time, and the longest. */
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 60_000;

type TimerOutput = Extract<TaskOutput, { type: "timer" }>;

interface Letter {
  readonly event: TaskEvent;
  readonly resolve: (result: Rejection | undefined) => void;
}

interface Stepped {
  readonly letter: Letter;
  readonly outputs: readonly TaskOutput[];
}

export class TaskRuntime {
  readonly #options: TaskRuntimeOptions;
  readonly #mailbox: Letter[] = [];
  readonly #timers: Timers;
  readonly #aggregations: Aggregations;
  #state: TaskState;
  #sequence: number;
  #sum: RunningSum;
  #draining: Promise<void> | undefined;
  #recoveryDue = false;
  /** Whether memory holds what is stored; until then nothing is accepted. */
  #serving = true;
  #stopped = false;
  /** Failures in a row, for the pause before the next attempt. */
  #failures = 0;
  /** Devices whose message broke a step in this round: they are not listened to again in it. */
  #barred = { round: 0, devices: new Set<string>() };

  private constructor(options: TaskRuntimeOptions, stored: StoredTask) {
    this.#options = options;
    this.#timers = new Timers(options.clock);
    this.#aggregations = new Aggregations({
      recover: options.recover,
      release: (output, recovered) => options.releases.run(output, recovered),
      submit: (event) => this.submit(event),
      failed: (error) => this.#log(error, "a round could not be aggregated"),
    });
    this.#state = startTask(stored.history);
    this.#sequence = stored.sequence;
    this.#sum = options.newSum();
  }

  /** Restores a task from what is stored, and sets it going. @throws whatever reading or replaying it throws */
  static async open(options: TaskRuntimeOptions): Promise<TaskRuntime> {
    const stored = await options.load();
    const runtime = new TaskRuntime(options, stored);
    await runtime.#restore(stored);
    return runtime;
  }

  get state(): TaskState {
    return this.#state;
  }

  /** Names of the spooled vectors that the round under way needs. */
  get vectors(): readonly string[] {
    const { phase } = this.#state;
    return "inputs" in phase ? [...phase.inputs.values()] : [];
  }

  /**
   * Puts an event into the mailbox.
   * @returns once its transition is durable: the machine's rejection, or nothing
   */
  submit(event: TaskEvent): Promise<Rejection | undefined> {
    if (this.#stopped || !this.#serving) return Promise.resolve(unservedRejection());
    return new Promise((resolve) => {
      this.#mailbox.push({ event, resolve });
      this.#wake();
    });
  }

  /** Spools a masked input and submits it. The acknowledgement means that it is durable and counted. */
  async submitMaskedInput(
    device: string,
    { round, vector, signature }: { round: number; vector: Uint8Array; signature: Uint8Array },
  ): Promise<Rejection | undefined> {
    const sum = this.#sum;
    const { phase } = this.#state;
    const expected =
      phase.name === "secure" &&
      phase.stage === "masking" &&
      phase.round === round &&
      phase.present.has(device);
    if (!expected) {
      // Submitted all the same: the machine knows the reason, or that it repeats one accepted before.
      const name = sum.nameOf(vector, { device, round });
      return this.submit({ type: "masked-input", device, round, vector: name, signature });
    }
    const received = await sum.receive(vector, { device, round });
    if (!received.ok) return received.rejection;
    const input = { type: "masked-input", device, round, vector: received.value, signature } as const;
    const rejection = await this.submit(input);
    // After an internal failure nobody knows whether the event was stored; then the vector stays.
    if (rejection !== undefined && rejection.code !== "internal") await sum.refuse(received.value);
    return rejection;
  }

  /** A device will not go on with a round; if another one is under way by now, it concerns nobody. */
  async leave(device: string, round: number): Promise<Rejection | undefined> {
    return this.#state.round === round ? this.submit({ type: "departed", device }) : undefined;
  }

  /** Whether a device has taken part, or may be in the round under way. */
  engages(device: string): boolean {
    return this.#state.participations.has(device) || this.#expectedDevices().has(device);
  }

  /** What a device that connects has to answer now, if anything. */
  resume(device: string): TaskMessage | undefined {
    const { config, clock } = this.#options;
    return this.#serving ? resumeMessage(this.#state, device, { config, now: clock.now() }) : undefined;
  }

  /** A device lost its connection; it counts as departed unless it is back in time. */
  disconnected(device: string): void {
    this.#timers.later(this.#options.reconnectGrace, () => {
      if (!this.#options.outbox.connected(device)) void this.submit({ type: "departed", device });
    });
  }

  /** Stops timers and waits for what is under way; nothing that was acknowledged is lost. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#aggregations.abort();
    this.#timers.stop();
    await this.#draining;
    await this.#aggregations.settled();
  }

  #wake(): void {
    this.#draining ??= this.#drain();
  }

  async #drain(): Promise<void> {
    // Let everything that arrived in this turn join the first batch.
    await Promise.resolve();
    while (this.#recoveryDue || this.#mailbox.length > 0) {
      if (this.#recoveryDue) {
        await this.#recover();
        continue;
      }
      const batch = this.#mailbox.splice(0, MAX_BATCH);
      try {
        await this.#process(batch);
      } catch (error) {
        // The commit failed: memory is ahead of the store.
        this.#log(error, "transitions could not be stored");
        for (const { resolve } of batch) resolve(unservedRejection());
        this.#recoveryDue = true;
      }
    }
    this.#draining = undefined;
  }

  async #process(batch: readonly Letter[]): Promise<void> {
    const { clock, commit, random } = this.#options;
    const stepped: Stepped[] = [];
    const entries: NewJournalEntry[] = [];
    let broken: { letter: Letter; error: unknown } | undefined;
    for (const [position, letter] of batch.entries()) {
      if (this.#isBarred(letter.event)) {
        letter.resolve(unservedRejection());
        continue;
      }
      const event: TaskEvent =
        letter.event.type === "start" ? { type: "start", pool: [...this.#state.pool].sort() } : letter.event;
      const journaled = { event, now: clock.now(), seed: random(32) };
      const round = journalRound(this.#state);
      const durable = !isOver(this.#state);
      let outputs: readonly TaskOutput[];
      try {
        outputs = this.#step(journaled);
      } catch (error) {
        broken = { letter, error };
        this.#mailbox.unshift(...batch.slice(position + 1));
        break;
      }
      stepped.push({ letter, outputs });
      if (!durable || (outputs.length === 1 && outputs[0]!.type === "rejected")) continue; // changed nothing
      entries.push({
        round,
        kind: event.type,
        payload: encodeJournaledEvent(journaled),
        time: journaled.now,
      });
    }
    const outputs = stepped.flatMap(({ outputs: own }) => own);
    // A task that is over has no journal any more, but an operator may still go back to an earlier model.
    if (entries.length > 0 || outputs.some(({ type }) => type === "rolled-back")) {
      const status = this.#state.phase.name === "cancelled" ? "cancelled" : "finished";
      this.#sequence = await commit({
        after: this.#sequence,
        entries,
        outputs,
        now: clock.now(),
        status: outputs.some(({ type }) => type === "finished") ? status : undefined,
      });
    }
    for (const { letter, outputs } of stepped) {
      for (const output of outputs) await this.#effect(output);
      const rejected = outputs.find((output) => output.type === "rejected");
      letter.resolve(rejected?.type === "rejected" ? rejected.rejection : undefined);
    }
    if (broken !== undefined) await this.#dropPoison(broken);
  }

  #step(entry: JournaledEvent): readonly TaskOutput[] {
    const transition = stepJournaled(this.#state, entry, this.#options);
    this.#state = transition.state;
    return transition.outputs;
  }

  #isBarred(event: TaskEvent): boolean {
    const { round, devices } = this.#barred;
    return "device" in event && round === this.#state.round && devices.has(event.device);
  }

  /**
   * A step threw, so the state may be half changed. The event is dropped and the state rebuilt without it; a device is
   * not listened to again in this round, and an event of the coordinator's own ends the round.
   */
  async #dropPoison({ letter, error }: { letter: Letter; error: unknown }): Promise<void> {
    const { event, resolve } = letter;
    this.#log(error, `an event could not be stepped: ${event.type}`);
    const rejection = unservedRejection();
    const { round } = this.#state;
    if ("device" in event) {
      if (this.#barred.round !== round) this.#barred = { round, devices: new Set() };
      this.#barred.devices.add(event.device);
    }
    if (event.type === "start") this.#failures++;
    await this.#recover();
    resolve(rejection);
    if ("round" in event && !("device" in event))
      void this.submit({ type: "abandon", round: event.round, rejection });
  }

  /** Rebuilds the state from the store; tries again after a pause where that fails. */
  async #recover(): Promise<void> {
    this.#recoveryDue = false;
    this.#timers.cancel();
    try {
      await this.#restore(await this.#options.load());
    } catch (error) {
      this.#log(error, "the task could not be restored from the store");
      this.#serving = false;
      for (const { resolve } of this.#mailbox.splice(0)) resolve(unservedRejection());
      this.#timers.later(retryPause(this.#failures++), () => {
        this.#recoveryDue = true;
        this.#wake();
      });
    }
  }

  async #restore(stored: StoredTask): Promise<void> {
    const { outbox, newSum } = this.#options;
    const { state, lost } = replayTask(stored, this.#options);
    this.#state = state;
    this.#sequence = stored.sequence;
    this.#sum = newSum();
    this.#serving = true;
    for (const vector of this.vectors) await this.#attempt(() => this.#sum.add(vector));
    for (const output of lost) await this.#effect(output.type === "timer" ? this.#postponed(output) : output);
    if (state.phase.name === "idle")
      this.#timers.later(this.#failures === 0 ? 0 : retryPause(this.#failures), () => {
        void this.submit({ type: "start", pool: [] });
      });
    for (const device of this.#expectedDevices()) {
      const pending = this.resume(device);
      if (!outbox.connected(device)) this.disconnected(device);
      else if (pending !== undefined) outbox.send(device, pending);
    }
  }

  /** Devices get time to come back before a deadline, also where it passed while nobody was served. */
  #postponed(timer: TimerOutput): TimerOutput {
    if (timer.name === "selection-window") return timer;
    const { clock, reconnectGrace } = this.#options;
    return { ...timer, at: Math.max(timer.at, clock.now() + reconnectGrace) };
  }

  async #effect(output: TaskOutput): Promise<void> {
    const { clock, observe, outbox, releases } = this.#options;
    await this.#attempt(() => observe(output));
    switch (output.type) {
      case "send":
        outbox.send(output.to, output.message);
        break;
      case "timer":
        this.#timers.later(output.at - clock.now(), () => {
          void this.submit({ type: "timer", round: output.round, name: output.name });
        });
        break;
      case "accumulate":
        // What cannot be added now is tried once more before the sum is unmasked, and the round fails if it must.
        await this.#attempt(() => this.#sum.add(output.vector));
        break;
      case "discard": {
        const ended = this.#sum;
        this.#sum = this.#options.newSum();
        await this.#attempt(() => ended.discard(output.vectors));
        break;
      }
      case "model":
        this.#failures = 0;
        await this.#attempt(() => releases.published(output));
        break;
      case "aggregate":
        this.#aggregations.start(output, this.#sum);
        break;
      case "next":
        void this.submit({ type: "start", pool: [] });
        break;
      default:
        break;
    }
  }

  /** Effects come after the commit: one that fails is logged, and what it was for copes without it. */
  async #attempt(effect: () => void | Promise<void>): Promise<void> {
    try {
      await effect();
    } catch (error) {
      this.#log(error, "an effect failed");
    }
  }

  #expectedDevices(): Set<string> {
    const { phase, pool } = this.#state;
    switch (phase.name) {
      case "training":
        return new Set([...pool, ...phase.selected.keys()]);
      case "secure":
      case "aggregating":
        return new Set([...pool, ...phase.present]);
      default:
        return new Set(pool);
    }
  }

  #log(error: unknown, message: string): void {
    const { task } = this.#options.config.plan;
    this.#options.logger.error({ error, task, round: this.#state.round }, message);
  }
}

function retryPause(failures: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 16));
}

function unservedRejection(): Rejection {
  return {
    code: "internal",
    field: "task",
    rule: "could not take the message",
    fix: "connect again in a moment",
  };
}
