/** The floor under unmasking, measured in the process and with the number of threads that unmasked. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { FloorInput } from "./floor-worker.ts";

/** Wall time of expanding and adding `masks` masks, in milliseconds; the threads start before the clock. */
export async function measureFloor({
  workers,
  masks,
  ...shape
}: FloorInput & { workers: number }): Promise<number> {
  const threads = Array.from({ length: workers }, (_, i) => {
    const workerData: FloorInput = { ...shape, masks: Math.ceil((masks - i) / workers) };
    return new Worker(new URL("./floor-worker-entry.mjs", import.meta.url), { workerData, execArgv: [] });
  });
  await Promise.all(threads.map((thread) => once(thread, "message")));
  const begun = performance.now();
  await Promise.all(
    threads.map((thread) => {
      const done = once(thread, "message");
      thread.postMessage("go");
      return done;
    }),
  );
  const elapsed = performance.now() - begun;
  await Promise.all(threads.map((thread) => thread.terminate()));
  return elapsed;
}
