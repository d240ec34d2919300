/** Embeddings through an OpenAI-compatible `/v1/embeddings` endpoint: batches, retries with back-off, key never shown. */
import { KindredError } from "@kindred/protocol";
import { z } from "zod";
import type { EmbeddingSource } from "./embedding-source.ts";

export interface EndpointOptions {
  /** Base URL, with or without `/v1` and `/embeddings`. */
  readonly url: string;
  readonly model: string;
  /** Bearer token; none for an endpoint without. */
  readonly key?: string;
  /** Entries per vector, where the model can shorten them. */
  readonly dimensions?: number;
  readonly batchSize?: number;
  /** Attempts per batch before it is given up; 6 by default. */
  readonly attempts?: number;
  /** Longest time one request may take, in milliseconds; a minute by default. */
  readonly timeout?: number;
  /** Waits; tests replace it. */
  readonly pause?: (milliseconds: number) => Promise<void>;
  readonly fetch?: typeof fetch;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;

const answerSchema = z.object({
  data: z.array(z.object({ index: z.number().int().min(0), embedding: z.array(z.number()).min(1) })),
});

/** What an attempt came to. */
type Attempt =
  | { readonly vectors: Float32Array[] }
  | { readonly rule: string; readonly fix: string; readonly retry: boolean; readonly after?: number };

/** The endpoint as a source. Requests follow each other; a batch that fails for a passing reason is tried again. */
export function embeddingsEndpoint(options: EndpointOptions): EmbeddingSource {
  const { model, dimensions, attempts = 6 } = options;
  const pause = options.pause ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
  const address = endpointAddress(options.url);
  return {
    name: `${address} ${model}${dimensions === undefined ? "" : ` ${dimensions}`}`,
    batchSize: options.batchSize ?? 64,
    async embed(texts) {
      for (let attempt = 1; ; attempt++) {
        const result = await request(address, texts, options);
        if ("vectors" in result) return result.vectors;
        if (!result.retry || attempt >= attempts)
          throw new KindredError({
            code: result.retry ? "internal" : "option-invalid",
            field: address,
            rule: result.rule,
            fix: result.retry ? `${result.fix}; what was embedded so far is kept` : result.fix,
          });
        await pause(result.after ?? Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)));
      }
    },
  };
}

/** @throws KindredError `option-invalid` if it is no http address */
function endpointAddress(url: string): string {
  const base = url
    .replace(/\/+$/, "")
    .replace(/\/embeddings$/, "")
    .replace(/\/v1$/, "");
  const parsed = URL.canParse(base) ? new URL(base) : undefined;
  if (
    parsed === undefined ||
    !/^https?:$/.test(parsed.protocol) ||
    parsed.username !== "" ||
    parsed.search !== ""
  )
    throw new KindredError({
      code: "option-invalid",
      field: "--embeddings",
      rule: "must be an http or https address without credentials or query",
      fix: "pass the base URL; the key comes from the environment",
    });
  return `${base}/v1/embeddings`;
}

async function request(
  address: string,
  texts: readonly string[],
  { model, key, dimensions, timeout = 60_000, fetch: post = fetch }: EndpointOptions,
): Promise<Attempt> {
  const body = {
    model,
    input: texts,
    encoding_format: "float",
    ...(dimensions !== undefined && { dimensions }),
  };
  let response: Response;
  let text: string;
  try {
    response = await post(address, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeout),
    });
    text = await response.text();
  } catch {
    return { rule: "does not answer", fix: "check the address and the connection", retry: true };
  }
  return response.ok ? readAnswer(text, texts.length) : readRefusal(response, struckOut(text, key));
}

function readAnswer(text: string, count: number): Attempt {
  const malformed = (rule: string): Attempt => ({
    rule,
    fix: "check that the address is an OpenAI-compatible endpoint",
    retry: true,
  });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return malformed("must answer with JSON");
  }
  const parsed = answerSchema.safeParse(document);
  if (!parsed.success) return malformed("must answer with data[].index and data[].embedding");
  const vectors: (Float32Array | undefined)[] = new Array(count).fill(undefined);
  for (const { index, embedding } of parsed.data.data) vectors[index] = Float32Array.from(embedding);
  if (vectors.length !== count || vectors.includes(undefined))
    return malformed(`must answer with one vector for each of ${count} texts`);
  return { vectors: vectors as Float32Array[] };
}

function readRefusal(response: Response, text: string): Attempt {
  const { status } = response;
  const retry = status === 408 || status === 429 || status >= 500;
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  const after =
    Number.isFinite(seconds) && seconds >= 0 ? { after: Math.min(LONGEST_PAUSE_MS, 1_000 * seconds) } : {};
  const said = messageOf(text);
  return {
    rule: `answers with status ${status}${said === "" ? "" : `: ${said}`}`,
    fix:
      status === 401 || status === 403
        ? "set KINDRED_EMBEDDINGS_KEY to a key of this endpoint"
        : retry
          ? "run the command again later"
          : "check the model's name and the address",
    retry,
    ...after,
  };
}

/** An endpoint may repeat the key that it was sent. */
function struckOut(text: string, key: string | undefined): string {
  return key === undefined || key === "" ? text : text.replaceAll(key, "[key]");
}

/** The endpoint's own words, shortened. */
function messageOf(text: string): string {
  let message = text;
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } | string };
    message = typeof error === "string" ? error : String(error?.message ?? "");
  } catch {
    // Plain text.
  }
  return message
    .replace(/\s+/g, " ")

    .trim()
    .slice(0, 200);
}
