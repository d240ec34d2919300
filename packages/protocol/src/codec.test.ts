import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clientFields, serverFields } from "../test/message-shapes.ts";
import { bytesFrom, clientSamples, serverSamples } from "../test/samples.ts";
import { concatBytes, equalBytes } from "./canonical.ts";
import { encodeCbor } from "./cbor.ts";
import {
  CHUNK_BYTES,
  decodeClientFrame,
  decodeServerFrame,
  encodeFrame,
  FrameAssembler,
  FrameMemory,
  MAX_CHUNK_BYTES,
  splitFrame,
  versionRejection,
} from "./codec.ts";
import type { Result } from "./errors.ts";
import { PROTOCOL_VERSION, wireForm } from "./messages.ts";

/** Byte strings whose length depends on plan or cohort. */
const OPEN_LENGTHS = new Set([
  "shares.peers",
  "shares.boxes",
  "masked-input.vector",
  "reveal.owners",
  "reveal.kinds",
  "reveal.shares",
  "roster.entries",
  "neighbourhood.devices",
  "neighbourhood.proof",
  "neighbourhood.advertisements",
  "neighbourhood.proofs",
  "inbox.sharing",
  "inbox.peers",
  "inbox.boxes",
  "survivors.members",
  "unmask.signers",
  "unmask.signatures",
]);

function codeOf(result: Result<unknown>): string {
  return result.ok ? "accepted" : result.rejection.code;
}

/** A frame of whatever a message's wire form has become. */
function frameOf(message: object): Uint8Array {
  return concatBytes(Uint8Array.of(0x4b, PROTOCOL_VERSION), encodeCbor(message));
}

describe("frames in memory that is used again", () => {
  it("are those of encodeFrame, one after another and several at a time", () => {
    const memory = new FrameMemory();
    const messages = [...clientSamples, ...serverSamples];
    for (const message of [...messages, ...[...messages].reverse()]) {
      const frame = memory.encode(message);
      expect(equalBytes(frame, encodeFrame(message))).toBe(true);
      memory.release(frame);
    }
    const kept = messages.map((message) => memory.encode(message));
    for (const [i, frame] of kept.entries()) expect(equalBytes(frame, encodeFrame(messages[i]!))).toBe(true);
  });

  it("take the memory of a frame that was released, and of no other", () => {
    const memory = new FrameMemory();
    const message = serverSamples.find(({ type }) => type === "neighbourhood")!;
    const first = memory.encode(message);
    const second = memory.encode(message);
    expect(second.buffer).not.toBe(first.buffer);
    memory.release(first);
    expect(memory.encode(message).buffer).toBe(first.buffer);
    expect(memory.encode(message).buffer).not.toBe(second.buffer);
  });
});

