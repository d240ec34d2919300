/**
 * Verification of a ledger without its coordinator: everything that {@link verifyLedgerChain} checks, and on top of it
 * every plan, the survivors and the noise of every release, ε recomputed by two accountants, earlier tree heads, and
 * the model files. No number of the ledger is trusted that can be computed.
 */
import {
  isLedgerEntry,
  type LedgerEntry,
  type LedgerHead,
  ledgerHead,
  type SignedLedgerHead,
  verifyLedgerChain,
} from "@kindred/privacy";
import { bytesToHex, hexToBytes, KindredError, ledgerHeadSigningBytes } from "@kindred/protocol";
import { checkModelFiles, type ModelFile } from "./model-files.ts";
import type { AuditRule, AuditViolation } from "./rules.ts";
import type { TaskAccount } from "./task-account.ts";
import { TaskAuditor } from "./task-auditor.ts";

export type { AuditRule, AuditViolation } from "./rules.ts";

/** What a ledger is checked against. */
export interface LedgerAudit {
  /** Ed25519 verification of a detached signature. */
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  /**
   * The coordinator's Ed25519 key, 32 bytes, from a source other than the ledger. Without it the key of the first plan
   * is taken: the ledger is then shown to be consistent, but not whose it is.
   */
  readonly key?: Uint8Array;
  /** Tree heads seen earlier, by anybody; those of devices are signed by the coordinator. */
  readonly heads?: readonly (LedgerHead | SignedLedgerHead)[];
  /** Model files; every model of the ledger then has to be among them. */
  readonly models?: readonly ModelFile[];
}

/** What came of it. */
export interface LedgerVerdict {
  /** In the order of the entries; empty when the ledger is sound. */
  readonly violations: readonly AuditViolation[];
  readonly entries: number;
  /** Times of the first and the last entry; null where there is none. */
  readonly period: { readonly from: string; readonly to: string } | null;
  /** The key that every signature was checked with, hexadecimal; null where neither caller nor ledger names one. */
  readonly key: string | null;
  /** Whether the caller named the key. */
  readonly keyPinned: boolean;
  /** To be remembered and given to the next verification. */
  readonly head: LedgerHead;
  readonly tasks: readonly TaskAccount[];
}

/**
 * @param entries As parsed from JSON, oldest first; nothing about their shape is assumed.
 * @throws KindredError `option-invalid` for a signed tree head whose signature does not verify: it says nothing about
 *   the coordinator
 */
export function verifyLedger(entries: readonly unknown[], options: LedgerAudit): LedgerVerdict {
  const sound = entries.map((entry) => (isLedgerEntry(entry) ? entry : undefined));
  const publicKey = options.key ?? keyOfFirstPlan(sound);
  const chain = verifyLedgerChain(entries, {
    verify: (signature, message, key) => publicKey !== undefined && options.verify(signature, message, key),
    publicKey: publicKey ?? new Uint8Array(32),
  });
  const violations: AuditViolation[] = [...chain];
  const key = publicKey === undefined ? null : bytesToHex(publicKey);
  const auditors = auditTasks(sound, { key: key ?? "", violations });
  violations.push(...checkHeads(sound, { heads: options.heads ?? [], key, verify: options.verify }));
  if (options.models !== undefined)
    for (const auditor of auditors)
      violations.push(...checkModelFiles(auditor.account(), { files: options.models, plan: auditor.plan }));
  const present = sound.filter((entry) => entry !== undefined);
  const [first, last] = [present[0], present.at(-1)];
  return {
    violations: violations.sort((a, b) => a.entry - b.entry),
    entries: entries.length,
    period: first === undefined || last === undefined ? null : { from: first.time, to: last.time },
    key,
    keyPinned: options.key !== undefined,
    head: ledgerHead(present),
    tasks: auditors.map((auditor) => auditor.account()),
  };
}

function keyOfFirstPlan(entries: readonly (LedgerEntry | undefined)[]): Uint8Array | undefined {
  for (const entry of entries) {
    if (entry?.body.kind !== "plan-accepted") continue;
    const key: unknown = (entry.body.plan as { resolved?: { coordinatorKey?: unknown } }).resolved
      ?.coordinatorKey;
    if (typeof key === "string" && /^[0-9a-f]{64}$/.test(key)) return hexToBytes(key);
  }
  return undefined;
}

function auditTasks(
  entries: readonly (LedgerEntry | undefined)[],
  { key, violations }: { key: string; violations: AuditViolation[] },
): readonly TaskAuditor[] {
  const auditors = new Map<string, TaskAuditor>();
  for (const [index, entry] of entries.entries()) {
    if (entry === undefined || !("task" in entry.body)) continue;
    const { body, time } = entry;
    const complain = (rule: AuditRule, details: Pick<AuditViolation, "found" | "expected">): void => {
      violations.push({ entry: index, rule, ...details });
    };
    const auditor = auditors.get(body.task);
    const at = { index, time, complain };
    if (auditor !== undefined) auditor.follow(body, at);
    else if (body.kind === "plan-accepted")
      auditors.set(body.task, new TaskAuditor(body, { key, entry: at }));
  }
  return [...auditors.values()];
}

function checkHeads(
  entries: readonly (LedgerEntry | undefined)[],
  {
    heads,
    key,
    verify,
  }: Pick<LedgerAudit, "verify"> & {
    readonly heads: readonly (LedgerHead | SignedLedgerHead)[];
    readonly key: string | null;
  },
): AuditViolation[] {
  return heads.flatMap((head, position): AuditViolation[] => {
    const { size, root } = head;
    const isSigned = "signature" in head;
    const seen = isSigned ? "seen earlier and signed by the coordinator" : "seen earlier";
    if (isSigned) checkSigned(head, { position, verify });
    if (isSigned && key !== null && head.coordinatorKey !== key)
      return [
        {
          entry: 0,
          rule: "forked",
          found: `a ledger signed by ${key}`,
          expected: `${head.coordinatorKey}, which signed a tree head seen earlier`,
        },
      ];
    if (size > entries.length)
      return [
        {
          entry: entries.length,
          rule: "truncated",
          found: `a ledger of ${entries.length} entries`,
          expected: `at least ${size}, the size of a tree head ${seen}`,
        },
      ];
    const prefix = entries.slice(0, size).filter((entry) => entry !== undefined);
    const now = ledgerHead(prefix);
    if (prefix.length === size && now.root === root) return [];
    return [
      {
        entry: Math.max(0, size - 1),
        rule: "forked",
        found: `the tree head ${now.root} over the first ${size} entries`,
        expected: `${root}, as ${seen}`,
      },
    ];
  });
}

function checkSigned(
  { size, root, coordinatorKey, signature }: SignedLedgerHead,
  { position, verify }: Pick<LedgerAudit, "verify"> & { readonly position: number },
): void {
  const signed = ledgerHeadSigningBytes({ size, root: hexToBytes(root) });
  if (!verify(hexToBytes(signature), signed, hexToBytes(coordinatorKey)))
    throw new KindredError({
      code: "option-invalid",
      field: `head ${position + 1}, signature`,
      rule: "must be by the coordinator's key that it names",
      fix: "leave this head out, or have it exported again: without a signature it proves nothing",
    });
}
