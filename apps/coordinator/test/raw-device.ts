/** A device that speaks the protocol by hand, so that a test can break any rule of it. */
import {
  type ClientMessage,
  decodeServerFrame,
  encodeFrame,
  FrameAssembler,
  helloSigningBytes,
  PROTOCOL_VERSION,
  type ServerMessage,
  sha256Bytes,
  splitFrame,
} from "@kindred/protocol";
import type { KeyPair } from "@kindred/secagg";
import { nodeSuite } from "@kindred/secagg/node";
import { io, type Socket } from "socket.io-client";

const suite = nodeSuite();

export class RawDevice {
  readonly keys: KeyPair;
  /** What the coordinator said of its own accord, in order. */
  readonly heard: ServerMessage[] = [];
  readonly #socket: Socket;
  readonly #waiters = new Set<() => void>();
  #frames = 0;
  connected = true;

  private constructor(socket: Socket, seed: string) {
    this.#socket = socket;
    this.keys = suite.signingKeyPair(sha256Bytes(seed));
    const assembler = new FrameAssembler({ maxFrameBytes: 2 ** 24 });
    socket.on("frame", (chunk: Uint8Array) => {
      const frame = assembler.push(chunk);
      if (!frame.ok || frame.value === undefined) throw new Error("the coordinator's chunk is not whole");
      const message = decodeServerFrame(frame.value);
      if (!message.ok) throw new Error(message.rejection.rule);
      this.heard.push(message.value);
      this.#notify();
    });
    socket.on("disconnect", () => {
      this.connected = false;
      this.#notify();
    });
  }

  /** @param seed names the device; the same seed gives the same identity */
  static async connect(url: string, seed: string): Promise<RawDevice> {
    const socket = io(url, { transports: ["websocket"], reconnection: false, forceNew: true });
    const device = new RawDevice(socket, seed);
    await device.hear("challenge");
    return device;
  }

  #notify(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  #until<T>(look: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const attempt = (): void => {
        const found = look();
        if (found === undefined) return;
        this.#waiters.delete(attempt);
        resolve(found);
      };
      this.#waiters.add(attempt);
      attempt();
    });
  }

  /** The first message of that type. */
  hear<T extends ServerMessage["type"]>(type: T): Promise<Extract<ServerMessage, { type: T }>> {
    return this.#until(() =>
      this.heard.find((message): message is Extract<ServerMessage, { type: T }> => message.type === type),
    );
  }

  async disconnected(): Promise<void> {
    await this.#until(() => (this.connected ? undefined : true));
  }

  /** Emits one `frame` event. @returns the acknowledgement, decoded; nothing if it is empty */
  async emit(chunk: unknown): Promise<ServerMessage | undefined> {
    const answer = new Uint8Array((await this.#socket.emitWithAck("frame", chunk)) as Uint8Array);
    if (answer.length === 0) return undefined;
    const decoded = decodeServerFrame(answer);
    if (!decoded.ok) throw new Error(decoded.rejection.rule);
    return decoded.value;
  }

  /** Emits without waiting for anything. */
  shout(chunk: unknown): void {
    this.#socket.emit("frame", chunk);
  }

  /** The chunks of the next frame. */
  chunks(frame: Uint8Array): Uint8Array[] {
    return splitFrame(frame, ++this.#frames);
  }

  /** Sends a frame, whole and in order. @returns the answer to its last chunk, or the first refusal */
  async sendFrame(frame: Uint8Array): Promise<ServerMessage | undefined> {
    for (const chunk of this.chunks(frame)) {
      const answer = await this.emit(chunk);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  send(message: ClientMessage): Promise<ServerMessage | undefined> {
    return this.sendFrame(encodeFrame(message));
  }

  /** The hello that an honest device would send. */
  async helloMessage(task: string): Promise<Extract<ClientMessage, { type: "hello" }>> {
    const { nonce } = await this.hear("challenge");
    return this.helloTo({ task, nonce });
  }

  /** Its hello to a challenge, of whichever connection. */
  helloTo({
    task,
    nonce,
  }: {
    readonly task: string;
    readonly nonce: Uint8Array;
  }): Extract<ClientMessage, { type: "hello" }> {
    return {
      type: "hello",
      protocol: PROTOCOL_VERSION,
      task,
      device: this.keys.publicKey,
      signature: suite.sign(helloSigningBytes({ task, nonce }), this.keys.secretKey),
      sdk: "raw",
      ledgerSize: 0,
    };
  }

  /** Proves the device and waits for the welcome. */
  async hello(task: string): Promise<void> {
    const refusal = await this.send(await this.helloMessage(task));
    if (refusal !== undefined) throw new Error(JSON.stringify(refusal));
    await this.hear("welcome");
  }

  close(): void {
    this.#socket.close();
  }
}
