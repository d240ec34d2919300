/** The coordinator's side of R0: who offered keys, in arrays that a step copies and never alters. */
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

export interface Candidate {
  /** Device key, hexadecimal. */
  readonly device: string;
  /** Rank of arrival. */
  readonly arrival: number;
  readonly advertisement: Advertisement;
}

export interface Enrolment {
  /** Sorted by device key. */
  readonly candidates: readonly Candidate[];
  /** Every cPublic and sPublic on offer, hexadecimal, sorted. */
  readonly keys: readonly string[];
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
  const place = lowerBound(enrolment.candidates, device, (candidate) => candidate.device);
  const present = enrolment.candidates[place];
  if (present?.device === device)
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
    const position = lowerBound(keys, key, (known) => known);
    if (keys[position] === key)
      return invalidKey(field, "must be fresh, found a key that is on offer already");
    if (isLowOrder(advertisement[field])) return invalidKey(field, "must not be a point of low order");
    keys = inserted(keys, position, key);
  }
  const candidate = { device, arrival: enrolment.arrivals, advertisement };
  const candidates = inserted(enrolment.candidates, place, candidate);
  return accepted({ enrolment: { candidates, keys, arrivals: enrolment.arrivals + 1 }, repeated: false });
}

/** Takes a candidate and its keys out again; unknown devices are ignored. */
export function removeCandidate(enrolment: Enrolment, device: string): Enrolment {
  const gone = enrolment.candidates.find((candidate) => candidate.device === device);
  if (gone === undefined) return enrolment;
  const freed = new Set([bytesToHex(gone.advertisement.cPublic), bytesToHex(gone.advertisement.sPublic)]);
  return {
    candidates: enrolment.candidates.filter((candidate) => candidate !== gone),
    keys: enrolment.keys.filter((key) => !freed.has(key)),
    arrivals: enrolment.arrivals,
  };
}

/** The first `maximum` to have arrived, sorted by device key, and the rest. */
export function admitCandidates(
  { candidates }: Enrolment,
  maximum: number,
): { admitted: readonly Candidate[]; turnedAway: readonly Candidate[] } {
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

/** First position whose key is not below `key`. */
function lowerBound<T>(sorted: readonly T[], key: string, keyOf: (item: T) => string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keyOf(sorted[middle]!) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function inserted<T>(items: readonly T[], position: number, item: T): readonly T[] {
  const copy = items.slice();
  copy.splice(position, 0, item);
  return copy;
}
