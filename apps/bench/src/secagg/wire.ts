/** Frames over a local socket: u32 length of the frame, u32 client, frame. */
import type { Socket } from "node:net";
import { releaseMemory } from "@kindred/secagg/node";

const HEADER_BYTES = 8;

/** Puts frames together from whatever pieces they arrive in; each has memory of its own. */
export class FrameReader {
  readonly #receive: (client: number, frame: Uint8Array) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #frame: Uint8Array | undefined;
  /** Bytes of the header or of the frame that are there. */
  #filled = 0;

  constructor(receive: (client: number, frame: Uint8Array) => void) {
    this.#receive = receive;
  }

  /** Takes the next piece in, which is not needed afterwards. */
  read(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      const target = this.#frame ?? this.#header;
      const taken = Math.min(piece.length - at, target.length - this.#filled);
      target.set(piece.subarray(at, at + taken), this.#filled);
      at += taken;
      this.#filled += taken;
      if (this.#filled === target.length) this.#complete();
    }
  }

  #complete(): void {
    const frame = this.#frame;
    this.#filled = 0;
    this.#frame = frame === undefined ? Buffer.allocUnsafeSlow(this.#header.readUInt32BE(0)) : undefined;
    if (frame !== undefined) this.#receive(this.#header.readUInt32BE(4), frame);
  }
}

interface Outgoing {
  readonly client: number;
  readonly frame: () => Uint8Array;
  readonly written: ((frame: Uint8Array) => void) | undefined;
}

/** One end of a connection. */
export class Wire {
  readonly #socket: Socket;
  readonly #queue: Outgoing[] = [];
  #blocked = false;
  #pumping = false;

  constructor(socket: Socket, receive: (client: number, frame: Uint8Array) => void) {
    this.#socket = socket;
    socket.on("drain", () => {
      this.#blocked = false;
      this.#pump();
    });
    const reader = new FrameReader(receive);
    socket.on("data", (data: Buffer) => {
      reader.read(data);
      releaseMemory(data);
    });
  }

  /**
   * Frames are made when the socket has room for them: a queue holds no bytes.
   * @param written is told when nobody reads the frame any more
   */
  send(client: number, frame: () => Uint8Array, written?: (frame: Uint8Array) => void): void {
    this.#queue.push({ client, frame, written });
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (!this.#blocked) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      const frame = next.frame();
      const header = Buffer.alloc(HEADER_BYTES);
      header.writeUInt32BE(frame.length, 0);
      header.writeUInt32BE(next.client, 4);
      this.#socket.cork();
      this.#socket.write(header);
      this.#blocked = !this.#socket.write(frame, () => next.written?.(frame));
      this.#socket.uncork();
    }
  }
}
