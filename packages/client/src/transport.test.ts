import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { CHUNK_BYTES, FrameAssembler, splitFrame } from "@kindred/protocol";
import { Server, type Socket } from "socket.io";
import { afterEach, describe, expect, it } from "vitest";
import { type Connection, socketIoTransport } from "./transport.ts";

let http: HttpServer | undefined;
let io: Server | undefined;
afterEach(async () => {
  await io?.close();
  http?.closeAllConnections();
});

/** A server that runs `serve` for each connection. @returns its url */
async function listen(serve: (socket: Socket) => void, path = "/socket.io"): Promise<string> {
  http = createServer();
  io = new Server(http, { path, transports: ["websocket"], serveClient: false });
  io.on("connection", serve);
  await new Promise<void>((resolve) => http!.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

interface Opened {
  readonly connection: Connection;
  readonly frames: Uint8Array[];
  /** Resolves with the first frame. */
  readonly frame: Promise<Uint8Array>;
  readonly closed: Promise<void>;
}

async function open(url: string): Promise<Opened> {
  const frames: Uint8Array[] = [];
  let onFrame: (frame: Uint8Array) => void = () => undefined;
  let onClosed: () => void = () => undefined;
  const frame = new Promise<Uint8Array>((resolve) => {
    onFrame = resolve;
  });
  const closed = new Promise<void>((resolve) => {
    onClosed = resolve;
  });
  const connection = await socketIoTransport(url, {
    frame(bytes) {
      frames.push(bytes);
      onFrame(bytes);
    },
    closed: () => onClosed(),
  });
  return { connection, frames, frame, closed };
}

const bytes = (length: number, salt: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + salt) % 251);

/** Puts frames together and answers each with its own bytes reversed. */
function echo(socket: Socket): void {
  const assembler = new FrameAssembler({ maxFrameBytes: 1 << 20 });
  socket.on("frame", (chunk: Uint8Array, acknowledge: (answer: Uint8Array) => void) => {
    const assembled = assembler.push(chunk);
    if (!assembled.ok) throw new Error(assembled.rejection.rule);
    acknowledge(assembled.value === undefined ? new Uint8Array() : assembled.value.slice().reverse());
  });
}

describe("the Socket.IO transport", () => {
  it("carries frames of one and of many chunks, one after another, and their answers", async () => {
    const { connection } = await open(await listen(echo));
    const frames = [bytes(10, 1), bytes(3 * CHUNK_BYTES + 5, 2), bytes(CHUNK_BYTES, 3)];
    const answers = await Promise.all(frames.map((frame) => connection.request(frame)));
    answers.forEach((answer, i) => {
      expect(Buffer.from(answer).equals(Buffer.from(frames[i]!.slice().reverse()))).toBe(true);
    });
    connection.close();
  });

  it("puts the server's chunks together", async () => {
    const sent = bytes(2 * CHUNK_BYTES + 1, 4);
    const url = await listen((socket) => {
      for (const chunk of splitFrame(sent, 1)) socket.emit("frame", chunk);
    });
    const { connection, frame } = await open(url);
    expect(Buffer.from(await frame).equals(Buffer.from(sent))).toBe(true);
    connection.close();
  });

  it("takes an answer before the last chunk for the answer to the whole frame", async () => {
    let chunks = 0;
    const url = await listen((socket) => {
      socket.on("frame", (_chunk, acknowledge) => {
        chunks++;
        acknowledge(new Uint8Array([7]));
      });
    });
    const { connection } = await open(url);
    expect(await connection.request(bytes(3 * CHUNK_BYTES, 5))).toEqual(Buffer.from([7]));
    expect(chunks).toBe(1);
    connection.close();
  });

  it("reports a lost connection once, and refuses what is sent afterwards", async () => {
    const url = await listen((socket) => {
      socket.on("frame", () => socket.disconnect(true));
    });
    const { connection, closed } = await open(url);
    const lost = expect(connection.request(bytes(5, 6))).rejects.toThrow();
    await closed;
    await lost;
    await expect(connection.request(bytes(5, 6))).rejects.toThrow("closed");
  });

  it.each([
    ["text", "hello"],
    ["a chunk that continues no frame", splitFrame(bytes(CHUNK_BYTES + 1, 7), 1)[1]!],
    ["an oversized chunk", new Uint8Array(CHUNK_BYTES * 2)],
  ])("closes on %s", async (_what, malformed) => {
    const url = await listen((socket) => {
      socket.emit("frame", malformed);
    });
    const { closed, frames } = await open(url);
    await closed;
    expect(frames).toEqual([]);
  });

  it("rejects where nobody listens", async () => {
    await expect(open("http://127.0.0.1:9")).rejects.toThrow("cannot be reached");
  });

  it("finds the sockets of a coordinator behind a path prefix", async () => {
    const url = await listen(echo, "/kindred/socket.io");
    const { connection } = await open(`${url}/kindred/`);
    expect(await connection.request(new Uint8Array([1, 2]))).toEqual(Buffer.from([2, 1]));
    connection.close();
  });
});
