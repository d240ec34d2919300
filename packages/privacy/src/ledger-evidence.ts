/** What a device checks of the ledger before it takes part in a round, so that nobody can show it another history. */

import {
  bytesToHex,
  canonicalJson,
  hexToBytes,
  type LedgerEvidence,
  ledgerHeadSigningBytes,
  type Rejection,
  type Result,
  rejected,
  sha256Bytes,
  verifyConsistency,
  verifyInclusion,
} from "@kindred/protocol";
import type { LedgerBody } from "./ledger.ts";
import type { SignedLedgerHead } from "./ledger-head.ts";
import { isLedgerContent } from "./ledger-shape.ts";
import type { LedgerVerification } from "./ledger-verify.ts";

/** What the device knows about the round apart from the ledger. */
export interface ExpectedStart {
  readonly task: string;
  readonly round: number;
  /** 32 bytes each. */
  readonly planDigest: Uint8Array;
  readonly modelHash: Uint8Array;
  readonly beacon: Uint8Array;
  /** The plan's limit of the coordinator's ε; null for a plan without noise. */
  readonly epsilonLimit: number | null;
}

/**
 * Verifies what `selected` carries of the ledger (PROTOCOL.md, section 15).
 *
 * @param options.remembered The newest head of this coordinator that the device has verified; undefined for none.
 * @returns The head to remember in its place, or `signature-invalid` or `ledger-invalid`: the history was cut, forked or
 *   rewritten, or does not hold the round.
 */
export function verifyLedgerEvidence(
  evidence: LedgerEvidence,
  options: LedgerVerification & {
    readonly remembered: Pick<SignedLedgerHead, "size" | "root"> | undefined;
    readonly expected: ExpectedStart;
  },
): Result<SignedLedgerHead> {
  const { size, root, signature } = evidence;
  const { remembered, expected, publicKey } = options;
  if (!options.verify(signature, ledgerHeadSigningBytes({ size, root }), publicKey))
    return rejected("signature-invalid", "selected.ledger.signature", {
      rule: "must be the coordinator's over the tree head",
      fix: "sign ledgerHeadSigningBytes with the key that the plan names",
    });
  const broken = historyFault(evidence, remembered) ?? startFault(evidence, expected);
  if (broken !== undefined) return { ok: false, rejection: broken };
  const head = { size, root: bytesToHex(root), signature: bytesToHex(signature) };
  return { ok: true, value: { coordinatorKey: bytesToHex(publicKey), ...head } };
}

/** Accountants of two platforms may differ in the last digits. */
const ROUNDING = 1 + 1e-9;

const KEEP_IT =
  "restore the coordinator's whole ledger; keep this device's tree head, it shows what was there before";

function fault(field: string, rule: string, fix: string): Rejection {
  return { code: "ledger-invalid", field: `selected.ledger.${field}`, rule, fix };
}

function historyFault(
  { size, root, consistency }: LedgerEvidence,
  remembered: Pick<SignedLedgerHead, "size" | "root"> | undefined,
): Rejection | undefined {
  if (remembered === undefined) return undefined;
  if (size < remembered.size)
    return fault(
      "size",
      `must be at least ${remembered.size}, which this device has seen, found ${size}: entries were cut off`,
      KEEP_IT,
    );
  const goesOn = verifyConsistency({
    oldSize: remembered.size,
    oldRoot: hexToBytes(remembered.root),
    size,
    root,
    proof: consistency,
  });
  return goesOn
    ? undefined
    : fault(
        "consistency",
        `must prove that the first ${remembered.size} of ${size} entries are those that this device has seen: the history was rewritten or forked`,
        KEEP_IT,
      );
}

function startFault(
  { size, root, index, started, inclusion }: LedgerEvidence,
  expected: ExpectedStart,
): Rejection | undefined {
  if (!verifyInclusion({ leaf: sha256Bytes(started), index, size, proof: inclusion, root }))
    return fault(
      "inclusion",
      `must prove that the entry of the round's start is number ${index} of ${size}`,
      "append the round's start to the ledger before a device is selected",
    );
  const body = startBody(started, index);
  if (body === undefined)
    return fault(
      "started",
      "must be the canonical JSON of a round-started entry with that index",
      "send body, index, previous and time as they were hashed",
    );
  const same =
    body.task === expected.task &&
    body.round === expected.round &&
    body.planDigest === bytesToHex(expected.planDigest) &&
    body.modelHash === bytesToHex(expected.modelHash) &&
    body.beacon === bytesToHex(expected.beacon);
  if (!same)
    return fault(
      "started",
      "must name the task, round, plan, model and beacon that this device was selected with",
      "select devices for the round that the ledger says has started",
    );
  const { coordinator } = body.promised;
  const { epsilonLimit } = expected;
  if (epsilonLimit !== null && (coordinator === null || coordinator > epsilonLimit * ROUNDING))
    return fault(
      "started",
      `must promise an ε of at most ${epsilonLimit}, found ${coordinator ?? "none"}`,
      "start no round that the plan's budget does not allow",
    );
  return undefined;
}

/** The body, if the text is exactly what the hash of a `round-started` entry of this index is of. */
function startBody(text: string, index: number): Extract<LedgerBody, { kind: "round-started" }> | undefined {
  let content: unknown;
  try {
    content = JSON.parse(text);
    if (canonicalJson(content) !== text) return undefined;
  } catch {
    return undefined;
  }
  if (!isLedgerContent(content) || content.index !== index) return undefined;
  return content.body.kind === "round-started" ? content.body : undefined;
}
