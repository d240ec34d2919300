/** An operator goes back to an earlier model, over HTTP, of a coordinator that was stopped and started in between. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LedgerEntry, verifyLedgerChain } from "@kindred/privacy";
import { hexToBytes, sha256Hex } from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Coordinator } from "../src/coordinator.ts";
import { appendToLedger } from "../src/runtime/commit.ts";
import { type OperatorIdentity, operatorToken, tokenHash } from "../src/runtime/operators.ts";
import { CoordinatorKey } from "../src/store/coordinator-key.ts";
import { openDatabase } from "../src/store/database.ts";
import {
  hasPostgresql,
  initialiseFolder,
  POSTGRESQL,
  postgresqlSchema,
} from "../src/store/test-databases.ts";
import { RawDevice } from "./raw-device.ts";
import { smallCatalogue, smallPlan } from "./small-task.ts";

const keySeed = "5".repeat(64);
const ada = operatorToken(new Uint8Array(32).fill(1));
const vera = operatorToken(new Uint8Array(32).fill(2));
const operators: OperatorIdentity[] = [
  { name: "ada", role: "operator", tokenHash: tokenHash(ada) },
  { name: "vera", role: "viewer", tokenHash: tokenHash(vera) },
];
const released = sha256Hex("the model of round 1");
let directory: string;
/** Of PostgreSQL; without it the database is PGlite in the folder. */
let databaseUrl: string | undefined;
let coordinator: Coordinator;
let initial: string;

const ownDatabase = () =>
  openDatabase(databaseUrl === undefined ? { directory: join(directory, "database") } : { url: databaseUrl });

const start = async (who: readonly OperatorIdentity[] = operators) => {
  coordinator = await Coordinator.start({
    directory,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    port: 0,
    keySeed,
    operators: who,
  });
};
const plan = smallPlan("films", { rounds: 9 });

/** Puts a finished round into the store, as `commitTransitions` would have. */
async function releaseRoundOne(): Promise<void> {
  const database = await ownDatabase();
  const signing = { key: new CoordinatorKey(hexToBytes(keySeed)), now: Date.now() };
  const none = { coordinator: null, observer: null };
  await database.tx("release", async (stores) => {
    const { task } = plan;
    const spent = { before: { coordinator: 0, observer: 0 }, after: none };
    const noise = { localDeviation: 0, honest: 1, scale: 1 };
    await appendToLedger(
      stores,
      {
        kind: "round-released",
        task,
        round: 1,
        cohort: 4,
        survivors: 4,
        noise,
        spent,
        modelHash: released,
        parentModelHash: initial,
      },
      signing,
    );
    await stores.models.record({ task, round: 1, hash: released, parent: initial, createdAt: signing.now });
    await stores.models.saveOptimiser({ task, round: 1, blobHash: sha256Hex("moments") });
    const counts = { cohort: 4, survivors: 4, dropped: 0, loss: null, statistics: {}, reason: null };
    const epsilon = { epsilonCoordinator: null, epsilonObserver: null };
    const times = { startedAt: signing.now, endedAt: signing.now };
    await stores.rounds.upsert({ task, number: 1, status: "published", ...counts, ...epsilon, ...times });
    await stores.journal.prune(task, 2);
  });
  await database.close();
}

async function models(): Promise<{ round: number; hash: string; current: boolean }[]> {
  const answer = await fetch(`${coordinator.url}/v1/tasks/films/models`);
  return ((await answer.json()) as { models: { round: number; hash: string; current: boolean }[] }).models;
}

async function ledger(): Promise<LedgerEntry[]> {
  const text = await (await fetch(`${coordinator.url}/v1/ledger`)).text();
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as LedgerEntry);
}

