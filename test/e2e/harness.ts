/** A real coordinator and real SDK clients over real sockets in one process, on a plan small enough for tests. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Coordinator, type CoordinatorOptions } from "../../apps/coordinator/src/index.ts";
import { initialiseFolder, postgresqlSchema } from "../../apps/coordinator/src/store/test-databases.ts";
import {
  type ClientOptions,
  type ClientStore,
  createClient,
  type EncoderFactory,
  type InteractionInput,
  type KindredClient,
  memoryStore,
  type ParticipationActivity,
  socketIoTransport,
  type TransportFactory,
} from "../../packages/client/src/index.ts";
import { nodeDefaults } from "../../packages/client/src/node.ts";
import { stubEncoder } from "../../packages/client/test/stub-encoder.ts";
import type { RoundRecord, TaskOutput } from "../../packages/engine/src/index.ts";
import type { LedgerEntry } from "../../packages/privacy/src/index.ts";
import {
  bytesToHex,
  type ClientMessage,
  decodeClientFrame,
  decodeServerFrame,
  encodeFrame,
  type ServerMessage,
} from "../../packages/protocol/src/index.ts";
import { nodeSuite } from "../../packages/secagg/node/index.ts";
import { ITEMS, itemsOf } from "./marks.ts";
import { Timeline } from "./timeline.ts";

export const suite = nodeSuite();

const DIMENSION = 8;

export const catalogue = {
  schema: "kindred.catalogue/1",
  items: Array.from({ length: ITEMS }, (_, i) => ({
    id: `item-${i}`,
    title: `Film number ${i} of ${i % 2 === 0 ? "the sea" : "the mountains"}`,
    tags: [i % 2 === 0 ? "sea" : "mountain", `decade ${i % 5}`],
  })),
};

/** What a device accepts in tests of plans without noise. */
export const TRIAL_FLOORS = { maximumEpsilon: Number.POSITIVE_INFINITY, minimumSurvivors: 3 };

type Section = Readonly<Record<string, unknown>>;

/** The test plan with sections changed: six devices a round, of which one may be lost at any time; noise off. */
export function planDocument(
  changes: Record<string, unknown> & { cohort?: Section; privacy?: Section } = {},
) {
  const { cohort, privacy, ...rest } = changes;
  return {
    task: "films",
    rounds: 2,
    encoder: {
      layers: 1,
      dimension: DIMENSION,
      heads: 2,
      feedForward: 8,
      sequenceLength: 8,
      itemDeltaRank: 0,
      textBuckets: 256,
    },
    deadlines: { selecting: 60_000, training: 30_000, enrolling: 30_000, sharing: 30_000, masking: 30_000 },
    server: { optimiser: "fedavg", learningRate: 1, shrinkage: "none" },
    clustering: { clusters: 3 },
    participation: { maximum: (rest["rounds"] as number | undefined) ?? 2 },
    cohort: {
      minimum: 5,
      target: 6,
      maximum: 8,
      overSelection: 1,
      minSurvivors: 4,
      corruption: 0,
      dropout: 0.2,
      selectionWindow: 100,
      ...cohort,
    },
    privacy: { mechanism: "none", modulusBits: 24, ...privacy },
    ...rest,
  };
}

/** An address that nobody listens on at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

const HASTE = 20;
const beginning = Date.now();

/** Time for clients passes faster, so that they come back soon after a loss, and forget it soon. */
const hastyClock: NonNullable<ClientOptions["clock"]> = {
  now: () => beginning + HASTE * (Date.now() - beginning),
  setTimer(delay, callback) {
    const handle = setTimeout(callback, Math.max(0, delay) / HASTE);
    return () => clearTimeout(handle);
  },
};

/** Sends a message beside the client's own. @returns the coordinator's answer, if it has one */
export type Say = (message: ClientMessage) => Promise<ServerMessage | undefined>;