describe("frames", () => {
  it("have a sample of every message type", () => {
    expect(clientSamples.map((sample) => sample.type).sort()).toEqual([...clientFields.keys()].sort());
    expect(serverSamples.map((sample) => sample.type).sort()).toEqual([...serverFields.keys()].sort());
  });

  it.each(clientSamples)("carry $type from a client", (message) => {
    expect(decodeClientFrame(encodeFrame(message))).toEqual({ ok: true, value: message });
    expect(codeOf(decodeServerFrame(encodeFrame(message)))).toBe("message-unknown");
  });

  it.each(serverSamples)("carry $type from the coordinator", (message) => {
    expect(decodeServerFrame(encodeFrame(message))).toEqual({ ok: true, value: message });
    expect(codeOf(decodeClientFrame(encodeFrame(message)))).toBe("message-unknown");
  });

  it.each([...clientSamples, ...serverSamples])(
    "of type $type allow no field more and none less",
    (message) => {
      const decode = clientSamples.includes(message as never) ? decodeClientFrame : decodeServerFrame;
      const wire: Record<string, unknown> = { ...wireForm(message) };
      expect(decode(frameOf({ ...wire, extra: 1 }))).toMatchObject({
        rejection: { code: "message-invalid", field: "message.extra" },
      });
      for (const field of Object.keys(wire).filter((name) => name !== "type")) {
        const { [field]: _, ...rest } = wire;
        expect(decode(frameOf(rest))).toMatchObject({
          rejection: { code: "message-invalid", field: `message.${field}`, fix: "add the field" },
        });
      }
    },
  );

  it.each([...clientSamples, ...serverSamples])(
    "of type $type fix the length of every byte string",
    (message) => {
      const decode = clientSamples.includes(message as never) ? decodeClientFrame : decodeServerFrame;
      const wire = wireForm(message);
      for (const [field, value] of Object.entries(wire)) {
        if (!(value instanceof Uint8Array) || OPEN_LENGTHS.has(`${message.type}.${field}`)) continue;
        for (const length of [0, value.length - 1, value.length + 1])
          expect(decode(frameOf({ ...wire, [field]: bytesFrom(0, length) }))).toMatchObject({
            rejection: {
              code: "message-invalid",
              field: `message.${field}`,
              rule: `must be ${value.length} bytes`,
            },
          });
      }
    },
  );

  it("name the path inside a list", () => {
    const survivors = { type: "survivors", round: 1, members: bytesFrom(1, 1) };
    expect(
      decodeServerFrame(frameOf({ ...survivors, statements: [bytesFrom(0, 64), bytesFrom(0, 63)] })),
    ).toMatchObject({
      rejection: { code: "message-invalid", field: "message.statements.1", rule: "must be 64 bytes" },
    });
  });

  it("say who has to update", () => {
    expect(versionRejection(0).rejection).toMatchObject({
      code: "protocol-version",
      rule: `must be ${PROTOCOL_VERSION}, found 0`,
      fix: "update the client SDK",
    });
    expect(versionRejection(9).rejection.fix).toContain("update the coordinator");
  });

  it("are refused, never thrown at, when bytes are changed, cut or random", () => {
    fc.assert(
      fc.property(fc.constantFrom(...clientSamples), fc.nat(), fc.nat(255), (message, at, byte) => {
        const frame = encodeFrame(message);
        frame[at % frame.length] = byte;
        const changed = decodeClientFrame(frame);
        if (changed.ok) expect(encodeFrame(changed.value)).toEqual(frame);
        expect(decodeClientFrame(frame.subarray(0, at % frame.length)).ok).toBe(false);
      }),
      { seed: 8, numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(decodeClientFrame(bytes).ok).toBe(false);
      }),
      { seed: 9 },
    );
  });

  it("never repeat in a rejection what a message carried", () => {
    const secret = "a person's own words";
    const rejected = [
      decodeClientFrame(frameOf({ type: "ready", round: secret })),
      decodeClientFrame(frameOf({ type: secret })),
      decodeClientFrame(frameOf({ type: "leave", round: 1, code: secret })),
    ];
    for (const result of rejected) {
      expect(result.ok).toBe(false);
      expect(JSON.stringify(result)).not.toContain(secret);
    }
  });
});

