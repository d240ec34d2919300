/** The client's checks of R1: is this key directory one that it may trust its update to? */
import {
  type Advertisement,
  accepted,
  advertisementBytes,
  advertisementSigningBytes,
  equalBytes,
  type ProvedAdvertisement,
  type Rejection,
  type Result,
  rejected,
  rosterSigningBytes,
  verifyInclusion,
} from "@kindred/protocol";
import type { CryptoSuite } from "./crypto.ts";
import {
  areKeysDistinct,
  DEVICE_BYTES,
  type Directory,
  deviceOf,
  directoryOf,
  openSession,
  type RoundBinding,
  type Session,
} from "./session.ts";

/** The whole directory, for the complete graph. */
export interface RosterClaim {
  readonly type: "roster";
  readonly entries: readonly Advertisement[];
  /** The coordinator's, over the session id. */
  readonly signature: Uint8Array;
}

/** A client's part of the directory, for the regular graph. */
export interface NeighbourhoodClaim extends Directory {
  readonly type: "neighbourhood";
  /** Inclusion of the client's own advertisement. */
  readonly proof: Uint8Array;
  readonly neighbours: readonly ProvedAdvertisement[];
  readonly signature: Uint8Array;
}

interface Checking {
  readonly binding: RoundBinding;
  readonly own: Advertisement;
  readonly coordinatorKey: Uint8Array;
  readonly suite: Pick<CryptoSuite, "verify">;
}

type Checked = Result<{ session: Session; self: number }>;

/**
 * Checks a roster or a neighbourhood, cheap tests first, so that the client knows: sizes within its bounds; device keys
 * strictly sorted, hence unique, its own among them with its own keys; the coordinator's signature over the session id
 * *as the client computes it*, which commits to all advertisements; of every member it will exchange shares with,
 * the advertisement at its place and the member's own signature under it; all X25519 keys that it sees different.
 * @returns the session and the client's own index
 */
export function checkDirectory(claim: RosterClaim | NeighbourhoodClaim, checking: Checking): Checked {
  return claim.type === "roster" ? checkRoster(claim, checking) : checkNeighbourhood(claim, checking);
}

function checkRoster(roster: RosterClaim, checking: Checking): Checked {
  const { own, binding } = checking;
  const { entries } = roster;
  const listed = checkDevices(
    entries.map(({ device }) => device),
    { own, binding, field: "roster.entries" },
  );
  if (!listed.ok) return listed;
  const self = listed.value;
  if (!areKeysDistinct(entries)) return invalid("roster.entries", "must not name a key twice");
  if (!equalAdvertisements(entries[self]!, own))
    return invalid("roster.entries", "must repeat this device's own keys");
  const opened = openFor("complete", { directory: directoryOf(entries).directory, field: "roster", binding });
  if (!opened.ok) return opened;
  const session: Session = { ...opened.value, entries };
  const unsigned = checkCoordinator(session.sid, { ...roster, field: "roster.signature" }, checking);
  if (unsigned !== undefined) return unsigned;
  const forged = entries.findIndex((entry, i) => i !== self && !isSigned(entry, binding, checking.suite));
  if (forged >= 0) return forgedEntry(`roster.entries[${forged}].signature`);
  return accepted({ session, self });
}

