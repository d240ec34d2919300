/**
 * R4's certificate: that a quorum of the cohort signed one U3, so that no honest member can have been shown another.
 *
 * Ed25519 over hundreds of signatures would cost a device more than all its masks, so of many a client verifies a
 * uniformly random sample, drawn with randomness of its own once it has all of them. A certificate in which fewer than
 * q of the ℓ claimed signatures are valid passes m draws with probability at most ((q − 1)/ℓ)^m.
 */
import { accepted, consistencySigningBytes, decodeMemberSet, type Result, rejected } from "@kindred/protocol";
import type { CryptoSuite } from "./crypto.ts";
import { SECURITY } from "./graph.ts";
import { deviceOf, type Session } from "./session.ts";

const SIGNATURE_BYTES = 64;

export interface Certificate {
  /** Set of the signers. */
  readonly signers: Uint8Array;
  /** 64 bytes for each of them, in increasing order of the indices. */
  readonly signatures: Uint8Array;
}

/**
 * Signatures to draw so that some member of the cohort accepts a certificate of fewer than `quorum` valid ones with
 * probability below 2^−(σ+1): each of `size` members draws for itself. At most `claimed`, that is all of them.
 */
export function sampleSize({
  claimed,
  quorum,
  size,
}: {
  claimed: number;
  quorum: number;
  size: number;
}): number {
  if (quorum <= 1) return Math.min(1, claimed);
  const bits = SECURITY + 1 + Math.log2(size);
  return Math.min(claimed, Math.ceil(bits / Math.log2(claimed / (quorum - 1))));
}

/**
 * Checks a certificate over `survivors`, which the member `self` has signed itself.
 * @param random fresh bytes, drawn only here, so that nobody knows beforehand what is verified
 * @returns `message-invalid` for a malformed one; `signature-invalid` if too few signatures are there or valid
 */
export function checkCertificate(
  { signers, signatures }: Certificate,
  {
    session,
    self,
    survivors,
    suite,
    random,
  }: {
    session: Session;
    self: number;
    survivors: readonly number[];
    suite: Pick<CryptoSuite, "verify">;
    random: (length: number) => Uint8Array;
  },
): Result<true> {
  const { quorum, size, sid } = session;
  const decoded = decodeMemberSet(signers, { size, field: "unmask.signers" });
  if (!decoded.ok) return decoded;
  const claimed = decoded.value;
  const alive = new Set(survivors);
  const stranger = claimed.find((member) => !alive.has(member));
  if (stranger !== undefined)
    return rejected("message-invalid", "unmask.signers", {
      rule: `must be survivors, found member ${stranger}`,
      fix: "send the signatures of the survivors only",
    });
  if (signatures.length !== SIGNATURE_BYTES * claimed.length)
    return rejected("message-invalid", "unmask.signatures", {
      rule: `must be ${SIGNATURE_BYTES} bytes for each of the ${claimed.length} signers, found ${signatures.length}`,
      fix: "send one signature for each signer, in increasing order of the indices",
    });
  const others = claimed.flatMap((member, i) => (member === self ? [] : [{ member, i }]));
  // The client signed these very survivors itself.
  if (others.length + 1 < quorum) return tooFew(quorum, others.length + 1);
  const message = consistencySigningBytes(sid, survivors);
  const isValid = ({ member, i }: { member: number; i: number }): boolean =>
    suite.verify(
      signatures.subarray(i * SIGNATURE_BYTES, (i + 1) * SIGNATURE_BYTES),
      message,
      deviceOf(session, member),
    );
  // Of the others q − 1 have to be valid.
  const needed = quorum - 1;
  const all = { claimed: others.length, quorum: needed, size };
  const drawn = session.kind === "regular" ? sampleSize(all) : others.length;
  if (drawn < others.length) {
    const invalid = sample(others, { count: drawn, random }).find((signature) => !isValid(signature));
    return invalid === undefined ? accepted(true) : invalidSignature(invalid.member);
  }
  let valid = 0;
  for (const signature of others) {
    if (valid === needed) break;
    if (isValid(signature)) valid++;
  }
  return valid === needed ? accepted(true) : tooFew(quorum, valid + 1);
}

/** A uniformly random choice of `count` different items. */
function sample<T>(
  items: readonly T[],
  { count, random }: { count: number; random: (length: number) => Uint8Array },
): T[] {
  const pool = [...items];
  for (let i = 0; i < count; i++) {
    const j = i + uniformBelow(pool.length - i, random);
    [pool[i], pool[j]] = [pool[j]!, pool[i]!];
  }
  return pool.slice(0, count);
}

/** Uniform in 0 … bound − 1; draws that would bias are thrown away. */
function uniformBelow(bound: number, random: (length: number) => Uint8Array): number {
  const limit = 2 ** 32 - (2 ** 32 % bound);
  for (;;) {
    const bytes = random(4);
    const draw = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
    if (draw < limit) return draw % bound;
  }
}

function tooFew(quorum: number, found: number) {
  return rejected("signature-invalid", "unmask.signatures", {
    rule: `must hold at least ${quorum} valid ones of different members over the same survivors, found ${found}`,
    fix: "show every member the same survivors",
  });
}

function invalidSignature(member: number) {
  return rejected("signature-invalid", "unmask.signatures", {
    rule: `must be valid over the same survivors, found that of member ${member} is not`,
    fix: "check every signature when it arrives, and show every member the same survivors",
  });
}
