import { expect, test } from "vitest";
import { FrameReader } from "../src/secagg/wire.ts";

const frames = [
  { client: 3, bytes: [1, 2, 3] },
  { client: 70_000, bytes: Array.from({ length: 300 }, (_, i) => i % 251) },
  { client: 0, bytes: [9] },
];
const wire = frames.flatMap(({ client, bytes }) => {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(bytes.length, 0);
  header.writeUInt32BE(client, 4);
  return [...header, ...bytes];
});

test.each([1, 2, 7, 8, 11, 100, 1000])("puts frames together from pieces of %i bytes", (size) => {
  const received: { client: number; bytes: number[] }[] = [];
  const reader = new FrameReader((client, frame) => {
    expect(frame.buffer.byteLength).toBe(frame.length);
    received.push({ client, bytes: [...frame] });
  });
  for (let at = 0; at < wire.length; at += size) reader.read(Uint8Array.from(wire.slice(at, at + size)));
  expect(received).toEqual(frames);
});