function checkNeighbourhood(claim: NeighbourhoodClaim, checking: Checking): Checked {
  const { own, binding, suite } = checking;
  const { devices, root } = claim;
  const size = Math.floor(devices.length / DEVICE_BYTES);
  if (devices.length % DEVICE_BYTES !== 0)
    return invalid("neighbourhood.devices", `must be a multiple of ${DEVICE_BYTES} bytes`);
  const listed = checkDevices(
    Array.from({ length: size }, (_, i) => devices.subarray(i * DEVICE_BYTES, (i + 1) * DEVICE_BYTES)),
    { own, binding, field: "neighbourhood.devices" },
  );
  if (!listed.ok) return listed;
  const self = listed.value;
  const isIncluded = (entry: Advertisement, { index, proof }: { index: number; proof: Uint8Array }) =>
    verifyInclusion({ leaf: advertisementBytes(entry), index, size, proof, root });
  if (!isIncluded(own, { index: self, proof: claim.proof }))
    return invalid("neighbourhood.proof", "must prove this device's own keys, unaltered, under the root");
  const opened = openFor("regular", { directory: { devices, root }, field: "neighbourhood", binding });
  if (!opened.ok) return opened;
  const near = opened.value.neighbours(self);
  const { neighbours } = claim;
  if (neighbours.length !== near.length)
    return invalid(
      "neighbourhood.neighbours",
      `must be the ${near.length} neighbours that the graph gives, found ${neighbours.length}`,
    );
  const entries: Record<number, Advertisement> = { [self]: own };
  for (const [i, { advertisement, proof }] of neighbours.entries()) {
    const field = `neighbourhood.neighbours[${i}]`;
    const index = near[i]!;
    if (!equalBytes(advertisement.device, deviceOf(opened.value, index)))
      return invalid(`${field}.advertisement`, `must be that of member ${index}, whom the graph gives`);
    if (!isIncluded(advertisement, { index, proof }))
      return invalid(`${field}.proof`, `must prove the advertisement at place ${index} under the root`);
    entries[index] = advertisement;
  }
  if (!areKeysDistinct(Object.values(entries)))
    return invalid("neighbourhood.neighbours", "must not name a key twice");
  const session: Session = { ...opened.value, entries };
  const unsigned = checkCoordinator(session.sid, { ...claim, field: "neighbourhood.signature" }, checking);
  if (unsigned !== undefined) return unsigned;
  const forged = neighbours.findIndex(({ advertisement }) => !isSigned(advertisement, binding, suite));
  if (forged >= 0) return forgedEntry(`neighbourhood.neighbours[${forged}].advertisement.signature`);
  return accepted({ session, self });
}

/** Sizes and order of the device keys. @returns the client's own index */
function checkDevices(
  devices: readonly Uint8Array[],
  { own, binding, field }: { own: Advertisement; binding: RoundBinding; field: string },
): Result<number> {
  if (devices.length < binding.minimumCohort)
    return rejected("cohort-too-small", field, {
      rule: `must name at least ${binding.minimumCohort} members, found ${devices.length}`,
      fix: "wait for a round with more clients",
    });
  if (devices.length > binding.maximumCohort)
    return invalid(field, `must name at most ${binding.maximumCohort} members, found ${devices.length}`);
  if (devices.some((device, i) => i > 0 && compareBytes(devices[i - 1]!, device) >= 0))
    return invalid(field, "must be strictly sorted by device key");
  // The order is strict, so an own device key is there once or not at all.
  const self = devices.findIndex((device) => equalBytes(device, own.device));
  return self < 0 ? invalid(field, "must name this device") : accepted(self);
}

function openFor(
  kind: Session["kind"],
  { directory, field, binding }: { directory: Directory; field: string; binding: RoundBinding },
): Result<Session> {
  const opened = openSession(binding, directory);
  if (opened.ok && opened.value.kind !== kind)
    return invalid(field, `must not come where the plan asks for the ${opened.value.kind} graph`);
  return opened;
}

function checkCoordinator(
  sid: Uint8Array,
  { signature, field }: { signature: Uint8Array; field: string },
  { coordinatorKey, suite }: Checking,
): { ok: false; rejection: Rejection } | undefined {
  if (suite.verify(signature, rosterSigningBytes(sid), coordinatorKey)) return undefined;
  return rejected("signature-invalid", field, {
    rule: "must be the coordinator's over this task, round, plan, model, beacon and key directory",
    fix: "use the plan, the model and the beacon of this round, and the coordinator key of the plan",
  });
}

/** Whether the device itself signed the advertisement for this task and round. */
export function isSigned(
  advertisement: Advertisement,
  { task, round }: { task: string; round: number },
  suite: Pick<CryptoSuite, "verify">,
): boolean {
  const message = advertisementSigningBytes(advertisement, { task, round });
  return suite.verify(advertisement.signature, message, advertisement.device);
}

/** Whether two advertisements are the same in every field. */
export function equalAdvertisements(a: Advertisement, b: Advertisement): boolean {
  return equalBytes(advertisementBytes(a), advertisementBytes(b));
}

/** Lexicographic order of byte strings of equal length: negative, zero or positive. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    if (a[i]! !== b[i]!) return a[i]! - b[i]!;
  }
  return 0;
}

function forgedEntry(field: string) {
  return rejected("signature-invalid", field, {
    rule: "must be the device's own over its keys, task and round",
    fix: "leave the member out",
  });
}

function invalid(field: string, rule: string) {
  return rejected("roster-invalid", field, { rule, fix: "take no part in this round" });
}
