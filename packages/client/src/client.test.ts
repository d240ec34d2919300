import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import "fake-indexeddb/auto";
import { ledgerHead } from "@kindred/privacy";
import { encodeModel, KindredError, modelHash } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { stubDelta } from "../test/stub-encoder.ts";
import { catalogue } from "../test/test-task.ts";
import { createWorld, itemsOf, type Person, type World } from "../test/world.ts";
import { browserStore } from "./browser-store.ts";
import { fileStore } from "./file-store.ts";
import { memoryStore } from "./store.ts";

const PEOPLE = [0, 1, 2, 3, 4];

async function finished(world: World): Promise<void> {
  await world.reach("finished", 3);
  await world.clock.until(
    () => world.people.every(({ client }) => ["finished", "capped"].includes(client.status().phase)),
    "all clients finished",
  );
}

describe("a round", () => {
  it("releases the mean of what the clients trained, and every client ends with the released model", async () => {
    const world = await createWorld({
      people: 5,
      plan: { rounds: 1, privacy: { blocks: { model: { clip: 10 } } } },
    });
    const { coordinator, people, clock } = world;
    await world.begin();
    await world.reach("finished");
    const [release] = coordinator.releases;
    const mean = PEOPLE.reduce((sum, p) => sum + stubDelta({ items: itemsOf(p) }), 0) / 5;
    const step = Array.from(release!.model.weights, (weight, i) => weight - coordinator.initial.weights[i]!);
    expect(Math.max(...step.map((value) => Math.abs(value - mean)))).toBeLessThan(1e-4);
    expect(release!.loss).toBeCloseTo(1, 3);
    expect(coordinator.records.at(-1)).toMatchObject({
      status: "published",
      cohort: 5,
      survivors: 5,
      dropped: 0,
    });
    await clock.until(
      () => people.every(({ client }) => client.status().modelHash === coordinator.state.modelHash),
      "the released model everywhere",
    );
    for (const { events, encoder } of people) {
      expect(events.map(({ type }) => type)).toContain("contributed");
      expect(encoder.trainedFrom).toHaveLength(1);
    }
  });

  it("clusters: a mean of one-hot counts moves each centroid to the direction of its people", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 1 } });
    await world.begin();
    await world.reach("finished");
    const { centroids, clusters } = world.coordinator.releases[0]!.model;
    expect(clusters).toBe(2);
    for (let c = 0; c < clusters; c++)
      expect(Math.hypot(...centroids.subarray(c * 4, (c + 1) * 4))).toBeCloseTo(1, 5);
    expect(centroids).not.toEqual(world.coordinator.initial.centroids);
  });

  it("goes on round after round, and writes each participation down", async () => {
    const world = await createWorld({ people: 5 });
    await world.begin();
    await finished(world);
    expect(world.coordinator.releases).toHaveLength(3);
    for (const { client, store } of world.people) {
      const { participations } = await store.load();
      expect(participations.map(({ round }) => round)).toEqual([1, 2, 3]);
      expect(client.privacy().spent).toEqual([
        {
          task: "films",
          epsilon: null,
          observerEpsilon: null,
          delta: 1e-6,
          participations: 3,
          remaining: expect.objectContaining({ epsilon: null }),
        },
      ]);
    }
  });

  it("clips by the clip norm of the round's model, which moves from release to release", async () => {
    const adaptive = { learningRate: 1, weight: 1 };
    const plan = { privacy: { blocks: { model: { clip: 0.001, adaptive } } } };
    const world = await createWorld({ people: 5, plan });
    await world.begin();
    await finished(world);
    const { releases, initial } = world.coordinator;
    expect(initial.clip).toBe(0.001);
    // Everybody's update is longer than the clip norm, which grows by e^(1/2) a round.
    for (const [i, { clipping, model }] of releases.entries()) {
      expect(clipping!.norm).toBeCloseTo(0.001 * Math.exp(i / 2), 5);
      expect(clipping!.fraction).toBeCloseTo(0, 2);
      expect(model.clip).toBe(clipping!.next);
    }
    expect(releases).toHaveLength(3);
  });

  it("refuses a model whose clip norm the plan does not allow", async () => {
    const plan = { rounds: 1, privacy: { blocks: { model: { clip: 1, adaptive: { maximum: 2 } } } } };
    const world = await createWorld({ people: 5, plan });
    const { coordinator } = world;
    const file = encodeModel({ ...coordinator.initial, clip: 3 });
    const hash = modelHash(file);
    coordinator.blobs.set(hash, file);
    coordinator.state = { ...coordinator.state, modelHash: hash };
    await world.begin();
    await world.clock.until(
      () => world.people.every(({ events }) => events.some(({ type }) => type === "refused")),
      "a refusal everywhere",
    );
    for (const { events } of world.people)
      expect(events).toContainEqual(
        expect.objectContaining({
          type: "refused",
          rejection: expect.objectContaining({ code: "model-invalid", field: "model.clip" }),
        }),
      );
  });

  it("is the same for a device without data: zeros, masks and all", async () => {
    const world = await createWorld({
      people: 4,
      plan: { rounds: 1, privacy: { blocks: { model: { clip: 10 } } } },
    });
    const empty = await world.add();
    await world.begin();
    await world.reach("finished");
    expect(empty.events.map(({ type }) => type)).toContain("contributed");
    expect(empty.encoder.trainedFrom).toEqual([]);
    const [release] = world.coordinator.releases;
    const mean = [0, 1, 2, 3].reduce((sum, p) => sum + stubDelta({ items: itemsOf(p) }), 0) / 5;
    expect(release!.model.weights[0]! - world.coordinator.initial.weights[0]!).toBeCloseTo(mean, 4);
    expect(release!.loss).toBeCloseTo(4 / 5, 3);
  });

  it.each([
    ["throws", () => Promise.reject(new Error("diverged on item-3"))],
    ["ends in numbers that are not finite", null],
  ])("takes part with zeros where training %s: leaving would tell for whom", async (_, train) => {
    const world = await createWorld({ people: 4, plan: { rounds: 1 } });
    const { coordinator, people } = world;
    const [victim] = people;
    const honest = victim!.encoder.train;
    victim!.encoder.train =
      train ??
      (async (...request) => {
        const { delta } = await honest(...request);
        return { delta: delta.fill(Number.NaN), loss: Number.NaN };
      });
    await world.begin();
    await world.reach("finished");
    expect(coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 4, dropped: 0 });
    const device = await victim!.device();
    const sent = coordinator.received.filter((entry) => entry.device === device);
    expect(sent.map(({ message }) => message.type)).not.toContain("leave");
    expect(victim!.events.map(({ type }) => type)).not.toContain("refused");
  });

  it("has noise and a budget when the plan says so", async () => {
    const world = await createWorld({
      people: 5,
      plan: { rounds: 2, privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 8 } },
    });
    await world.begin();
    await world.reach("finished", 2);
    const { entries, spent } = world.people[0]!.client.privacy();
    expect(entries).toHaveLength(2);
    expect(entries[0]!.epsilon!).toBeGreaterThan(0);
    expect(entries[1]!.epsilon!).toBeGreaterThan(entries[0]!.epsilon!);
    expect(spent[0]!.epsilon!).toBeLessThanOrEqual(8 * (1 + 1e-9));
  });

  it("sends nothing of what was recorded: frames and paths name no item", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 1 } });
    await world.begin();
    await world.reach("finished");
    const { received, requests } = world.coordinator;
    const sent = JSON.stringify(received, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value,
    );
    for (const { id } of catalogue.items) {
      expect(sent).not.toContain(id);
      expect(requests.join()).not.toContain(id);
    }
    const events = JSON.stringify(world.people.map(({ events }) => events));
    expect(events).not.toContain("item-");
  });
});

