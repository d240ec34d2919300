/**
 * Binary frames: one magic byte, one version byte, then the message in deterministic CBOR (RFC 8949 §4.2.1).
 * Frames travel in chunks, so that no single transport message grows with the model (PROTOCOL.md §3).
 */
import type { z } from "zod";
import { concatBytes } from "./canonical.ts";
import { decodeCborInPlace, encodeCborBehind } from "./cbor.ts";
import { accepted, type Rejection, type Result, rejected } from "./errors.ts";
import {
  type ClientMessage,
  clientMessageSchema,
  PROTOCOL_VERSION,
  type ServerMessage,
  serverMessageSchema,
  wireForm,
} from "./messages.ts";
import { rejectionFromZod } from "./validation.ts";

const FRAME_MAGIC = 0x4b;
const FRAME_HEAD = Uint8Array.of(FRAME_MAGIC, PROTOCOL_VERSION);
const CHUNK_MAGIC = 0x43;
const CHUNK_HEADER_BYTES = 14;

/** Payload bytes of one chunk. */
export const CHUNK_BYTES = 128 * 1024;
/** Largest transport message that a peer has to accept. */
export const MAX_CHUNK_BYTES = CHUNK_BYTES + CHUNK_HEADER_BYTES;

/**
 * Encodes a message as a frame.
 * @throws RangeError if a field of an advertisement, or a proof, has another length than it should
 */
export function encodeFrame(message: ClientMessage | ServerMessage): Uint8Array {
  return encodeCborBehind(FRAME_HEAD, wireForm(message));
}

/**
 * Encodes as `encodeFrame`, into memory that is used again: a coordinator writes a message of its own to every member of a
 * cohort, and to collect the garbage would take as long as to encode.
 */
export class FrameMemory {
  #spare: Uint8Array[] = [];

  /** A frame that lasts until it is released. @throws RangeError as `encodeFrame` does */
  encode(message: ClientMessage | ServerMessage): Uint8Array {
    return encodeCborBehind(FRAME_HEAD, wireForm(message), (length) => this.#take(length));
  }

  /** Gives the memory of a frame back, which nobody reads any more. */
  release(frame: Uint8Array): void {
    this.#spare.push(new Uint8Array(frame.buffer));
  }

  #take(length: number): Uint8Array {
    const fitting = this.#spare.findIndex((memory) => memory.length >= length);
    if (fitting >= 0) return this.#spare.splice(fitting, 1)[0]!;
    // What is too short now stays so: the messages of a phase are about as long, and those of the next phase differ.
    this.#spare = [];
    return new Uint8Array(length + (length >>> 2));
  }
}

/** Decodes and validates a frame from a client. Long byte strings are views of the frame. */
export function decodeClientFrame(frame: Uint8Array): Result<ClientMessage> {
  return decodeFrame(frame, clientMessageSchema);
}

/** Decodes and validates a frame from the coordinator. Long byte strings are views of the frame. */
export function decodeServerFrame(frame: Uint8Array): Result<ServerMessage> {
  return decodeFrame(frame, serverMessageSchema);
}

function decodeFrame<T>(frame: Uint8Array, schema: z.ZodType<T>): Result<T> {
  if (frame.length < 3 || frame[0] !== FRAME_MAGIC)
    return rejected("frame-malformed", "frame", {
      rule: "must start with the byte 0x4b and hold a message",
      fix: "encode it with encodeFrame of @kindred/protocol",
    });
  if (frame[1] !== PROTOCOL_VERSION) return versionRejection(frame[1]!);
  let body: unknown;
  try {
    body = decodeCborInPlace(frame.subarray(2));
  } catch {
    return rejected("frame-malformed", "frame", {
      rule: "must hold exactly one deterministic CBOR document after the two header bytes",
      fix: "encode it with encodeFrame",
    });
  }
  const parsed = schema.safeParse(body, { reportInput: true });
  if (parsed.success) return accepted(parsed.data);
  const unknownType = parsed.error.issues.some(
    (issue) => issue.code === "invalid_union" && issue.path.join() === "type",
  );
  const code = unknownType ? "message-unknown" : "message-invalid";
  return { ok: false, rejection: rejectionFromZod(parsed.error, { code, root: "message" }) };
}

