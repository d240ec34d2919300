/** Many clients of a round in one process, each a real machine; their CPU time is booked by phase. */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { type ClientMessage, decodeServerFrame, encodeFrame, packBits } from "@kindred/protocol";
import {
  applyMasks,
  type ClientEvent,
  type ClientOutput,
  type CryptoSuite,
  startClient,
  stepClient,
  wipeMasks,
} from "@kindred/secagg";
import { nodeSuite } from "@kindred/secagg/node";
import { COORDINATOR_SEED, droppedClients, plainVector, roundBinding } from "./cohort.ts";
import type { SecaggOptions } from "./options.ts";
import { sharedWork } from "./shared-work.ts";
import { Wire } from "./wire.ts";

export interface ClientInput {
  readonly options: SecaggOptions;
  readonly port: number;
  /** Of all clients, those whose number leaves this remainder on division by the number of processes. */
  readonly remainder: number;
}

export type ClientStage = "enrolling" | "sharing" | "masking" | "consistency" | "unmasking";

/** What a process of clients reports when its connection has ended. */
export type ClientReport =
  | { readonly type: "finished"; readonly figures: ClientFigures }
  | { readonly type: "failed"; readonly reason: string };

export interface ClientFigures {
  /** Survivors whose work was all their own. */
  readonly measured: number;
  /** Their CPU time, milliseconds, added up. */
  readonly cpuMs: Record<ClientStage, number>;
  /** Frames of all survivors, bytes, added up. */
  readonly survivors: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** Clients of a process that share no work with others, and are measured. */
const MEASURED = 8;

const { options, port, remainder } = JSON.parse(process.argv[2]!) as ClientInput;
const dropped = droppedClients(options);
const suite = nodeSuite();
const shared = sharedWork(suite);
const config = { ...roundBinding(options), coordinatorKey: suite.signingKeyPair(COORDINATOR_SEED).publicKey };
const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const report = (message: ClientReport): void => void process.send?.(message);

const members = Array.from({ length: options.clients }, (_, client) => client).filter(
  (client) => client % options.processes === remainder,
);
// The first few warm the code up, so the measured are the last.
const measured = new Set(members.filter((client) => !dropped.has(client)).slice(-MEASURED));
const cpuMs: Record<ClientStage, number> = {
  enrolling: 0,
  sharing: 0,
  masking: 0,
  consistency: 0,
  unmasking: 0,
};
let bytesUp = 0;
let bytesDown = 0;

const STAGE_OF: Readonly<Record<string, ClientStage>> = {
  enrol: "enrolling",
  roster: "sharing",
  neighbourhood: "sharing",
  inbox: "masking",
  survivors: "consistency",
  unmask: "unmasking",
};

const states = new Map(
  members.map((client) => [client, startClient({ ...config, device: suite.signingKeyPair(random(32)) })]),
);

const socket = connect(port, "127.0.0.1");
const wire = new Wire(socket, receive);

function receive(client: number, frame: Uint8Array): void {
  const begun = process.cpuUsage();
  const decoded = decodeServerFrame(frame);
  if (!decoded.ok) throw new Error(decoded.rejection.rule);
  if (!dropped.has(client)) bytesDown += frame.length;
  if (dropped.has(client) && decoded.value.type === "inbox") {
    send(client, { type: "leave", round: 1, code: "dropped-out" });
    states.delete(client);
    return;
  }
  tell(client, decoded.value as ClientEvent, begun);
}

function tell(client: number, event: ClientEvent, begun: NodeJS.CpuUsage): void {
  const state = states.get(client);
  if (state === undefined) return;
  const own: CryptoSuite = measured.has(client) ? suite : shared;
  // The vector is the application's; making it is no part of the round.
  const vector = event.type === "inbox" ? plainVector(client, options) : undefined;
  const spent = process.cpuUsage(begun);
  const again = process.cpuUsage();
  const stepped = stepClient(state, event, { suite: own, random });
  states.set(client, stepped.state);
  for (const output of stepped.outputs) follow(client, output, vector);
  const { user, system } = process.cpuUsage(again);
  if (!measured.has(client)) return;
  const decoding = vector === undefined ? spent.user + spent.system : 0;
  cpuMs[STAGE_OF[event.type]!] += (user + system + decoding) / 1_000;
}

function follow(client: number, output: ClientOutput, vector: Uint32Array | undefined): void {
  switch (output.type) {
    case "send":
      send(client, output.message);
      return;
    case "mask": {
      applyMasks(vector!, output.job, suite);
      wipeMasks(output.job);
      const packed = packBits(vector!, options.bits);
      send(client, { type: "masked-input", round: 1, vector: packed, signature: output.signature });
      return;
    }
    case "refused":
      throw new Error(`client ${client} refused: ${output.rejection.field} ${output.rejection.rule}`);
    case "finished":
      states.delete(client);
  }
}

function send(client: number, message: ClientMessage): void {
  const frame = encodeFrame(message);
  if (!dropped.has(client)) bytesUp += frame.length;
  wire.send(client, () => frame);
}

function fail(error: unknown): void {
  report({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
process.on("uncaughtException", fail);

socket.on("connect", () => {
  for (const client of members) tell(client, { type: "enrol" }, process.cpuUsage());
});
// The only message of the parent: the round is over.
process.on("message", () => socket.destroy());
socket.on("close", () => {
  const survivors = members.filter((client) => !dropped.has(client)).length;
  report({ type: "finished", figures: { measured: measured.size, cpuMs, survivors, bytesUp, bytesDown } });
  process.disconnect?.();
});