describe("consent", () => {
  it("pending or denied: nothing is trained or sent, yet recommendations work", async () => {
    const world = await createWorld({ people: 2 });
    const [pending, denied] = world.people;
    world.coordinator.start();
    await pending!.client.start();
    await denied!.client.consent.deny();
    await denied!.client.start();
    await world.clock.advance(100_000);
    expect(world.coordinator.received).toEqual([]);
    expect(pending!.client.status()).toMatchObject({ phase: "consent-needed", consent: "pending" });
    expect(denied!.client.status()).toMatchObject({ phase: "consent-needed", consent: "denied" });
    expect(await pending!.client.recommend({ count: 3 })).toHaveLength(3);
    expect((await denied!.store.load()).consent).toBe("denied");
  });

  it("granted later: takes part from then on", async () => {
    const world = await createWorld({ people: 5 });
    for (const { client } of world.people) await client.start();
    for (const { client } of world.people) await client.consent.grant();
    world.coordinator.start();
    await world.reach("finished", 3);
    expect(world.coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 5 });
  });

  it.each(["selecting", "training", "enrolling", "sharing", "masking", "consistency", "unmasking"])(
    "withdrawn while %s: the client leaves at once, and the others finish the round without it",
    async (phase) => {
      const world = await createWorld({ people: 5, plan: { rounds: 1 } });
      const { coordinator, people, clock } = world;
      const [leaver] = people;
      // The last message before the phase in question waits in the mailbox of a device that is slow.
      const release = holdBack(world, phase);
      await world.begin();
      if (phase !== "selecting") await world.reach(phase);
      const device = await leaver!.device();
      const before = coordinator.received.filter((entry) => entry.device === device).length;
      await leaver!.client.consent.withdraw();
      release();
      expect(leaver!.client.status()).toMatchObject({ phase: "consent-needed", consent: "denied" });
      await world.reach("finished");
      await clock.settle();
      expect(coordinator.records.at(-1)).toMatchObject({ status: "published" });
      const after = coordinator.received.filter((entry) => entry.device === device).slice(before);
      expect(after.map(({ message }) => message.type)).toEqual(phase === "selecting" ? [] : ["leave"]);
      expect(coordinator.connected(device)).toBe(false);
      // From masking on its masked input is part of the sum already.
      const survivors = coordinator.records.at(-1)!.survivors;
      expect(survivors).toBe(["masking", "consistency", "unmasking"].includes(phase) ? 5 : 4);
    },
  );

  it("withdrawn while the participation is written down: it counts as spent, and no input leaves", async () => {
    const world = await createWorld({ people: 4, plan: { rounds: 1 } });
    const store = memoryStore();
    let written: () => void = () => undefined;
    const leaver = await world.add({
      store: {
        ...store,
        async appendParticipation(entry) {
          await new Promise<void>((resolve) => {
            written = resolve;
          });
          await store.appendParticipation(entry);
        },
      },
    });
    await world.begin();
    await world.reach("masking");
    await leaver.client.consent.withdraw();
    written();
    await world.reach("finished");
    expect(world.coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 4 });
    const device = await leaver.device();
    const sent = world.coordinator.received.filter((entry) => entry.device === device);
    expect(sent.map(({ message }) => message.type)).not.toContain("masked-input");
    expect((await store.load()).participations).toHaveLength(1);
    expect(leaver.events.map(({ type }) => type)).not.toContain("contributed");
  });

  it("withdrawn with an update at hand: it is wiped before the call returns", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 1 } });
    const [leaver] = world.people;
    const release = holdBack(world, "training");
    await world.begin();
    await world.clock.until(() => leaver!.client.status().phase === "ready", "an update at hand");
    expect(leaver!.encoder.deltas[0]!.some((value) => value !== 0)).toBe(true);
    const withdrawing = leaver!.client.consent.withdraw();
    expect(leaver!.encoder.deltas[0]!.every((value) => value === 0)).toBe(true);
    await withdrawing;
    release();
    await world.reach("finished");
    for (const { encoder } of world.people)
      for (const delta of encoder.deltas) expect(delta.every((value) => value === 0)).toBe(true);
  });

  it("withdrawn during training: what training still returns is discarded", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 1 } });
    const [leaver] = world.people;
    let open: () => void = () => undefined;
    leaver!.encoder.gate = new Promise((resolve) => {
      open = resolve;
    });
    await world.begin();
    await world.reach("training");
    await world.clock.until(() => leaver!.encoder.trainedFrom.length === 1, "training began");
    await leaver!.client.consent.withdraw();
    open();
    await world.reach("finished");
    expect(leaver!.events.map(({ type }) => type)).not.toContain("contributed");
    expect((await leaver!.store.load()).participations).toEqual([]);
    expect(world.coordinator.records.at(-1)).toMatchObject({ survivors: 4 });
  });
});

