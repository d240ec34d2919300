/** The measured work as a page runs it: the AES in JavaScript, and the page's clock. */
import { measure, measureAccountants, type Stopwatch } from "./measured-work.ts";

const stopwatch: Stopwatch = (work) => {
  const before = performance.now();
  work();
  return (performance.now() - before) / 1000;
};

Object.assign(globalThis, {
  kindredBench: (samples: number) => ({
    measured: measure({ samples, stopwatch }),
    accountantMs: measureAccountants(stopwatch),
  }),
});
