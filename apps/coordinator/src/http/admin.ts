/** What operators do over HTTP: going back to an earlier model. Everything else of the interface is public and read-only. */
import express, { type Express } from "express";
import type { RollBackRequest } from "../runtime/roll-back.ts";
import type { HttpPorts } from "./ports.ts";
import { refuse } from "./refusal.ts";

/** Largest body of a request. */
const BODY_BYTES = 4_096;
const MAX_REASON = 500;

/** Adds the routes for operators. */
export function addAdminRoutes(
  app: Express,
  { authenticate, rollBack }: NonNullable<HttpPorts["admin"]>,
): void {
  app.post("/v1/tasks/:task/rollback", express.json({ limit: BODY_BYTES }), async (request, response) => {
    const { name, role } = authenticate(request.get("Authorization"));
    if (role !== "operator")
      refuse("forbidden", {
        field: "Authorization",
        rule: `must be of an operator, but ${name} is ${role === "auditor" ? "an auditor" : "a viewer"}`,
        fix: "ask somebody with the role operator",
      });
    const wish = readRollBack(request.body as unknown);
    const outcome = await rollBack({ task: request.params.task, operator: name, ...wish });
    response.set("Cache-Control", "no-store").json(outcome);
  });
}

const isHash = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

/** @throws KindredError `message-invalid` naming the field */
function readRollBack(body: unknown): Pick<RollBackRequest, "to" | "from" | "reason"> {
  const { to, from, reason } = (body ?? {}) as Readonly<Record<string, unknown>>;
  const invalid = (field: string, rule: string): never =>
    refuse("message-invalid", { field, rule, fix: "use `kindred model rollback`" });
  if (!isHash(to) && !(Number.isSafeInteger(to) && (to as number) >= 0))
    return invalid("to", "must be the hash of a model, or the round that released it");
  if (!isHash(from)) return invalid("from", "must be the hash of the model in use");
  const text = typeof reason === "string" ? reason.trim() : "";
  if (text === "" || text.length > MAX_REASON)
    return invalid("reason", `must say why, in 1 to ${MAX_REASON} characters`);
  return { to: to as string | number, from, reason: text };
}