/** Keeps the round in `phase` until released, by leaving the third person's part in it undone. */
function holdBack(world: World, phase: string): () => void {
  const { coordinator, people } = world;
  const slow = people[2]!;
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  if (phase === "training") {
    slow.encoder.gate = gate;
    return open;
  }
  const message = {
    enrolling: "advertise",
    sharing: "shares",
    masking: "masked-input",
    consistency: "consistency",
    unmasking: "reveal",
  }[phase];
  if (message === undefined) return open;
  coordinator.delay = async (entry) => {
    if (entry.message.type === message && entry.device === (await slow.device())) await gate;
  };
  return open;
}

describe("connection", () => {
  it.each(["selecting", "training", "enrolling", "sharing", "masking", "consistency", "unmasking"])(
    "lost while %s: every client comes back and the round loses nobody",
    async (phase) => {
      const world = await createWorld({ people: 5, plan: { rounds: 1 } });
      const { coordinator } = world;
      const release = holdBack(world, phase);
      await world.begin();
      if (phase !== "selecting") await world.reach(phase);
      coordinator.cut();
      release();
      await world.reach("finished");
      expect(coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 5, dropped: 0 });
    },
  );

  it("lost for longer than the round: the device notices that it is over and joins the next", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 2 } });
    const { coordinator, people, clock } = world;
    const away = people[0]!;
    const release = holdBack(world, "masking");
    await world.begin();
    await world.reach("masking");
    const device = await away.device();
    coordinator.unreachable.add(device);
    coordinator.cut(device);
    release();
    await clock.until(() => coordinator.records.some(({ status }) => status === "published"), "round 1");
    coordinator.unreachable.delete(device);
    await world.reach("finished", 2);
    expect(coordinator.records.at(-1)).toMatchObject({ round: 2, status: "published", survivors: 5 });
    expect((await away.store.load()).participations.map(({ round }) => round)).toContain(2);
  });

  it("repeats its masked input byte for byte", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 1 } });
    const { coordinator, people } = world;
    const release = holdBack(world, "masking");
    await world.begin();
    await world.reach("masking");
    await world.clock.settle();
    const device = await people[0]!.device();
    coordinator.cut(device);
    await world.clock.until(
      () =>
        coordinator.received.filter((e) => e.device === device && e.message.type === "masked-input")
          .length === 2,
      "a repeated input",
    );
    const [first, second] = coordinator.received.flatMap(({ device: from, message }) =>
      from === device && message.type === "masked-input" ? [message.vector] : [],
    );
    expect(second).toEqual(first);
    release();
    await world.reach("finished");
    expect((await people[0]!.store.load()).participations).toHaveLength(1);
  });

  it("starts from what it kept where the coordinator cannot be reached", async () => {
    const world = await createWorld({ people: 1 });
    const { coordinator, clock } = world;
    const [person] = world.people;
    await person!.client.start();
    await person!.client.stop();
    coordinator.offline = true;
    const again = await world.add({ store: person!.store });
    const starting = again.client.start();
    await clock.advance(60_000);
    await starting;
    expect(await again.client.recommend({ count: 2 })).toHaveLength(2);
    const fresh = await world.add({ store: memoryStore() });
    const failing = expect(fresh.client.start()).rejects.toMatchObject({ code: "internal" });
    await clock.advance(60_000);
    await failing;
    expect(fresh.client.status()).toMatchObject({ phase: "stopped", reason: { code: "internal" } });
  });

  it("stops for good when the coordinator speaks another version", async () => {
    const world = await createWorld({ people: 1 });
    const { coordinator, clock } = world;
    const [person] = world.people;
    const rejection = {
      code: "protocol-version",
      field: "protocol",
      rule: "must be 2",
      fix: "update",
    } as const;
    coordinator.refuse = () => rejection;
    await person!.client.consent.grant();
    await person!.client.start();
    await clock.advance(600_000);
    expect(person!.client.status()).toMatchObject({ phase: "stopped", reason: rejection });
    expect(coordinator.received).toHaveLength(1);
    expect(person!.events.at(-1)).toMatchObject({ type: "phase", phase: "stopped" });
    // Once the coordinator speaks our version again, starting anew helps.
    coordinator.refuse = () => undefined;
    await person!.client.start();
    await clock.settle();
    expect(person!.client.status().phase).toBe("waiting");
  });

  it("backs off exponentially while nobody answers", async () => {
    const world = await createWorld({ people: 1 });
    await world.people[0]!.client.start();
    world.coordinator.offline = true;
    let attempts = 0;
    const counted = await world.add({
      transport: async () => {
        attempts++;
        throw new Error("offline");
      },
      source: {
        material: async () =>
          Promise.reject(new KindredError({ code: "internal", field: "", rule: "", fix: "" })),
        progress: async () =>
          Promise.reject(new KindredError({ code: "internal", field: "", rule: "", fix: "" })),
        model: async () =>
          Promise.reject(new KindredError({ code: "internal", field: "", rule: "", fix: "" })),
      },
      store: world.people[0]!.store,
    });
    await counted.client.consent.grant();
    const starting = counted.client.start();
    await world.clock.advance(30_000);
    await starting;
    const soon = attempts;
    await world.clock.advance(600_000);
    // Pauses double from 0.5 s to 60 s, each shortened by at most half: 10 to 21 more attempts in ten minutes.
    expect(soon).toBeGreaterThan(3);
    expect(attempts - soon).toBeGreaterThanOrEqual(9);
    expect(attempts - soon).toBeLessThanOrEqual(25);
    await counted.client.stop();
    const stopped = attempts;
    await world.clock.advance(600_000);
    expect(attempts).toBe(stopped);
  });
});