async function ask(
  body: unknown,
  { token = ada, task = "films" } = {},
): Promise<{ status: number; said: object }> {
  const answer = await fetch(`${coordinator.url}/v1/tasks/${task}/rollback`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      ...(token === "" ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: answer.status, said: (await answer.json()) as object };
}

const current = async () => (await models()).find((model) => model.current)!.hash;
const wish = (to: string | number, from: string) => ({ to, from, reason: "worse than before" });

const DATABASES = [
  ["PGlite", true],
  [POSTGRESQL, hasPostgresql],
] as const;

describe.each(DATABASES)("going back to an earlier model, on %s", (kind, isThere) => {
  if (!isThere) {
    it.skip("needs a database", () => undefined);
    return;
  }
  const schema = kind === "PGlite" ? undefined : postgresqlSchema();
  beforeAll(async () => {
    databaseUrl = schema?.url;
    directory = await mkdtemp(join(tmpdir(), "kindred-rollback-"));
    if (schema === undefined) await initialiseFolder(join(directory, "database"));
    await start();
    await coordinator.createTask({ plan, catalogue: smallCatalogue });
    initial = (await models())[0]!.hash;
    await coordinator.close();
    await releaseRoundOne();
    await start();
  });
  afterAll(async () => {
    await coordinator.close();
    await rm(directory, { recursive: true });
    await schema?.drop();
  });

  it.each([
    [
      "without a token",
      () => ask(wish(0, released), { token: "" }),
      401,
      "not-authenticated",
      "Authorization",
    ],
    [
      "with a token of nobody",
      () => ask(wish(0, released), { token: `${ada}0` }),
      401,
      "not-authenticated",
      "Authorization",
    ],
    ["as a viewer", () => ask(wish(0, released), { token: vera }), 403, "forbidden", "Authorization"],
    ["of no task", () => ask(wish(0, released), { task: "else" }), 404, "task-unknown", "task"],
    ["to a model that was never released", () => ask(wish("e".repeat(64), released)), 404, "not-found", "to"],
    ["to a round that has none", () => ask(wish(7, released)), 404, "not-found", "to"],
    [
      "from a model that is not in use",
      () => ask(wish(0, "e".repeat(64))),
      409,
      "message-unexpected",
      "from",
    ],
    ["without a reason", () => ask({ to: 0, from: released, reason: " " }), 400, "message-invalid", "reason"],
    ["to nothing", () => ask({ from: released, reason: "x" }), 400, "message-invalid", "to"],
    ["with half a request", () => ask("{"), 400, "message-invalid", "request"],
  ])("is refused %s", async (_, attempt, status, code, field) => {
    expect(await attempt()).toMatchObject({ status, said: { code, field } });
    expect(await current()).toBe(released);
  });

  it("is in the ledger with who and why, ends the round under way, and holds for devices and after a restart", async () => {
    const device = await RawDevice.connect(coordinator.url, "device");
    await device.hello("films");
    expect(Buffer.from((await device.hear("welcome")).modelHash).toString("hex")).toBe(released);
    const model = { hash: initial, round: 0 };
    expect(await ask(wish(0, released))).toEqual({
      status: 200,
      said: { task: "films", model, changed: true },
    });
    // To say it again, also with what was true before, changes nothing.
    const once = (await ledger()).filter(({ body }) => body.kind === "model-rolled-back");
    expect(await ask(wish(initial, released))).toMatchObject({ status: 200, said: { changed: false } });
    const entries = await ledger();
    const bodies = entries.map(({ body }) => body);
    expect(bodies.filter(({ kind }) => kind === "model-rolled-back")).toEqual(once.map(({ body }) => body));
    expect(once[0]!.body).toEqual({
      kind: "model-rolled-back",
      task: "films",
      fromModelHash: released,
      toModelHash: initial,
      reason: "worse than before",
      operator: "ada",
    });
    const kinds = bodies.map(({ kind }) => kind);
    const place = kinds.indexOf("model-rolled-back");
    expect(kinds.slice(place - 2, place + 2)).toEqual([
      "round-started",
      "round-failed",
      "model-rolled-back",
      "round-started",
    ]);
    expect(bodies[place + 1]).toMatchObject({ round: 3, modelHash: initial });
    expect(kinds.indexOf("operator-changed")).toBeLessThan(place);
    device.close();
    const again = await RawDevice.connect(coordinator.url, "device");
    await again.hello("films");
    expect(Buffer.from((await again.hear("welcome")).modelHash).toString("hex")).toBe(initial);
    again.close();
    await coordinator.close();
    // The optimiser's moments went with the model that they belong to.
    const database = await ownDatabase();
    expect(await database.tx("look", (stores) => stores.models.optimiser("films"))).toBeUndefined();
    await database.close();
    await start([operators[1]!]);
    expect(await current()).toBe(initial);
    expect(await ask(wish(released, initial))).toMatchObject({ status: 401 });
    await coordinator.close();
    await start();
    expect(await ask(wish(released, initial))).toMatchObject({
      said: { changed: true, model: { round: 1 } },
    });
    expect(await current()).toBe(released);
    const verify = nodeSuite().verify;
    const final = await ledger();
    expect(verifyLedgerChain(final, { verify, publicKey: hexToBytes(coordinator.publicKey) })).toEqual([]);
    const roles = final.flatMap(({ body }) =>
      body.kind === "operator-changed" ? [[body.operator, body.role]] : [],
    );
    expect(roles).toEqual([
      ["ada", "operator"],
      ["vera", "viewer"],
      ["ada", null],
      ["ada", "operator"],
    ]);
    expect(JSON.stringify(final)).not.toContain(ada.slice(4));
  });

  it("holds for a task that is over", async () => {
    await coordinator.cancelTask("films");
    expect(await ask(wish(0, released))).toMatchObject({ said: { changed: true } });
    expect(await current()).toBe(initial);
  });
});
