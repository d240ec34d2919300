/**
 * The public, read-only HTTP interface: tasks, signed plans, rounds, the ledger, and content-addressed blobs.
 * Nothing here is personal; what changes state is for operators (`admin.ts`).
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { canonicalJson } from "@kindred/protocol";
import cors from "cors";
import express, { type Express, type Request, type Response } from "express";
import helmet from "helmet";
import type { RoundRecord, TaskRecord } from "../store/stores.ts";
import { addAdminRoutes } from "./admin.ts";
import { isHeldByPeer, sendBlob } from "./blob.ts";
import type { HttpPorts } from "./ports.ts";
import { answerErrors, isClosedByPeer, refuse, unknownRoute } from "./refusal.ts";

export interface HttpOptions extends HttpPorts {
  /** Origins of partner apps whose pages may read answers, such as `https://app.example`; `*` for any, none by default. */
  readonly corsOrigins?: readonly string[];
}

/** A task as the list shows it. */
function summary(task: TaskRecord) {
  return {
    task: task.id,
    status: task.status,
    planDigest: task.planDigest,
    catalogueHash: task.catalogueHash,
    createdAt: new Date(task.createdAt).toISOString(),
  };
}

/** A round as anyone may see it. */
function publicRound({ task, number, startedAt, endedAt, ...rest }: RoundRecord) {
  return {
    task,
    round: number,
    ...rest,
    startedAt: new Date(startedAt).toISOString(),
    endedAt: endedAt === null ? null : new Date(endedAt).toISOString(),
  };
}

/** Builds the Express application; the caller listens, and may add the sockets to the same server. */
export function createHttpApp(options: HttpOptions): Express {
  const { tasks, rounds, models, ledger, blobs, health, logger, admin, corsOrigins = [] } = options;
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { "default-src": ["'none'"], "frame-ancestors": ["'none'"] },
      },
      crossOriginResourcePolicy: { policy: corsOrigins.length > 0 ? "cross-origin" : "same-origin" },
    }),
  );
  if (corsOrigins.length > 0)
    app.use(
      cors({
        origin: corsOrigins.includes("*") ? "*" : [...corsOrigins],
        methods: ["GET", "HEAD"],
        allowedHeaders: ["Range", "If-None-Match", "If-Range"],
        exposedHeaders: ["ETag", "Content-Range", "Accept-Ranges", "Content-Length"],
        maxAge: 86_400,
      }),
    );

  const findTask = async (id: string): Promise<TaskRecord> => {
    const task = await tasks.get(id);
    return (
      task ??
      refuse("task-unknown", {
        field: "task",
        rule: "must name a task of this coordinator",
        fix: "list the tasks at /v1/tasks",
      })
    );
  };

  app.get("/healthz", async (_request, response) => {
    const { version } = health;
    const database = await health.ping().then(
      () => true,
      (error: unknown) => {
        logger.error({ error }, "the database does not answer");
        return false;
      },
    );
    response
      .status(database ? 200 : 503)
      .set("Cache-Control", "no-store")
      .json({
        status: database ? "ok" : "unavailable",
        database,
        uptimeSeconds: health.uptimeSeconds(),
        version,
      });
  });

  app.get("/v1/tasks", async (_request, response) => {
    response.set("Cache-Control", "no-cache").json({ tasks: (await tasks.list()).map(summary) });
  });

  app.get("/v1/tasks/:task", async ({ params }, response) => {
    const task = await findTask(params.task);
    const [model, all] = await Promise.all([models.current(task.id), rounds.list(task.id)]);
    response.set("Cache-Control", "no-cache").json({
      ...summary(task),
      model: model === undefined ? null : { hash: model.hash, round: model.round },
      rounds: {
        planned: (JSON.parse(task.plan) as { rounds: number }).rounds,
        started: all.length,
        published: all.filter(({ status }) => status === "published").length,
        latest: all.at(-1)?.number ?? null,
      },
    });
  });

  app.get("/v1/tasks/:task/plan", async (request, response) => {
    const task = await findTask(request.params.task);
    const etag = `"${task.planDigest}"`;
    response.set({ ETag: etag, "Cache-Control": "no-cache" });
    if (isHeldByPeer(request, etag)) {
      response.status(304).end();
      return;
    }
    // Assembled from the stored text, so that every client hashes exactly the bytes that were signed.
    response.type("json").send(`{"plan":${task.plan},"signature":"${task.signature}"}`);
  });

  app.get("/v1/tasks/:task/models", async ({ params }, response) => {
    const task = await findTask(params.task);
    const [current, all] = await Promise.all([models.current(task.id), models.list(task.id)]);
    response.set("Cache-Control", "no-cache").json({
      models: all.map(({ round, hash, parent, createdAt }) => ({
        round,
        hash,
        parent,
        createdAt: new Date(createdAt).toISOString(),
        current: hash === current?.hash,
      })),
    });
  });

  app.get("/v1/tasks/:task/rounds", async ({ params }, response) => {
    const task = await findTask(params.task);
    response.set("Cache-Control", "no-cache").json({ rounds: (await rounds.list(task.id)).map(publicRound) });
  });

  app.get("/v1/tasks/:task/rounds/:round", async ({ params }, response) => {
    const task = await findTask(params.task);
    const round = /^[1-9]\d{0,8}$/.test(params.round)
      ? await rounds.get(task.id, Number(params.round))
      : undefined;
    if (round === undefined)
      refuse("round-unknown", {
        field: "round",
        rule: "must be the number of a round that has started",
        fix: `list the rounds at /v1/tasks/${task.id}/rounds`,
      });
    response.set("Cache-Control", "no-cache").json(publicRound(round));
  });

  app.get("/v1/blobs/:hash", async (request: Request<{ hash: string }>, response: Response) => {
    const { hash } = request.params;
    const blob = await blobs.find(hash);
    if (blob === undefined)
      refuse("not-found", {
        field: "hash",
        rule: "must be the content hash of a released model, a catalogue or its features",
        fix: "take it from the plan or from the task's current model",
      });
    await sendBlob(request, response, { hash, blob });
  });

  app.get("/v1/ledger", async (request, response) => {
    const from = request.query["from"] ?? "0";
    if (typeof from !== "string" || !/^\d{1,9}$/.test(from))
      refuse("message-invalid", {
        field: "from",
        rule: "must be the index of a ledger entry, a whole number from 0",
        fix: "use /v1/ledger?from=0, or leave it out",
      });
    response.set({ "Content-Type": "application/jsonl; charset=utf-8", "Cache-Control": "no-cache" });
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    const lines = async function* () {
      for await (const { body, ...entry } of ledger.stream(Number(from)))
        yield `${canonicalJson({ ...entry, body: JSON.parse(body) as unknown })}\n`;
    };
    await pipeline(Readable.from(lines()), response).catch((error: unknown) => {
      if (!isClosedByPeer(error)) throw error;
    });
  });

  if (admin !== undefined) addAdminRoutes(app, admin);
  app.use(unknownRoute);
  app.use(answerErrors(logger));
  return app;
}