describe("stopping and starting", () => {
  it("again, in the same moment: one participation is left, and takes part", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 1 } });
    const [person] = world.people;
    for (const { client } of world.people) {
      await client.consent.grant();
      await client.start();
    }
    await world.clock.settle();
    const stopping = person!.client.stop();
    const starting = person!.client.start();
    await Promise.all([stopping, starting]);
    await world.clock.settle();
    expect(person!.client.status().phase).toBe("waiting");
    world.coordinator.start();
    await world.reach("finished");
    expect(world.coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 5 });
  });

  it("makes one encoder for a plan, however often the client starts or forgets", async () => {
    const world = await createWorld({ people: 1 });
    const { encoder } = world.people[0]!;
    let made = 0;
    const { client } = await world.add({
      encoder: async () => {
        if (++made === 1) throw new Error("out of memory");
        return encoder;
      },
    });
    await expect(client.start()).rejects.toThrow("out of memory");
    await client.start();
    await client.stop();
    await client.start();
    await client.forget();
    await client.start();
    expect(made).toBe(2);
  });

  it("an app's listener that throws does not come between the steps of a round", async () => {
    const world = await createWorld({ people: 4, plan: { rounds: 1 } });
    const thrown: unknown[] = [];
    const original = globalThis.queueMicrotask;
    globalThis.queueMicrotask = (callback) =>
      original(() => {
        try {
          callback();
        } catch (error) {
          thrown.push(error);
        }
      });
    try {
      await world.add({
        onEvent: () => {
          throw new Error("the app's own");
        },
      });
      await world.begin();
      await world.reach("finished");
    } finally {
      globalThis.queueMicrotask = original;
    }
    expect(world.coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 5 });
    expect(thrown.length).toBeGreaterThan(3);
  });
});

describe("traffic", () => {
  it("counts frames both ways, and files in full", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 1 } });
    await world.begin();
    await world.reach("finished");
    await world.clock.settle();
    const { coordinator, people } = world;
    const vector = (coordinator.plan.resolved.mechanism.paddedLength * 24) / 8;
    const files = [...coordinator.blobs.values()].reduce((sum, file) => sum + file.length, 0);
    for (const { client } of people) {
      const { sent, received } = client.traffic();
      expect(sent).toBeGreaterThan(vector);
      expect(sent).toBeLessThan(vector + 4_000);
      expect(received).toBeGreaterThan(files);
    }
  });
});

