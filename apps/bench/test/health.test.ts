import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { HealthProbe } from "../src/secagg/health.ts";

test("counts answers from the beginning of the measurement, and ends with a server that goes away", async () => {
  let answers = 0;
  let answered: () => void = () => undefined;
  const server = createServer((_, response) => {
    answers++;
    response.end("ok", () => answered());
  });
  const next = () =>
    new Promise<void>((resolve) => {
      answered = resolve;
    });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const first = next();
  const probe = new HealthProbe((server.address() as AddressInfo).port);
  await first;
  probe.begin();
  for (let i = 0; i < 3; i++) await next();
  server.closeAllConnections();
  server.close();
  await once(server, "close");
  const { answers: measured, p50Ms, p99Ms } = await probe.stop();
  expect(measured).toBeGreaterThanOrEqual(1);
  expect(measured).toBeLessThanOrEqual(answers);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
});

test("asks again when a connection is closed under it, and counts from the first time", async () => {
  let asked = 0;
  const answered = new Promise<void>((resolve) => {
    const server = createServer((request, response) => {
      if (++asked <= 2) request.destroy();
      else response.end("ok", () => (asked === 4 ? resolve() : undefined));
    });
    server.listen(0, "127.0.0.1", () => {
      probe = new HealthProbe((server.address() as AddressInfo).port);
      probe.begin();
    });
    onTestFinished(() => void server.close());
  });
  let probe: HealthProbe | undefined;
  await answered;
  const { answers } = await probe!.stop();
  expect(answers).toBeGreaterThanOrEqual(1);
  expect(answers).toBeLessThanOrEqual(asked - 2);
});
