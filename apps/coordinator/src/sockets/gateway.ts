/**
 * Socket.IO gateway: decodes, authenticates and enqueues; nothing else. One event, `frame`, carries one chunk and is
 * acknowledged (PROTOCOL.md, "Transport").
 */
import type { Server as HttpServer } from "node:http";
import type { TaskMessage } from "@kindred/engine";
import {
  bytesToHex,
  type ClientMessage,
  decodeClientFrame,
  encodeFrame,
  FrameAssembler,
  FrameMemory,
  helloSigningBytes,
  hexToBytes,
  type LedgerEvidence,
  MAX_CHUNK_BYTES,
  type Plan,
  PROTOCOL_VERSION,
  type Rejection,
  rejectionMessage,
  type ServerMessage,
  splitFrame,
  versionRejection,
} from "@kindred/protocol";
import type { CryptoSuite } from "@kindred/secagg";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { Server, type Socket } from "socket.io";
import type { Clock } from "../runtime/clock.ts";
import type { TaskRuntime } from "../runtime/task-runtime.ts";
import type { Outbox } from "../runtime/task-runtime-ports.ts";
import { largestFrame } from "./frame-limit.ts";

/** Largest frame of a connection that has not proved its device. */
const HELLO_BYTES = 4 * 1024;
/** Milliseconds within which a connection has to prove its device. */
const HELLO_MS = 30_000;

/** What the gateway needs of a task that is being served. */
export interface ServedTask {
  readonly plan: Plan;
  /** 32 bytes. */
  readonly planDigest: Uint8Array;
  readonly runtime: TaskRuntime;
}

interface GatewayOptions {
  readonly http: HttpServer;
  readonly task: (id: string) => ServedTask | undefined;
  readonly suite: CryptoSuite;
  readonly random: (length: number) => Uint8Array;
  readonly corsOrigins: readonly string[];
  /** What the ledger proves to a device that is selected. */
  readonly evidence: (selection: { task: string; round: number; remembered: number }) => LedgerEvidence;
  /**
   * Lets a device that proved its key come in by `enter`, or says why not; left out where no accounts are known.
   * @returns what `enter` returns, or the refusal
   */
  readonly admit?:
    | ((
        hello: { readonly plan: Plan; readonly device: string; readonly token: string | undefined },
        enter: () => Rejection | "welcomed",
      ) => Promise<Rejection | "welcomed">)
    | undefined;
  /** A device proved its key. */
  readonly seen: (device: string, task: string) => void;
  /** Bytes of chunks, by task. */
  readonly traffic: (task: string, bytes: { up: number; down: number }) => void;
  readonly clock: Clock;
  readonly logger: { error(fields: object, message: string): void };
  /** Chunks per second that one connection may send. */
  readonly chunksPerSecond: number;
}

interface Connection {
  readonly socket: Socket;
  readonly nonce: Uint8Array;
  assembler: FrameAssembler;
  /** Bytes that a frame of this connection may have. */
  largestFrame: number;
  /** Of the tree head that the device says it remembers. */
  ledgerSize: number;
  /** Set once the device has proved its key. */
  session: { readonly task: string; readonly device: string } | undefined;
  framesSent: number;
  readonly cancelHelloTimer: () => void;
}

const ANOTHER_DEVICE: Rejection = {
  code: "message-unexpected",
  field: "hello",
  rule: "must not change the task or the device of a connection",
  fix: "open a connection for each",
};

