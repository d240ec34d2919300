/** Plays one round with real processes and reports what it cost. */
import { writeFile } from "node:fs/promises";
import { sha256Hex } from "@kindred/protocol";
import { addInto } from "@kindred/secagg";
import type { ClientFigures, ClientStage } from "./client-process.ts";
import { droppedClients, plainVector } from "./cohort.ts";
import type { HealthFigures } from "./health.ts";
import type { SecaggOptions } from "./options.ts";
import { type PlayedRound, playRounds } from "./play-rounds.ts";
import { Processes } from "./processes.ts";
import { writeTables } from "./report.ts";
import type { ServerStage } from "./server-round.ts";

/** The result, as it is written with `--json`. Times in milliseconds, sizes in bytes per surviving client. */
export interface SecaggResult {
  readonly clients: number;
  readonly length: number;
  readonly dropout: number;
  readonly graph: SecaggOptions["graph"];
  readonly bits: number;
  readonly workers: number;
  /** Smaller rounds that were played before. */
  readonly warmUps: number;
  readonly k: number;
  readonly t: number;
  /** CPU of a surviving client, the mean of those measured. */
  readonly clientMs: Record<ClientStage | "total", number>;
  /**
   * What the server takes on two cores of its own: CPU of the event loop's thread, which does the work of the message phases, and wall
   * of the recovery, whose work is in parallel.
   */
  readonly serverMs: Record<ServerStage | "total", number>;
  /** CPU of all its threads, with compilation and garbage. */
  readonly serverCpuMs: Record<ServerStage | "total", number>;
  readonly serverWallMs: Record<ServerStage | "total", number>;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** bytesUp over the vector of 4-byte numbers that plain federated learning would send. */
  readonly expansion: number;
  readonly packedBytes: number;
  /** Masks that the server took off. */
  readonly masks: number;
  /** Resident set of the server: at most, before the measured round, and before any round. */
  readonly peakRssMb: number;
  readonly idleRssMb: number;
  readonly freshRssMb: number;
  /** Walls of the recovery, made several times from the same shares, and in turn of its expansions and additions alone. */
  readonly recoveryRunsMs: readonly number[];
  readonly floorRunsMs: readonly number[];
  /** Their medians, of which `serverMs.recovery` is one, and the ratio of these. */
  readonly floorMs: number;
  readonly floorRatio: number;
  readonly loopDelayMs: number;
  /** HTTP answers of the server's event loop while it recovered the sum. */
  readonly health: HealthFigures;
  /** Of the processors' time during the measured round, what the host of a virtual machine gave to others, 0 to 1; absent where the platform does not tell. */
  readonly stolen: number | undefined;
  /** Whether the result is the sum of the survivors' plain vectors. */
  readonly exact: boolean;
}

/**
 * Runs the bench, prints its tables, and writes the JSON file if there is one to write.
 * @throws Error if a process of the round fails
 */
export async function benchSecagg(
  options: SecaggOptions,
  terminal: NodeJS.WriteStream,
): Promise<SecaggResult> {
  const processes = new Processes();
  try {
    const played = await playRounds(options, { processes, progress: progressLine(terminal) });
    const result = assemble(options, played);
    writeTables(result, terminal);
    if (options.json !== undefined)
      await writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
    return result;
  } finally {
    processes.end();
  }
}

function assemble(options: SecaggOptions, { server, hosts, health, stolen }: PlayedRound): SecaggResult {
  const { clients, length, dropout, graph, bits, workers, warmUps } = options;
  const over = (figure: (host: ClientFigures) => number): number =>
    hosts.reduce((sum, host) => sum + figure(host), 0);
  const measured = over((host) => host.measured);
  const survivors = over((host) => host.survivors);
  const stages = ["enrolling", "sharing", "masking", "consistency", "unmasking"] as const;
  const clientMs = Object.fromEntries(
    stages.map((stage) => [stage, over((host) => host.cpuMs[stage]) / measured]),
  ) as Record<ClientStage, number>;
  const recovery = median(server.recoveryRunsMs);
  const floorMs = median(server.floorRunsMs);
  const serverMs = { ...server.threadMs, recovery };
  const bytesUp = over((host) => host.bytesUp) / survivors;
  return {
    clients,
    length,
    dropout,
    graph,
    bits,
    workers,
    warmUps,
    k: server.degree,
    t: server.threshold,
    clientMs: withTotal(clientMs),
    serverMs: withTotal(serverMs),
    serverCpuMs: withTotal(server.cpuMs),
    serverWallMs: withTotal(server.wallMs),
    bytesUp,
    bytesDown: over((host) => host.bytesDown) / survivors,
    expansion: bytesUp / (4 * length),
    packedBytes: Math.ceil((bits * length) / 8),
    masks: server.masks,
    peakRssMb: server.peakRssMb,
    idleRssMb: server.idleRssMb,
    freshRssMb: server.freshRssMb,
    recoveryRunsMs: server.recoveryRunsMs,
    floorRunsMs: server.floorRunsMs,
    floorMs,
    floorRatio: recovery / floorMs,
    loopDelayMs: server.loopDelayMs,
    health,
    stolen,
    exact: server.sumDigest === plainSumDigest(options),
  };
}

/** Of an odd number of values. */
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) / 2]!;
}

function withTotal<K extends string>(stages: Record<K, number>): Record<K | "total", number> {
  const total = Object.values<number>(stages).reduce((sum, stage) => sum + stage, 0);
  return { ...stages, total } as Record<K | "total", number>;
}

function plainSumDigest(options: SecaggOptions): string {
  const dropped = droppedClients(options);
  const sum = new Uint32Array(options.length);
  for (let client = 0; client < options.clients; client++)
    if (!dropped.has(client)) addInto(sum, plainVector(client, options), options.bits);
  return sha256Hex(new Uint8Array(sum.buffer));
}

/** One line that is written over, on a terminal; nothing elsewhere. */
function progressLine(terminal: NodeJS.WriteStream): (line: string) => void {
  return terminal.isTTY ? (line) => void terminal.write(`\r\x1b[K${line}`) : () => {};
}
