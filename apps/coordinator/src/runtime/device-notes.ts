/** Notes which devices proved their key, many in one transaction: a thousand that connect at once are one write. */
import type { Database } from "../store/database.ts";
import type { Clock } from "./clock.ts";

/** Milliseconds after which a note is written at the latest. */
const FLUSH_AFTER_MS = 1_000;

interface DeviceNotesOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: { error(fields: object, message: string): void };
}

export class DeviceNotes {
  readonly #options: DeviceNotesOptions;
  /** Devices by task. */
  #waiting = new Map<string, Set<string>>();
  #cancelTimer: (() => void) | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: DeviceNotesOptions) {
    this.#options = options;
  }

  note(device: string, task: string): void {
    const devices = this.#waiting.get(task) ?? new Set();
    this.#waiting.set(task, devices.add(device));
    this.#cancelTimer ??= this.#options.clock.setTimer(FLUSH_AFTER_MS, () => void this.flush());
  }

  /** Writes what waits. Never rejects: nothing depends on a note, so one that cannot be written is logged. */
  flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    const { database, clock, logger } = this.#options;
    const now = clock.now();
    this.#flushing = this.#flushing.then(async () => {
      if (waiting.size === 0) return;
      try {
        await database.tx("note devices", async ({ devices }) => {
          for (const [task, keys] of waiting) await devices.seen([...keys], { task, now });
        });
      } catch (error) {
        logger.error({ error }, "devices could not be noted");
      }
    });
    return this.#flushing;
  }
}
