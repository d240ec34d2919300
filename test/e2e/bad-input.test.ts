import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RawDevice } from "../../apps/coordinator/test/raw-device.ts";
import {
  CHUNK_BYTES,
  type ClientMessage,
  ERROR_TABLE,
  encodeFrame,
  KindredError,
  MAX_CHUNK_BYTES,
  PROTOCOL_VERSION,
  revealedColumns,
  type ServerMessage,
  sealedColumns,
  sealedShares,
} from "../../packages/protocol/src/index.ts";
import { catalogue, cleanUp, planDocument, type Say, startWorld, type World } from "./harness.ts";

/** What every refusal has: a known code, and texts that name the field, the rule and the fix. */
const refusal = (code: keyof typeof ERROR_TABLE, field?: string) => ({
  type: "rejection",
  code,
  field: field ?? expect.stringMatching(/./),
  rule: expect.stringMatching(/./),
  fix: expect.stringMatching(/./),
});

/** Chunks a second that a connection may send here. */
const CHUNKS_PER_SECOND = 30;

let world: World;
let hash: string;
const raw: RawDevice[] = [];

async function stranger(seed: string): Promise<RawDevice> {
  const device = await RawDevice.connect(world.url, seed);
  raw.push(device);
  return device;
}

beforeAll(async () => {
  world = await startWorld({ chunksPerSecond: CHUNKS_PER_SECOND });
  const { plan } = await world.coordinator.createTask({ plan: planDocument(), catalogue });
  hash = plan.resolved.catalogueHash;
});

afterAll(async () => {
  for (const device of raw) device.close();
  await cleanUp();
});

describe("documents of an operator", () => {
  const refusalOf = async (documents: { plan?: unknown; catalogue?: unknown }) => {
    const error = await world.coordinator
      .createTask({ plan: planDocument({ task: "other" }), catalogue, ...documents })
      .catch((caught: unknown) => caught);
    if (!(error instanceof KindredError)) throw error;
    return { type: "rejection", ...error.rejection };
  };
  const items = catalogue.items;

  it.each([
    ["no object", { plan: "rounds: 3" }, "plan-invalid", "plan"],
    [
      "a text for a number",
      { plan: planDocument({ task: "other", rounds: "many" }) },
      "plan-invalid",
      "plan.rounds",
    ],
    [
      "an unknown field",
      { plan: { ...planDocument({ task: "other" }), speed: 1 } },
      "plan-invalid",
      "plan.speed",
    ],
    ["a task id with a path", { plan: planDocument({ task: "../films" }) }, "plan-invalid", "plan.task"],
    [
      "a minimum above the target",
      { plan: planDocument({ task: "other", cohort: { minimum: 7 } }) },
      "plan-invalid",
      "plan.cohort.minimum",
    ],
    [
      "a cohort that dropout leaves without a threshold",
      { plan: planDocument({ task: "other", cohort: { dropout: 0.6 } }) },
      "plan-invalid",
      "plan.cohort.dropout",
    ],
    [
      "more clusters than items",
      { plan: planDocument({ task: "other", clustering: { clusters: 41 } }) },
      "plan-invalid",
      "plan.clustering.clusters",
    ],
    ["a task that exists", { plan: planDocument() }, "plan-invalid", "plan.task"],
    [
      "items with one id",
      { catalogue: { ...catalogue, items: [...items, { ...items[0], title: "Again" }] } },
      "catalogue-invalid",
      "catalogue.items.40.id",
    ],
    [
      "a catalogue without items",
      { catalogue: { ...catalogue, items: [] } },
      "catalogue-invalid",
      "catalogue.items",
    ],
  ] as const)("%s", async (_, documents, code, field) => {
    expect(await refusalOf(documents)).toEqual(refusal(code, field));
    expect(JSON.parse(await world.text("/v1/tasks")).tasks).toHaveLength(1);
  });
});

