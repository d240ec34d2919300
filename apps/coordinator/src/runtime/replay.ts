/** Where a stored task stands: its history, then the journal of the round under way, stepped without effects. */
import { startTask, stepTask, type TaskConfig, type TaskOutput, type TaskState } from "@kindred/engine";
import type { CryptoSuite } from "@kindred/secagg";
import type { CoordinatorKey } from "../store/coordinator-key.ts";
import { decodeJournaledEvent, type JournaledEvent, transitionRandom } from "./journal-codec.ts";
import type { StoredTask } from "./open-task.ts";

export interface StepParts {
  readonly config: TaskConfig;
  readonly key: CoordinatorKey;
  readonly suite: CryptoSuite;
}

/** One transition with the time and randomness of its journal entry. */
export function stepJournaled(
  state: TaskState,
  { event, now, seed }: JournaledEvent,
  { config, key, suite }: StepParts,
): ReturnType<typeof stepTask> {
  const env = {
    now,
    random: transitionRandom(seed),
    suite,
    signRoster: (message: Uint8Array) => key.sign(message),
  };
  return stepTask(state, event, { config, env });
}

/**
 * The round whose journal an event belongs to: what happens between two rounds belongs to the coming one. To be asked
 * before the event is stepped.
 */
export function journalRound({ phase, round }: TaskState): number {
  return phase.name === "idle" ? round + 1 : round;
}

/** Whether the task is over; its events change nothing and are not journaled. */
export function isOver({ phase }: TaskState): boolean {
  return phase.name === "finished" || phase.name === "cancelled";
}

function storedState({ record, plan, history }: StoredTask): TaskState {
  const state = startTask(history);
  switch (record.status) {
    case "running":
      return state;
    case "finished": {
      const reason = history.round >= plan.rounds ? "rounds-done" : "budget-exhausted";
      return { ...state, phase: { name: "finished", reason } };
    }
    case "failed":
    case "cancelled":
      return { ...state, phase: { name: "cancelled" } };
  }
}

export interface Replayed {
  readonly state: TaskState;
  /** Timers and computations of the present phase, which have to be started again. */
  readonly lost: readonly TaskOutput[];
}

export function replayTask(stored: StoredTask, parts: StepParts): Replayed {
  let state = storedState(stored);
  const lost: TaskOutput[] = [];
  for (const { payload } of stored.journal) {
    const transition = stepJournaled(state, decodeJournaledEvent(payload), parts);
    state = transition.state;
    for (const output of transition.outputs) {
      if (output.type === "discard" || output.type === "phase") lost.length = 0;
      if (output.type === "timer" || output.type === "aggregate") lost.push(output);
    }
  }
  return { state, lost };
}
