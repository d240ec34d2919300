/** The client's checks of R1: is this key directory one that it may trust its update to? */
import {
  type Advertisement,
  accepted,
  advertisementSigningBytes,
  equalBytes,
  type Result,
  rejected,
  rosterSigningBytes,
} from "@kindred/protocol";
import type { CryptoSuite } from "./crypto.ts";
import { areKeysDistinct, openSession, type RoundBinding, type Session } from "./session.ts";

export interface RosterClaim {
  readonly entries: readonly Advertisement[];
  /** The coordinator's, over the session id. */
  readonly signature: Uint8Array;
}

/**
 * Checks a roster, cheap tests first: size, order, distinct keys, the own entry exactly once and unaltered, the
 * coordinator's signature over the session id *as the client computes it*, every member's signature.
 * @returns the session and the client's own index
 */
export function checkRoster(
  roster: RosterClaim,
  {
    binding,
    own,
    coordinatorKey,
    suite,
  }: { binding: RoundBinding; own: Advertisement; coordinatorKey: Uint8Array; suite: CryptoSuite },
): Result<{ session: Session; self: number }> {
  const { entries } = roster;
  if (entries.length < binding.minimumCohort)
    return rejected("cohort-too-small", "roster.entries", {
      rule: `must name at least ${binding.minimumCohort} members, found ${entries.length}`,
      fix: "wait for a round with more clients",
    });
  if (entries.length > binding.maximumCohort)
    return invalidRoster(`must name at most ${binding.maximumCohort} members, found ${entries.length}`);
  if (entries.some(({ device }, i) => i > 0 && compareBytes(entries[i - 1]!.device, device) >= 0))
    return invalidRoster("must be strictly sorted by device key");
  if (!areKeysDistinct(entries)) return invalidRoster("must not name a key twice");
  // The order is strict, so an own device key is there once or not at all.
  const self = entries.findIndex(({ device }) => equalBytes(device, own.device));
  if (self < 0) return invalidRoster("must name this device");
  if (!equalAdvertisements(entries[self]!, own)) return invalidRoster("must repeat this device's own keys");

  const opened = openSession(binding, entries);
  if (!opened.ok) return opened;
  const session = opened.value;
  if (!suite.verify(roster.signature, rosterSigningBytes(session.sid), coordinatorKey))
    return rejected("signature-invalid", "roster.signature", {
      rule: "must be the coordinator's over this task, round, plan, model and key directory",
      fix: "use the plan and the model of this round, and the coordinator key of the plan",
    });
  const forged = entries.findIndex((entry, i) => i !== self && !isSigned(entry, binding, suite));
  if (forged >= 0)
    return rejected("signature-invalid", `roster.entries[${forged}].signature`, {
      rule: "must be the device's own over its keys, task and round",
      fix: "leave the member out",
    });
  return accepted({ session, self });
}

/** Whether the device itself signed the advertisement for this task and round. */
export function isSigned(
  advertisement: Advertisement,
  { task, round }: { task: string; round: number },
  suite: CryptoSuite,
): boolean {
  const message = advertisementSigningBytes(advertisement, { task, round });
  return suite.verify(advertisement.signature, message, advertisement.device);
}

/** Whether two advertisements are the same in every field. */
export function equalAdvertisements(a: Advertisement, b: Advertisement): boolean {
  return (
    equalBytes(a.device, b.device) &&
    equalBytes(a.cPublic, b.cPublic) &&
    equalBytes(a.sPublic, b.sPublic) &&
    equalBytes(a.nonce, b.nonce) &&
    equalBytes(a.seedCommitment, b.seedCommitment) &&
    equalBytes(a.signature, b.signature)
  );
}

/** Lexicographic order of byte strings of equal length: negative, zero or positive. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    if (a[i]! !== b[i]!) return a[i]! - b[i]!;
  }
  return 0;
}

function invalidRoster(rule: string) {
  return rejected("roster-invalid", "roster.entries", { rule, fix: "take no part in this round" });
}
