/** The coordinator's side of R0: who offered keys, in lists that a step never alters. */
import {
  type Advertisement,
  accepted,
  bytesToHex,
  type Rejection,
  type Result,
  rejected,
} from "@kindred/protocol";
import { type CryptoSuite, isLowOrder } from "./crypto.ts";
import { equalAdvertisements, isSigned } from "./roster.ts";
import { findSorted, insertSorted, removeSorted, type SortedBlocks } from "./sorted-blocks.ts";

export interface Candidate {
  /** Device key, hexadecimal. */
  readonly device: string;
  /** Rank of arrival. */
  readonly arrival: number;
  readonly advertisement: Advertisement;
}

export interface Enrolment {
  /** Sorted by device key. */
  readonly candidates: SortedBlocks<Candidate>;
  /** Every cPublic and sPublic on offer, hexadecimal, sorted. */
  readonly keys: SortedBlocks<string>;
  readonly arrivals: number;
}

export const EMPTY_ENROLMENT: Enrolment = { candidates: [], keys: [], arrivals: 0 };

/**
 * Checks an advertisement and adds it. The coordinator turns away what every honest member would refuse the roster
 * for: a bad signature, a key that is on offer already, a point of low order.
 */
export function addCandidate(
  enrolment: Enrolment,
  advertisement: Advertisement,
  { binding, suite }: { binding: { readonly task: string; readonly round: number }; suite: CryptoSuite },
): Result<{ enrolment: Enrolment; repeated: boolean }> {
  const device = bytesToHex(advertisement.device);
  const present = findSorted(enrolment.candidates, device, deviceOf);
  if (present !== undefined)
    return equalAdvertisements(present.advertisement, advertisement)
      ? accepted({ enrolment, repeated: true })
      : { ok: false, rejection: secondAnswer("advertise") };
  if (!isSigned(advertisement, binding, suite))
    return rejected("signature-invalid", "advertisement.signature", {
      rule: "must be the device's own over its keys, task and round",
      fix: "sign advertisementSigningBytes with the device's identity",
    });
  let keys = enrolment.keys;
  for (const field of ["cPublic", "sPublic"] as const) {
    const key = bytesToHex(advertisement[field]);
    if (findSorted(keys, key, itself) !== undefined)
      return invalidKey(field, "must be fresh, found a key that is on offer already");
    if (isLowOrder(advertisement[field])) return invalidKey(field, "must not be a point of low order");
    keys = insertSorted(keys, key, itself);
  }
  const candidate = { device, arrival: enrolment.arrivals, advertisement };
  const candidates = insertSorted(enrolment.candidates, candidate, deviceOf);
  return accepted({ enrolment: { candidates, keys, arrivals: enrolment.arrivals + 1 }, repeated: false });
}

/** Takes a candidate and its keys out again; unknown devices are ignored. */
export function removeCandidate(enrolment: Enrolment, device: string): Enrolment {
  const gone = findSorted(enrolment.candidates, device, deviceOf);
  if (gone === undefined) return enrolment;
  const { cPublic, sPublic } = gone.advertisement;
  return {
    candidates: removeSorted(enrolment.candidates, device, deviceOf),
    keys: [cPublic, sPublic].reduce(
      (keys, key) => removeSorted(keys, bytesToHex(key), itself),
      enrolment.keys,
    ),
    arrivals: enrolment.arrivals,
  };
}

/** The first `maximum` to have arrived, sorted by device key, and the rest. */
export function admitCandidates(
  enrolment: Enrolment,
  maximum: number,
): { admitted: readonly Candidate[]; turnedAway: readonly Candidate[] } {
  const candidates = enrolment.candidates.flat();
  const arrivals = candidates.map(({ arrival }) => arrival).sort((a, b) => a - b);
  const last = arrivals[Math.min(maximum, arrivals.length) - 1] ?? -1;
  return {
    admitted: candidates.filter(({ arrival }) => arrival <= last),
    turnedAway: candidates.filter(({ arrival }) => arrival > last),
  };
}

/** A client answered a phase once and comes with something else. */
export function secondAnswer(field: string): Rejection {
  return {
    code: "message-unexpected",
    field,
    rule: "must be the same when it is sent again, found another answer to the same phase",
    fix: "repeat a lost answer from its stored bytes",
  };
}

function invalidKey(field: string, rule: string) {
  return rejected("roster-invalid", `advertisement.${field}`, {
    rule,
    fix: "generate a new key pair for every round",
  });
}

const deviceOf = ({ device }: Candidate): string => device;
const itself = (key: string): string => key;
