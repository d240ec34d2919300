/** Nothing secret or personal stands in a log, an event, an answer or the ledger, in any form, also where things fail. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { RawDevice } from "../../apps/coordinator/test/raw-device.ts";
import { talkativeLogger } from "../../apps/coordinator/test/talkative-logger.ts";
import { memoryStore } from "../../packages/client/src/index.ts";
import { encodeFrame, revealedColumns, utf8ToBytes } from "../../packages/protocol/src/index.ts";
import {
  catalogue,
  cleanUp,
  coordinatorFolder,
  downloadLedger,
  openDevice,
  planDocument,
  startWorld,
} from "./harness.ts";

afterEach(cleanUp);

/** Bytes that must be found nowhere; shorter ones would be found by chance. */
const NEEDLE_BYTES = 16;

/** How bytes may stand in a text: as they are, in hexadecimal, in base64 at any offset, or as numbers. */
function formsOf(secret: Uint8Array): string[] {
  const bytes = Buffer.from(secret);
  const encoded = [0, 1, 2].map((offset) => {
    // What depends on the neighbours is left out at both ends.
    const whole = Buffer.concat([Buffer.alloc(offset), bytes, Buffer.alloc(2)]);
    return whole
      .toString("base64")
      .slice(Math.ceil((8 * offset) / 6), Math.floor((8 * (offset + bytes.length)) / 6));
  });
  const numbers = [...bytes];
  return [
    bytes.toString("latin1"),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    ...encoded,
    ...encoded.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
    numbers.join(","),
    numbers.join(", "),
    // How JSON shows a typed array.
    numbers.map((value, i) => `"${i}":${value}`).join(","),
  ];
}

/** Remembers every draw that is long enough to be told from chance. */
class WatchedRandom {
  readonly drawn: Uint8Array[] = [];

  readonly draw = (length: number): Uint8Array => {
    const bytes = new Uint8Array(randomBytes(length));
    if (length >= NEEDLE_BYTES) this.drawn.push(bytes.slice(0, NEEDLE_BYTES));
    return bytes;
  };
}

function findIn(haystack: string, needles: ReadonlyMap<string, readonly string[]>): string[] {
  return [...needles].flatMap(([name, forms]) =>
    forms.some((form) => haystack.includes(form)) ? [name] : [],
  );
}

it("finds a secret in every form, wherever it begins", () => {
  const secret = new Uint8Array(randomBytes(NEEDLE_BYTES));
  const needles = new Map([["secret", formsOf(secret)]]);
  const lines: string[] = [];
  const logger = talkativeLogger((line) => lines.push(line));
  for (const before of [0, 1, 2, 3]) {
    const within = Buffer.concat([randomBytes(before), secret, randomBytes(5)]);
    for (const text of [
      within.toString("hex"),
      within.toString("base64"),
      within.toString("base64url"),
      within.toString("latin1"),
      JSON.stringify([...within]),
    ])
      expect([text, findIn(text, needles)]).toEqual([text, ["secret"]]);
  }
  logger.trace({ secret }, "never do this");
  expect(findIn(lines.join(""), needles)).toEqual(["secret"]);
  expect(findIn(randomBytes(100_000).toString("base64"), needles)).toEqual([]);
});

