/**
 * Frames over Socket.IO (PROTOCOL.md §3): one event, `frame`, carries one chunk and is acknowledged. The
 * acknowledgement of a frame's last chunk is the coordinator's answer to the frame.
 */
import { FrameAssembler, MAX_CHUNK_BYTES, splitFrame } from "@kindred/protocol";
import { io } from "socket.io-client";

/** One connection to a coordinator. */
export interface Connection {
  /**
   * Sends a frame after all earlier ones.
   * @returns the coordinator's answer: a frame, or no bytes where it has nothing to say
   * @throws Error when the connection is lost or an answer does not come in time
   */
  request(frame: Uint8Array): Promise<Uint8Array>;
  close(): void;
}

/** What a connection reports. */
export interface ConnectionEvents {
  /** A frame that the coordinator sent of its own accord. */
  readonly frame: (frame: Uint8Array) => void;
  /** The connection is gone, for whatever reason; comes once, and not before the connection was returned. */
  readonly closed: () => void;
}

/** Opens a connection. The promise rejects when the coordinator cannot be reached. */
export type TransportFactory = (url: string, events: ConnectionEvents) => Promise<Connection>;

/** Milliseconds within which every chunk is acknowledged. */
const CHUNK_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 20_000;
/** Largest frame that a device takes: the roster and inbox of the largest cohort fit many times over. */
const MAX_SERVER_FRAME_BYTES = 64 * 1024 * 1024;

/** Bytes of a binary Socket.IO argument: a Node buffer, or an ArrayBuffer in a browser. */
function binary(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return value instanceof ArrayBuffer ? new Uint8Array(value) : undefined;
}

/** The Socket.IO transport, WebSocket only. It never reconnects by itself: the session does, and says hello again. */
export const socketIoTransport: TransportFactory = (url, events) => {
  const { origin, pathname } = new URL(url);
  // Socket.IO takes a path in the url for a namespace; a coordinator behind a path prefix serves its sockets there.
  const socket = io(origin, {
    path: `${pathname.replace(/\/+$/, "")}/socket.io`,
    transports: ["websocket"],
    reconnection: false,
    forceNew: true,
    autoConnect: false,
    timeout: CONNECT_TIMEOUT_MS,
  });
  const assembler = new FrameAssembler({ maxFrameBytes: MAX_SERVER_FRAME_BYTES });
  let frameId = 0;
  let last: Promise<unknown> = Promise.resolve();

  const send = async (frame: Uint8Array): Promise<Uint8Array> => {
    frameId = (frameId + 1) >>> 0;
    const chunks = splitFrame(frame, frameId);
    for (const [i, chunk] of chunks.entries()) {
      if (!socket.connected) throw new Error("the connection is closed");
      const answer = binary(await socket.timeout(CHUNK_TIMEOUT_MS).emitWithAck("frame", chunk));
      if (answer === undefined) throw new Error("an acknowledgement must be binary");
      // An answer before the last chunk is a refusal of the whole frame.
      if (answer.length > 0 || i === chunks.length - 1) return answer;
    }
    throw new Error("a frame must not be empty");
  };

  return new Promise((resolve, reject) => {
    let opened = false;
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      socket.close();
      if (opened) events.closed();
      else reject(new Error("the coordinator cannot be reached"));
    };
    socket.on("frame", (value: unknown) => {
      const chunk = binary(value);
      if (chunk === undefined || chunk.length > MAX_CHUNK_BYTES) return end();
      const assembled = assembler.push(chunk);
      if (!assembled.ok) return end();
      if (assembled.value !== undefined) events.frame(assembled.value);
    });
    socket.on("disconnect", end);
    socket.on("connect_error", end);
    socket.on("connect", () => {
      opened = true;
      resolve({
        request(frame) {
          const answer = last.then(() => send(frame));
          last = answer.catch(() => undefined);
          return answer;
        },
        close: end,
      });
    });
    socket.connect();
  });
};
