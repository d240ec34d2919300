/** How much of the processors' time a virtual machine's host gave to others: it lengthens every figure, CPU too. */
import { readFileSync } from "node:fs";

/** Ticks of all processors since the start: all of them, and those that the host took away. */
export interface ProcessorTicks {
  readonly all: number;
  readonly stolen: number;
}

/** Where "steal" stands among the times of a processor in /proc/stat (proc(5)); guest times behind it are counted before already. */
const STEAL = 7;

/** Reads the line of all processors; `undefined` where the platform does not tell. */
export function processorTicks(): ProcessorTicks | undefined {
  if (process.platform !== "linux") return undefined;
  return parseTicks(readFileSync("/proc/stat", "latin1"));
}

/** @param stat the text of /proc/stat */
export function parseTicks(stat: string): ProcessorTicks {
  const times = stat
    .slice(0, stat.indexOf("\n"))
    .trim()
    .split(/\s+/)
    .slice(1, STEAL + 2)
    .map(Number);
  return { all: times.reduce((sum, time) => sum + time, 0), stolen: times[STEAL] ?? 0 };
}

/** Share of the processors' time between two readings, 0 to 1. */
export function stolenShare(
  before: ProcessorTicks | undefined,
  after: ProcessorTicks | undefined,
): number | undefined {
  if (before === undefined || after === undefined) return undefined;
  const all = after.all - before.all;
  return all > 0 ? (after.stolen - before.stolen) / all : 0;
}
