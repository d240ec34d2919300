/**
 * Binary frames: one magic byte, one version byte, then the message in CBOR (RFC 8949, cborg's canonical form).
 * Frames travel in chunks, so that no single transport message grows with the model (PROTOCOL.md §3).
 */
import { decode, encode } from "cborg";
import type { z } from "zod";
import { accepted, type Rejection, type Result, rejected } from "./errors.ts";
import {
  type ClientMessage,
  clientMessageSchema,
  PROTOCOL_VERSION,
  type ServerMessage,
  serverMessageSchema,
} from "./messages.ts";
import { rejectionFromZod } from "./validation.ts";

const FRAME_MAGIC = 0x4b;
const CHUNK_MAGIC = 0x43;
const CHUNK_HEADER_BYTES = 14;

/** Payload bytes of one chunk. */
export const CHUNK_BYTES = 128 * 1024;
/** Largest transport message that a peer has to accept. */
export const MAX_CHUNK_BYTES = CHUNK_BYTES + CHUNK_HEADER_BYTES;

/** Encodes a message as a frame. */
export function encodeFrame(message: ClientMessage | ServerMessage): Uint8Array {
  const body = encode(message);
  const frame = new Uint8Array(body.length + 2);
  frame[0] = FRAME_MAGIC;
  frame[1] = PROTOCOL_VERSION;
  frame.set(body, 2);
  return frame;
}

/** Decodes and validates a frame from a client. */
export function decodeClientFrame(frame: Uint8Array): Result<ClientMessage> {
  return decodeFrame(frame, clientMessageSchema);
}

/** Decodes and validates a frame from the coordinator. */
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
    body = decode(frame.subarray(2));
  } catch {
    return rejected("frame-malformed", "frame", {
      rule: "must be valid CBOR after the two header bytes",
      fix: "encode it with encodeFrame",
    });
  }
  const parsed = schema.safeParse(body);
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

/** Puts the chunks of one connection together again; holds at most one frame of at most `maxFrameBytes`. */
export class FrameAssembler {
  readonly #maxFrameBytes: number;
  #partial: { frameId: number; received: number; bytes: Uint8Array } | undefined;

  constructor({ maxFrameBytes }: { maxFrameBytes: number }) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** @returns the whole frame once its last chunk has arrived, `undefined` before */
  push(chunk: Uint8Array): Result<Uint8Array | undefined> {
    const header = this.#header(chunk);
    if (!header.ok) {
      this.#partial = undefined;
      return header;
    }
    const { frameId, offset, length } = header.value;
    const payload = chunk.subarray(CHUNK_HEADER_BYTES);
    if (offset === 0) this.#partial = { frameId, received: 0, bytes: new Uint8Array(length) };
    const partial = this.#partial;
    if (
      partial === undefined ||
      partial.frameId !== frameId ||
      partial.received !== offset ||
      partial.bytes.length !== length ||
      offset + payload.length > length
    ) {
      this.#partial = undefined;
      return rejected("frame-malformed", "chunk.offset", {
        rule: "must continue the frame under way without gap or overlap",
        fix: "send the chunks of a frame in order and frames one after another",
      });
    }
    partial.bytes.set(payload, offset);
    partial.received += payload.length;
    if (partial.received < length) return accepted(undefined);
    this.#partial = undefined;
    return accepted(partial.bytes);
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

/** Bytes that `length` entries of `bits` bits take. */
export function packedLength(length: number, bits: number): number {
  return Math.ceil((length * bits) / 8);
}

/**
 * Packs integers modulo 2^bits into a little-endian bit stream, without padding between entries.
 * @param values entries below 2^bits
 * @param bits 1 to 32
 */
export function packBits(values: Uint32Array, bits: number): Uint8Array {
  const out = new Uint8Array(packedLength(values.length, bits));
  let accumulator = 0; // always below 2^(7 + 32): exact in a double
  let filled = 0;
  let position = 0;
  for (let i = 0; i < values.length; i++) {
    accumulator += values[i]! * 2 ** filled;
    filled += bits;
    while (filled >= 8) {
      out[position++] = accumulator % 256;
      accumulator = Math.floor(accumulator / 256);
      filled -= 8;
    }
  }
  if (filled > 0) out[position] = accumulator;
  return out;
}

/** Inverse of `packBits`. Refuses a wrong length and padding bits that are not zero. */
export function unpackBits(
  packed: Uint8Array,
  { bits, length }: { bits: number; length: number },
): Result<Uint32Array> {
  const expected = packedLength(length, bits);
  if (packed.length !== expected)
    return rejected("vector-invalid", "vector", {
      rule: `must be ${expected} bytes for ${length} entries of ${bits} bits, found ${packed.length}`,
      fix: "encode the vector with the plan's length and modulus",
    });
  const out = new Uint32Array(length);
  const modulus = 2 ** bits;
  let accumulator = 0;
  let filled = 0;
  let position = 0;
  for (let i = 0; i < length; i++) {
    while (filled < bits) {
      accumulator += packed[position++]! * 2 ** filled;
      filled += 8;
    }
    out[i] = accumulator % modulus;
    accumulator = Math.floor(accumulator / modulus);
    filled -= bits;
  }
  if (accumulator !== 0)
    return rejected("vector-invalid", "vector", {
      rule: "must end in zero bits",
      fix: "encode the vector with packBits",
    });
  return accepted(out);
}