/** Decides over a device's traffic; `false` cuts its connection before the message is heard or sent. */
export interface Tap {
  hears?(message: ServerMessage, device: Device): boolean;
  sends?(message: ClientMessage, device: Device): boolean;
  /** What the device hears in place of a message. */
  swaps?(message: ServerMessage, device: Device): ServerMessage;
  /** Runs before a message is sent, and may say something else first. */
  before?(message: ClientMessage, say: Say, device: Device): Promise<void>;
  /** Told the answer to each message. */
  answered?(message: ClientMessage, answer: ServerMessage, device: Device): void;
}

/** The Socket.IO transport with a tap, and a way to keep the device offline. */
function tappedTransport(device: () => Device, tap: Tap): TransportFactory {
  return async (url, events) => {
    if (device().away) throw new Error("the device is away");
    let gone = false;
    const connection = await socketIoTransport(url, {
      closed: events.closed,
      frame: (frame) => {
        if (gone) return;
        const decoded = decodeServerFrame(frame);
        if (decoded.ok && tap.hears?.(decoded.value, device()) === false) {
          gone = true;
          // In a turn of its own: the connection may not have been handed over yet.
          setImmediate(() => connection.close());
        } else if (decoded.ok && tap.swaps !== undefined)
          events.frame(encodeFrame(tap.swaps(decoded.value, device())));
        else events.frame(frame);
      },
    });
    return {
      close: () => connection.close(),
      request: async (frame) => {
        const decoded = decodeClientFrame(frame);
        if (!gone && decoded.ok && tap.sends?.(decoded.value, device()) === false) {
          gone = true;
          connection.close();
        }
        if (gone) throw new Error("the device is away");
        const say: Say = async (message) => {
          const read = decodeServerFrame(await connection.request(encodeFrame(message)));
          return read.ok ? read.value : undefined;
        };
        if (decoded.ok) await tap.before?.(decoded.value, say, device());
        const answer = await connection.request(frame);
        const read = decodeServerFrame(answer);
        if (decoded.ok && read.ok) tap.answered?.(decoded.value, read.value, device());
        return answer;
      },
    };
  };
}

/** One simulated person's device. */
export interface Device {
  readonly index: number;
  readonly client: KindredClient;
  readonly store: ClientStore;
  readonly events: Timeline<ParticipationActivity>;
  /** While true it cannot connect. */
  away: boolean;
  /** Hexadecimal public key. */
  key(): Promise<string>;
}

export interface DeviceOptions extends Partial<ClientOptions> {
  readonly url: string;
  readonly tap?: Tap;
  /** What the person did; three items in a row by default. */
  readonly interactions?: readonly InteractionInput[];
}

/** A stub in place of the encoder: person p trains a delta that is theirs alone. */
const stubFactory: EncoderFactory = async ({ plan }) =>
  stubEncoder({
    items: plan.resolved.itemCount,
    dimension: plan.encoder.dimension,
    modelLength: plan.resolved.blocks[0]!.length,
  });

function likes(index: number): InteractionInput[] {
  return itemsOf(index).map((item, i) => ({ item: `item-${item}`, action: "view", time: 60_000 * (i + 1) }));
}

/** A device with interactions and consent, not yet started. */
export async function openDevice(
  index: number,
  { tap = {}, interactions = likes(index), ...options }: DeviceOptions,
): Promise<Device> {
  const store = options.store ?? memoryStore();
  const events = new Timeline<ParticipationActivity>();
  const client: KindredClient = await createClient({
    task: "films",
    ...nodeDefaults(),
    encoder: stubFactory,
    floors: TRIAL_FLOORS,
    clock: hastyClock,
    transport: tappedTransport(() => device, tap),
    onEvent: events.push,
    ...options,
    store,
  });
  const device: Device = {
    index,
    client,
    store,
    events,
    away: false,
    async key() {
      const { identity } = await store.load();
      return bytesToHex(suite.signingKeyPair(identity!).publicKey);
    },
  };
  for (const interaction of interactions) await client.record(interaction);
  await client.consent.grant();
  return device;
}