describe("chunks", () => {
  const maxFrameBytes = 4 * CHUNK_BYTES;
  const frameOfLength = (length: number) => Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 9));
  const assembler = () => new FrameAssembler({ maxFrameBytes });
  const gap = { ok: false, rejection: { code: "frame-malformed", field: "chunk.offset" } };

  it.each([1, 2, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 17])(
    "carry a frame of %i bytes",
    (length) => {
      const frame = frameOfLength(length);
      const chunks = splitFrame(frame, 5);
      expect(chunks.length).toBe(Math.ceil(length / CHUNK_BYTES));
      const receiver = assembler();
      const results = chunks.map((chunk) => {
        expect(chunk.length).toBeLessThanOrEqual(MAX_CHUNK_BYTES);
        return receiver.push(chunk);
      });
      const last = results.pop()!;
      expect(results.every((result) => result.ok && result.value === undefined)).toBe(true);
      expect(last.ok && equalBytes(last.value!, frame)).toBe(true);
    },
  );

  it("carry frames one after another, in buffers that are reused", () => {
    const receiver = assembler();
    const transport = new Uint8Array(MAX_CHUNK_BYTES);
    for (const [id, length] of [5, CHUNK_BYTES + 5, 9].entries()) {
      let last: Result<Uint8Array | undefined> | undefined;
      for (const chunk of splitFrame(frameOfLength(length), id)) {
        transport.set(chunk);
        last = receiver.push(transport.subarray(0, chunk.length));
        transport.fill(0);
      }
      expect(last?.ok && equalBytes(last.value!, frameOfLength(length))).toBe(true);
    }
  });

  it("are refused out of order, repeated, skipped or interleaved, and the next frame gets through", () => {
    const [a0, a1, a2] = splitFrame(frameOfLength(3 * CHUNK_BYTES), 1) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const [b0] = splitFrame(frameOfLength(2 * CHUNK_BYTES), 2) as [Uint8Array];
    const orders: Record<string, Uint8Array[]> = {
      "middle first": [a1],
      repeated: [a0, a0],
      skipped: [a0, a2],
      interleaved: [a0, b0],
      "same offset of another frame": [a0, splitFrame(frameOfLength(3 * CHUNK_BYTES), 2)[1]!],
      "another length": [a0, splitFrame(frameOfLength(3 * CHUNK_BYTES - 1), 1)[1]!],
    };
    for (const chunks of Object.values(orders)) {
      const receiver = assembler();
      const results = chunks.map((chunk) => receiver.push(chunk));
      expect(results.at(-1)).toMatchObject(gap);
      expect(results.slice(0, -1).every((result) => result.ok)).toBe(true);
      expect(receiver.push(a1)).toMatchObject(gap);
      expect(receiver.push(a0).ok && receiver.push(a1).ok).toBe(true);
      const last = receiver.push(a2);
      expect(last.ok && last.value?.length).toBe(3 * CHUNK_BYTES);
    }
  });

  it("drop the frame under way when a chunk is malformed", () => {
    const [first, second] = splitFrame(frameOfLength(2 * CHUNK_BYTES), 1) as [Uint8Array, Uint8Array];
    const receiver = assembler();
    receiver.push(first);
    expect(codeOf(receiver.push(Uint8Array.of(1, 2, 3)))).toBe("frame-malformed");
    expect(receiver.push(second)).toMatchObject(gap);
  });

  it("are refused when cut short, so that a frame cannot arrive in crumbs", () => {
    const [first, second] = splitFrame(frameOfLength(CHUNK_BYTES + 100), 1) as [Uint8Array, Uint8Array];
    expect(codeOf(assembler().push(first.subarray(0, first.length - 1)))).toBe("frame-malformed");
    const receiver = assembler();
    receiver.push(first);
    expect(receiver.push(second.subarray(0, second.length - 1))).toMatchObject({
      rejection: { code: "frame-malformed", field: "chunk" },
    });
  });

  it("are refused beyond either size limit", () => {
    expect(codeOf(assembler().push(splitFrame(new Uint8Array(maxFrameBytes + 1), 1)[0]!))).toBe(
      "frame-too-large",
    );
    const chunk = splitFrame(new Uint8Array(CHUNK_BYTES), 1)[0]!;
    const oversize = new Uint8Array(MAX_CHUNK_BYTES + 1);
    oversize.set(chunk);
    expect(assembler().push(oversize)).toMatchObject({
      rejection: { code: "frame-too-large", field: "chunk" },
    });
  });

  it("never make the assembler throw", () => {
    const headed = fc
      .tuple(fc.nat(3), fc.nat(40), fc.nat(40), fc.uint8Array({ maxLength: 45 }))
      .map(([id, offset, length, payload]) => {
        const chunk = new Uint8Array(14 + payload.length);
        const view = new DataView(chunk.buffer);
        chunk.set([0x43, 1]);
        view.setUint32(2, id);
        view.setUint32(6, offset);
        view.setUint32(10, length);
        chunk.set(payload, 14);
        return chunk;
      });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(headed, fc.uint8Array({ maxLength: 30 })), { maxLength: 10 }),
        (chunks) => {
          const receiver = new FrameAssembler({ maxFrameBytes: 30 });
          for (const chunk of chunks) {
            const result = receiver.push(chunk);
            if (result.ok && result.value !== undefined) {
              expect(result.value.length).toBeLessThanOrEqual(30);
              expect(splitFrame(result.value, new DataView(chunk.buffer).getUint32(2))).toEqual([chunk]);
            }
          }
        },
      ),
      { seed: 10, numRuns: 300 },
    );
  });
});