describe("what is no message", () => {
  it("text, nothing, objects in place of bytes", async () => {
    const device = await stranger("text");
    for (const chunk of ["hello", null, 7, { type: "hello" }, [1, 2, 3]])
      expect(await device.emit(chunk)).toEqual(refusal("frame-malformed", "frame"));
  });

  it("random bytes, also where nobody waits for an answer", async () => {
    const device = await stranger("garbage");
    for (const length of [0, 1, 14, 15, 1_000, MAX_CHUNK_BYTES])
      expect(await device.emit(Uint8Array.from(randomBytes(length), (byte) => byte | 0x80))).toEqual(
        refusal("frame-malformed", "chunk"),
      );
    device.shout(new Uint8Array(20));
    for (const cbor of [[0xff], [0xa1, 0x01], [0x9f, 0xff], [...randomBytes(50)]])
      expect(await device.sendFrame(Uint8Array.of(0x4b, PROTOCOL_VERSION, ...cbor))).toMatchObject({
        type: "rejection",
        code: expect.stringMatching(/^(frame-malformed|message-unknown)$/),
      });
  });

  it("a chunk or a frame beyond its limit; one far beyond costs the connection", async () => {
    const device = await stranger("large");
    const frame = new Uint8Array(CHUNK_BYTES + 100);
    const [chunk] = device.chunks(frame);
    expect(await device.emit(chunk)).toEqual(refusal("frame-too-large", "chunk.frameLength"));
    const long = new Uint8Array(MAX_CHUNK_BYTES + 1);
    long.set(chunk!);
    expect(await device.emit(long)).toEqual(refusal("frame-too-large", "chunk"));
    // What an authenticated device may send follows from the plan.
    await device.hello("films");
    const [announced] = device.chunks(new Uint8Array(2 ** 22));
    expect(await device.emit(announced)).toEqual(refusal("frame-too-large", "chunk.frameLength"));
    device.shout(new Uint8Array(2 ** 20));
    await device.disconnected();
  });

  it("chunks out of order: the frame is dropped, the next one is taken", async () => {
    const device = await stranger("order");
    const [whole] = device.chunks(encodeFrame({ type: "check-in", ledgerSize: 0 }));
    const gap = whole!.slice();
    gap[9] = 5;
    expect(await device.emit(gap)).toEqual(refusal("frame-malformed", "chunk.offset"));
    await device.hello("films");
  });

  it("another protocol version, in the chunk, the frame and the hello", async () => {
    const device = await stranger("old");
    const hello = await device.helloMessage("films");
    const [chunk] = device.chunks(encodeFrame(hello));
    chunk![1] = 0;
    const old = encodeFrame(hello);
    old[1] = 1;
    for (const answer of [
      await device.emit(chunk),
      await device.sendFrame(old),
      await device.send({ ...hello, protocol: 99 }),
    ])
      expect(answer).toMatchObject({
        ...refusal("protocol-version"),
        rule: expect.stringContaining(`must be ${PROTOCOL_VERSION},`),
      });
  });

  it("an unknown type, a missing field, a field too many, a server's message", async () => {
    const device = await stranger("schema");
    const send = (message: object) => device.send(message as ClientMessage);
    await device.hello("films");
    expect(await send({ type: "frobnicate" })).toEqual(refusal("message-unknown", "message.type"));
    expect(await send({ type: "ok" })).toEqual(refusal("message-unknown", "message.type"));
    expect(await send({ type: "ready" })).toEqual(refusal("message-invalid", "message.round"));
    expect(await send({ type: "check-in", ledgerSize: 0, now: true })).toEqual(
      refusal("message-invalid", "message.now"),
    );
    expect(await send({ type: "ready", round: 0 })).toEqual(refusal("message-invalid", "message.round"));
  });
});

