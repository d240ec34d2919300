/** The server of a round, in a process of its own: the real machine, fed with real frames. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import {
  checkPacked,
  decodeClientFrame,
  encodeFrame,
  FrameMemory,
  rosterSigningBytes,
  type ServerMessage,
  sha256Hex,
} from "@kindred/protocol";
import {
  type RecoveryJob,
  recoveryTerms,
  run,
  type ServerEvent,
  type ServerOutput,
  type ServerPhase,
  serverMembers,
  startServer,
  stepServer,
  wipeRecovery,
} from "@kindred/secagg";
import { nodeSuite, PackedSum, RecoveryPool, releaseMemory } from "@kindred/secagg/node";
import { COORDINATOR_SEED, roundBinding } from "./cohort.ts";
import { measureFloor } from "./floor.ts";
import type { SecaggOptions } from "./options.ts";
import { Wire } from "./wire.ts";

export type ServerStage = ServerPhase | "recovery";

/** What the server tells the process that started it. */
export type ServerReport =
  /** `port` speaks frames; `healthPort` answers HTTP from the same event loop. */
  | { readonly type: "listening"; readonly port: number; readonly healthPort: number }
  | { readonly type: "progress"; readonly stage: ServerStage; readonly done: number; readonly of: number }
  /** The sum is there; what follows is measurement. */
  | { readonly type: "recovered" }
  | { readonly type: "failed"; readonly reason: string }
  | { readonly type: "finished"; readonly figures: ServerFigures };

export interface ServerFigures {
  /** Process CPU and wall by stage, milliseconds. */
  readonly cpuMs: Record<ServerStage, number>;
  readonly wallMs: Record<ServerStage, number>;
  readonly degree: number;
  readonly threshold: number;
  /** Masks taken off, and the wall time of the same expansions and additions alone. */
  readonly masks: number;
  readonly floorMs: number;
  readonly idleRssMb: number;
  readonly peakRssMb: number;
  /** 99th percentile of the event loop's delay while the sum was recovered, milliseconds. */
  readonly loopDelayMs: number;
  /** SHA-256 of the sum as little-endian u32. */
  readonly sumDigest: string;
}

const options = JSON.parse(process.argv[2]!) as SecaggOptions;
const binding = roundBinding(options);
const suite = nodeSuite();
const coordinator = suite.signingKeyPair(COORDINATOR_SEED);
const pool = new RecoveryPool({ workers: options.workers, inlineEntries: -1 });
const report = (message: ServerReport): void => void process.send?.(message);

let state = startServer({
  ...binding,
  signRoster: (sid) => suite.sign(rosterSigningBytes(sid), coordinator.secretKey),
});
const sum = new PackedSum(options);
const wireOf = new Map<number, Wire>();
const clientOf = new Map<string, number>();
const deviceOf = new Map<number, string>();
let idleRssMb = 0;

const zero = (): Record<ServerStage, number> => ({
  enrolling: 0,
  sharing: 0,
  masking: 0,
  consistency: 0,
  unmasking: 0,
  recovery: 0,
});
const cpuMs = zero();
const wallMs = zero();
let stage: ServerStage = "enrolling";
let cpuMark = process.cpuUsage();
let wallMark = performance.now();
let answered = 0;

/** Books what was spent since the last change of stage. */
function enter(next: ServerStage): void {
  const { user, system } = process.cpuUsage(cpuMark);
  cpuMs[stage] += (user + system) / 1_000;
  wallMs[stage] += performance.now() - wallMark;
  cpuMark = process.cpuUsage();
  wallMark = performance.now();
  stage = next;
  answered = 0;
}

const health = createHttpServer((_, response) => {
  response.end("ok");
});
const server = createServer((socket) => {
  const wire: Wire = new Wire(socket, (client, frame) => receive(client, frame, wire));
});

function receive(client: number, frame: Uint8Array, wire: Wire): void {
  const decoded = decodeClientFrame(frame);
  if (!decoded.ok) throw new Error(decoded.rejection.rule);
  const message = decoded.value;
  if (answered === 0 && stage === "enrolling") {
    // The round begins with the first message: whatever starting up cost is no part of it.
    cpuMark = process.cpuUsage();
    wallMark = performance.now();
  }
  answered++;
  if (answered % 50 === 0) report({ type: "progress", stage, done: answered, of: options.clients });
  switch (message.type) {
    case "advertise": {
      wireOf.set(client, wire);
      step({ type: "advertise", advertisement: message.advertisement }, client);
      if (clientOf.size === options.clients) step({ type: "close" });
      return;
    }
    case "leave":
      step({ type: "departed", from: deviceOf.get(client)! });
      return;
    case "masked-input": {
      const vector = checkPacked(message.vector, options);
      if (!vector.ok) throw new Error(vector.rejection.rule);
      const digest = createHash("sha256").update(message.vector).digest();
      const from = deviceOf.get(client)!;
      step({ type: "masked-input", from, signature: message.signature, digest });
      sum.add(vector.value);
      releaseMemory(frame);
      return;
    }
    default:
      step({ ...message, from: deviceOf.get(client)! } as ServerEvent);
  }
}

