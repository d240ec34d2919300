import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonicalJson, sha256Hex } from "@kindred/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type BlobStores, openBlobStores } from "../store/blobs.ts";
import type { Database } from "../store/database.ts";
import type { LedgerRecord } from "../store/ledger.ts";
import { httpPorts } from "../store/readers.ts";
import { emptyDatabase, taskRecord } from "../store/test-databases.ts";
import { createHttpApp, type HttpOptions } from "./app.ts";

const MODEL = new Uint8Array(1000).map((_, i) => i % 251);
const NOW = Date.UTC(2026, 5, 1);
const LEDGER_LENGTH = 203;

let folder: string;
let database: Database;
let closeDatabase: () => Promise<void>;
let blobs: BlobStores;
let modelHash: string;
let catalogueHash: string;
let spooledHash: string;
let unreleasedHash: string;
let base: string;
const servers: Server[] = [];
const logged: object[] = [];

async function serve(overrides: Partial<HttpOptions> = {}): Promise<string> {
  const app = createHttpApp({
    ...httpPorts(database, blobs.released),
    health: { ping: () => database.ping(), uptimeSeconds: () => 17, version: "1.2.3" },
    logger: { info: () => undefined, error: (fields) => logged.push(fields) },
    ...overrides,
  });
  const server = app.listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function ledgerEntries(length: number): LedgerRecord[] {
  return Array.from({ length }, (_, index) => ({
    index,
    previous: index === 0 ? "0".repeat(64) : sha256Hex(`entry ${index - 1}`),
    time: new Date(NOW + index).toISOString(),
    body: canonicalJson({ kind: "test", z: 0.1 + 0.2, a: index }),
    hash: sha256Hex(`entry ${index}`),
    signature: "b".repeat(128),
  }));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-http-"));
  ({ database, close: closeDatabase } = await emptyDatabase("pglite"));
  blobs = await openBlobStores(folder, NOW);
  modelHash = await blobs.released.put(MODEL);
  catalogueHash = await blobs.released.put(new TextEncoder().encode("{}"));
  unreleasedHash = await blobs.released.put(new Uint8Array([1]));
  spooledHash = await blobs.spool.put(new Uint8Array([1, 2, 3]));
  await database.tx("seed", async ({ tasks, models, rounds, ledger }) => {
    await tasks.create({ ...taskRecord("films", sha256Hex), catalogueHash });
    await models.record({ task: "films", round: 0, hash: modelHash, parent: null, createdAt: NOW });
    for (const [number, status] of [
      [1, "published"],
      [2, "masking"],
    ] as const)
      await rounds.upsert({
        task: "films",
        number,
        status,
        cohort: 64,
        survivors: 60,
        dropped: 4,
        epsilonCoordinator: 1.5,
        epsilonObserver: null,
        loss: null,
        statistics: { bytesUp: 10 },
        startedAt: NOW,
        endedAt: number === 1 ? NOW + 1000 : null,
        reason: null,
      });
    for (const entry of ledgerEntries(LEDGER_LENGTH)) await ledger.append(entry);
  });
  base = await serve();
});
afterEach(() => {
  logged.length = 0;
});
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await closeDatabase?.();
  await rm(folder, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}) => fetch(base + path, { headers });

/** A path exactly as written: fetch would resolve dots and encode it. */
async function rawGet(path: string): Promise<{ status: number; body: string }> {
  const { port } = new URL(base);
  const request = httpRequest({ host: "127.0.0.1", port, path }).end();
  const [response] = (await once(request, "response")) as [import("node:http").IncomingMessage];
  let body = "";
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode ?? 0, body };
}

