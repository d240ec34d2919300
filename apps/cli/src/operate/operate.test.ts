import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseOperators, tokenHash } from "@kindred/coordinator";
import { encodeModel, KindredError, modelHash, unnamedClustering } from "@kindred/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { getModel, listModels, printOperatorToken, rollBackModel } from "./operate.ts";

const file = encodeModel({
  ...{ task: "films", round: 1, parent: "", weights: Float32Array.of(0), centroids: Float32Array.of(1) },
  ...{ clusters: 1, cells: new Float32Array(), clustering: unnamedClustering(1) },
  signals: {
    popularity: {
      ...{ round: 1, people: 5, deviation: 0, clusters: [] },
      ...{ entries: Uint32Array.of(0), counts: Float32Array.of(2) },
    },
  },
});
const hashes = ["a".repeat(64), modelHash(file), "c".repeat(64)];
const models = hashes.map((hash, round) => ({
  round,
  hash,
  parent: hashes[round - 1] ?? null,
  createdAt: "2026-06-01T12:00:00.000Z",
  current: round === 2,
}));
const asked: { path: string; authorization: string | undefined; body: unknown }[] = [];
const PLAN = { plan: { resolved: { catalogueHash: "e".repeat(64) } } };
const NOT_FOUND = { code: "not-found", field: "hash", rule: "r", fix: "f" };
let folder: string;
let answer: { status: number; body: unknown };
let server: Server;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-operate-"));
  server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on("end", () => {
      const blob = /^\/v1\/blobs\/(.*)$/.exec(request.url ?? "")?.[1];
      if (blob !== undefined && blob !== hashes[2]) return void response.end(file);
      if (request.url === "/v1/tasks/films/plan") return void response.end(JSON.stringify(PLAN));
      const isList = request.method === "GET" && blob === undefined;
      if (request.method === "POST")
        asked.push({
          path: request.url ?? "",
          authorization: request.headers.authorization,
          body: JSON.parse(text) as unknown,
        });
      const said = blob === undefined ? answer : { status: 404, body: NOT_FOUND };
      response.statusCode = isList ? 200 : said.status;
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(isList ? { models } : said.body));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

function terminal(env: Record<string, string> = {}) {
  let text = "";
  const write = (more: string) => {
    text += more;
  };
  return { stdout: { write }, env, said: () => text };
}

async function refusal(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(KindredError);
  const { code, field } = (error as KindredError).rejection;
  return `${code} ${field}`;
}

const env = { KINDRED_OPERATOR_TOKEN: "kop_secret" };
const wish = { task: "films", reason: "worse than before" };

describe("kindred model", () => {
  it("lists models, with a star at the one in use", async () => {
    const out = terminal();
    await listModels({ url, task: "films" }, out);
    const lines = out.said().trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe("  round    0  aaaaaaaaaaaa  2026-06-01 12:00  the initial model");
    expect(lines[2]).toBe(
      `* round    2  cccccccccccc  2026-06-01 12:00  made from ${hashes[1]!.slice(0, 12)}`,
    );
  });

  it("writes a model to a file, and says which signals it has", async () => {
    const out = terminal();
    const written = join(folder, "new", "one.kindred");
    await getModel({ url, task: "films", of: "1", out: written }, out);
    expect(new Uint8Array(await readFile(written))).toEqual(file);
    const origin = { task: "films", round: 1, hash: hashes[1], catalogueHash: "e".repeat(64) };
    expect(JSON.parse(await readFile(`${written}.json`, "utf8"))).toEqual(origin);
    expect(out.said()).toContain(
      `model of round 1, ${file.length} bytes, with popularity; hash ${hashes[1]}`,
    );
    const attempt = (of?: string) =>
      getModel({ url, task: "films", ...(of && { of }), out: join(folder, "none") }, out);
    expect(await refusal(getModel({ url, task: "films", of: "1", out: folder }, out))).toBe(
      "option-invalid --out",
    );
    expect(await refusal(attempt("9"))).toBe("option-invalid --of");
    // The one in use is not there, and that of round 0 is another than its hash says.
    expect(await refusal(attempt())).toBe("not-found hash");
    expect(await refusal(attempt("0"))).toBe("model-invalid model");
  });

  it.each(["1", hashes[1]!.slice(0, 12)])(
    "goes back to %s, from the model that it saw in use",
    async (to) => {
      asked.length = 0;
      answer = { status: 200, body: { model: { hash: hashes[1], round: 1 }, changed: true } };
      const out = terminal(env);
      await rollBackModel({ ...wish, url, to }, out);
      expect(asked).toEqual([
        {
          path: "/v1/tasks/films/rollback",
          authorization: "Bearer kop_secret",
          body: { to: hashes[1], from: hashes[2], reason: "worse than before" },
        },
      ]);
      expect(out.said()).toContain(`given the model of round 1 (${hashes[1]!.slice(0, 12)})`);
      expect(out.said()).not.toContain("secret");
    },
  );

  it("says so where nothing changed, and hands on what the coordinator refuses", async () => {
    answer = { status: 200, body: { model: { hash: hashes[2], round: 2 }, changed: false } };
    const out = terminal(env);
    await rollBackModel({ ...wish, url, to: "2" }, out);
    expect(out.said()).toContain("nothing has changed");
    answer = { status: 403, body: { code: "forbidden", field: "Authorization", rule: "r", fix: "f" } };
    expect(await refusal(rollBackModel({ ...wish, url, to: "1" }, out))).toBe("forbidden Authorization");
    answer = { status: 502, body: "bad gateway" };
    expect(await refusal(rollBackModel({ ...wish, url, to: "1" }, out))).toBe("option-invalid --url");
  });

  it("refuses a missing token, a model that is not there, and an address that is none", async () => {
    const out = terminal(env);
    expect(await refusal(rollBackModel({ ...wish, url, to: "1" }, terminal()))).toBe(
      "option-invalid KINDRED_OPERATOR_TOKEN",
    );
    for (const to of ["7", "bbb", "d".repeat(64)])
      expect(await refusal(rollBackModel({ ...wish, url, to }, out))).toBe("option-invalid --to");
    expect(await refusal(listModels({ url: "films", task: "films" }, out))).toBe("option-invalid --url");
    expect(await refusal(listModels({ url: "http://127.0.0.1:1", task: "films" }, out))).toBe(
      "internal --url",
    );
  });
});

describe("kindred operator token", () => {
  const random = (length: number) => new Uint8Array(length).fill(7);

  it("prints a token and the entry that names its hash", () => {
    const out = terminal();
    printOperatorToken({ name: "ada", role: "operator" }, { ...out, random });
    const token = /kop_[0-9a-f]{64}/.exec(out.said())![0];
    const [, entry] = /Entry {2}(\S+)/.exec(out.said())!;
    expect(parseOperators(entry!)).toEqual([{ name: "ada", role: "operator", tokenHash: tokenHash(token) }]);
    expect(entry).not.toContain(token.slice(4));
  });

  it("refuses a name or a role that cannot be", () => {
    for (const [name, role] of [
      ["a:b", "operator"],
      ["ada", "king"],
    ] as const)
      expect(() => printOperatorToken({ name, role }, { ...terminal(), random })).toThrow(
        /KINDRED_OPERATORS/,
      );
  });
});
