/**
 * Many clients of a round in one process, each a real machine; their CPU time is booked by phase.
 *
 * The server's clients would compute on processors of their own. So that they do not take those of the server here, the clients
 * answer a phase in a volley: all read, then all compute, and when those of every process have, all send.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { type ClientMessage, decodeServerFrame, encodeFrame, packBits } from "@kindred/protocol";
import {
  applyMasks,
  type ClientEvent,
  type ClientOutput,
  type ClientState,
  type CryptoSuite,
  startClient,
  stepClient,
  wipeMasks,
} from "@kindred/secagg";
import { nodeSuite } from "@kindred/secagg/node";
import { COORDINATOR_SEED, droppedClients, plainVector, roundBinding, roundsOf } from "./cohort.ts";
import type { SecaggOptions } from "./options.ts";
import { type Addressed, PhaseFrames } from "./phase-frames.ts";
import { sharedWork } from "./shared-work.ts";
import { Wire } from "./wire.ts";

export interface ClientInput {
  readonly options: SecaggOptions;
  readonly port: number;
  /** Of all clients, those whose number leaves this remainder on division by the number of processes. */
  readonly remainder: number;
}

export type ClientStage = "enrolling" | "sharing" | "masking" | "consistency" | "unmasking";

/** What a process of clients tells the process that started it. */
export type ClientReport =
  /** The answers of all its clients to a phase are there, and wait for `send`. */
  | { readonly type: "answered" }
  /** Its clients have done what the round asks of them; those of the next, if there is one, are ready to enrol. */
  | { readonly type: "waiting" }
  /** Its connection has ended. */
  | { readonly type: "finished"; readonly figures: ClientFigures }
  | { readonly type: "failed"; readonly reason: string };

/** What it is told: to send what is ready, or that the round is over. */
export type ClientOrder = "send" | "stop";

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
/** Bytes of received frames that wait for the others of their phase at most. */
const MAX_WAITING_BYTES = 2 ** 28;

const { options, port, remainder } = JSON.parse(process.argv[2]!) as ClientInput;
const suite = nodeSuite();
const coordinatorKey = suite.signingKeyPair(COORDINATOR_SEED).publicKey;
const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const report = (message: ClientReport): void => void process.send?.(message);

const STAGE_OF: Readonly<Record<string, ClientStage>> = {
  enrol: "enrolling",
  roster: "sharing",
  neighbourhood: "sharing",
  inbox: "masking",
  survivors: "consistency",
  unmask: "unmasking",
};

