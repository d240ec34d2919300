/**
 * A coordinator in a process of its own, which tests kill: starts once it is told its options in a line of JSON, and
 * says in such lines where it listens and what happens.
 */
import { once } from "node:events";
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { Coordinator, type CoordinatorOptions } from "../../apps/coordinator/src/index.ts";
import type { TaskOutput } from "../../packages/engine/src/index.ts";

/** What the process is told. */
export interface ProcessOptions
  extends Pick<CoordinatorOptions, "directory" | "databaseUrl" | "port" | "reconnectGrace"> {
  /** Documents of a task to create once it listens. */
  readonly task?: { readonly plan: unknown; readonly catalogue: unknown };
}

/** One line of its output. */
export type ProcessReport =
  | { readonly type: "listening"; readonly publicKey: string }
  | { readonly type: "output"; readonly kind: TaskOutput["type"]; readonly detail: string };

const say = (report: ProcessReport): void => {
  writeSync(1, `${JSON.stringify(report)}\n`);
};

const [line] = (await once(createInterface({ input: process.stdin }), "line")) as [string];
const { task, ...options } = JSON.parse(line) as ProcessOptions;
const coordinator = await Coordinator.start({
  ...options,
  observe: (_, output) => {
    const detail =
      output.type === "phase" ? output.phase : output.type === "round" ? output.record.status : "";
    say({ type: "output", kind: output.type, detail });
  },
});
if (task !== undefined) await coordinator.createTask(task);
say({ type: "listening", publicKey: coordinator.publicKey });
