/** The worker threads that hold the simulated devices. */
import { Worker } from "node:worker_threads";
import { ratingScale } from "@kindred/simulator";
import type { ClientStatistics, ClientWorkerInput, ClientWorkerReport } from "./client-worker.ts";
import type { SimulateOptions } from "./options.ts";
import type { Scenario } from "./scenario.ts";

/** Milliseconds that a vanished device stays away: longer than the coordinator waits for it. */
const ABSENCE_MS = 2_500;

export interface FleetOptions {
  readonly url: string;
  readonly scenario: Scenario;
  readonly options: SimulateOptions;
  readonly threads: number;
  /** A device refused a round or stopped on its own account. */
  readonly refused: (reason: { code: string; rule: string }) => void;
}

export class ClientFleet {
  readonly #workers: Worker[] = [];
  readonly #finished: Promise<ClientStatistics>[] = [];
  #backend = "none";

  /** Starts the workers and waits until every device is connected and has its plan, catalogue and model. */
  static async start({ url, scenario, options, threads, refused }: FleetOptions): Promise<ClientFleet> {
    const fleet = new ClientFleet();
    const { population, split, plan } = scenario;
    const scale = ratingScale(population);
    const ready: Promise<void>[] = [];
    for (let thread = 0; thread < threads; thread++) {
      const clients = split.train.users
        .map((user, index) => ({ seed: options.seed * 1_000_003 + index, interactions: user.interactions }))
        .filter((_, index) => index % threads === thread);
      if (clients.length === 0) continue;
      const workerData: ClientWorkerInput = {
        url,
        task: plan.task,
        clients,
        ratingScale: scale,
        dropout: options.dropout,
        absence: ABSENCE_MS,
        maximumEpsilon: options.privacy ? options.epsilon : null,
        minimumSurvivors: plan.cohort.minSurvivors,
      };
      const worker = new Worker(new URL("./client-worker-entry.mjs", import.meta.url), { workerData });
      fleet.#workers.push(worker);
      const failed = new Promise<never>((_, reject) => worker.once("error", reject));
      failed.catch(() => undefined);
      const heard = <T>(pick: (report: ClientWorkerReport) => T | undefined): Promise<T> =>
        Promise.race([
          failed,
          new Promise<T>((resolve) => {
            worker.on("message", (report: ClientWorkerReport) => {
              const value = pick(report);
              if (value !== undefined) resolve(value);
            });
          }),
        ]);
      worker.on("message", (report: ClientWorkerReport) => {
        if (report.type === "refused") refused(report);
      });
      ready.push(
        heard((report) => (report.type === "ready" ? report.backend : undefined)).then((backend) => {
          fleet.#backend = backend;
        }),
      );
      fleet.#finished.push(heard((report) => (report.type === "finished" ? report.statistics : undefined)));
    }
    await Promise.all(ready);
    return fleet;
  }

  get backend(): string {
    return this.#backend;
  }

  /** Stops every device and adds up what they measured. */
  async stop(): Promise<ClientStatistics> {
    for (const worker of this.#workers) worker.postMessage("stop");
    const parts = await Promise.all(this.#finished);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    return parts.reduce((sum, part) => ({
      participations: sum.participations + part.participations,
      train: sum.train + part.train,
      encode: sum.encode + part.encode,
      crypto: sum.crypto + part.crypto,
      firstUpdate: addVectors(sum.firstUpdate, part.firstUpdate),
      firstUpdates: sum.firstUpdates + part.firstUpdates,
    }));
  }
}

function addVectors(a: Float64Array | undefined, b: Float64Array | undefined): Float64Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.map((value, i) => value + b[i]!);
}