function step(event: ServerEvent, advertising?: number): void {
  const stepped = stepServer(state, event, { suite });
  state = stepped.state;
  for (const output of stepped.outputs) follow(output, advertising);
}

/** Messages that all members get alike: they are encoded once. */
const SHARED = new Set<ServerMessage["type"]>(["roster", "unmask"]);
const frames = new FrameMemory();
let encoded: { message: ServerMessage; frame: Uint8Array } | undefined;
function frameOf(message: ServerMessage): Uint8Array {
  if (encoded?.message !== message) encoded = { message, frame: encodeFrame(message) };
  return encoded.frame;
}

function follow(output: ServerOutput, advertising: number | undefined): void {
  switch (output.type) {
    case "accepted":
      if (advertising === undefined) return;
      clientOf.set(output.from, advertising);
      deviceOf.set(advertising, output.from);
      return;
    case "send": {
      const client = clientOf.get(output.to)!;
      const { message } = output;
      const wire = wireOf.get(client)!;
      if (SHARED.has(message.type)) wire.send(client, () => frameOf(message));
      else
        wire.send(
          client,
          () => frames.encode(message),
          (frame) => frames.release(frame),
        );
      return;
    }
    case "phase":
      enter(output.phase);
      return;
    case "unmask":
      enter("recovery");
      void recover(output).catch(fail);
      return;
    case "rejected":
    case "failed":
      fail(new Error(`${output.rejection.field} ${output.rejection.rule}`));
  }
}

async function recover({ job }: Extract<ServerOutput, { type: "unmask" }>): Promise<void> {
  report({ type: "progress", stage, done: 0, of: 1 });
  const masks = recoveryTerms(job);
  const { threshold } = serverMembers(state)!;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const recovered = await pool.recover(job, sum.total());
  delay.disable();
  report({ type: "recovered" });
  wipeRecovery(job);
  enter("recovery");
  if (!recovered.ok) throw new Error(`${recovered.rejection.field} ${recovered.rejection.rule}`);
  const peakRssMb = process.resourceUsage().maxRSS / 1024;
  await pool.close();
  const { length, bits, workers } = options;
  const floorMs = await measureFloor({ workers, masks, length, entryBytes: Math.ceil(bits / 8) });
  const figures: ServerFigures = {
    cpuMs,
    wallMs,
    degree: degree(),
    threshold,
    masks,
    floorMs,
    idleRssMb,
    peakRssMb,
    loopDelayMs: delay.percentile(99) / 1e6,
    sumDigest: sha256Hex(new Uint8Array(recovered.value.sum.buffer)),
  };
  report({ type: "finished", figures });
  server.close();
  health.close();
  health.closeAllConnections();
  process.disconnect?.();
}

/** Neighbours of a member. */
function degree(): number {
  if (state.phase !== "finished") throw new Error("only a finished round has a result");
  return state.roll.session.degree;
}

function fail(error: unknown): void {
  report({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
process.on("uncaughtException", fail);

async function portOf(listener: Server): Promise<number> {
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("a server has a port");
  return address.port;
}

/** A coordinator has rounds behind it: its threads run, and its code is compiled. */
async function warmUp(): Promise<void> {
  const { bits } = options;
  const vectors = Array.from({ length: 96 }, () => new Uint32Array(512));
  const dropouts = [7, 21, 35, 49, 63, 77].map((client) => ({ client, before: "masking" }) as const);
  let recorded: { job: RecoveryJob; masked: Uint32Array } | undefined;
  for (let round = 0; round < 3; round++)
    run({
      vectors,
      bits,
      seed: new Uint8Array(32),
      suite,
      graph: "regular",
      dropout: 0.1,
      dropouts,
      intercept: (delivery) => {
        const frame = encodeFrame(delivery.message);
        if (delivery.to === "coordinator") decodeClientFrame(frame);
        return [delivery];
      },
      onRecovery: (job, masked) => {
        recorded = { job: structuredClone(job), masked: masked.slice() };
      },
    });
  const { job, masked } = recorded!;
  for (let repeat = 0; repeat < 24; repeat++) await pool.recover(job, masked);
}

await warmUp();
idleRssMb = process.memoryUsage.rss() / 2 ** 20;
report({ type: "listening", port: await portOf(server), healthPort: await portOf(health) });