/** The clients of this process in one round. */
class Clients {
  readonly #options: SecaggOptions;
  readonly #dropped: ReadonlySet<number>;
  readonly #shared = sharedWork(suite);
  readonly #states: Map<number, ClientState>;
  readonly #measured: ReadonlySet<number>;
  readonly #cpuMs: Record<ClientStage, number> = {
    enrolling: 0,
    sharing: 0,
    masking: 0,
    consistency: 0,
    unmasking: 0,
  };
  #survivors = 0;
  #bytesUp = 0;
  #bytesDown = 0;
  readonly #frames = new PhaseFrames(
    { expected: () => this.#states.size, read: (addressed) => this.#read(addressed) },
    MAX_WAITING_BYTES,
  );
  /** Answers to the phase under way. */
  #answers: Addressed[] = [];

  constructor(round: SecaggOptions) {
    this.#options = round;
    this.#dropped = droppedClients(round);
    const members = Array.from({ length: round.clients }, (_, client) => client).filter(
      (client) => client % round.processes === remainder,
    );
    const survivors = members.filter((client) => !this.#dropped.has(client));
    this.#survivors = survivors.length;
    // The first few warm the code up, so the measured are the last.
    this.#measured = new Set(survivors.slice(-MEASURED));
    const config = { ...roundBinding(round), coordinatorKey };
    this.#states = new Map(
      members.map((client) => [client, startClient({ ...config, device: suite.signingKeyPair(random(32)) })]),
    );
  }

  get figures(): ClientFigures {
    return {
      measured: this.#measured.size,
      cpuMs: this.#cpuMs,
      survivors: this.#survivors,
      bytesUp: this.#bytesUp,
      bytesDown: this.#bytesDown,
    };
  }

  /** Whether all members have done what the round asks of them. */
  get finished(): boolean {
    return this.#states.size === 0;
  }

  enrol(): void {
    for (const client of this.#states.keys()) this.#tell(client, { type: "enrol" }, process.cpuUsage());
  }

  /**
   * Takes a frame in: every member that is left gets one a phase.
   * @returns whether it was the last of its phase, whose answers are there now
   */
  receive(client: number, frame: Uint8Array): boolean {
    return this.#frames.receive({ client, frame });
  }

  /** The answers to the phase, which are taken away. */
  takeAnswers(): readonly Addressed[] {
    const answers = this.#answers;
    this.#answers = [];
    return answers;
  }

  #read({ client, frame }: Addressed): void {
    const begun = process.cpuUsage();
    const decoded = decodeServerFrame(frame);
    if (!decoded.ok) throw new Error(decoded.rejection.rule);
    if (!this.#dropped.has(client)) this.#bytesDown += frame.length;
    if (this.#dropped.has(client) && decoded.value.type === "inbox") {
      this.#send(client, { type: "leave", round: 1, code: "dropped-out" });
      this.#states.delete(client);
      return;
    }
    this.#tell(client, decoded.value as ClientEvent, begun);
  }

  #tell(client: number, event: ClientEvent, begun: NodeJS.CpuUsage): void {
    const measured = this.#measured.has(client);
    const own: CryptoSuite = measured ? suite : this.#shared;
    const spent = process.cpuUsage(begun);
    // The vector is the application's; making it is no part of the round.
    const vector = event.type === "inbox" ? plainVector(client, this.#options) : undefined;
    const again = process.cpuUsage();
    const stepped = stepClient(this.#states.get(client)!, event, { suite: own, random });
    this.#states.set(client, stepped.state);
    for (const output of stepped.outputs) this.#follow(client, output, vector);
    const { user, system } = process.cpuUsage(again);
    if (!measured) return;
    this.#cpuMs[STAGE_OF[event.type]!] += (spent.user + spent.system + user + system) / 1_000;
  }

  #follow(client: number, output: ClientOutput, vector: Uint32Array | undefined): void {
    switch (output.type) {
      case "send":
        this.#send(client, output.message);
        return;
      case "mask": {
        applyMasks(vector!, output.job, suite);
        wipeMasks(output.job);
        const packed = packBits(vector!, this.#options.bits);
        const { signature } = output;
        this.#send(client, { type: "masked-input", round: 1, vector: packed, signature });
        return;
      }
      case "refused":
        throw new Error(`client ${client} refused: ${output.rejection.field} ${output.rejection.rule}`);
      case "finished":
        this.#states.delete(client);
    }
  }

  #send(client: number, message: ClientMessage): void {
    const frame = encodeFrame(message);
    if (!this.#dropped.has(client)) this.#bytesUp += frame.length;
    this.#answers.push({ client, frame });
  }
}

function fail(error: unknown): void {
  report({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
process.on("uncaughtException", fail);
// Without whoever started it there is nobody to measure for.
process.once("disconnect", () => process.exit());

const { warmUps, measured } = roundsOf(options);
const rounds = [...warmUps, measured];
let clients: Clients;

function next(): void {
  const round = rounds.shift();
  if (round !== undefined) {
    clients = new Clients(round);
    clients.enrol();
  }
  report({ type: "waiting" });
}

const socket = connect(port, "127.0.0.1");
const wire = new Wire(socket, (client, frame) => {
  if (clients.receive(client, frame)) report({ type: "answered" });
});
process.on("message", (order: ClientOrder) => {
  if (order === "stop") socket.destroy();
  else {
    for (const { client, frame } of clients.takeAnswers()) wire.send(client, () => frame);
    if (clients.finished) next();
  }
});
await once(socket, "connect");
next();
await once(socket, "close");
report({ type: "finished", figures: clients!.figures });
process.disconnect?.();
