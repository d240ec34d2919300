/** Turns masked sums into releases beside the mailbox, so that no message waits for it; how one ends comes back as an event. */
import type { Release, TaskEvent, TaskOutput } from "@kindred/engine";
import { KindredError, type Rejection } from "@kindred/protocol";
import { wipeRecovery } from "@kindred/secagg";
import type { RecoveryPool } from "@kindred/secagg/node";
import type { RunningSum } from "./running-sum.ts";

type AggregateOutput = Extract<TaskOutput, { type: "aggregate" }>;

export interface AggregationPorts {
  /** Turns a masked sum into the plain one, away from the event loop; an abort ends it early. */
  readonly recover: RecoveryPool["recover"];
  /** `kept`: survivors whose surplus noise is still in the plain sum. */
  readonly release: (
    output: AggregateOutput,
    recovered: { readonly sum: Uint32Array; readonly kept: number },
  ) => Promise<Release>;
  /** Takes the event that an aggregation ends in. */
  readonly submit: (event: TaskEvent) => Promise<unknown>;
  /** Told why a round could not be aggregated. */
  readonly failed: (error: unknown) => void;
}

export class Aggregations {
  readonly #ports: AggregationPorts;
  readonly #underWay = new Set<Promise<void>>();
  readonly #ending = new AbortController();

  constructor(ports: AggregationPorts) {
    this.#ports = ports;
  }

  /** @param sum of the round; vectors of `output` that it lacks are added first */
  start(output: AggregateOutput, sum: RunningSum): void {
    const aggregation = this.#aggregate(output, sum).finally(() => this.#underWay.delete(aggregation));
    this.#underWay.add(aggregation);
  }

  /** Ends early what is under way and what starts from now on: it is done again after a restart. */
  abort(): void {
    this.#ending.abort();
  }

  /** Resolves once what is under way now has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #aggregate(output: AggregateOutput, sum: RunningSum): Promise<void> {
    const { release: releaseOf, recover, submit, failed } = this.#ports;
    const { round, job } = output;
    try {
      // On a replay the running sum is rebuilt from the spool; otherwise every vector is in it already.
      for (const vector of output.vectors) await sum.add(vector);
      const recovered = await recover(job, sum.masked(), this.#ending.signal);
      if (!recovered.ok) throw new KindredError(recovered.rejection);
      const { sum: plain, corrupt, kept } = recovered.value;
      const release = await releaseOf(output, { sum: plain, kept: kept.length });
      await submit({ type: "aggregated", round, release, corrupt, kept });
    } catch (error) {
      failed(error);
      await submit({ type: "aggregation-failed", round, rejection: reasonOf(error) });
    } finally {
      wipeRecovery(job);
    }
  }
}

function reasonOf(error: unknown): Rejection {
  if (error instanceof KindredError) return error.rejection;
  return {
    code: "internal",
    field: "aggregate",
    rule: "could not be computed",
    fix: "see the coordinator's log",
  };
}