it("keeps keys, seeds, draws, items and texts out of logs, events, answers and the ledger", async () => {
  const said: string[] = [];
  const logger = talkativeLogger((line) => said.push(line));
  const directory = await coordinatorFolder();
  const keySeed = randomBytes(32).toString("hex");
  const secretly = new WatchedRandom();
  let troubled = false;
  const world = await startWorld({
    directory,
    keySeed,
    logger,
    random: secretly.draw,
    observe: (_task, output) => {
      // The effect of an output that fails is logged, and the round goes on.
      if (output.type === "accumulate" && !troubled) {
        troubled = true;
        throw new Error("an observer that fails");
      }
    },
  });
  const privacy = { mechanism: "distributed-discrete-gaussian", epsilon: 8, delta: 1e-6, modulusBits: 24 };
  const deadlines = {
    selecting: 60_000,
    training: 30_000,
    enrolling: 30_000,
    sharing: 30_000,
    masking: 30_000,
  };
  await world.coordinator.createTask({ plan: planDocument({ rounds: 3, privacy, deadlines }), catalogue });
  const floors = { maximumEpsilon: 8, minimumSurvivors: 4 };

  const drawn: WatchedRandom[] = [];
  const stores = Array.from({ length: 6 }, () => memoryStore());
  const texts = stores.map((_, i) => `my own words about it, number ${i}, ${randomBytes(6).toString("hex")}`);
  for (const [i, store] of stores.entries()) {
    const random = new WatchedRandom();
    drawn.push(random);
    world.devices.push(
      await openDevice(i, {
        url: world.url,
        store,
        floors,
        random: random.draw,
        interactions: [
          { item: `item-${10 + i}`, action: "view", time: 60_000 },
          { item: `item-${20 + i}`, action: "rate", rating: 0.5, text: texts[i]!, time: 120_000 },
        ],
      }),
    );
  }
  // Strangers that break every rule they can: what they send, and what is said of it, is logged as well.
  const stranger = await RawDevice.connect(world.url, "stranger");
  await stranger.hello("films");
  await stranger.send({ type: "check-in", ledgerSize: 7 });
  for (const chunk of stranger.chunks(encodeFrame({ type: "ready", round: 9 }))) await stranger.emit(chunk);
  await stranger.sendFrame(utf8ToBytes("no frame"));
  await stranger.send({ type: "reveal", round: 1, ...revealedColumns([]) });
  await stranger.send({ type: "leave", round: 1, code: "internal" });

  // In round 2 so many leave that it fails.
  const leaver = world.devices.slice(0, 3);
  await Promise.all(world.devices.map(({ client }) => client.start()));
  expect(await world.round(1)).toMatchObject({ status: "published" });
  await world.outputs.until(
    ({ output }) => output.type === "phase" && output.round === 2 && output.phase === "training",
  );
  for (const device of leaver) await device.client.stop();
  expect(await world.round(2)).toMatchObject({ status: "failed" });
  await world.coordinator.cancelTask("films");
  await world.finished();

  for (const { events, client } of world.devices) {
    said.push(JSON.stringify(events.entries), JSON.stringify(client.status()));
    said.push(JSON.stringify(client.privacy()), JSON.stringify(client.ledgerHeads()));
  }
  const paths = [
    "/healthz",
    "/v1/tasks",
    "/v1/tasks/films",
    "/v1/tasks/films/plan",
    "/v1/tasks/films/rounds",
    "/v1/tasks/films/rounds/1",
    "/v1/tasks/films/rounds/99",
    "/v1/ledger",
    "/v1/ledger?from=x",
    `/v1/blobs/${"0".repeat(64)}`,
    "/v1/tasks/item-7",
    "/metrics",
    "/nowhere",
  ];
  for (const path of paths) {
    const answer = await fetch(`${world.url}${path}`);
    said.push(JSON.stringify([...answer.headers]), await answer.text());
  }
  const ledger = await downloadLedger(world.url);
  for (const { body } of ledger)
    if (body.kind === "round-released") {
      const model = await fetch(`${world.url}/v1/blobs/${body.modelHash}`);
      said.push(Buffer.from(await model.arrayBuffer()).toString("latin1"));
    }
  stranger.close();
  await Promise.all(world.devices.map(({ client }) => client.stop()));
  await world.coordinator.close();

  const needles = new Map<string, readonly string[]>();
  needles.set("coordinator key", formsOf(Buffer.from(keySeed, "hex")));
  const storageKey = (await readFile(join(directory, "storage.key"), "utf8")).trim();
  needles.set("storage key", formsOf(Buffer.from(storageKey, "hex")));
  for (const [i, bytes] of secretly.drawn.entries()) needles.set(`coordinator draw ${i}`, formsOf(bytes));
  for (const [i, store] of stores.entries()) {
    const { identity, interactions } = await store.load();
    needles.set(`identity of ${i}`, formsOf(identity!));
    for (const [k, bytes] of drawn[i]!.drawn.entries()) needles.set(`draw ${k} of ${i}`, formsOf(bytes));
    needles.set(`text of ${i}`, [texts[i]!, ...formsOf(utf8ToBytes(texts[i]!))]);
    // The public catalogue has all ids, so it is not among what is searched.
    for (const { item } of interactions)
      needles.set(`item ${item}`, [item, ...formsOf(utf8ToBytes(item)).slice(1)]);
  }
  // There is something to find, and much to find it in.
  expect(needles.size).toBeGreaterThan(100);
  expect(said.length).toBeGreaterThan(40);
  const heard = said.join("\n");
  for (const mark of ["phase", "an effect failed", "round-released", "round-failed", "task-unknown"])
    expect(heard).toContain(mark);
  expect(findIn(heard, needles)).toEqual([]);
});
