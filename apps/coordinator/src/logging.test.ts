import { KindredError } from "@kindred/protocol";
import { pino } from "pino";
import { expect, it } from "vitest";
import { carefulLogger, describeError } from "./logging.ts";
import { TransactionError } from "./store/errors.ts";

const lines: string[] = [];
const logger = carefulLogger(pino({ level: "info" }, { write: (line: string) => lines.push(line) }));

function logged(error: unknown): Record<string, unknown> {
  logger.error({ error }, "it failed");
  return (JSON.parse(lines.at(-1)!) as { error: Record<string, unknown> }).error;
}

it("says what failed and where", () => {
  const error = new TypeError("a number is missing");
  expect(logged(error)).toMatchObject({ name: "TypeError", message: "a number is missing" });
  expect(logged(error)["stack"]).toEqual(
    expect.arrayContaining([expect.stringContaining("logging.test.ts")]),
  );
  const rejection = { code: "internal", field: "spool", rule: "must be there", fix: "restore it" } as const;
  expect(logged(new KindredError(rejection))).toMatchObject({ code: "internal" });
  expect(describeError("text")).toEqual({ name: "string" });
  expect(String(describeError(new Error("x".repeat(10_000))).message).length).toBeLessThan(1_000);
});

it("repeats no value of a failed query, whichever error wraps it", () => {
  const query = Object.assign(new Error("Invalid invocation: payload: Uint8Array(3) [ 5, 150, 9 ] hunter2"), {
    name: "PrismaClientValidationError",
    code: "P2000",
  });
  const driver = Object.assign(new Error("Key (device)=(hunter2) exists"), {
    severity: "ERROR",
    code: "23505",
  });
  for (const cause of [query, driver]) {
    const error = new TransactionError("commit transitions", cause);
    logged(error);
    expect(lines.at(-1)).not.toContain("hunter2");
    expect(lines.at(-1)).not.toContain("150");
    expect(logged(error)).toMatchObject({ name: "TransactionError", cause: { code: cause.code } });
  }
});