describe("health", () => {
  it("is ok while the database answers", async () => {
    const response = await get("/healthz");
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({
      status: "ok",
      database: true,
      uptimeSeconds: 17,
      version: "1.2.3",
    });
  });

  it("is unavailable, and silent about the reason, while it does not", async () => {
    const ping = () => Promise.reject(new Error("password hunter2 refused"));
    const url = await serve({ health: { ping, uptimeSeconds: () => 1, version: "1.2.3" } });
    const response = await fetch(`${url}/healthz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ status: "unavailable", database: false });
    expect(logged).toHaveLength(1);
  });
});

describe("tasks and rounds", () => {
  it("are listed and described", async () => {
    const list = (await (await get("/v1/tasks")).json()) as { tasks: { task: string }[] };
    expect(list.tasks.map(({ task }) => task)).toEqual(["films"]);
    expect(await (await get("/v1/tasks/films")).json()).toEqual({
      task: "films",
      status: "running",
      planDigest: taskRecord("films", sha256Hex).planDigest,
      catalogueHash,
      createdAt: "2026-01-02T03:04:05.678Z",
      model: { hash: modelHash, round: 0 },
      rounds: { planned: 5, started: 2, published: 1, latest: 2 },
    });
  });

  it("give the plan as it was signed, under its digest", async () => {
    const { plan, planDigest, signature } = taskRecord("films", sha256Hex);
    const response = await get("/v1/tasks/films/plan");
    expect(response.headers.get("etag")).toBe(`"${planDigest}"`);
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    const text = await response.text();
    expect(text).toContain(plan);
    const parsed = JSON.parse(text) as { plan: unknown; signature: string };
    expect(sha256Hex(canonicalJson(parsed.plan))).toBe(planDigest);
    expect(parsed.signature).toBe(signature);
    const again = await get("/v1/tasks/films/plan", { "If-None-Match": `"${planDigest}"` });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    expect((await get("/v1/tasks/films/plan", { "If-None-Match": '"old"' })).status).toBe(200);
  });

  it("give rounds, all and one", async () => {
    const { rounds } = (await (await get("/v1/tasks/films/rounds")).json()) as { rounds: unknown[] };
    expect(rounds).toHaveLength(2);
    const one = await (await get("/v1/tasks/films/rounds/1")).json();
    expect(one).toEqual(rounds[0]);
    expect(one).toEqual({
      task: "films",
      round: 1,
      status: "published",
      cohort: 64,
      survivors: 60,
      dropped: 4,
      epsilonCoordinator: 1.5,
      epsilonObserver: null,
      loss: null,
      statistics: { bytesUp: 10 },
      startedAt: "2026-06-01T00:00:00.000Z",
      endedAt: "2026-06-01T00:00:01.000Z",
      reason: null,
    });
  });

  it.each([
    ["/v1/tasks/nobody", "task-unknown"],
    ["/v1/tasks/nobody/plan", "task-unknown"],
    ["/v1/tasks/nobody/rounds/1", "task-unknown"],
    ["/v1/tasks/films/rounds/3", "round-unknown"],
    ["/v1/tasks/films/rounds/0", "round-unknown"],
    ["/v1/tasks/films/rounds/1e0", "round-unknown"],
    ["/v1/tasks/films/rounds/99999999999", "round-unknown"],
    ["/v1/nothing", "not-found"],
    ["/", "not-found"],
  ])("%s is %s, with field, rule and fix", async (path, code) => {
    const response = await get(path);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      code,
      field: expect.stringMatching(/./),
      rule: expect.stringMatching(/./),
      fix: expect.stringMatching(/./),
    });
  });
});

describe("blobs", () => {
  const blob = (headers: Record<string, string> = {}) => get(`/v1/blobs/${modelHash}`, headers);
  const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

  it("are served whole, for ever", async () => {
    const response = await blob();
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag: `"${modelHash}"`,
      "cache-control": "public, max-age=31536000, immutable",
      "accept-ranges": "bytes",
      "content-length": "1000",
      "content-type": "application/octet-stream",
    });
    expect(await bytesOf(response)).toEqual(MODEL);
    expect((await get(`/v1/blobs/${catalogueHash}`)).status).toBe(200);
  });

  it.each([
    ["bytes=0-99", 0, 99],
    ["bytes=990-", 990, 999],
    ["bytes=-10", 990, 999],
    ["bytes=500-5000", 500, 999],
    ["bytes=999-999", 999, 999],
    ["bytes=0-9,10-19", 0, 19],
  ])("are served in part: %s", async (range, start, end) => {
    const response = await blob({ Range: range });
    expect(response.status).toBe(206);
    expect(response.headers.get("content-range")).toBe(`bytes ${start}-${end}/1000`);
    expect(response.headers.get("content-length")).toBe(String(end - start + 1));
    expect(await bytesOf(response)).toEqual(MODEL.slice(start, end + 1));
  });

  it.each(["bytes=0-9,100-109", "items=0-9", "bytes"])("are served whole for the range %j", async (range) => {
    const response = await blob({ Range: range });
    expect([response.status, (await bytesOf(response)).length]).toEqual([200, 1000]);
  });

  it("refuse a range beyond their end", async () => {
    const response = await blob({ Range: "bytes=1000-" });
    expect(response.status).toBe(416);
    expect(response.headers.get("content-range")).toBe("bytes */1000");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toMatchObject({ code: "range-invalid", field: "Range" });
  });

  it("resume only the same content", async () => {
    const same = await blob({ Range: "bytes=900-", "If-Range": `"${modelHash}"` });
    expect([same.status, (await bytesOf(same)).length]).toEqual([206, 100]);
    const other = await blob({ Range: "bytes=900-", "If-Range": `"${catalogueHash}"` });
    expect([other.status, (await bytesOf(other)).length]).toEqual([200, 1000]);
  });

  it("are not sent to those who have them", async () => {
    for (const tags of [`"${modelHash}"`, `"other", W/"${modelHash}"`, "*"]) {
      const response = await blob({ "If-None-Match": tags });
      expect([tags, response.status, await response.text()]).toEqual([tags, 304, ""]);
    }
    expect((await blob({ "If-None-Match": `"${catalogueHash}"` })).status).toBe(200);
  });

  it("answer HEAD with their size, whatever range it names", async () => {
    const response = await fetch(`${base}/v1/blobs/${modelHash}`, {
      method: "HEAD",
      headers: { Range: "bytes=0-9" },
    });
    expect([response.status, response.headers.get("content-length")]).toEqual([200, "1000"]);
    expect(response.headers.get("etag")).toBe(`"${modelHash}"`);
  });

  it("are never spooled vectors, unreleased models, files, or odd names", async () => {
    expect(await readdir(join(folder, "spool", spooledHash.slice(0, 2)))).toEqual([spooledHash]);
    for (const path of [
      spooledHash,
      unreleasedHash,
      modelHash.toUpperCase(),
      `${modelHash}0`,
      "..%2f..%2fspool",
      `..%2fspool%2f${spooledHash.slice(0, 2)}%2f${spooledHash}`,
      "tmp",
      "%00",
    ]) {
      const { status, body } = await rawGet(`/v1/blobs/${path}`);
      expect([path, status]).toEqual([path, 404]);
      expect(JSON.parse(body)).toMatchObject({ code: "not-found" });
    }
    expect((await rawGet("/v1/blobs/../../spool/x")).status).toBe(404);
  });

  it("become public with the commit that releases them", async () => {
    const hash = await blobs.released.put(new Uint8Array([9, 9]));
    expect((await get(`/v1/blobs/${hash}`)).status).toBe(404);
    await database.tx("release", ({ models }) =>
      models.record({ task: "films", round: 1, hash, parent: modelHash, createdAt: NOW }),
    );
    expect((await get(`/v1/blobs/${hash}`)).status).toBe(200);
  });
});

describe("the ledger", () => {
  const lines = async (response: Response) => (await response.text()).trimEnd().split("\n");

  it("is JSON lines whose content hashes as it was hashed", async () => {
    const response = await get("/v1/ledger");
    expect(response.headers.get("content-type")).toBe("application/jsonl; charset=utf-8");
    const found = await lines(response);
    expect(found).toHaveLength(LEDGER_LENGTH);
    const expected = ledgerEntries(LEDGER_LENGTH);
    expect(found.map((line) => JSON.parse(line) as unknown)).toEqual(
      expected.map((entry) => ({ ...entry, body: JSON.parse(entry.body) as unknown })),
    );
    expect(found[7]).toContain(expected[7]!.body);
  });

  it("starts where an auditor left off", async () => {
    const found = await lines(await get("/v1/ledger?from=201"));
    expect(found.map((line) => (JSON.parse(line) as LedgerRecord).index)).toEqual([201, 202]);
    expect(await (await get("/v1/ledger?from=5000")).text()).toBe("");
  });

  it.each(["-1", "x", "1.5", "", "1&from=2"])("refuses to start from %j", async (from) => {
    const response = await get(`/v1/ledger?from=${from}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "message-invalid", field: "from" });
  });

  it("breaks the connection off rather than look complete when the store fails", async () => {
    const url = await serve({
      ledger: {
        stream: async function* () {
          yield* ledgerEntries(1);
          throw new Error("the database is gone");
        },
      },
    });
    const response = await fetch(`${url}/v1/ledger`).catch((error: unknown) => error as Error);
    if (response instanceof Response) await expect(response.text()).rejects.toThrow();
    else expect(response.message).toMatch(/fetch failed/);
    expect(logged).toEqual([expect.objectContaining({ path: "/v1/ledger" })]);
  });
});