/** Nobody hears it. */
const GONE: Rejection = {
  code: "internal",
  field: "hello",
  rule: "came over a connection that is closed",
  fix: "connect again",
};

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #io: Server;
  readonly #limiter: RateLimiterMemory;
  /** Connections by `task/device`; a device has one. */
  readonly #connections = new Map<string, Connection>();
  readonly #frames = new FrameMemory();

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#limiter = new RateLimiterMemory({ points: options.chunksPerSecond * 10, duration: 10 });
    this.#io = new Server(options.http, {
      transports: ["websocket"],
      serveClient: false,
      maxHttpBufferSize: MAX_CHUNK_BYTES + 1_024,
      perMessageDeflate: false,
      cors: { origin: options.corsOrigins.includes("*") ? "*" : [...options.corsOrigins] },
    });
    this.#io.on("connection", (socket) => this.#connect(socket));
  }

  /** Where a task's runtime sends its messages. */
  outbox(task: string): Outbox {
    return {
      connected: (device) => this.connected(task, device),
      send: (device, message) => {
        const connection = this.#connections.get(`${task}/${device}`);
        if (connection !== undefined) this.#tell(connection, message);
      },
    };
  }

  /** Number of devices connected to a task. */
  connectedDevices(task: string): number {
    let count = 0;
    for (const key of this.#connections.keys()) if (key.startsWith(`${task}/`)) count++;
    return count;
  }

  /** Disconnects every device and stops listening; resolves once the server's last connection is closed. */
  async close(): Promise<void> {
    await this.#io.close();
  }

  #connect(socket: Socket): void {
    const connection: Connection = {
      socket,
      nonce: this.#options.random(32),
      assembler: new FrameAssembler({ maxFrameBytes: HELLO_BYTES }),
      largestFrame: HELLO_BYTES,
      ledgerSize: 0,
      session: undefined,
      framesSent: 0,
      cancelHelloTimer: this.#options.clock.setTimer(HELLO_MS, () => socket.disconnect(true)),
    };
    socket.on("frame", (chunk: unknown, acknowledge: unknown) => {
      void this.#onChunk(connection, { chunk, acknowledge });
    });
    socket.on("disconnect", () => this.#disconnect(connection));
    this.#send(connection, { type: "challenge", nonce: connection.nonce });
  }

  #disconnect(connection: Connection): void {
    const { session } = connection;
    connection.cancelHelloTimer();
    if (session === undefined) return;
    const key = `${session.task}/${session.device}`;
    if (this.#connections.get(key) !== connection) return;
    this.#connections.delete(key);
    this.#options.task(session.task)?.runtime.disconnected(session.device);
  }

  async #onChunk(
    connection: Connection,
    { chunk, acknowledge }: { chunk: unknown; acknowledge: unknown },
  ): Promise<void> {
    const answer = (bytes: Uint8Array): void => {
      if (typeof acknowledge === "function") acknowledge(bytes);
    };
    try {
      const message = await this.#receive(connection, chunk);
      if (message === undefined) answer(new Uint8Array());
      else answer(encodeFrame(message));
    } catch (error) {
      this.#options.logger.error({ error }, "a frame could not be handled");
      answer(
        encodeFrame(
          rejectionMessage({
            code: "internal",
            field: "frame",
            rule: "could not be handled",
            fix: "try again in a moment",
          }),
        ),
      );
    }
  }

  /** @returns the acknowledgement of a whole frame, or nothing while its chunks are still coming */
  async #receive(connection: Connection, chunk: unknown): Promise<ServerMessage | undefined> {
    if (!(chunk instanceof Uint8Array))
      return rejectionMessage({
        code: "frame-malformed",
        field: "frame",
        rule: "must be binary",
        fix: "send chunks as Uint8Array",
      });
    try {
      await this.#limiter.consume(connection.socket.id);
    } catch {
      // A refusal ends the frame under way; the client sends it again as a whole.
      connection.assembler = new FrameAssembler({ maxFrameBytes: connection.largestFrame });
      return rejectionMessage({
        code: "rate-limited",
        field: "frame",
        rule: `must not come more often than ${this.#options.chunksPerSecond} chunks a second`,
        fix: "wait and send again",
      });
    }
    if (connection.session !== undefined)
      this.#options.traffic(connection.session.task, { up: chunk.length, down: 0 });
    const assembled = connection.assembler.push(chunk);
    if (!assembled.ok) return rejectionMessage(assembled.rejection);
    if (assembled.value === undefined) return undefined;
    const decoded = decodeClientFrame(assembled.value);
    if (!decoded.ok) return rejectionMessage(decoded.rejection);
    const rejection = await this.#dispatch(connection, decoded.value);
    return rejection === "welcomed"
      ? undefined
      : rejection === undefined
        ? { type: "ok" }
        : rejectionMessage(rejection);
  }

  async #dispatch(
    connection: Connection,
    message: ClientMessage,
  ): Promise<Rejection | "welcomed" | undefined> {
    if (message.type === "hello") return this.#hello(connection, message);
    const { session } = connection;
    const served = session === undefined ? undefined : this.#options.task(session.task);
    if (session === undefined || served === undefined)
      return {
        code: "not-authenticated",
        field: message.type,
        rule: "must follow a hello",
        fix: "answer the challenge first",
      };
    const { device } = session;
    const { runtime } = served;
    switch (message.type) {
      case "check-in":
        connection.ledgerSize = message.ledgerSize;
        return runtime.submit({ type: "check-in", device });
      case "ready":
        return runtime.submit({ type: "ready", device, round: message.round });
      case "masked-input":
        return runtime.submitMaskedInput(device, message);
      case "leave":
        return runtime.leave(device, message.round);
      case "advertise":
      case "shares":
      case "consistency":
      case "reveal":
        return runtime.submit({ type: "member", device, message });
    }
  }

  /** Whether a device has a connection to a task. */
  connected(task: string, device: string): boolean {
    return this.#connections.has(`${task}/${device}`);
  }

  async #hello(
    connection: Connection,
    message: Extract<ClientMessage, { type: "hello" }>,
  ): Promise<Rejection | "welcomed"> {
    if (message.protocol !== PROTOCOL_VERSION) return versionRejection(message.protocol).rejection;
    const served = this.#options.task(message.task);
    if (served === undefined)
      return {
        code: "task-unknown",
        field: "hello.task",
        rule: `must name a task of this coordinator, found "${message.task}"`,
        fix: "check the task's id",
      };
    const signed = helloSigningBytes({ task: message.task, nonce: connection.nonce });
    if (!this.#options.suite.verify(message.signature, signed, message.device))
      return {
        code: "signature-invalid",
        field: "hello.signature",
        rule: "must be the device's over this connection's challenge",
        fix: "sign helloSigningBytes with the device key",
      };
    const device = bytesToHex(message.device);
    const { task, ledgerSize } = message;
    if (isAnother(connection, { task, device })) return ANOTHER_DEVICE;
    const enter = () => this.#enter(connection, { served, task, device, ledgerSize });
    const { admit } = this.#options;
    return admit === undefined
      ? enter()
      : admit({ plan: served.plan, device, token: message.account }, enter);
  }

  /** Gives a connection to the device that proved its key and may come in. */
  #enter(
    connection: Connection,
    hello: {
      readonly served: ServedTask;
      readonly task: string;
      readonly device: string;
      readonly ledgerSize: number;
    },
  ): Rejection | "welcomed" {
    const { task, device, ledgerSize } = hello;
    const { plan, planDigest, runtime } = hello.served;
    if (!connection.socket.connected) return GONE;
    // A second hello may have come while the first was looked at.
    if (isAnother(connection, { task, device })) return ANOTHER_DEVICE;
    connection.cancelHelloTimer();
    const key = `${task}/${device}`;
    const older = this.#connections.get(key);
    this.#connections.set(key, connection);
    if (older !== undefined && older !== connection) older.socket.disconnect(true);
    connection.session = { task, device };
    connection.ledgerSize = ledgerSize;
    connection.largestFrame = largestFrame(plan);
    connection.assembler = new FrameAssembler({ maxFrameBytes: connection.largestFrame });
    this.#options.seen(device, task);
    this.#send(connection, {
      type: "welcome",
      task,
      planDigest,
      modelHash: hexToBytes(runtime.state.modelHash),
    });
    const pending = runtime.resume(device);
    if (pending !== undefined) this.#tell(connection, pending);
    return "welcomed";
  }

  /** Says what the round machine has to say; a selection goes with what the ledger proves to this device. */
  #tell(connection: Connection, message: TaskMessage): void {
    const { session, ledgerSize: remembered } = connection;
    if (message.type !== "selected") this.#send(connection, message);
    else if (session !== undefined) {
      const ledger = this.#options.evidence({ task: session.task, round: message.round, remembered });
      this.#send(connection, { ...message, ledger });
    }
  }

  #send(connection: Connection, message: ServerMessage): void {
    connection.framesSent = (connection.framesSent + 1) >>> 0;
    const frame = this.#frames.encode(message);
    const chunks = splitFrame(frame, connection.framesSent);
    // The chunks are copies.
    this.#frames.release(frame);
    let down = 0;
    for (const chunk of chunks) {
      down += chunk.length;
      connection.socket.emit("frame", chunk);
    }
    if (connection.session !== undefined) this.#options.traffic(connection.session.task, { up: 0, down });
  }
}

/** Whether a connection is of another task or device already. */
function isAnother(
  { session }: Connection,
  { task, device }: { readonly task: string; readonly device: string },
): boolean {
  return session !== undefined && (session.task !== task || session.device !== device);
}
