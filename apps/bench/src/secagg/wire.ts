/** Frames over a local socket: u32 length of the frame, u32 client, frame. */
import type { Socket } from "node:net";

const HEADER_BYTES = 8;

/** One end of a connection. */
export class Wire {
  readonly #socket: Socket;
  readonly #queue: { client: number; frame: () => Uint8Array }[] = [];
  #blocked = false;
  #pumping = false;

  constructor(socket: Socket, receive: (client: number, frame: Uint8Array) => void) {
    this.#socket = socket;
    socket.on("drain", () => {
      this.#blocked = false;
      this.#pump();
    });
    let parts: Buffer[] = [];
    let held = 0;
    let needed = HEADER_BYTES;
    socket.on("data", (data: Buffer) => {
      parts.push(data);
      held += data.length;
      if (held < needed) return;
      let bytes = parts.length === 1 ? data : Buffer.concat(parts);
      while (bytes.length >= HEADER_BYTES) {
        const end = HEADER_BYTES + bytes.readUInt32BE(0);
        if (bytes.length < end) break;
        const frame = bytes.subarray(HEADER_BYTES, end);
        // Small messages are copied, so that they do not keep a large buffer.
        const lasting =
          frame.length > frame.buffer.byteLength / 2 ? frame : Uint8Array.prototype.slice.call(frame);
        receive(bytes.readUInt32BE(4), lasting);
        bytes = bytes.subarray(end);
      }
      needed = bytes.length < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + bytes.readUInt32BE(0);
      held = bytes.length;
      parts = held === 0 ? [] : [bytes];
    });
  }

  /** Frames are made when the socket has room for them: a queue holds no bytes. */
  send(client: number, frame: () => Uint8Array): void {
    this.#queue.push({ client, frame });
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
      this.#blocked = !this.#socket.write(frame);
      this.#socket.uncork();
    }
  }
}