/** The rejection of a peer that speaks version `found`. */
export function versionRejection(found: number): { ok: false; rejection: Rejection } {
  const older = found < PROTOCOL_VERSION;
  return rejected("protocol-version", "protocol", {
    rule: `must be ${PROTOCOL_VERSION}, found ${found}`,
    fix: older ? "update the client SDK" : "update the coordinator, or use the SDK of its version",
  });
}

/**
 * Splits a frame into chunks. Header, big-endian: magic 0x43, version, frame id u32, offset u32, frame length u32.
 * @param frameId distinguishes the frames of one connection; increases by one per frame
 */
export function splitFrame(frame: Uint8Array, frameId: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let offset = 0; offset < frame.length; offset += CHUNK_BYTES) {
    const payload = frame.subarray(offset, offset + CHUNK_BYTES);
    const chunk = new Uint8Array(CHUNK_HEADER_BYTES + payload.length);
    const view = new DataView(chunk.buffer);
    chunk[0] = CHUNK_MAGIC;
    chunk[1] = PROTOCOL_VERSION;
    view.setUint32(2, frameId);
    view.setUint32(6, offset);
    view.setUint32(10, frame.length);
    chunk.set(payload, CHUNK_HEADER_BYTES);
    chunks.push(chunk);
  }
  return chunks;
}

/** A frame of which some chunks have arrived. */
interface PartialFrame {
  readonly frameId: number;
  readonly length: number;
  readonly payloads: Uint8Array[];
  received: number;
}

/**
 * Puts the chunks of one connection together again. Holds at most one frame of at most `maxFrameBytes`, and
 * only bytes that have arrived: a header that announces a long frame reserves nothing.
 */
export class FrameAssembler {
  readonly #maxFrameBytes: number;
  #partial: PartialFrame | undefined;

  constructor({ maxFrameBytes }: { maxFrameBytes: number }) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /**
   * Takes the next chunk. After a refusal the frame under way is dropped and the next one may start.
   * @returns the whole frame once its last chunk has arrived, `undefined` before
   */
  push(chunk: Uint8Array): Result<Uint8Array | undefined> {
    const header = this.#header(chunk);
    const partial = this.#partial;
    this.#partial = undefined;
    if (!header.ok) return header;
    const { frameId, offset, length } = header.value;
    const payload = Uint8Array.prototype.slice.call(chunk, CHUNK_HEADER_BYTES); // a copy, also of a Node buffer
    const frame = partial ?? { frameId, length, payloads: [], received: 0 };
    if (frame.frameId !== frameId || frame.length !== length || frame.received !== offset)
      return rejected("frame-malformed", "chunk.offset", {
        rule: "must continue the frame under way without gap or overlap",
        fix: "send the chunks of a frame in order and frames one after another",
      });
    if (payload.length !== Math.min(CHUNK_BYTES, length - offset))
      return rejected("frame-malformed", "chunk", {
        rule: `must carry ${CHUNK_BYTES} bytes of its frame, or all that is left of it`,
        fix: "cut frames with splitFrame of @kindred/protocol",
      });
    frame.payloads.push(payload);
    frame.received += payload.length;
    if (frame.received < length) {
      this.#partial = frame;
      return accepted(undefined);
    }
    return accepted(frame.payloads.length === 1 ? payload : concatBytes(...frame.payloads));
  }

  #header(chunk: Uint8Array): Result<{ frameId: number; offset: number; length: number }> {
    if (chunk.length <= CHUNK_HEADER_BYTES || chunk[0] !== CHUNK_MAGIC)
      return rejected("frame-malformed", "chunk", {
        rule: `must start with the byte 0x43 and be longer than ${CHUNK_HEADER_BYTES} bytes`,
        fix: "cut frames with splitFrame of @kindred/protocol",
      });
    if (chunk[1] !== PROTOCOL_VERSION) return versionRejection(chunk[1]!);
    if (chunk.length > MAX_CHUNK_BYTES)
      return rejected("frame-too-large", "chunk", {
        rule: `must not exceed ${MAX_CHUNK_BYTES} bytes`,
        fix: "cut the frame into smaller chunks",
      });
    const view = new DataView(chunk.buffer, chunk.byteOffset);
    const length = view.getUint32(10);
    if (length > this.#maxFrameBytes)
      return rejected("frame-too-large", "chunk.frameLength", {
        rule: `must not exceed ${this.#maxFrameBytes} bytes, found ${length}`,
        fix: "send only what the plan asks for",
      });
    return accepted({ frameId: view.getUint32(2), offset: view.getUint32(6), length });
  }
}
