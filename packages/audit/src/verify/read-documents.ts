/** From the text of a file to a ledger or to tree heads, with refusals that say which line is wrong. */
import type { LedgerHead, SignedLedgerHead } from "@kindred/privacy";
import { KindredError } from "@kindred/protocol";

const HEAD_SCHEMA = "kindred.ledger-head/1";

function refuse(field: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field, rule, fix });
}

/**
 * The entries of a ledger as it is exported: JSON lines, blank lines ignored. Their shape is left to verification.
 * @throws KindredError `option-invalid` naming the first line that is no JSON
 */
export function parseLedger(text: string): unknown[] {
  const entries: unknown[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    try {
      entries.push(JSON.parse(line));
    } catch {
      const what =
        index === 0 && /^\s*[[{<]/.test(line) && !line.trim().endsWith("}") ? "; is it a ledger at all?" : "";
      refuse(
        `ledger, line ${index + 1}`,
        `must be one JSON object${what}`,
        "export the ledger again from /v1/ledger",
      );
    }
  }
  if (entries.length === 0)
    refuse(
      "ledger",
      "must hold at least one entry",
      "export the ledger of a coordinator that has accepted a plan",
    );
  return entries;
}

/** A tree head as text, for {@link parseHeads}; one line. */
export function formatHead({ size, root }: LedgerHead): string {
  return `${JSON.stringify({ schema: HEAD_SCHEMA, size, root })}\n`;
}

/**
 * Tree heads from text: JSON lines as {@link formatHead} writes them, or as devices export them, signed; files of several
 * people can be joined.
 * @throws KindredError `option-invalid`
 */
export function parseHeads(text: string): (LedgerHead | SignedLedgerHead)[] {
  const heads = text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "")
    .map((line, index) => {
      const field = `head, line ${index + 1}`;
      const fix = "use a file that --save-head has written, or what a device exports";
      let head: {
        schema?: unknown;
        size?: unknown;
        root?: unknown;
        coordinatorKey?: unknown;
        signature?: unknown;
      } | null;
      try {
        head = JSON.parse(line) as typeof head;
      } catch {
        return refuse(field, "must be one JSON object", fix);
      }
      const { schema, size, root, coordinatorKey, signature } = head ?? {};
      if (schema !== HEAD_SCHEMA) refuse(field, `must have the schema ${HEAD_SCHEMA}`, fix);
      if (!Number.isSafeInteger(size) || (size as number) < 0)
        refuse(`${field}, size`, "must be a whole number from 0", fix);
      if (typeof root !== "string" || !/^[0-9a-f]{64}$/.test(root))
        refuse(`${field}, root`, "must be 64 hexadecimal digits", fix);
      if (coordinatorKey === undefined && signature === undefined)
        return { size: size as number, root: root as string };
      if (typeof coordinatorKey !== "string" || !/^[0-9a-f]{64}$/.test(coordinatorKey))
        refuse(`${field}, coordinatorKey`, "must be 64 hexadecimal digits", fix);
      if (typeof signature !== "string" || !/^[0-9a-f]{128}$/.test(signature))
        refuse(`${field}, signature`, "must be 128 hexadecimal digits", fix);
      return { size: size as number, root: root as string, coordinatorKey, signature };
    });
  if (heads.length === 0)
    refuse("head", "must hold at least one tree head", "leave --head out, or name another file");
  return heads;
}
