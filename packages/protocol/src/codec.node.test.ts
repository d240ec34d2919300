import { expect, it } from "vitest";
import { CHUNK_BYTES, FrameAssembler, MAX_CHUNK_BYTES, splitFrame } from "./codec.ts";

it("chunks reserve no memory for bytes that have only been announced", () => {
  const first = splitFrame(new Uint8Array(CHUNK_BYTES + 1), 1)[0]!;
  new DataView(first.buffer).setUint32(10, 0xffffffff);
  const before = process.memoryUsage().arrayBuffers;
  const receivers = Array.from({ length: 50 }, () => {
    const receiver = new FrameAssembler({ maxFrameBytes: 0xffffffff });
    expect(receiver.push(first)).toEqual({ ok: true, value: undefined });
    return receiver;
  });
  expect(receivers.length).toBe(50);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 2 * MAX_CHUNK_BYTES);
});
