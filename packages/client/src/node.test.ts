import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBackend } from "@kindred/encoder";
import { aesCtrKeystream } from "@kindred/privacy";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestCoordinator } from "../test/test-coordinator.ts";
import { catalogue } from "../test/test-task.ts";
import { VirtualClock } from "../test/virtual-clock.ts";
import { TRIAL_FLOORS } from "../test/world.ts";
import { browserDefaults } from "./browser.ts";
import type { Clock } from "./clock.ts";
import { createEncoderRuntime, type TensorEncoderRuntime } from "./encoder-runtime.ts";
import { createNodeClient, nodeDefaults } from "./node.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "kindred-node-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe("platform defaults", () => {
  it("give the same bytes in Node and in a browser", () => {
    const node = nodeDefaults();
    const browser = browserDefaults();
    const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
    const pair = node.suite.signingKeyPair(seed);
    expect(browser.suite.signingKeyPair(seed).publicKey).toEqual(pair.publicKey);
    for (const entryBytes of [1, 2, 3, 4]) {
      const [a, b] = [new Int32Array(30_001), new Int32Array(30_001)];
      node.suite.addMasks(a, [seed, pair.publicKey], entryBytes);
      browser.suite.addMasks(b, [seed, pair.publicKey], entryBytes);
      const counting = 2 ** (8 * entryBytes) - 1;
      expect(a.every((entry, i) => ((entry ^ b[i]!) & counting) === 0)).toBe(true);
    }
    const [c, d] = [node.keystream(seed), aesCtrKeystream(seed)];
    for (const length of [16, 4096, 32])
      expect(Buffer.from(c.next(length)).equals(Buffer.from(d.next(length)))).toBe(true);
    expect(node.random(32)).toHaveLength(32);
    expect(browser.random(32)).not.toEqual(browser.random(32));
  });
});

describe("createNodeClient", () => {
  it("takes part with the real encoder and files, and goes on after a restart", async () => {
    // Files take real time, so the clock is the platform's; its timers must not keep the process.
    const clock: Clock = {
      now: () => Date.now(),
      setTimer(delay, callback) {
        const timer = setTimeout(callback, delay).unref();
        return () => clearTimeout(timer);
      },
    };
    const coordinator = new TestCoordinator({ clock, plan: { rounds: 1, cohort: { selectionWindow: 100 } } });
    let released = 0;
    let everybody: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      everybody = resolve;
    });
    const open = (person: number) =>
      createNodeClient({
        url: "https://kindred.test",
        task: "films",
        directory: join(directory, String(person)),
        backend: "cpu",
        clock,
        transport: coordinator.transport,
        fetch: coordinator.fetch,
        floors: TRIAL_FLOORS,
        onEvent: ({ type }) => {
          if (type === "released" && ++released === 5) everybody();
        },
      });
    const clients = await Promise.all([0, 1, 2, 3, 4].map(open));
    for (const [person, client] of clients.entries()) {
      for (let i = 0; i < 4; i++)
        await client.record({ item: catalogue.items[(person + i) % 8]!.id, action: "like", time: 1000 * i });
      await client.start();
      await client.consent.grant();
    }
    coordinator.start();
    await done;
    expect(coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 5 });
    const { loss } = coordinator.releases[0]!;
    expect(loss).toBeGreaterThan(0.5);
    expect(loss).toBeLessThan(2 * Math.log(8));
    for (const client of clients) await client.stop();

    const again = await open(0);
    expect(again.consent.status()).toBe("granted");
    expect(again.privacy().entries).toHaveLength(1);
    await again.start();
    expect(again.status().phase).toBe("capped");
    const recommended = await again.recommend({ count: 3 });
    expect(recommended.map(({ item }) => item.id)).not.toContain("item-0");
    expect((await again.interests()).clusters).toHaveLength(2);
    await again.forget();
    expect((await (await open(0)).exportData()).interactions).toEqual([]);
  });
});

describe("the encoder runtime", () => {
  const { plan, initial } = new TestCoordinator({ clock: new VirtualClock() });
  const model = { hash: "a", weights: initial.weights };
  const other = { hash: "b", weights: initial.weights.map((weight) => weight * 1.5) };
  const sequence = { items: [1, 2, 3], actions: [0, 1, 0], times: [1, 2, 3] };
  let runtime: TensorEncoderRuntime;
  beforeAll(async () => {
    runtime = await createEncoderRuntime({ plan, catalogue, backend: await loadBackend("cpu") });
  });
  afterAll(() => runtime.dispose());

  it("serves callers with different models at the same time as if each were alone", async () => {
    const alone = [];
    for (const used of [model, other]) alone.push(await runtime.train(used, { sequence, random: () => 0.4 }));
    const vectors = [
      await runtime.userVectors(model, [sequence]),
      await runtime.userVectors(other, [sequence]),
    ];
    const together = await Promise.all([
      runtime.train(model, { sequence, random: () => 0.4 }),
      runtime.userVectors(other, [sequence]),
      runtime.train(other, { sequence, random: () => 0.4 }),
      runtime.userVectors(model, [sequence]),
    ]);
    expect(together[0]).toEqual(alone[0]);
    expect(together[2]).toEqual(alone[1]);
    expect(together[1]).toEqual(vectors[1]);
    expect(together[3]).toEqual(vectors[0]);
    expect(vectors[0]).not.toEqual(vectors[1]);
    expect(alone[0]!.delta).toHaveLength(plan.resolved.blocks[0]!.length);
  });

  it("still serves after a caller's mistake", async () => {
    await expect(
      runtime.userVectors({ hash: "c", weights: new Float32Array(3) }, [sequence]),
    ).rejects.toMatchObject({
      code: "model-invalid",
    });
    await expect(
      runtime.train(model, { sequence: { ...sequence, items: [99, 1, 2] }, random: () => 0 }),
    ).rejects.toMatchObject({
      code: "option-invalid",
    });
    const vector = await runtime.userVectors(model, [sequence]);
    expect(await runtime.scores(model, vector)).toHaveLength(8);
    expect(await runtime.interestScores(model, vector)).toEqual(await runtime.scores(model, vector));
    expect(await runtime.itemVectors(model)).toHaveLength(8 * plan.encoder.dimension);
  });

  it("refuses a plan of another model length", async () => {
    const blocks = plan.resolved.blocks.map((block, i) => (i === 0 ? { ...block, length: 7 } : block));
    const wrong = { ...plan, resolved: { ...plan.resolved, blocks } };
    const backend = await loadBackend("cpu");
    await expect(createEncoderRuntime({ plan: wrong, catalogue, backend })).rejects.toMatchObject({
      code: "plan-invalid",
      rejection: { field: "plan.resolved.blocks.0.length" },
    });
  });
});
