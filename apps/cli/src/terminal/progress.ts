/**
 * Progress of a simulation in a terminal. On a terminal one line is rewritten in place; elsewhere (a pipe, CI,
 * `NO_COLOR`) every round and every task ends in one plain line, a task says every minute how far it is, and nothing is
 * ever rewritten.
 */

import type { Phase } from "../report/simulation-result.ts";
import {
  clamp,
  type FinishedRound,
  findingLines,
  finishedLine,
  type LineStyle,
  liveLine,
  roundFraction,
  taskDoneLine,
  taskLine,
  taskStandLine,
} from "./progress-lines.ts";
import { isRich, printable, truncate } from "./text.ts";

/** Where progress is written: a Node stream, or anything with `write`. */
export interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
}

/** How progress is shown. */
export interface ProgressOptions {
  stream: ProgressStream;
  /** The present time in milliseconds. */
  now: () => number;
  /** Width; by default that of the stream at each moment, else 80. */
  columns?: number;
  /** By default what the stream says. */
  isTTY?: boolean;
  /** Environment that is asked for `NO_COLOR`, `CI` and `TERM`; by default that of the process. */
  env?: Record<string, string | undefined>;
}

/** The progress display. Calls may come at any rate; each draws at once. */
export interface Progress {
  /** A line of its own above the line that moves. */
  note(text: string): void;
  /** A round begins. */
  round(at: { round: number; rounds: number }): void;
  /** The round is in this phase, with so many clients in it and so many dropped since it began. */
  phase(at: { round: number; phase: Phase; clientsIn: number; dropped: number }): void;
  /**
   * Moves the bar: `fraction` of the present phase is done (0 to 1). Without a fraction, as from a timer, the clock
   * advances and the bar creeps by the time this phase took in the round before. The bar never goes back.
   */
  tick(fraction?: number): void;
  /** The round has ended; its line stays. */
  roundDone(done: FinishedRound): void;
  /** Work outside rounds, such as a baseline: begins with a new label, ends at 1. */
  task(label: string, fraction: number): void;
  /** Ends the display; a line that is under way is left as it stands. */
  done(): void;
}

interface RoundState {
  kind: "round";
  round: number;
  rounds: number;
  started: number;
  phase: Phase | null;
  phaseStarted: number;
  clientsIn: number;
  dropped: number;
  fraction: number;
}

interface TaskState {
  kind: "task";
  label: string;
  started: number;
  /** When it was last spoken of in plain output. */
  said: number;
  fraction: number;
}

/** A plain display says how far a long task is this often, in milliseconds. */
const PLAIN_TASK_MS = 60_000;

/** What a phase is expected to take before it was seen once, in milliseconds. */
const FIRST_GUESS_MS = 3000;

/** Creates the display; nothing is written before the first call. */
export function createProgress(options: ProgressOptions): Progress {
  const { stream, now } = options;
  const rich = isRich(options.isTTY ?? stream.isTTY, options.env ?? process.env);
  const usual = new Map<Phase, number>();
  let live: RoundState | TaskState | null = null;
  let drawn = false;
  let rounds = 0;
  let lastTask: string | null = null;

  // A terminal that does not know its width says 0. One column stays free: a line that fills the last one would wrap on some terminals. In plain output nothing is
  // rewritten, so that a long line does no harm.
  const style = (): LineStyle => ({
    columns: rich ? Math.max(1, (options.columns || stream.columns || 80) - 1) : Number.MAX_SAFE_INTEGER,
    color: rich,
  });

  const line = (text: string) => {
    stream.write(rich && drawn ? `\r${text}\u001B[K\n` : `${text}\n`);
    drawn = false;
  };

  const draw = () => {
    if (!rich || live === null) return;
    const elapsedMs = now() - live.started;
    const text =
      live.kind === "round"
        ? liveLine({ ...live, elapsedMs }, style())
        : taskLine({ ...live, elapsedMs }, style());
    stream.write(`\r${text}\u001B[K`);
    drawn = true;
  };

  const leavePhase = (state: RoundState) => {
    if (state.phase !== null) usual.set(state.phase, Math.max(1, now() - state.phaseStarted));
  };

  /** Ends whatever is under way without a result. */
  const interrupt = () => {
    if (live === null) return;
    const state = live;
    live = null;
    if (state.kind === "task") {
      line(taskDoneLine({ label: state.label, elapsedMs: now() - state.started, finished: false }, style()));
    } else if (drawn) {
      stream.write("\n");
      drawn = false;
    }
  };

  const begin = (round: number): RoundState => {
    interrupt();
    const started = now();
    const state: RoundState = {
      kind: "round",
      round,
      rounds: Math.max(rounds, round),
      started,
      phase: null,
      phaseStarted: started,
      clientsIn: 0,
      dropped: 0,
      fraction: 0,
    };
    live = state;
    return state;
  };

  const current = (round: number): RoundState =>
    live?.kind === "round" && live.round === round ? live : begin(round);

  return {
    note(text) {
      const shown = printable(text);
      line(rich ? truncate(shown, style().columns) : shown);
      draw();
    },
    round(at) {
      rounds = at.rounds;
      begin(at.round);
      draw();
    },
    phase({ round, phase, clientsIn, dropped }) {
      const state = current(round);
      if (state.phase !== phase) {
        leavePhase(state);
        state.phase = phase;
        state.phaseStarted = now();
      }
      state.clientsIn = clientsIn;
      state.dropped = dropped;
      state.fraction = Math.max(state.fraction, roundFraction(phase, 0));
      draw();
    },
    tick(fraction) {
      if (live?.kind === "round" && live.phase !== null) {
        const passed = now() - live.phaseStarted;
        const expected = usual.get(live.phase) ?? FIRST_GUESS_MS;
        const share = fraction ?? passed / (passed + expected);
        live.fraction = Math.max(live.fraction, roundFraction(live.phase, share));
      } else if (live?.kind === "task" && fraction !== undefined) {
        live.fraction = Math.max(live.fraction, clamp(fraction));
      }
      draw();
    },
    roundDone(done) {
      const state = current(done.round);
      leavePhase(state);
      live = null;
      line(finishedLine({ ...done, rounds: state.rounds, elapsedMs: now() - state.started }, style()));
      for (const found of findingLines(done, style())) line(found);
    },
    task(label, fraction) {
      if (fraction >= 1 && label === lastTask) return;
      if (live?.kind !== "task" || live.label !== label) {
        interrupt();
        lastTask = null;
        live = { kind: "task", label, started: now(), said: now(), fraction: 0 };
        if (!rich) line(`${printable(label)} …`);
      }
      const state = live;
      state.fraction = Math.max(state.fraction, clamp(fraction));
      if (fraction >= 1) {
        live = null;
        lastTask = label;
        line(taskDoneLine({ label, elapsedMs: now() - state.started, finished: true }, style()));
      } else if (!rich && now() - state.said >= PLAIN_TASK_MS) {
        state.said = now();
        line(taskStandLine({ ...state, elapsedMs: now() - state.started }));
      } else {
        draw();
      }
    },
    done() {
      interrupt();
    },
  };
}
