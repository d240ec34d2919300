/** From a schema's complaint to a rejection that names field, rule and fix. */
import type { z } from "zod";
import type { ErrorCode, Rejection } from "./errors.ts";

type Issue = z.core.$ZodIssue;

const DEFAULT_FIX = "correct the value as the rule says";

/** Longest text of a rejection, in UTF-16 code units: what the `rejection` message can carry. */
export const MAX_TEXT = 500;

/** Shortens a text to `MAX_TEXT`; field paths and found values may come from strangers. */
export function clampText(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`;
}

/** Name of a value's type; never the value itself, which may be personal. */
function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value instanceof Uint8Array) return "bytes";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value === "object") return "an object";
  return `a ${typeof value}`;
}

const EXPECTED: Readonly<Record<string, string>> = {
  int: "an integer",
  array: "an array",
  object: "an object",
  Uint8Array: "bytes",
};

function expectedKind(expected: string): string {
  return EXPECTED[expected] ?? `a ${expected}`;
}

/** ` characters`, ` entries` or nothing, as the bounded quantity has a unit. */
function unitOf(origin: string): string {
  if (origin === "string") return " characters";
  return origin === "array" ? " entries" : "";
}

/** Longer enumerations are not spelt out. */
const LISTED_VALUES = 8;
const CHECK_SPELLING = "check the spelling, or update the side that is older";

function quotedValues(values: readonly unknown[], separator: string): string {
  return values.map((value) => JSON.stringify(value)).join(separator);
}

function quotedKeys(keys: readonly string[]): string {
  return keys.map((key) => JSON.stringify(key)).join(", ");
}

function ruleFor(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined
        ? `must be ${expectedKind(issue.expected)}, but is missing`
        : `must be ${expectedKind(issue.expected)}, found ${
            issue.expected === "int" ? "a fraction" : kindOf(issue.input)
          }`;
    case "too_small":
      return `must ${issue.origin === "number" || issue.origin === "int" ? "be" : "have"} ${
        issue.inclusive ? "at least" : "above"
      } ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `must ${issue.origin === "number" || issue.origin === "int" ? "be" : "have"} ${
        issue.inclusive ? "at most" : "below"
      } ${issue.maximum}${unitOf(issue.origin)}`;
    case "invalid_value":
      if (issue.values.length > LISTED_VALUES)
        return `must be one of the ${issue.values.length} values that are defined`;
      return `must be ${issue.values.length > 1 ? "one of " : ""}${quotedValues(issue.values, ", ")}`;
    case "unrecognized_keys":
      return `is not a field here: ${quotedKeys(issue.keys)}`;
    case "invalid_union":
      return "must be a type that this protocol version knows";
    default:
      return issue.message;
  }
}

function fixFor(issue: Issue): string {
  const stated = issue.code === "custom" ? issue.params?.["fix"] : undefined;
  if (typeof stated === "string") return stated;
  if (issue.input === undefined) return "add the field";
  switch (issue.code) {
    case "unrecognized_keys":
      return `remove ${quotedKeys(issue.keys)}, or check the spelling`;
    case "invalid_type":
      return `make it ${expectedKind(issue.expected)}`;
    case "too_small":
      return issue.inclusive ? `raise it to ${issue.minimum} or more` : `raise it above ${issue.minimum}`;
    case "too_big":
      return issue.inclusive ? `lower it to ${issue.maximum} or less` : `lower it below ${issue.maximum}`;
    case "invalid_value":
      return issue.values.length > LISTED_VALUES
        ? CHECK_SPELLING
        : `use ${quotedValues(issue.values, " or ")}`;
    case "invalid_union":
      return CHECK_SPELLING;
    default:
      return DEFAULT_FIX;
  }
}

/**
 * The first issue of a zod error as a rejection; `root` is the name of the document in the field path. The
 * parse must have run with `reportInput`, so that a missing field can be told from one of a wrong type.
 */
export function rejectionFromZod(
  error: z.ZodError,
  { code, root }: { code: ErrorCode; root: string },
): Rejection {
  const issue = error.issues[0];
  if (issue === undefined) return { code, field: root, rule: "is invalid", fix: DEFAULT_FIX };
  const others = error.issues.length > 1 ? ` (and ${error.issues.length - 1} more)` : "";
  const path = [root, ...issue.path.map(String)];
  const unknownKey = issue.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  if (unknownKey !== undefined) path.push(unknownKey);
  return {
    code,
    field: clampText(path.join(".")),
    rule: clampText(ruleFor(issue) + others),
    fix: clampText(fixFor(issue)),
  };
}
