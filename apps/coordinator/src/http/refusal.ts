/** How HTTP says no: always JSON `{code, field, rule, fix}`, with the status of the error table. */
import { ERROR_TABLE, type ErrorCode, KindredError, type Rejection } from "@kindred/protocol";
import type { ErrorRequestHandler, RequestHandler, Response } from "express";
import type { HttpPorts } from "./ports.ts";

/** @throws KindredError, which `answerErrors` turns into an answer */
export function refuse(code: ErrorCode, details: { field: string; rule: string; fix: string }): never {
  throw new KindredError({ code, ...details });
}

/** Whether the peer went away while its answer was under way; nobody is left to be told. */
export function isClosedByPeer(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ECONNRESET" || code === "EPIPE";
}

function send(response: Response, rejection: Rejection): void {
  const { code, field, rule, fix } = rejection;
  response.status(ERROR_TABLE[code].status).json({ code, field, rule, fix });
}

/** The last route. */
export const unknownRoute: RequestHandler = () =>
  refuse("not-found", {
    field: "path",
    rule: "must be a route of this coordinator, asked with GET or HEAD",
    fix: "see PROTOCOL.md for the routes",
  });

/** The last handler: expected rejections as they are, mistakes in the request as 400, all else as a silent 500. */
export function answerErrors(logger: HttpPorts["logger"]): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) {
      // Cut the connection: the peer must not take half an answer for a whole one.
      logger.error({ error, path: request.path }, "an answer broke off");
      next(error);
      return;
    }
    if (error instanceof KindredError) {
      send(response, error.rejection);
      return;
    }
    const status = (error as { status?: unknown } | null)?.status;
    if (typeof status === "number" && status >= 400 && status < 500) {
      send(response, {
        code: "message-invalid",
        field: "request",
        rule: "must be a well-formed HTTP request",
        fix: "check the encoding of the path and the headers",
      });
      return;
    }
    logger.error({ error, path: request.path }, "a request failed");
    send(response, {
      code: "internal",
      field: "request",
      rule: "could not be answered",
      fix: "try again; if it persists, ask the operator to read the coordinator's log",
    });
  };
}
