/** The server of the rounds, in a process of its own. */
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { FrameMemory } from "@kindred/protocol";
import { wipeRecovery } from "@kindred/secagg";
import { nodeSuite, RecoveryPool } from "@kindred/secagg/node";
import { COORDINATOR_SEED, roundsOf } from "./cohort.ts";
import { measureFloor } from "./floor.ts";
import type { SecaggOptions } from "./options.ts";
import {
  ServerRound,
  type ServerRoundContext,
  type ServerRoundFigures,
  type ServerStage,
} from "./server-round.ts";
import { Wire } from "./wire.ts";

/** What the server tells the process that started it. */
export type ServerReport =
  /** `port` speaks frames; `healthPort` answers HTTP from the same event loop. */
  | { readonly type: "listening"; readonly port: number; readonly healthPort: number }
  /** A round is open to its clients; `measured` is the last one. */
  | { readonly type: "open"; readonly measured: boolean }
  | { readonly type: "progress"; readonly stage: ServerStage; readonly done: number; readonly of: number }
  /** The measured sum is there; what follows is measurement. */
  | { readonly type: "recovered" }
  | { readonly type: "failed"; readonly reason: string }
  | { readonly type: "finished"; readonly figures: ServerFigures };

export interface ServerFigures extends ServerRoundFigures {
  /** Walls of the recovery, the round's own first, and in turn of expanding and adding the same masks alone. */
  readonly recoveryRunsMs: readonly number[];
  readonly floorRunsMs: readonly number[];
  /** Resident set, before any round, after those that warm up, and at most. */
  readonly freshRssMb: number;
  readonly idleRssMb: number;
  readonly peakRssMb: number;
  /** 99th percentile of the event loop's delay while the sum was recovered, milliseconds. */
  readonly loopDelayMs: number;
}

/** Recoveries and floors that are timed in turn: what else the machine does shows in one of them. An odd number. */
const RUNS = 3;

/** Recoveries after a small round: threads compile what they do often, and a round has one. */
const WARM_UP_RECOVERIES = 8;

const options = JSON.parse(process.argv[2]!) as SecaggOptions;
const suite = nodeSuite();
const pool = new RecoveryPool({ workers: options.workers, inlineEntries: -1 });
const report = (message: ServerReport): void => void process.send?.(message);
const delay = monitorEventLoopDelay({ resolution: 1 });

let round: ServerRound;
const health = createHttpServer((_, response) => {
  response.end("ok");
});
const server = createServer((socket) => {
  const wire: Wire = new Wire(socket, (client, frame) => round.receive(client, frame, wire));
});

async function play(): Promise<ServerFigures> {
  const context: ServerRoundContext = {
    suite,
    coordinator: suite.signingKeyPair(COORDINATOR_SEED),
    pool,
    frames: new FrameMemory(),
    progress(stage, done, of) {
      if (stage === "recovery") delay.enable();
      report({ type: "progress", stage, done, of });
    },
  };
  const { warmUps, measured } = roundsOf(options);
  const freshRssMb = residentMb();
  for (const warmUp of warmUps) {
    round = new ServerRound(warmUp, context);
    report({ type: "open", measured: false });
    const { job, masked } = await round.finished;
    for (let repeat = 0; repeat < WARM_UP_RECOVERIES; repeat++) await pool.recover(job, masked.slice());
    wipeRecovery(job);
  }
  delay.disable();
  delay.reset();
  round = new ServerRound(measured, context);
  const idleRssMb = residentMb();
  report({ type: "open", measured: true });
  const { figures, job, masked } = await round.finished;
  delay.disable();
  report({ type: "recovered" });
  const peakRssMb = process.resourceUsage().maxRSS / 1024;
  const { length, bits, workers } = options;
  const bare = { workers, masks: figures.masks, length, entryBytes: Math.ceil(bits / 8) };
  const recoveryRunsMs = [figures.wallMs.recovery];
  const floorRunsMs = [await measureFloor(bare)];
  while (floorRunsMs.length < RUNS) {
    const begun = performance.now();
    await pool.recover(job, masked.slice());
    recoveryRunsMs.push(performance.now() - begun);
    floorRunsMs.push(await measureFloor(bare));
  }
  wipeRecovery(job);
  await pool.close();
  const loopDelayMs = delay.percentile(99) / 1e6;
  return { ...figures, recoveryRunsMs, floorRunsMs, freshRssMb, idleRssMb, peakRssMb, loopDelayMs };
}

function residentMb(): number {
  return process.memoryUsage.rss() / 2 ** 20;
}

function fail(error: unknown): void {
  report({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
process.on("uncaughtException", fail);
// Without whoever started it there is nobody to measure for.
process.once("disconnect", () => process.exit());

async function portOf(listener: Server): Promise<number> {
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("a server has a port");
  return address.port;
}

report({ type: "listening", port: await portOf(server), healthPort: await portOf(health) });
report({ type: "finished", figures: await play() });
server.close();
health.close();
health.closeAllConnections();
process.disconnect?.();
