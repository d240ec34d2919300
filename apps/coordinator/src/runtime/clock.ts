/** Time as the runtime sees it; tests put a virtual one in its place. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls back once, `delay` milliseconds from now. @returns what cancels it */
  setTimer(delay: number, callback: () => void): () => void;
}

/** Longest delay of Node's timers; a longer one would fire at once. */
const MAX_DELAY = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(delay, callback) {
    const handle = setTimeout(callback, Math.min(Math.max(0, delay), MAX_DELAY));
    return () => clearTimeout(handle);
  },
};