describe("refusals", () => {
  it.each([
    [{ maximumEpsilon: 10, minimumSurvivors: 3 }, "plan.privacy.epsilon"],
    [{ maximumEpsilon: Number.POSITIVE_INFINITY }, "plan.cohort.minSurvivors"],
  ])("a plan under the floors %j is not taken part in", async (floors, field) => {
    const world = await createWorld({ people: 0 });
    const { client } = await world.add({ floors });
    await client.consent.grant();
    await expect(client.start()).rejects.toMatchObject({ code: "privacy-floor", rejection: { field } });
    expect(client.status()).toMatchObject({ phase: "stopped", reason: { code: "privacy-floor" } });
    expect(world.coordinator.received).toEqual([]);
  });

  it("a plan that is not signed by its coordinator", async () => {
    const world = await createWorld({ people: 1 });
    world.coordinator.tamper = (path, body) =>
      path.endsWith("/plan")
        ? Buffer.from(Buffer.from(body).toString().replace('"title":""', '"title":"Other films"'))
        : body;
    await expect(world.people[0]!.client.start()).rejects.toMatchObject({ code: "signature-invalid" });
  });

  it("a catalogue that is not the plan's", async () => {
    const world = await createWorld({ people: 1 });
    const { catalogueHash } = world.coordinator.plan.resolved;
    world.coordinator.tamper = (path, body) =>
      path.endsWith(catalogueHash)
        ? Buffer.from(Buffer.from(body).toString().replace("Item number 3", "Item number 33"))
        : body;
    await expect(world.people[0]!.client.start()).rejects.toMatchObject({ code: "catalogue-invalid" });
  });

  it("a model that is not the announced one", async () => {
    const world = await createWorld({ people: 1 });
    const { coordinator, people } = world;
    const path = `/v1/blobs/${coordinator.state.modelHash}`;
    coordinator.tamper = (requested, body) => {
      if (requested === path) body = body.map((byte, i) => (i === body.length - 1 ? byte ^ 1 : byte));
      return body;
    };
    await expect(people[0]!.client.start()).rejects.toMatchObject({
      code: "model-invalid",
      rejection: { field: "model" },
    });
  });

  it("another model than announced in a round: the device leaves that round, says why, and joins the next", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 2 } });
    const { coordinator, people, clock } = world;
    const [victim] = people;
    const release = holdBack(world, "consistency");
    await world.begin();
    await world.reach("consistency");
    // The second round's model reaches this person altered, once.
    const announced = new Set(coordinator.blobs.keys());
    let altered = 0;
    const honest = coordinator.fetch;
    const { fetch } = victim!;
    fetch.handler = async (input) => {
      const response = await honest(input);
      const hash = String(input).split("/").at(-1)!;
      if (!/^[0-9a-f]{64}$/.test(hash) || announced.has(hash) || altered++ > 2) return response;
      const body = new Uint8Array(await response.arrayBuffer());
      body[body.length - 1]! ^= 1;
      return new Response(body);
    };
    release();
    await world.reach("finished", 2);
    await clock.settle();
    expect(victim!.events).toContainEqual(
      expect.objectContaining({
        type: "refused",
        round: 2,
        rejection: expect.objectContaining({ code: "model-invalid" }),
      }),
    );
    expect(coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 4 });
  });

  it("another plan than the verified one", async () => {
    const world = await createWorld({ people: 1 });
    world.coordinator.config = { ...world.coordinator.config, planDigest: "ab".repeat(32) };
    await world.begin();
    await world.clock.settle();
    expect(world.people[0]!.client.status()).toMatchObject({
      phase: "stopped",
      reason: { code: "plan-invalid", field: "welcome.planDigest" },
    });
  });

  it("more participations than the plan allows: the device rests, and still gets the newest model", async () => {
    const world = await createWorld({ people: 6, plan: { rounds: 3, participation: { maximum: 1 } } });
    const { coordinator, people, clock } = world;
    await world.begin();
    await clock.until(
      () => people.some(({ client }) => client.status().phase === "capped"),
      "a capped device",
    );
    await world.reach("finished", 3);
    for (const { store } of people) expect((await store.load()).participations.length).toBeLessThanOrEqual(1);
    await clock.advance(600_000);
    for (const { client } of people)
      expect(client.status()).toMatchObject({ phase: "finished", modelHash: coordinator.state.modelHash });
  });

  it("an input that was lost on its way counts too: the device is not selected again", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 2, participation: { maximum: 1 } } });
    const { coordinator, people, clock } = world;
    const [unlucky] = people;
    const rejection = {
      code: "dropped-out",
      field: "input",
      rule: "came too late",
      fix: "next round",
    } as const;
    let device = "";
    coordinator.refuse = (message, from) =>
      message.type === "masked-input" && from === device ? rejection : undefined;
    const release = holdBack(world, "training");
    await world.begin();
    await world.reach("training");
    device = await unlucky!.device();
    release();
    await clock.until(() => coordinator.state.round === 2, "round 2");
    await clock.settle();
    expect(unlucky!.events).toContainEqual(
      expect.objectContaining({
        type: "round-failed",
        round: 1,
        rejection: expect.objectContaining({ code: "dropped-out" }),
      }),
    );
    expect(unlucky!.client.status().phase).toBe("capped");
    expect(coordinator.connected(device)).toBe(false);
    const checkIns = coordinator.received.filter((e) => e.device === device && e.message.type === "check-in");
    expect(checkIns).toHaveLength(1);
  });

  it("a ledger from an earlier run counts", async () => {
    const world = await createWorld({ people: 0, plan: { rounds: 3, participation: { maximum: 1 } } });
    const store = memoryStore();
    await store.appendParticipation({
      task: "films",
      planDigest: world.coordinator.config.planDigest,
      round: 1,
      time: 1,
      epsilon: null,
      delta: 1e-6,
    });
    const { client } = await world.add({ store });
    await client.consent.grant();
    await client.start();
    await world.clock.settle();
    expect(client.status().phase).toBe("capped");
    expect(world.coordinator.received).toEqual([]);
    await client.stop();
  });

  it("a ledger with a participation under another plan of the task: the device rests", async () => {
    const world = await createWorld({ people: 0, plan: { rounds: 3 } });
    const store = memoryStore();
    const planDigest = "ab".repeat(32);
    const entry = { task: "films", planDigest, round: 1, time: 1, epsilon: null, delta: 1e-6 };
    await store.appendParticipation(entry);
    const { client } = await world.add({ store });
    await client.consent.grant();
    await client.start();
    await world.clock.settle();
    expect(client.status().phase).toBe("capped");
    expect(world.coordinator.received).toEqual([]);
    await client.stop();
  });

  it("a ledger that cannot be written: the device leaves before anything masked is sent", async () => {
    const world = await createWorld({ people: 4, plan: { rounds: 1 } });
    const store = memoryStore();
    const { client, events } = await world.add({
      store: { ...store, appendParticipation: () => Promise.reject(new Error("disk full of item-3")) },
    });
    await world.begin();
    await world.reach("finished");
    expect(world.coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 4 });
    const failed = events.find((event) => event.type === "round-failed");
    expect(failed).toMatchObject({ rejection: { code: "internal" } });
    expect(JSON.stringify(failed)).not.toContain("disk");
    expect(client.privacy().entries).toHaveLength(1); // counted, though it was not sent: never spend twice
  });
});

