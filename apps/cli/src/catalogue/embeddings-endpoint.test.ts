import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EmbeddingCache, embedTexts } from "./embedding-source.ts";
import { type EndpointOptions, embeddingsEndpoint } from "./embeddings-endpoint.ts";

interface Request {
  readonly path: string;
  readonly key: string | undefined;
  readonly body: { readonly model: string; readonly input: string[]; readonly dimensions?: number };
}

let server: Server;
let folder: string;
const requests: Request[] = [];
/** What the next requests are answered with instead of embeddings. */
let faults: ((response: ServerResponse, request: Request) => void)[] = [];
const pauses: number[] = [];

/** A text's vector: its length, then its number of words. */
const vectorOf = (text: string) => [text.length, text.split(" ").length];

function answer(response: ServerResponse, { body }: Request): void {
  // Out of order, as the protocol allows.
  const data = body.input.map((text, index) => ({ index, embedding: vectorOf(text) })).reverse();
  response.setHeader("content-type", "application/json").end(JSON.stringify({ data }));
}

async function handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = "";
  for await (const part of message) text += String(part);
  const request = { path: message.url!, key: message.headers.authorization, body: JSON.parse(text) };
  requests.push(request);
  (faults.shift() ?? answer)(response, request);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-embeddings-"));
  server = createServer((message, response) => void handle(message, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  requests.length = 0;
  pauses.length = 0;
  faults = [];
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

function endpoint(options: Partial<EndpointOptions> = {}) {
  const { port } = server.address() as AddressInfo;
  return embeddingsEndpoint({
    url: `http://127.0.0.1:${port}/v1/`,
    model: "tiny",
    key: "sk-secret",
    pause: async (ms) => void pauses.push(ms),
    ...options,
  });
}

const status =
  (code: number, text = "", headers: Record<string, string> = {}) =>
  (response: ServerResponse) => {
    response.writeHead(code, headers).end(text);
  };

async function embedAll(texts: readonly string[], options: Partial<EndpointOptions> = {}) {
  const cache = await EmbeddingCache.open(join(folder, "embeddings.bin"));
  const seen: number[] = [];
  const source = endpoint({ batchSize: 2, ...options });
  const result = await embedTexts(texts, { source, cache, progress: (done) => void seen.push(done) });
  return { ...result, seen };
}

describe("an embeddings endpoint", () => {
  it("is asked in batches, with the key, and its answers are put in order", async () => {
    const { rows, width, seen } = await embedAll(["a", "b c", "ddd", "a"], { dimensions: 2 });
    expect(width).toBe(2);
    expect(Array.from(rows)).toEqual([1, 1, 3, 2, 3, 1, 1, 1]);
    expect(requests.map(({ body }) => body.input)).toEqual([["a", "b c"], ["ddd"]]);
    expect(requests[0]).toMatchObject({
      path: "/v1/embeddings",
      key: "Bearer sk-secret",
      body: { model: "tiny", dimensions: 2, encoding_format: "float" },
    });
    expect(seen.at(-1)).toBe(4);
  });

  it("is tried again with growing pauses, or after the time it names", async () => {
    faults = [
      status(429, "", { "retry-after": "7" }),
      status(503),
      (response) => response.destroy(),
      (response) => response.end("not json"),
      (response) => response.end('{"data":[]}'),
    ];
    expect(Array.from((await embedAll(["a"])).rows)).toEqual([1, 1]);
    expect(pauses).toEqual([7_000, 1_000, 2_000, 4_000, 8_000]);
  });

  it("is given up after so many attempts; what was embedded is kept, and not asked for again", async () => {
    faults = [answer, status(500), status(500)];
    await expect(embedAll(["a", "b", "c d"], { attempts: 2 })).rejects.toThrow("answers with status 500");
    requests.length = 0;
    expect(Array.from((await embedAll(["a", "b", "c d"])).rows)).toEqual([1, 1, 1, 1, 3, 2]);
    expect(requests.map(({ body }) => body.input)).toEqual([["c d"]]);
  });

  it("is not tried again where that would not help, and the key is in no message", async () => {
    const said = JSON.stringify({ error: { message: "Incorrect API key provided: sk-secret." } });
    faults = [status(401, said)];
    const failure = await embedAll(["a"]).catch((error: Error) => error);
    expect(String(failure)).toContain("KINDRED_EMBEDDINGS_KEY");
    expect(String(failure)).toContain("Incorrect API key provided: [key]");
    expect(String(failure)).not.toContain("secret");
    expect(requests).toHaveLength(1);
  });

  it("is given up when it never answers", async () => {
    faults = [() => undefined, () => undefined];
    await expect(embedAll(["a"], { attempts: 2, timeout: 30 })).rejects.toThrow("does not answer");
  });

  it("may not change the length of its vectors", async () => {
    faults = [
      answer,
      (response) => response.end(JSON.stringify({ data: [{ index: 0, embedding: [1, 2, 3] }] })),
    ];
    await expect(embedAll(["a", "b", "c"])).rejects.toThrow("vectors of one length (2)");
  });

  it.each(["ftp://x", "nothing", "https://user:key@host", "https://host/?key=1"])("is not %s", (url) => {
    expect(() => endpoint({ url })).toThrow("--embeddings");
  });
});

describe("the cache", () => {
  it("goes on after a crash in the middle of a record", async () => {
    const file = join(folder, "embeddings.bin");
    await embedAll(["a", "b"]);
    const { size } = await stat(file);
    await writeFile(file, (await readFile(file)).subarray(0, size - 3));
    requests.length = 0;
    expect(Array.from((await embedAll(["a", "b"])).rows)).toEqual([1, 1, 1, 1]);
    expect(requests.map(({ body }) => body.input)).toEqual([["b"]]);
    expect((await stat(file)).size).toBe(size);
  });

  it("does not take one model's vectors for another's", async () => {
    await embedAll(["a"]);
    await embedAll(["a"], { model: "other" });
    expect(requests).toHaveLength(2);
  });
});