describe("every answer", () => {
  it.each(["/healthz", "/v1/tasks", "/nothing", "/v1/ledger"])(
    "of %s carries security headers",
    async (path) => {
      const { headers } = await get(path);
      expect(headers.get("x-powered-by")).toBeNull();
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("content-security-policy")).toBe("default-src 'none';frame-ancestors 'none'");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("access-control-allow-origin")).toBeNull();
    },
  );

  it("is JSON, also to malformed requests and to methods that change something", async () => {
    expect(await rawGet("/v1/tasks/%E0%A4%A")).toMatchObject({ status: 400 });
    expect(JSON.parse((await rawGet("/v1/tasks/%")).body)).toMatchObject({ code: "message-invalid" });
    const response = await fetch(`${base}/v1/tasks`, { method: "POST", body: "{}" });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: "not-found" });
  });

  it("keeps the reason of an internal failure in the log", async () => {
    const list = () => Promise.reject(new Error("secret of the database"));
    const url = await serve({ tasks: { list, get: list } });
    const response = await fetch(`${url}/v1/tasks`);
    expect(response.status).toBe(500);
    const body = await response.text();
    expect(JSON.parse(body)).toMatchObject({ code: "internal" });
    expect(body).not.toContain("secret");
    expect(logged).toHaveLength(1);
  });

  it("may be read by the pages of configured origins only", async () => {
    const url = await serve({ corsOrigins: ["https://app.example"] });
    const from = (Origin: string) => fetch(`${url}/v1/tasks`, { headers: { Origin } });
    const friend = await from("https://app.example");
    expect(friend.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(friend.headers.get("access-control-expose-headers")).toContain("Content-Range");
    expect(friend.headers.get("vary")).toContain("Origin");
    expect((await from("https://other.example")).headers.get("access-control-allow-origin")).toBeNull();
    const anyone = await serve({ corsOrigins: ["*"] });
    const answer = await fetch(`${anyone}/v1/tasks`, { headers: { Origin: "https://x.example" } });
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    const preflight = await fetch(`${url}/v1/blobs/${modelHash}`, {
      method: "OPTIONS",
      headers: { Origin: "https://app.example", "Access-Control-Request-Method": "GET" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("Range");
  });
});