describe("who a device is", () => {
  it("must be proved over this connection's challenge, for a task that exists", async () => {
    const device = await stranger("forger");
    const other = await stranger("other");
    const hello = await device.helloMessage("films");
    const { signature } = await other.helloMessage("films");
    expect(await device.send({ ...hello, signature })).toEqual(
      refusal("signature-invalid", "hello.signature"),
    );
    expect(await device.send({ ...hello, device: other.keys.publicKey, signature })).toEqual(
      refusal("signature-invalid", "hello.signature"),
    );
    expect(await device.send({ ...hello, task: "books" })).toEqual(refusal("task-unknown", "hello.task"));
    for (const message of [
      { type: "check-in", ledgerSize: 0 },
      { type: "ready", round: 1 },
    ] as const)
      expect(await device.send(message)).toEqual(refusal("not-authenticated", message.type));
    // None of it spoils the connection.
    await device.hello("films");
    expect(await device.send({ type: "leave", round: 1, code: "consent-missing" })).toEqual({ type: "ok" });
  });

  it("does not change within a connection, and has one connection at a time", async () => {
    const first = await stranger("twice");
    await first.hello("films");
    const masquerade = await stranger("masquerade");
    const hello = await masquerade.helloMessage("films");
    expect(await first.send(hello)).toEqual(refusal("signature-invalid", "hello.signature"));
    const connected = world.coordinator.connectedDevices("films");
    const second = await stranger("twice");
    await second.hello("films");
    await first.disconnected();
    expect(world.coordinator.connectedDevices("films")).toBe(connected);
    expect(await second.send({ type: "leave", round: 9, code: "consent-missing" })).toEqual({ type: "ok" });
  });

  it("a flood is refused, connection by connection", async () => {
    const device = await stranger("flood");
    await device.hello("films");
    const [chunk] = device.chunks(encodeFrame({ type: "leave", round: 9, code: "cancelled" }));
    const answers: (ServerMessage | undefined)[] = [];
    for (let i = 0; i < CHUNKS_PER_SECOND * 10 + 5; i++) answers.push(await device.emit(chunk));
    expect(answers[0]).toEqual({ type: "ok" });
    expect(answers.at(-1)).toEqual(refusal("rate-limited", "frame"));
    expect(answers.filter((answer) => answer?.type === "ok").length).toBeGreaterThanOrEqual(
      CHUNKS_PER_SECOND * 10 - 1,
    );
    const calm = await stranger("calm");
    await calm.hello("films");
  });
});

describe("requests over HTTP", () => {
  /** Sends the path exactly as it is, where `fetch` would normalise it. */
  const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      request(`${world.url}/`, { path, headers, method }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (part: string) => {
          body += part;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      })
        .on("error", reject)
        .end();
    });

  it.each([
    ["/", "not-found"],
    ["/v1/nothing", "not-found"],
    ["/v1/tasks/books", "task-unknown"],
    ["/v1/tasks/books/plan", "task-unknown"],
    ["/v1/tasks/films/rounds/99", "round-unknown"],
    ["/v1/tasks/films/rounds/1e1", "round-unknown"],
    ["/v1/ledger?from=-1", "message-invalid"],
    ["/v1/ledger?from=1&from=2", "message-invalid"],
    [`/v1/blobs/${"0".repeat(64)}`, "not-found"],
    ["/v1/blobs/../../coordinator.key", "not-found"],
    ["/v1/blobs/..%2f..%2fcoordinator.key", "not-found"],
    ["/v1/blobs/%2e%2e%2f%2e%2e%2fcoordinator.key", "not-found"],
    ["/v1/blobs/%00", "not-found"],
    ["/v1/blobs/%zz", "message-invalid"],
  ] as const)("GET %s is refused with %s", async (path, code) => {
    const { status, body } = await get(path);
    expect(status).toBe(ERROR_TABLE[code].status);
    expect({ type: "rejection", ...JSON.parse(body) }).toEqual(refusal(code));
  });

  it("a range beyond the end, and methods that would change something", async () => {
    const { status, body } = await get(`/v1/blobs/${hash}`, { Range: "bytes=99999999-" });
    expect(status).toBe(416);
    expect({ type: "rejection", ...JSON.parse(body) }).toEqual(refusal("range-invalid", "Range"));
    expect(await get(`/v1/blobs/${hash}`, { Range: "bytes=0-9" })).toMatchObject({ status: 206 });
    for (const method of ["POST", "PUT", "DELETE"])
      expect(await get("/v1/tasks", {}, method)).toMatchObject({ status: 404 });
  });

  it("bytes that are no HTTP", async () => {
    const { port } = new URL(world.url);
    const answer = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connect(Number(port), "127.0.0.1", () =>
        socket.end("\u0016\u0003\u0001 not http\r\n\r\n"),
      );
      socket.on("data", (data) => {
        text += data.toString();
      });
      socket.on("close", () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });
});

