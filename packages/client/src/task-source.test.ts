import { describe, expect, it } from "vitest";
import { TestCoordinator } from "../test/test-coordinator.ts";
import { VirtualClock } from "../test/virtual-clock.ts";
import { httpTaskSource, sharedTaskSource } from "./task-source.ts";

function source(respond: (path: string) => Response | Promise<Response>) {
  const clock = new VirtualClock();
  const get = (async (input: string | URL | Request) =>
    respond(new URL(String(input)).pathname)) as typeof fetch;
  return {
    clock,
    source: httpTaskSource({ url: "https://kindred.test/base/", task: "films", clock, fetch: get }),
  };
}

describe("httpTaskSource", () => {
  it.each([
    [404, "task-unknown"],
    [500, "internal"],
    [429, "internal"],
    [403, "message-invalid"],
  ])("status %i is %s", async (status, code) => {
    await expect(source(() => new Response("", { status })).source.progress()).rejects.toMatchObject({
      code,
    });
  });

  it.each(["not json", "[]", '{"status":"running","model":{"hash":"xyz"},"rounds":{"latest":1}}', "null"])(
    "refuses the task document %s",
    async (body) => {
      await expect(source(() => new Response(body)).source.progress()).rejects.toMatchObject({
        code: "message-invalid",
      });
    },
  );

  it("keeps the path prefix of the address", async () => {
    const paths: string[] = [];
    const { source: from } = source((path) => {
      paths.push(path);
      return new Response('{"status":"running","model":null,"rounds":{"latest":null}}');
    });
    expect(await from.progress()).toEqual({ status: "running", modelHash: null, round: 0 });
    expect(paths).toEqual(["/base/v1/tasks/films"]);
  });

  it("gives up on a download that never ends", async () => {
    const { clock, source: from } = source(() => new Promise<Response>(() => undefined));
    const failing = expect(from.progress()).rejects.toMatchObject({ code: "deadline-passed" });
    await clock.advance(60_000);
    await failing;
    expect(clock.pendingTimers).toBe(0);
  });

  it("refuses a plan of another task", async () => {
    const clock = new VirtualClock();
    const coordinator = new TestCoordinator({ clock, plan: { task: "books" } });
    const get = ((input: string) => coordinator.fetch(input.replace("films", "books"))) as typeof fetch;
    const from = httpTaskSource({ url: "https://kindred.test", task: "films", clock, fetch: get });
    await expect(from.material()).rejects.toMatchObject({
      code: "plan-invalid",
      rejection: { field: "plan.task" },
    });
    const { modelHash } = coordinator.state;
    await expect(from.model(modelHash)).rejects.toMatchObject({ rejection: { field: "model.task" } });
  });
});

describe("sharedTaskSource", () => {
  it("downloads once for all, and again after a failure", async () => {
    const clock = new VirtualClock();
    const coordinator = new TestCoordinator({ clock });
    const shared = sharedTaskSource(
      httpTaskSource({ url: "https://kindred.test", task: "films", clock, fetch: coordinator.fetch }),
    );
    coordinator.offline = true;
    await expect(shared.material()).rejects.toMatchObject({ code: "internal" });
    const { modelHash } = coordinator.state;
    await expect(shared.model(modelHash)).rejects.toMatchObject({ code: "internal" });
    coordinator.offline = false;
    coordinator.requests.length = 0;
    const [a, b] = await Promise.all([shared.material(), shared.material()]);
    expect(a).toBe(b);
    const [c, d] = await Promise.all([shared.model(modelHash), shared.model(modelHash)]);
    expect(c).toBe(d);
    expect(coordinator.requests).toHaveLength(3); // plan, catalogue, model
  });
});
