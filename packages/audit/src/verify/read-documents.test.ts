import { KindredError } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { formatHead, parseHeads, parseLedger } from "./read-documents.ts";

const head = { size: 7, root: "ab".repeat(32) };

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof KindredError) return `${error.rejection.field} ${error.rejection.rule}`;
    throw error;
  }
  return "accepted";
}

describe("parseLedger", () => {
  it("reads JSON lines, whatever ends them", () => {
    expect(parseLedger('{"index":0}\r\n\n{"index":1}')).toEqual([{ index: 0 }, { index: 1 }]);
  });

  it("names the line that is no JSON, and a file without entries", () => {
    expect(refusal(() => parseLedger('{"index":0}\n{"index":'))).toBe(
      "ledger, line 2 must be one JSON object",
    );
    expect(refusal(() => parseLedger("<html>"))).toBe(
      "ledger, line 1 must be one JSON object; is it a ledger at all?",
    );
    expect(refusal(() => parseLedger("\n"))).toBe("ledger must hold at least one entry");
  });
});

describe("parseHeads", () => {
  it("reads what formatHead writes, also of several people", () => {
    expect(parseHeads(formatHead(head))).toEqual([head]);
    expect(parseHeads(formatHead(head) + formatHead({ ...head, size: 9 }))).toHaveLength(2);
  });

  it("reads what devices export", () => {
    const signed = { ...head, coordinatorKey: "cd".repeat(32), signature: "ef".repeat(64) };
    const line = (changes: object) =>
      JSON.stringify({ schema: "kindred.ledger-head/1", ...signed, ...changes });
    expect(parseHeads(`${line({})}\n${formatHead(head)}`)).toEqual([signed, head]);
    expect(refusal(() => parseHeads(line({ signature: undefined })))).toBe(
      "head, line 1, signature must be 128 hexadecimal digits",
    );
    expect(refusal(() => parseHeads(line({ coordinatorKey: "x" })))).toBe(
      "head, line 1, coordinatorKey must be 64 hexadecimal digits",
    );
  });

  it.each([
    ["", "head must hold at least one tree head"],
    ["{", "head, line 1 must be one JSON object"],
    ["null", "head, line 1 must have the schema kindred.ledger-head/1"],
    [formatHead(head).replace("7", "-7"), "head, line 1, size must be a whole number from 0"],
    [formatHead(head).replace("abab", "ABAB"), "head, line 1, root must be 64 hexadecimal digits"],
  ])("refuses %j", (text, rule) => {
    expect(refusal(() => parseHeads(text))).toBe(rule);
  });
});
