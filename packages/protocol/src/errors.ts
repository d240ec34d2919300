/**
 * The one error table of Kindred: a code, how it travels, its HTTP status and its metric label.
 *
 * Expected rejections are values (`Rejection`) that cross the wire as they are; `KindredError` carries one
 * through code that can only throw (parsers, loaders, constructors).
 */

/** Every way in which Kindred says no. `status` is the HTTP status, `retry` whether the same request may succeed later. */
export const ERROR_TABLE = {
  "protocol-version": { status: 426, retry: false, summary: "the peer speaks another protocol version" },
  "frame-too-large": { status: 413, retry: false, summary: "a frame exceeds its size limit" },
  "frame-malformed": { status: 400, retry: false, summary: "a frame cannot be decoded" },
  "message-unknown": { status: 400, retry: false, summary: "a message has an unknown type" },
  "message-invalid": { status: 400, retry: false, summary: "a message breaks its schema" },
  "message-unexpected": {
    status: 409,
    retry: false,
    summary: "a message does not belong to the present phase",
  },
  "not-authenticated": { status: 401, retry: false, summary: "the device has not proved its identity" },
  "signature-invalid": { status: 401, retry: false, summary: "a signature does not verify" },
  "rate-limited": { status: 429, retry: true, summary: "too many messages in a short time" },
  "task-unknown": { status: 404, retry: false, summary: "no such task" },
  "round-unknown": { status: 404, retry: false, summary: "no such round" },
  "not-found": { status: 404, retry: false, summary: "no such resource" },
  "range-invalid": { status: 416, retry: false, summary: "the requested byte range cannot be satisfied" },
  "plan-invalid": { status: 422, retry: false, summary: "a plan is malformed or contradicts itself" },
  "catalogue-invalid": { status: 422, retry: false, summary: "a catalogue is malformed" },
  "dataset-invalid": { status: 422, retry: false, summary: "a data set is incomplete or malformed" },
  "option-invalid": {
    status: 422,
    retry: false,
    summary: "an option of a command or constructor is invalid",
  },
  "model-invalid": {
    status: 422,
    retry: false,
    summary: "a model file is malformed or does not match its hash",
  },
  "vector-invalid": {
    status: 422,
    retry: false,
    summary: "a masked input has a wrong length or an entry outside the modulus",
  },
  "share-invalid": { status: 422, retry: false, summary: "a secret share is malformed or inconsistent" },
  "ledger-invalid": {
    status: 409,
    retry: false,
    summary: "the coordinator's ledger was cut or rewritten, or lacks the round",
  },
  "roster-invalid": { status: 409, retry: false, summary: "a key directory breaks its rules" },
  "cohort-too-small": { status: 409, retry: true, summary: "fewer clients than the plan's minimum" },
  "too-few-survivors": { status: 409, retry: true, summary: "fewer survivors than the plan's minimum" },
  "deadline-passed": { status: 408, retry: true, summary: "a phase ended before enough clients answered" },
  "dropped-out": { status: 410, retry: true, summary: "the client was declared dropped in an earlier phase" },
  "budget-exhausted": {
    status: 409,
    retry: false,
    summary: "the privacy budget does not allow another round",
  },
  "participation-cap": { status: 409, retry: false, summary: "the device has reached its participation cap" },
  "consent-missing": { status: 403, retry: false, summary: "the person has not granted consent" },
  "privacy-floor": {
    status: 409,
    retry: false,
    summary: "the coordinator asks for less privacy than the client accepts",
  },
  "reconstruction-failed": {
    status: 409,
    retry: true,
    summary: "the shares do not reconstruct the committed secrets",
  },
  cancelled: { status: 409, retry: false, summary: "the operator cancelled the round" },
  forbidden: { status: 403, retry: false, summary: "the operator's role does not allow it" },
  internal: {
    status: 500,
    retry: true,
    summary: "an internal failure; the round's other members are not affected",
  },
} as const;

export type ErrorCode = keyof typeof ERROR_TABLE;

export const ERROR_CODES = Object.keys(ERROR_TABLE) as [ErrorCode, ...ErrorCode[]];

/** An expected "no": which field breaks which rule, and what would mend it. */
export interface Rejection {
  readonly code: ErrorCode;
  /** Path of the offending field, `plan.cohort.minimum` or `ratings.csv:17 rating`. */
  readonly field: string;
  /** The rule it breaks, with the value found where that is no personal datum. */
  readonly rule: string;
  /** What to do about it. */
  readonly fix: string;
}

/** A `Rejection` that is thrown where a return value cannot carry it. */
export class KindredError extends Error {
  readonly rejection: Rejection;

  constructor(rejection: Rejection) {
    super(describeRejection(rejection));
    this.name = "KindredError";
    this.rejection = rejection;
  }

  get code(): ErrorCode {
    return this.rejection.code;
  }
}

/** One line for a person: `plan-invalid: plan.rounds must be at least 1; set it to 1 or more`. */
export function describeRejection(rejection: Rejection): string {
  return `${rejection.code}: ${rejection.field} ${rejection.rule}; ${rejection.fix}`;
}

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly rejection: Rejection };

export function accepted<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function rejected(
  code: ErrorCode,
  field: string,
  { rule, fix }: { rule: string; fix: string },
): { ok: false; rejection: Rejection } {
  return { ok: false, rejection: { code, field, rule, fix } };
}
