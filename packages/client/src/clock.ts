/** Time as the SDK sees it: a port, waiting with a bound, and pauses between attempts. */
import { KindredError } from "@kindred/protocol";

/** The clock port; tests put a virtual one in its place. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once, `delay` milliseconds from now. @returns what cancels it */
  setTimer(delay: number, callback: () => void): () => void;
}

/** Longest delay that JavaScript timers take; a longer one would fire at once. */
const MAX_DELAY = 2 ** 31 - 1;

/** The platform's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(delay, callback) {
    const handle = setTimeout(callback, Math.min(Math.max(0, delay), MAX_DELAY));
    return () => clearTimeout(handle);
  },
};

/**
 * The promise's result, or a rejection once `ms` milliseconds have passed.
 * @throws KindredError `deadline-passed` naming `field`
 */
export function within<T>(
  promise: Promise<T>,
  { ms, clock, field }: { ms: number; clock: Clock; field: string },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.setTimer(ms, () =>
      reject(
        new KindredError({
          code: "deadline-passed",
          field,
          rule: `must be there within ${ms} ms`,
          fix: "check the connection to the coordinator; the device tries again",
        }),
      ),
    );
    promise.then(resolve, reject).finally(cancel);
  });
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;

/** Exponential backoff with jitter: pause n is uniform in [½, 1]·min(0.5 s · 2ⁿ, 60 s). */
export class Backoff {
  readonly #random: (length: number) => Uint8Array;
  #attempt = 0;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  /** Milliseconds to wait before the next attempt. */
  next(): number {
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#attempt++, 16));
    const bytes = this.#random(2);
    return Math.round(longest * (0.5 + ((bytes[0]! << 8) | bytes[1]!) / 0x20000));
  }

  /** After a success the next pause is the first one again. */
  reset(): void {
    this.#attempt = 0;
  }
}
