/** Whether a value from a file nobody vouches for has the shape of a ledger entry. */

import type { LedgerBody, LedgerEntry } from "./ledger.ts";

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === "string";
const optionalText: Check = (value) => value === null || text(value);
const finite: Check = (value) => Number.isFinite(value);
const natural: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const amount: Check = (value) => value === null || (finite(value) && (value as number) >= 0);
const document: Check = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const oneOf =
  (...allowed: readonly unknown[]): Check =>
  (value) =>
    allowed.includes(value);
const hex =
  (digits: number): Check =>
  (value) =>
    typeof value === "string" && value.length === digits && /^[0-9a-f]*$/.test(value);
const time: Check = (value) =>
  typeof value === "string" && Number.isFinite(Date.parse(value)) && new Date(value).toISOString() === value;
const record =
  (required: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>> = {}): Check =>
  (value) => {
    if (!document(value)) return false;
    const present = Object.entries(optional).filter(([name]) => Object.hasOwn(value as object, name));
    const fields = { ...required, ...Object.fromEntries(present) };
    const names = Object.keys(fields);
    return (
      Object.keys(value as object).length === names.length &&
      names.every(
        (name) =>
          Object.hasOwn(value as object, name) && fields[name]!((value as Record<string, unknown>)[name]),
      )
    );
  };

const spending = record({ coordinator: amount, observer: amount });
const spent = record({ before: spending, after: spending });
const round = { kind: text, task: text, round: natural };
const BODIES: { readonly [K in LedgerBody["kind"]]: Check } = {
  "plan-accepted": record({
    kind: text,
    task: text,
    planDigest: text,
    plan: document,
    epsilon: amount,
    delta: amount,
    participations: natural,
    rounds: natural,
    catalogueHash: text,
    modelHash: text,
  }),
  "round-started": record({
    ...round,
    planDigest: text,
    modelHash: text,
    beacon: hex(64),
    promised: spending,
  }),
  "round-released": record(
    {
      ...round,
      cohort: natural,
      survivors: natural,
      noise: record({ localDeviation: natural, honest: natural, scale: finite }),
      spent,
      modelHash: text,
      parentModelHash: text,
    },
    {
      removed: record({ components: natural, kept: natural }),
      clipping: record({ norm: finite, fraction: finite, next: finite }),
    },
  ),
  "round-failed": record({ ...round, reason: text, spent }),
  "model-promoted": record({ ...round, modelHash: text, operator: optionalText }),
  "model-rolled-back": record({
    kind: text,
    task: text,
    fromModelHash: text,
    toModelHash: text,
    reason: text,
    operator: optionalText,
  }),
  "configuration-changed": record({
    kind: text,
    setting: text,
    before: optionalText,
    after: optionalText,
    operator: optionalText,
  }),
  "operator-changed": record({
    kind: text,
    operator: text,
    role: oneOf("operator", "auditor", "viewer", null),
    credentialHash: (value) => value === null || hex(64)(value),
  }),
};

const isBody: Check = (value) => {
  const kind = (value as { kind?: unknown } | null | undefined)?.kind;
  return typeof kind === "string" && Object.hasOwn(BODIES, kind) && BODIES[kind as LedgerBody["kind"]](value);
};

const content = { index: natural, previous: hex(64), time, body: isBody };
const isContent = record(content);
const isEntry = record({ ...content, hash: hex(64), signature: hex(128) });

/** Whether a value has exactly the fields of an entry that its hash is of. */
export function isLedgerContent(
  value: unknown,
): value is Pick<LedgerEntry, "index" | "previous" | "time" | "body"> {
  return isContent(value);
}

/** Whether a value has exactly the fields of a {@link LedgerEntry}, each of the right type. */
export function isLedgerEntry(value: unknown): value is LedgerEntry {
  return isEntry(value);
}
