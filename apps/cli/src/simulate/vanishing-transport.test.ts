import { encodeFrame, type ServerMessage } from "@kindred/protocol";
import { expect, it } from "vitest";
import { vanishingTransport } from "./vanishing-transport.ts";

const selected: ServerMessage = {
  type: "selected",
  round: 1,
  planDigest: new Uint8Array(32),
  modelHash: new Uint8Array(32),
  beacon: new Uint8Array(32),
  trainForMs: 1,
  ledger: {
    size: 1,
    root: new Uint8Array(32),
    signature: new Uint8Array(64),
    consistency: new Uint8Array(),
    index: 0,
    started: "{}",
    inclusion: new Uint8Array(),
  },
};
const survivors: ServerMessage = { type: "survivors", round: 1, members: Uint8Array.of(3), statements: [] };

function setUp(draws: number[], dropout: number) {
  let now = 1_000;
  let closed = 0;
  let receive: (frame: Uint8Array) => void = () => undefined;
  const heard: number[] = [];
  const transport = vanishingTransport({
    random: () => draws.shift()!,
    dropout,
    absence: 500,
    clock: { now: () => now, setTimer: () => () => undefined },
    transport: async (_, events) => {
      receive = events.frame;
      return { request: async () => new Uint8Array(), close: () => closed++ };
    },
  });
  const connect = () =>
    transport("http://x", { frame: (frame) => heard.push(frame.length), closed: () => undefined });
  return {
    connect,
    receive: (message: ServerMessage) => receive(encodeFrame(message)),
    heard,
    closed: () => closed,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

it("closes the connection before the drawn message is heard, and stays away for a while", async () => {
  // The second draw names the fifth of six moments: survivors.
  const device = setUp([0.1, 4.5 / 6], 0.5);
  await device.connect();
  device.receive(selected);
  expect(device.heard).toHaveLength(1);
  device.receive(survivors);
  expect(device.heard).toHaveLength(1);
  expect(device.closed()).toBe(1);
  await expect(device.connect()).rejects.toThrow("away");
  device.pass(500);
  await device.connect();
  device.receive(survivors);
  expect(device.heard).toHaveLength(2);
});

it("does nothing in a round without dropout", async () => {
  const device = setUp([0.9], 0.5);
  await device.connect();
  device.receive(selected);
  device.receive(survivors);
  expect(device.heard).toHaveLength(2);
  expect(device.closed()).toBe(0);
});
