import { expect, test } from "vitest";
import { PhaseFrames } from "../src/secagg/phase-frames.ts";

/** Clients of which some leave when they read their frame, as those do that drop out or have finished. */
function clients(count: number, leaving: readonly number[]) {
  const present = new Set(Array.from({ length: count }, (_, client) => client));
  const read: number[] = [];
  const frames = new PhaseFrames(
    {
      expected: () => present.size,
      read: ({ client }) => {
        read.push(client);
        if (leaving.includes(client)) present.delete(client);
      },
    },
    30,
  );
  const receive = (bytes: number) => (client: number) =>
    frames.receive({ client, frame: new Uint8Array(bytes) });
  return { present, taken: () => read.splice(0), receive };
}

test("frames wait for the last of their phase", () => {
  const { taken, receive } = clients(3, []);
  expect([0, 1].map(receive(10))).toEqual([false, false]);
  expect(taken()).toEqual([]);
  expect(receive(9)(2)).toBe(true);
  expect(taken()).toEqual([0, 1, 2]);
});

test("frames that take too much memory are read in parts, and clients that leave meanwhile still count in their phase", () => {
  const { present, taken, receive } = clients(7, [0, 1, 3]);
  expect([0, 1, 2].map(receive(10))).toEqual([false, false, false]);
  expect(taken()).toEqual([0, 1, 2]);
  expect([3, 4, 5, 6].map(receive(10))).toEqual([false, false, false, true]);
  expect(taken()).toEqual([3, 4, 5, 6]);
  // The next phase is that of those who are left.
  expect([...present].map(receive(1))).toEqual([false, false, false, true]);
  expect(taken()).toEqual([2, 4, 5, 6]);
});

test("a phase in which all leave, part by part, ends too", () => {
  const { present, taken, receive } = clients(4, [0, 1, 2, 3]);
  expect([0, 1, 2, 3].map(receive(30))).toEqual([false, false, false, true]);
  expect(taken()).toEqual([0, 1, 2, 3]);
  expect(present.size).toBe(0);
});
