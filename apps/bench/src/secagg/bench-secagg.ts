/** Plays one round with real processes and reports what it cost. */
import { type ChildProcess, fork } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { sha256Hex } from "@kindred/protocol";
import { addInto } from "@kindred/secagg";
import type { ClientFigures, ClientInput, ClientOrder, ClientReport, ClientStage } from "./client-process.ts";
import { droppedClients, plainVector } from "./cohort.ts";
import { type HealthFigures, HealthProbe } from "./health.ts";
import type { SecaggOptions } from "./options.ts";
import { writeTables } from "./report.ts";
import type { ServerFigures, ServerReport } from "./server-process.ts";
import type { ServerStage } from "./server-round.ts";
import { processorTicks, stolenShare } from "./stolen-time.ts";
import { Volleys } from "./volleys.ts";

/** The result, as it is written with `--json`. Times in milliseconds, sizes in bytes per surviving client. */
export interface SecaggResult {
  readonly clients: number;
  readonly length: number;
  readonly dropout: number;
  readonly graph: SecaggOptions["graph"];
  readonly bits: number;
  readonly workers: number;
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
  readonly peakRssMb: number;
  readonly idleRssMb: number;
  /** Walls of the recovery, made several times from the same shares, and in turn of its expansions and additions alone. */
  readonly recoveryRunsMs: readonly number[];
  readonly floorRunsMs: readonly number[];
  /** Their medians, of which `serverMs.recovery` is one, and the ratio of these. */
  readonly floorMs: number;
  readonly floorRatio: number;
  readonly loopDelayMs: number;
  /** HTTP answers of the server's event loop while it recovered the sum. */
  readonly health: HealthFigures;
  /** Of the processors' time during the measured round, what the host of a virtual machine gave to others, 0 to 1. */
  readonly stolen: number;
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
  const children: ChildProcess[] = [];
  try {
    const result = await playRound(options, { children, progress: progressLine(terminal) });
    writeTables(result, terminal);
    if (options.json !== undefined)
      await writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
    return result;
  } finally {
    for (const child of children) child.kill();
  }
}

type Progress = Extract<ServerReport, { type: "progress" }>;

interface Stage {
  readonly children: ChildProcess[];
  readonly progress: (line: string) => void;
}

async function playRound(options: SecaggOptions, { children, progress }: Stage): Promise<SecaggResult> {
  const start = (entry: string, input: unknown): ChildProcess => {
    const child = fork(new URL(entry, import.meta.url), [JSON.stringify(input)], { execArgv: [] });
    children.push(child);
    return child;
  };
  const server = start("./server-process-entry.mjs", options);
  type Ports = Extract<ServerReport, { type: "listening" }>;
  let listening: (ports: Ports) => void = () => {};
  const bound = new Promise<Ports>((resolve) => {
    listening = resolve;
  });
  const hosts: { host: ChildProcess; figures: Promise<ClientFigures> }[] = [];
  const order = (host: number, what: ClientOrder): void => void hosts[host]!.host.send(what);
  const volleys = new Volleys(options.processes, (host) => order(host, "send"));
  let probe: HealthProbe | undefined;
  let healthy: Promise<HealthFigures> | undefined;
  let measured = false;
  let ticks = processorTicks();
  let stolen = 0;
  const served = reported<ServerReport, ServerFigures>(server, "server", (message) => {
    switch (message.type) {
      case "listening":
        listening(message);
        return;
      case "open":
        measured = message.measured;
        if (measured) probe?.rest();
        ticks = processorTicks();
        volleys.open();
        return;
      case "progress":
        if (measured && message.stage === "recovery") probe?.begin();
        progress(progressText(message, measured));
        return;
      case "recovered":
        healthy = probe?.stop();
        stolen = stolenShare(ticks, processorTicks());
    }
  });
  const { port, healthPort } = await Promise.race([
    bound,
    served.then(() => Promise.reject(new Error("the server did not listen"))),
  ]);
  probe = new HealthProbe(healthPort);
  for (let remainder = 0; remainder < options.processes; remainder++) {
    const input: ClientInput = { options, port, remainder };
    const host = start("./client-process-entry.mjs", input);
    const figures = reported<ClientReport, ClientFigures>(host, "clients", ({ type }) => {
      if (type === "answered" || type === "waiting") volleys.arrive(remainder, type);
    });
    hosts.push({ host, figures });
  }
  const broken = Promise.all(hosts.map(({ figures }) => figures)).then(() => {
    throw new Error("the clients ended before the server");
  });
  const figures = await Promise.race([served, broken]);
  broken.catch(() => {});
  for (const host of hosts.keys()) order(host, "stop");
  progress("checking the sum");
  const clients = await Promise.all(hosts.map(({ figures: own }) => own));
  progress("");
  if (healthy === undefined) throw new Error("the server did not say that it has recovered the sum");
  return assemble(options, { server: figures, hosts: clients, health: await healthy, stolen });
}

function progressText({ stage, done, of }: Progress, measured: boolean): string {
  const text = stage === "recovery" ? "recovering the sum" : `${stage}: ${done} of ${of}`;
  return measured ? text : `warming up: ${text}`;
}

/** The figures that a process ends with. */
function reported<R extends { readonly type: string }, F>(
  child: ChildProcess,
  name: string,
  observe: (message: R) => void,
): Promise<F> {
  return new Promise((resolve, reject) => {
    child.on("message", (message: R & { figures?: F; reason?: string }) => {
      observe(message);
      if (message.type === "finished") resolve(message.figures!);
      if (message.type === "failed") reject(new Error(`the ${name} failed: ${message.reason}`));
    });
    child.on("exit", (code) => reject(new Error(`the process of the ${name} ended with code ${code}`)));
  });
}

function assemble(
  options: SecaggOptions,
  {
    server,
    hosts,
    health,
    stolen,
  }: { server: ServerFigures; hosts: readonly ClientFigures[]; health: HealthFigures; stolen: number },
): SecaggResult {
  const { clients, length, dropout, graph, bits, workers } = options;
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
