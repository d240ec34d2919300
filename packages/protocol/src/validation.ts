/** From a schema's complaint to a rejection that names field, rule and fix. */
import type { z } from "zod";
import type { ErrorCode, Rejection } from "./errors.ts";

const DEFAULT_FIX = "correct the value as the rule says";

function fixFor(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "custom": {
      const fix = issue.params?.["fix"];
      return typeof fix === "string" ? fix : DEFAULT_FIX;
    }
    case "unrecognized_keys":
      return `remove ${issue.keys.map((key) => `"${key}"`).join(", ")}, or check the spelling`;
    case "invalid_type":
      return issue.input === undefined ? "add the field" : `give it the type ${issue.expected}`;
    case "too_small":
      return `raise it to ${issue.minimum} or more`;
    case "too_big":
      return `lower it to ${issue.maximum} or less`;
    case "invalid_value":
      return `use one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    default:
      return DEFAULT_FIX;
  }
}

/** The first issue of a zod error as a rejection; `root` is the name of the document in the field path. */
export function rejectionFromZod(
  error: z.ZodError,
  { code, root }: { code: ErrorCode; root: string },
): Rejection {
  const issue = error.issues[0];
  if (issue === undefined) return { code, field: root, rule: "is invalid", fix: DEFAULT_FIX };
  const others = error.issues.length > 1 ? ` (and ${error.issues.length - 1} more)` : "";
  return {
    code,
    field: [root, ...issue.path.map(String)].join("."),
    rule: issue.message + others,
    fix: fixFor(issue),
  };
}
