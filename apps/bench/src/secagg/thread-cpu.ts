/** What one thread has computed, apart from the engine's own threads beside it. */
import { readFileSync } from "node:fs";

/**
 * CPU time of the calling thread, milliseconds. Linux tells; elsewhere it is that of the whole process, which also holds what
 * the engine's threads took for compilation and garbage.
 */
export function threadCpuMs(): number {
  const running = runningNanoseconds();
  if (running !== undefined) return running / 1e6;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** `undefined` where the platform does not tell: no Linux, or a kernel without scheduler statistics. */
function runningNanoseconds(): number | undefined {
  try {
    // Nanoseconds on the processor, nanoseconds waiting for one, and time slices.
    return Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[0]);
  } catch {
    return undefined;
  }
}
