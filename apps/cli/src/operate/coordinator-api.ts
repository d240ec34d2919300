/** Asks a coordinator over HTTP, and turns what it refuses into errors that name field, rule and fix. */
import { ERROR_CODES, KindredError, type Rejection } from "@kindred/protocol";

/** One released model, as `/v1/tasks/:task/models` lists it. */
export interface ListedModel {
  readonly round: number;
  readonly hash: string;
  readonly parent: string | null;
  /** ISO 8601. */
  readonly createdAt: string;
  /** Whether devices are given this one. */
  readonly current: boolean;
}

/** What a roll-back came to. */
export interface RolledBack {
  readonly model: { readonly hash: string; readonly round: number };
  /** False if that model was in use already. */
  readonly changed: boolean;
}

function optionError(field: string, { rule, fix }: { rule: string; fix: string }): KindredError {
  return new KindredError({ code: "option-invalid", field, rule, fix });
}

/** Milliseconds within which a coordinator has to answer. */
const ANSWER_MS = 30_000;
/** Milliseconds within which a file has to have come. */
const DOWNLOAD_MS = 1_800_000;

export class CoordinatorApi {
  readonly #base: string;

  /** @throws KindredError `option-invalid` for an address that is none */
  constructor(url: string) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw optionError("--url", {
        rule: `must be the address of a coordinator, found "${url}"`,
        fix: "pass --url https://kindred.example",
      });
    this.#base = url.replace(/\/+$/, "");
  }

  /** @throws KindredError `task-unknown`, or `internal` where nothing answers */
  async models(task: string): Promise<readonly ListedModel[]> {
    const { models } = (await this.#ask(`/v1/tasks/${encodeURIComponent(task)}/models`)) as {
      models: readonly ListedModel[];
    };
    return models;
  }

  /**
   * A released file by its hash, which the caller checks.
   * @throws KindredError `internal` where nothing answers, or what the coordinator refuses
   */
  async blob(hash: string): Promise<Uint8Array> {
    const answer = await this.#fetch(`/v1/blobs/${hash}`, { signal: AbortSignal.timeout(DOWNLOAD_MS) });
    if (!answer.ok) await this.#refusal(answer);
    return new Uint8Array(await answer.arrayBuffer().catch(unreachable));
  }

  /**
   * Hash of a task's catalogue, as its plan has it.
   * @throws KindredError `task-unknown`, or `internal` where nothing answers
   */
  async catalogueHash(task: string): Promise<string> {
    const { plan } = (await this.#ask(`/v1/tasks/${encodeURIComponent(task)}/plan`)) as {
      plan: { resolved: { catalogueHash: string } };
    };
    return plan.resolved.catalogueHash;
  }

  /** @throws KindredError with what the coordinator refuses, such as `not-authenticated` or `forbidden` */
  async rollBack(
    task: string,
    { token, ...body }: { token: string; to: string | number; from: string; reason: string },
  ): Promise<RolledBack> {
    const answer = await this.#ask(`/v1/tasks/${encodeURIComponent(task)}/rollback`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return answer as RolledBack;
  }

  async #ask(path: string, request: RequestInit = {}): Promise<unknown> {
    const answer = await this.#fetch(path, request);
    const body: unknown = answer.ok ? await answer.json().catch(() => undefined) : undefined;
    return body === undefined ? this.#refusal(answer) : body;
  }

  async #fetch(path: string, request: RequestInit = {}): Promise<Response> {
    const signal = request.signal ?? AbortSignal.timeout(ANSWER_MS);
    return fetch(`${this.#base}${path}`, { ...request, signal }).catch(unreachable);
  }

  async #refusal(answer: Response): Promise<never> {
    const body: unknown = answer.bodyUsed ? undefined : await answer.json().catch(() => undefined);
    if (isRejection(body)) throw new KindredError(body);
    throw optionError("--url", {
      rule: `must be a coordinator's address, but it answered ${answer.status} without a reason`,
      fix: "check the address",
    });
  }
}

function unreachable(error: unknown): never {
  const cause = (error as { cause?: { code?: string } }).cause?.code ?? (error as Error).name;
  throw new KindredError({
    code: "internal",
    field: "--url",
    rule: `could not be reached (${cause})`,
    fix: "check the address, and that the coordinator runs",
  });
}

function isRejection(body: unknown): body is Rejection {
  const { code, field, rule, fix } = (body ?? {}) as Record<string, unknown>;
  return (
    ERROR_CODES.some((known) => known === code) &&
    [field, rule, fix].every((text) => typeof text === "string")
  );
}
