/** A logger at the most talkative level, for tests that look for what must not be logged. */
import { type Logger, pino } from "pino";

/** @param write given every line */
export function talkativeLogger(write: (line: string) => void): Logger {
  return pino({ level: "trace" }, { write });
}
