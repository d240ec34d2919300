/** Plays one round with real processes and reports what it cost. */
import { type ChildProcess, fork } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { sha256Hex } from "@kindred/protocol";
import { addInto } from "@kindred/secagg";
import type { ClientFigures, ClientInput, ClientReport, ClientStage } from "./client-process.ts";
import { droppedClients, plainVector } from "./cohort.ts";
import { type HealthFigures, HealthProbe } from "./health.ts";
import type { SecaggOptions } from "./options.ts";
import { writeTables } from "./report.ts";
import type { ServerFigures, ServerReport, ServerStage } from "./server-process.ts";

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
  /** What the server takes on cores of its own: CPU of the message phases, wall of the parallel recovery. */
  readonly serverMs: Record<ServerStage | "total", number>;
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
  readonly floorMs: number;
  /** Wall of the recovery over the wall of its expansions and additions alone. */
  readonly floorRatio: number;
  readonly loopDelayMs: number;
  /** HTTP answers of the server's event loop while it recovered the sum. */
  readonly health: HealthFigures;
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
  let probe: HealthProbe | undefined;
  let healthy: Promise<HealthFigures> | undefined;
  const served = reported<ServerReport, ServerFigures>(server, "server", (message) => {
    if (message.type === "listening") listening(message);
    if (message.type === "recovered") healthy = probe?.stop();
    if (message.type === "progress" && message.stage === "recovery") probe?.begin();
    if (message.type === "progress")
      progress(
        message.stage === "recovery"
          ? "recovering the sum"
          : `${message.stage}: ${message.done} of ${message.of}`,
      );
  });
  const { port, healthPort } = await Promise.race([
    bound,
    served.then(() => Promise.reject(new Error("the server did not listen"))),
  ]);
  probe = new HealthProbe(healthPort);
  const hosts = Array.from({ length: options.processes }, (_, remainder) => {
    const input: ClientInput = { options, port, remainder };
    const host = start("./client-process-entry.mjs", input);
    return { host, figures: reported<ClientReport, ClientFigures>(host, "clients", () => {}) };
  });
  const broken = Promise.all(hosts.map(({ figures }) => figures)).then(() => {
    throw new Error("the clients ended before the server");
  });
  const figures = await Promise.race([served, broken]);
  broken.catch(() => {});
  for (const { host } of hosts) host.send("stop");
  progress("checking the sum");
  const clients = await Promise.all(hosts.map(({ figures: own }) => own));
  progress("");
  if (healthy === undefined) throw new Error("the server did not say that it has recovered the sum");
  return assemble(options, { server: figures, hosts: clients, health: await healthy });
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
  }: { server: ServerFigures; hosts: readonly ClientFigures[]; health: HealthFigures },
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
  const serverMs = { ...server.cpuMs, recovery: server.wallMs.recovery };
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
    floorMs: server.floorMs,
    floorRatio: server.wallMs.recovery / server.floorMs,
    loopDelayMs: server.loopDelayMs,
    health,
    exact: server.sumDigest === plainSumDigest(options),
  };
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