it("the round of the others is published, with a member among them that breaks every rule it can", async () => {
  const outsider = await stranger("outsider");
  await outsider.hello("films");
  const wrong: unknown[] = [];
  let culprit: number | undefined;
  let input: Extract<ClientMessage, { type: "masked-input" }> | undefined;
  const expectAnswer = async (say: Say, message: ClientMessage, wanted: object): Promise<void> => {
    const answer = await say(message);
    try {
      expect(answer).toEqual(wanted);
    } catch (error) {
      wrong.push(error);
    }
  };
  const foreign = async (round: number): Promise<void> => {
    const say: Say = (message) => outsider.send(message);
    const vector = new Uint8Array(10);
    await expectAnswer(say, { type: "ready", round }, refusal("message-unexpected", "ready"));
    await expectAnswer(
      say,
      { type: "masked-input", round, vector, signature: new Uint8Array(64) },
      expect.objectContaining({ code: expect.stringMatching(/message-unexpected|dropped-out/) }),
    );
    await expectAnswer(
      say,
      { type: "reveal", round, ...revealedColumns([]) },
      refusal("message-unexpected", "reveal"),
    );
  };
  await world.join(6, {
    tap: {
      async before(message, say, device) {
        culprit ??= message.type === "ready" ? device.index : undefined;
        if (device.index !== culprit) return;
        switch (message.type) {
          case "ready": {
            const { round } = message;
            await foreign(round);
            await expectAnswer(
              say,
              { type: "reveal", round, ...revealedColumns([]) },
              refusal("message-unexpected", "reveal"),
            );
            await expectAnswer(
              say,
              { type: "ready", round: round + 1 },
              refusal("message-unexpected", "ready"),
            );
            break;
          }
          case "advertise": {
            const { advertisement, round } = message;
            const signature = new Uint8Array(64);
            await expectAnswer(
              say,
              { ...message, advertisement: { ...advertisement, signature } },
              refusal("signature-invalid"),
            );
            await expectAnswer(
              say,
              { ...message, advertisement: { ...advertisement, device: outsider.keys.publicKey } },
              refusal("not-authenticated", "advertisement.device"),
            );
            await expectAnswer(
              say,
              { type: "masked-input", round, vector: new Uint8Array(10), signature: new Uint8Array(64) },
              refusal("message-unexpected", "masked-input"),
            );
            break;
          }
          case "shares":
            await expectAnswer(
              say,
              { ...message, ...sealedColumns(sealedShares(message).slice(1)) },
              refusal("share-invalid", "shares"),
            );
            break;
          case "masked-input": {
            input = message;
            await foreign(message.round);
            const { vector } = message;
            for (const length of [1, vector.length - 1, vector.length + 1])
              await expectAnswer(
                say,
                { ...message, vector: new Uint8Array(length).fill(1) },
                refusal("vector-invalid", "vector"),
              );
            const unsigned = { ...message, signature: new Uint8Array(64) };
            await expectAnswer(say, unsigned, refusal("signature-invalid", "masked-input.signature"));
            // Now the real one, another one, and the real one again, which the client then repeats.
            await expectAnswer(say, message, { type: "ok" });
            const other = vector.slice();
            other[0]! ^= 1;
            await expectAnswer(say, { ...message, vector: other }, refusal("vector-invalid", "vector"));
            await expectAnswer(say, message, { type: "ok" });
            break;
          }
          case "consistency":
            // After its phase the same vector is still a repetition, and another one still another.
            await expectAnswer(say, input!, { type: "ok" });
            await expectAnswer(
              say,
              { ...input!, vector: new Uint8Array(input!.vector.length) },
              refusal("vector-invalid", "vector"),
            );
            await expectAnswer(
              say,
              { ...message, signature: new Uint8Array(64) },
              refusal("signature-invalid"),
            );
            break;
          case "reveal":
            await foreign(message.round);
            await expectAnswer(
              say,
              { ...message, ...revealedColumns([]) },
              refusal("share-invalid", "reveal.shares"),
            );
            break;
        }
      },
    },
  });
  expect(await world.round(1)).toMatchObject({ status: "published", cohort: 6, survivors: 6 });
  expect(await world.round(2)).toMatchObject({ status: "published", survivors: 6 });
  expect(wrong).toEqual([]);
  expect(culprit).toBeDefined();
  expect(input).toBeDefined();
});
