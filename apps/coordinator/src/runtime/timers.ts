/** Timers of one owner, which end together. */
import type { Clock } from "./clock.ts";

export class Timers {
  readonly #clock: Clock;
  readonly #cancels = new Set<() => void>();
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls back once, `delay` milliseconds from now; never after `stop`. */
  later(delay: number, callback: () => void): void {
    if (this.#stopped) return;
    const cancel = this.#clock.setTimer(delay, () => {
      this.#cancels.delete(cancel);
      callback();
    });
    this.#cancels.add(cancel);
  }

  /** Cancels what is set now. */
  cancel(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  /** Cancels what is set now, and sets nothing from now on. */
  stop(): void {
    this.#stopped = true;
    this.cancel();
  }
}