/** One output of one task, as the coordinator's observer is told it. */
export interface Observed {
  readonly task: string;
  readonly output: TaskOutput;
}

const cleanups: (() => Promise<unknown>)[] = [];

/** To be called in `afterEach`: closes whatever the test opened, newest first. */
export async function cleanUp(): Promise<void> {
  for (let close = cleanups.pop(); close !== undefined; close = cleanups.pop()) await close();
}

export function onCleanUp(close: () => Promise<unknown>): void {
  cleanups.push(close);
}

/** A folder for one coordinator, with an embedded database that need not be initialised any more. */
export async function coordinatorFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "kindred-e2e-"));
  onCleanUp(() => rm(folder, { recursive: true, force: true }));
  await initialiseFolder(join(folder, "database"));
  return folder;
}

/** `databaseUrl` of a PostgreSQL schema for this test alone, or nothing for the embedded database. */
export function databaseOption(kind: "pglite" | "postgresql"): { databaseUrl?: string } {
  if (kind === "pglite") return {};
  const { url, drop } = postgresqlSchema();
  onCleanUp(drop);
  return { databaseUrl: url };
}

export interface World {
  readonly coordinator: Coordinator;
  readonly url: string;
  readonly outputs: Timeline<Observed>;
  readonly devices: Device[];
  /** Opens devices and starts them. */
  join(count: number, options?: Partial<DeviceOptions>): Promise<Device[]>;
  /** The outcome of a round. */
  round(number: number, task?: string): Promise<RoundRecord>;
  /** The task is over. */
  finished(task?: string): Promise<void>;
  text(path: string): Promise<string>;
  bytes(path: string): Promise<Uint8Array>;
}

/** Starts a coordinator; it is closed after the test. */
export async function startWorld(options: Partial<CoordinatorOptions> = {}): Promise<World> {
  const outputs = new Timeline<Observed>();
  const directory = options.directory ?? (await coordinatorFolder());
  const coordinator = await Coordinator.start({
    port: 0,
    reconnectGrace: 150,
    ...options,
    directory,
    observe: (task, output) => {
      outputs.push({ task, output });
      options.observe?.(task, output);
    },
  });
  const devices: Device[] = [];
  onCleanUp(async () => {
    for (const device of devices) device.away = true;
    await Promise.all(devices.map(({ client }) => client.stop()));
    await coordinator.close();
  });
  const { url } = coordinator;
  const get = async (path: string): Promise<Response> => {
    const response = await fetch(`${url}${path}`);
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
    return response;
  };
  return {
    coordinator,
    url,
    outputs,
    devices,
    async join(count, changes = {}) {
      const opened = await Promise.all(
        Array.from({ length: count }, (_, i) => openDevice(devices.length + i, { url, ...changes })),
      );
      devices.push(...opened);
      await Promise.all(opened.map(({ client }) => client.start()));
      return opened;
    },
    round: (number, task = "films") => roundEnds(outputs, number, task),
    finished: async (task = "films") => {
      await outputs.until((entry) => entry.task === task && entry.output.type === "finished");
    },
    text: async (path) => (await get(path)).text(),
    bytes: async (path) => new Uint8Array(await (await get(path)).arrayBuffer()),
  };
}

async function roundEnds(outputs: Timeline<Observed>, number: number, task: string): Promise<RoundRecord> {
  const { output } = await outputs.until(
    (entry) =>
      entry.task === task &&
      entry.output.type === "round" &&
      entry.output.record.round === number &&
      entry.output.record.status !== "running",
  );
  if (output.type !== "round") throw new Error("the timeline gave another entry than was asked for");
  return output.record;
}

/** The coordinator's ledger as anybody downloads it. */
export async function downloadLedger(url: string): Promise<LedgerEntry[]> {
  const response = await fetch(`${url}/v1/ledger`);
  return (await response.text())
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LedgerEntry);
}
