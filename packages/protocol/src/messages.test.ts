import { describe, expect, it } from "vitest";
import { bytesFrom } from "../test/samples.ts";
import { decodeServerFrame, encodeFrame } from "./codec.ts";
import { describeRejection, ERROR_CODES, ERROR_TABLE, KindredError, rejected } from "./errors.ts";
import { clientMessageSchema, rejectionMessage, serverMessageSchema } from "./messages.ts";

describe("messages with one entry per member", () => {
  it.each([
    ["shares", clientMessageSchema, { shares: [1, 1].map((peer) => ({ peer, box: bytesFrom(0, 9) })) }],
    [
      "reveal",
      clientMessageSchema,
      { shares: ["self-mask", "mask-key"].map((kind) => ({ owner: 3, kind, share: bytesFrom(0, 9) })) },
    ],
    [
      "inbox",
      serverMessageSchema,
      { shares: [0, 0].map((peer) => ({ peer, box: bytesFrom(0, 9) })), sharing: bytesFrom(1, 1) },
    ],
  ] as const)("%s refuses a second one", (type, schema, content) => {
    expect(schema.safeParse({ type, round: 1, ...content }).success).toBe(false);
    const once = Object.fromEntries(
      Object.entries(content).map(([key, value]) => [
        key,
        value instanceof Uint8Array ? value : value.slice(0, 1),
      ]),
    );
    expect(schema.safeParse({ type, round: 1, ...once }).success).toBe(true);
  });
});

describe("rejections", () => {
  it("travel as they are", () => {
    const { rejection } = rejected("plan-invalid", "plan.rounds", {
      rule: "must be at least 1",
      fix: "raise it",
    });
    const message = rejectionMessage(rejection);
    expect(message).toEqual({ type: "rejection", ...rejection });
    expect(decodeServerFrame(encodeFrame(message))).toEqual({ ok: true, value: message });
  });

  it("are shortened to what the message can carry", () => {
    const long = "x".repeat(5000);
    const message = rejectionMessage({ code: "message-invalid", field: long, rule: long, fix: long });
    expect(message.rule).toBe(`${"x".repeat(499)}…`);
    expect(decodeServerFrame(encodeFrame(message)).ok).toBe(true);
  });

  it("read as one line, and KindredError carries one", () => {
    const rejection = {
      code: "plan-invalid",
      field: "plan.rounds",
      rule: "must be at least 1",
      fix: "raise it",
    } as const;
    expect(describeRejection(rejection)).toBe("plan-invalid: plan.rounds must be at least 1; raise it");
    const error = new KindredError(rejection);
    expect(error).toMatchObject({ name: "KindredError", code: "plan-invalid", rejection });
    expect(error.message).toBe(describeRejection(rejection));
  });
});

describe("error table", () => {
  it("gives every code an HTTP error status and a summary of its own", () => {
    expect(ERROR_CODES.length).toBe(Object.keys(ERROR_TABLE).length);
    const summaries = new Set<string>();
    for (const code of ERROR_CODES) {
      const { status, summary } = ERROR_TABLE[code];
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/); // also a metric label
      summaries.add(summary);
    }
    expect(summaries.size).toBe(ERROR_CODES.length);
  });
});