describe("the tree heads of the ledger", () => {
  it("are remembered round after round and across restarts, and are what any two devices compare", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 2 } });
    await world.begin();
    await world.reach("finished", 2);
    const { ledger } = world.coordinator;
    const heads = world.people.map(({ client }) => client.ledgerHeads());
    // The newest that each was shown: of the ledger as it was when round 2 selected its cohort.
    const started = ledger.findIndex(({ body }) => body.kind === "round-started" && body.round === 2);
    const { size, root } = ledgerHead(ledger.slice(0, started + 1));
    for (const own of heads) expect(own).toEqual([expect.objectContaining({ size, root })]);
    const [{ client, store }] = world.people as [Person];
    await client.stop();
    const again = await world.add({ store });
    expect(again.client.ledgerHeads()).toEqual(heads[0]);
  });

  it("of another history than before are refused, and the device keeps what it knows", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 3 } });
    const { coordinator, people } = world;
    const [victim] = people;
    let known: unknown;
    const honest = coordinator.push.bind(coordinator);
    coordinator.push = (to, message) => {
      if (message.type === "selected" && message.round === 2) {
        known ??= victim!.client.ledgerHeads();
        // What stands in round 1's place is another entry, signed as well as the true one.
        const fork = coordinator.otherTree();
        const first = { ...coordinator.ledger[0]!, time: "2020-01-01T00:00:00.000Z" };
        for (const entry of [first, ...coordinator.ledger.slice(1)]) fork.append(entry);
        const { task } = coordinator.plan;
        const remembered = victim!.client.ledgerHeads()[0]!.size;
        honest(to, { ...message, ledger: fork.evidence({ task, round: 2, remembered }) });
      } else honest(to, message);
    };
    await world.begin();
    await world.clock.until(() => victim!.events.some(({ type }) => type === "refused"), "a refusal");
    expect(victim!.events.find(({ type }) => type === "refused")).toMatchObject({
      round: 2,
      rejection: { code: "ledger-invalid", field: "selected.ledger.consistency" },
    });
    expect(victim!.client.ledgerHeads()).toEqual(known);
    expect((await victim!.store.load()).participations.map(({ round }) => round)).toEqual([1]);
  });

  it("that cannot be stored: the device stays out of the round", async () => {
    const world = await createWorld({ people: 4, plan: { rounds: 1 } });
    const victim = await world.add({
      store: { ...memoryStore(), saveLedgerHead: () => Promise.reject(new Error("the disk is full")) },
    });
    await world.begin();
    await world.reach("finished");
    expect(victim.events.map(({ type }) => type)).toContain("refused");
    expect(victim.encoder.trainedFrom).toEqual([]);
    expect(world.coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 4 });
  });
});

