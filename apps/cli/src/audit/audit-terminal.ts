import type { ProgressStream } from "../terminal/progress.ts";

/** A process as a command of the auditor sees it. */
export interface AuditTerminal {
  readonly stdout: ProgressStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}
