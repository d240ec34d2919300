import { concatBytes, consistencySigningBytes, encodeMemberSet, sha256Bytes } from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { binding, randomFrom, suite } from "../test/cohort.ts";
import { checkCertificate, sampleSize } from "./certificate.ts";
import { openSession } from "./session.ts";

describe("how many signatures are drawn", () => {
  test("as many as make a certificate of fewer than q valid ones pass with less than 2^−41/n", () => {
    for (const size of [1000, 10_000]) {
      const quorum = Math.floor((1.05 * size) / 2) + 1;
      for (const share of [0.6, 0.7, 0.9, 1]) {
        const claimed = Math.floor(share * size);
        const drawn = sampleSize({ claimed, quorum, size });
        expect(drawn).toBeLessThan(claimed);
        const log = (m: number) => m * Math.log2((quorum - 1) / claimed);
        expect(log(drawn)).toBeLessThanOrEqual(-41 - Math.log2(size));
        expect(log(drawn - 1)).toBeGreaterThan(-41 - Math.log2(size));
      }
    }
    expect(sampleSize({ claimed: 1000, quorum: 526, size: 1000 })).toBe(55);
    expect(sampleSize({ claimed: 900, quorum: 526, size: 1000 })).toBe(66);
  });

  test("all, where hardly more than a quorum are there", () => {
    expect(sampleSize({ claimed: 526, quorum: 526, size: 1000 })).toBe(526);
    expect(sampleSize({ claimed: 30, quorum: 20, size: 38 })).toBe(30);
  });
});

describe("a certificate of many, checked by a sample", () => {
  const n = 300;
  const keys = Array.from({ length: n }, (_, i) => suite.signingKeyPair(sha256Bytes(`signer ${i}`))).sort(
    (a, b) => compareKeys(a.publicKey, b.publicKey),
  );
  const directory = {
    devices: concatBytes(...keys.map(({ publicKey }) => publicKey)),
    root: sha256Bytes("root"),
  };
  const opened = openSession({ ...binding, graph: "regular", corruption: 0.05, dropout: 0.1 }, directory);
  if (!opened.ok) throw new Error(opened.rejection.rule);
  const session = opened.value;
  const everyone = keys.map((_, i) => i);
  const message = consistencySigningBytes(session.sid, everyone);
  const signatures = keys.map(({ secretKey }) => suite.sign(message, secretKey));
  const noise = sha256Bytes("no signature");
  const forged = concatBytes(noise, noise);

  /** Signers with the positions among them whose signature is forged. */
  function check(signers: readonly number[], { bad, seed }: { bad: ReadonlySet<number>; seed: string }) {
    const bytes = signers.map((member) => (bad.has(member) ? forged : signatures[member]!));
    return checkCertificate(
      { signers: encodeMemberSet(signers, n), signatures: concatBytes(...bytes) },
      { session, self: 0, survivors: everyone, suite, random: randomFrom(seed) },
    );
  }
  const verdicts = (bad: ReadonlySet<number>, runs: number) =>
    Array.from({ length: runs }, (_, i) => check(everyone, { bad, seed: `draw ${i}` }).ok);

  test("a whole one is accepted, with few verifications", () => {
    let verified = 0;
    const counting = {
      ...suite,
      verify: (...input: Parameters<typeof suite.verify>) => {
        verified++;
        return suite.verify(...input);
      },
    };
    const certificate = { signers: encodeMemberSet(everyone, n), signatures: concatBytes(...signatures) };
    const random = randomFrom("whole");
    const env = { session, self: 0, survivors: everyone, suite: counting, random };
    expect(checkCertificate(certificate, env)).toEqual({ ok: true, value: true });
    expect(verified).toBe(sampleSize({ claimed: n - 1, quorum: session.quorum - 1, size: n }));
    expect(verified).toBeLessThan(60);
  });

  test("fewer than a quorum of valid ones never pass, whatever is drawn", () => {
    // One short: the client's own and quorum − 2 of the others are valid.
    const bad = new Set(everyone.slice(session.quorum - 1));
    expect(verdicts(bad, 60)).not.toContain(true);
  });

  test("one invalid among many is named where it is drawn, and does no harm where it is not", () => {
    const bad = new Set([17]);
    const found = verdicts(bad, 40);
    expect(found).toContain(true);
    const refusing = found.indexOf(false);
    expect(check(everyone, { bad, seed: `draw ${refusing}` })).toMatchObject({
      rejection: {
        code: "signature-invalid",
        field: "unmask.signatures",
        rule: expect.stringContaining("member 17"),
      },
    });
  });

  test("claims below the quorum are refused without a verification", () => {
    const suiteThatMustNotVerify = { ...suite, verify: () => expect.unreachable() };
    const signers = everyone.slice(0, session.quorum - 1);
    const bytes = concatBytes(...signers.map((member) => signatures[member]!));
    const refused = checkCertificate(
      { signers: encodeMemberSet(signers, n), signatures: bytes },
      {
        session,
        self: 0,
        survivors: everyone,
        suite: suiteThatMustNotVerify,
        random: randomFrom("none"),
      },
    );
    expect(refused).toMatchObject({
      rejection: { code: "signature-invalid", rule: expect.stringContaining(`at least ${session.quorum}`) },
    });
  });

  test("exactly a quorum is verified one by one", () => {
    const signers = everyone.slice(0, session.quorum);
    expect(check(signers, { bad: new Set(), seed: "exact" }).ok).toBe(true);
    expect(check(signers, { bad: new Set([signers.at(-1)!]), seed: "exact" })).toMatchObject({
      rejection: { rule: expect.stringContaining(`found ${session.quorum - 1}`) },
    });
  });
});

/** Lexicographic order. */
function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}