describe("the person's own data", () => {
  it("exports everything that is kept", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 1 } });
    await world.begin();
    await world.reach("finished");
    await world.clock.settle();
    const [person] = world.people;
    const exported = await person!.client.exportData();
    const stored = await person!.store.load();
    expect(exported).toEqual({
      schema: "kindred.export/1",
      exportedAt: world.clock.now(),
      task: "films",
      consent: "granted",
      device: await person!.device(),
      interactions: stored.interactions,
      participations: stored.participations,
      outcomes: stored.outcomes,
      ledgerHeads: stored.ledgerHeads.map((head) => ({ schema: "kindred.ledger-head/1", ...head })),
      model: world.coordinator.state.modelHash,
      personal: null,
    });
    expect(exported.interactions).toHaveLength(3);
    expect(exported.participations).toHaveLength(1);
    expect(exported.ledgerHeads).toHaveLength(1);
    expect(JSON.parse(JSON.stringify(exported))).toEqual(exported);
  });

  it("is gone from the disk when it is forgotten: no file, no database and no key is left", async () => {
    const world = await createWorld({ people: 0 });
    const parent = await mkdtemp(join(tmpdir(), "kindred-forget-"));
    const directory = join(parent, "person");
    try {
      for (const store of [fileStore(directory), browserStore("forgotten")]) {
        const { client } = await world.add({ store });
        await client.record({ item: "item-3", action: "like" });
        await client.consent.grant();
        await client.start();
        if ((await indexedDB.databases()).length === 0)
          expect((await readdir(directory)).length).toBeGreaterThan(5);
        await client.forget();
      }
      expect(await readdir(directory)).toEqual([]);
      expect((await indexedDB.databases()).map(({ name }) => name)).not.toContain("forgotten");
    } finally {
      await rm(parent, { recursive: true, force: true });
    }
  });

  it("keeps nothing that was still loading when it was forgotten", async () => {
    const world = await createWorld({ people: 0 });
    const kept = memoryStore();
    let goOn: (() => void) | undefined;
    const store = {
      ...kept,
      writeCached: async (...[name, file]: Parameters<typeof kept.writeCached>) => {
        await kept.writeCached(name, file);
        if (name !== "plan") return;
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
      },
    };
    const { client } = await world.add({ store });
    const starting = client.start();
    await world.clock.until(() => goOn !== undefined, "the plan");
    await client.forget();
    goOn!();
    await starting;
    for (const name of ["plan", "catalogue", "model"] as const)
      expect(await kept.readCached(name)).toBeUndefined();
  });

  it("forgets all of it, also in the middle of a round, and is as new afterwards", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 1 } });
    const [person] = world.people;
    const release = holdBack(world, "masking");
    await world.begin();
    await world.reach("masking");
    const device = await person!.device();
    await person!.client.forget();
    release();
    await world.reach("finished");
    await world.clock.settle();
    expect(await person!.store.load()).toEqual({
      identity: undefined,
      consent: "pending",
      interactions: [],
      participations: [],
      outcomes: [],
      ledgerHeads: [],
    });
    for (const name of ["plan", "catalogue", "model"] as const)
      expect(await person!.store.readCached(name)).toBeUndefined();
    expect(person!.client.status()).toMatchObject({
      phase: "idle",
      consent: "pending",
      modelHash: undefined,
    });
    expect(person!.client.privacy()).toEqual({ entries: [], rounds: [], spent: [] });
    await expect(person!.client.recommend({ count: 1 })).rejects.toMatchObject({ code: "option-invalid" });
    await person!.client.record({ item: "item-1", action: "view" });
    await person!.client.consent.grant();
    await person!.client.start();
    await world.clock.settle();
    expect(await person!.device()).not.toBe(device);
  });

  it("records once, refuses what is not in the catalogue, and repeats no value in errors", async () => {
    const world = await createWorld({ people: 1 });
    const { client, store } = world.people[0]!;
    await client.start();
    const before = (await store.load()).interactions.length;
    await Promise.all([
      client.record({ item: "item-5", action: "like", time: 5 }),
      client.record({ item: "item-5", action: "like", time: 5 }),
    ]);
    expect((await store.load()).interactions).toHaveLength(before + 1);
    const refused = client.record({ item: "my-secret-film", action: "view" });
    await expect(refused).rejects.toMatchObject({
      code: "option-invalid",
      rejection: { field: "interaction.item" },
    });
    await expect(refused).rejects.not.toThrow(/secret/);
  });

  it("an interaction that could not be written can be recorded again", async () => {
    const world = await createWorld({ people: 0 });
    const store = memoryStore();
    let broken = true;
    const { client } = await world.add({
      store: {
        ...store,
        appendInteraction: (interaction) =>
          broken ? Promise.reject(new Error("disk full")) : store.appendInteraction(interaction),
      },
    });
    await expect(client.record({ item: "item-1", action: "view", time: 1 })).rejects.toThrow("disk full");
    broken = false;
    await client.record({ item: "item-1", action: "view", time: 1 });
    expect((await store.load()).interactions).toHaveLength(1);
  });
});

