/** What of an error may stand in a log: never a message's content, a query's values, or a secret in an error's text. */
import { KindredError } from "@kindred/protocol";
import type { Logger } from "pino";

const MAX_MESSAGE = 300;

interface LoggedError {
  readonly name: string;
  readonly message?: string;
  readonly code?: unknown;
  /** Where, without the message. */
  readonly stack?: readonly string[];
  readonly cause?: LoggedError;
}

/**
 * Prisma's and the drivers' messages quote the values of the query that failed, journal entries with members' shares
 * among them; of those only name and code are kept.
 */
function mayQuoteValues(error: Error): boolean {
  return error.name.startsWith("Prisma") || error.name === "DriverAdapterError" || "severity" in error;
}

/** Describes an error for the log. */
export function describeError(error: unknown): LoggedError {
  if (!(error instanceof Error)) return { name: typeof error };
  const quotes = mayQuoteValues(error) || (error.cause instanceof Error && mayQuoteValues(error.cause));
  const code = error instanceof KindredError ? error.code : (error as { code?: unknown }).code;
  return {
    name: error.name,
    ...(quotes ? {} : { message: error.message.slice(0, MAX_MESSAGE) }),
    ...(code === undefined ? {} : { code }),
    stack: (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

/** The same logger, with every `error` field described as above. */
export function carefulLogger(logger: Logger): Logger {
  return logger.child({}, { serializers: { error: describeError, err: describeError } });
}