describe("interests and recommendations", () => {
  it("rank unseen items by the encoder, with the recorded items they are near to", async () => {
    const world = await createWorld({ people: 1 });
    const [person] = world.people;
    await person!.client.start();
    // Recorded: items 0, 1, 2, on axes 0, 1, 2; so 4, 5, 6 score alike, but for their small penalties.
    const recommended = await person!.client.recommend({ count: 4 });
    expect(recommended.map(({ item }) => item.id)).toEqual(["item-4", "item-5", "item-6", "item-3"]);
    expect(recommended[0]).toMatchObject({
      basis: "content",
      because: [{ item: { id: "item-0" }, similarity: 1 }],
    });
    expect(recommended[3]!.because).toEqual([]);
    const all = await person!.client.recommend({ count: 8, exclude: "nothing" });
    expect(all.map(({ item }) => item.id)).toContain("item-0");
    await expect(person!.client.recommend({ count: 0 })).rejects.toMatchObject({ code: "option-invalid" });
  });

  it("are layers of public clusters with soft memberships, and what is not shown yet", async () => {
    const world = await createWorld({ people: 0 });
    const { client, encoder } = await world.add();
    await client.start();
    const none = new Float32Array(4);
    expect(await client.interests()).toEqual({
      shortTerm: none,
      longTerm: none,
      clusters: [],
      layers: [],
      latent: [],
    });
    await client.record({ item: "item-0", action: "view", time: 1 });
    await client.record({ item: "item-4", action: "view", time: 2 });
    const { shortTerm, longTerm, clusters, layers, latent } = await client.interests();
    expect(Array.from(shortTerm)).toEqual([1, 0, 0, 0]);
    expect(longTerm).toEqual(shortTerm);
    expect(layers).toHaveLength(2);
    expect(layers[0]).toMatchObject([{ id: 7, tags: ["all"], parent: null }]);
    expect(layers[0]![0]!.membership).toBeCloseTo(1, 12);
    expect(clusters).toBe(layers[1]);
    expect(clusters).toMatchObject([
      { id: 3, tags: ["axis 0"], similarity: 1, parent: 7, outlier: false },
      { id: 5, tags: ["axis 1"], similarity: 0, parent: 7, outlier: false },
    ]);
    expect(clusters.reduce((sum, { membership }) => sum + membership, 0)).toBeCloseTo(1, 12);
    expect(latent).toEqual([]);
    encoder.scores = async () => Float32Array.from({ length: 8 }, (_, item) => (item % 4 === 1 ? 9 : 0));
    expect((await client.interests()).latent).toMatchObject([{ id: 5, tags: ["axis 1"], usual: 0.5 }]);
  });

  it("change from the short term to the long by the half-life", async () => {
    const world = await createWorld({ people: 0 });
    const { client } = await world.add();
    await client.start();
    const day = 86_400_000;
    for (let i = 0; i < 10; i++)
      await client.record({
        item: i < 5 ? "item-0" : "item-1",
        action: "view",
        time: i < 5 ? i : 100 * day + i,
      });
    const share = async (halfLife: number) =>
      (await client.interests({ halfLife })).clusters.find(({ id }) => id === 3)!.longTerm;
    expect(await share(day)).toBeLessThan(0.51);
    expect(await share(1000 * day)).toBeGreaterThan(0.7);
    for (const halfLife of [0, -1, Number.NaN])
      await expect(client.interests({ halfLife })).rejects.toMatchObject({
        code: "option-invalid",
        rejection: { field: "halfLife" },
      });
  });

  it("evolve, and have nothing to show before there is a record", async () => {
    const world = await createWorld({ people: 0 });
    const { client } = await world.add();
    await expect(client.evolution()).rejects.toMatchObject({ code: "option-invalid" });
    await client.start();
    expect(await client.evolution()).toEqual({ timeline: [], drift: 0, changes: [], next: [] });
    for (let i = 0; i < 34; i++)
      await client.record({ item: i < 18 ? "item-0" : "item-1", action: "view", time: i });
    const { timeline, changes, next } = await client.evolution();
    expect(timeline.map(({ interactions }) => interactions)).toEqual([5, 10, 15, 20, 25, 30, 34]);
    expect(changes).toMatchObject([{ time: 18, interaction: 18, before: [{ id: 3 }], after: [{ id: 5 }] }]);
    expect(next).toHaveLength(2);
  });

  it("are told in words", async () => {
    const world = await createWorld({ people: 0 });
    const { client } = await world.add();
    await client.start();
    await client.record({ item: "item-0", action: "view", time: 1 });
    expect(await client.portrait()).toMatchObject({
      language: "en",
      interests: [{ tags: ["all"], trend: "steady" }],
      changedAt: null,
      text: expect.stringContaining("Most of what you like is all."),
    });
    expect((await client.portrait({ language: "zh" })).text).toContain("你主要喜欢all");
    expect((await client.portrait({ writer: async ({ main }) => main.join() })).text).toBe("all");
    await expect(client.portrait({ language: "tlh" as "en" })).rejects.toMatchObject({
      rejection: { field: "language" },
    });
  });

  it("are named by the catalogue's own tags, or the model is refused", async () => {
    const world = await createWorld({ people: 0 });
    const { coordinator } = world;
    const { initial } = coordinator;
    const [basic, fine] = initial.clustering.layers;
    const named = { ...fine!, names: [["axis 0"], ["ask your doctor"]] };
    coordinator.publish({ ...initial, clustering: { ...initial.clustering, layers: [basic!, named] } });
    const { client } = await world.add();
    await expect(client.start()).rejects.toMatchObject({
      code: "model-invalid",
      rejection: { field: "model.clustering.layers" },
    });
  });

  it("for a person without a record: the centres of the clusters in turn, and says so", async () => {
    const world = await createWorld({ people: 0 });
    const { client } = await world.add();
    await client.start();
    const recommended = await client.recommend({ count: 4 });
    expect(recommended.map(({ item }) => item.id)).toEqual(["item-0", "item-1", "item-4", "item-5"]);
    expect(recommended.every(({ basis, because }) => basis === "clusters" && because.length === 0)).toBe(
      true,
    );
  });
});
