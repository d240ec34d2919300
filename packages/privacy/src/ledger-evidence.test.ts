import { hexToBytes, type LedgerEvidence } from "@kindred/protocol";
import nacl from "tweetnacl";
import { describe, expect, it } from "vitest";
import vectors from "../test/vectors/ledger-evidence.json" with { type: "json" };
import { appendEntry, type LedgerBody, type LedgerEntry } from "./ledger.ts";
import { type ExpectedStart, verifyLedgerEvidence } from "./ledger-evidence.ts";
import { ledgerHead } from "./ledger-head.ts";
import { LedgerTree } from "./ledger-tree.ts";

/** Inverse of the vectors' JSON form of byte strings. */
function bytesOf<T>(value: object): T {
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => {
      const hex = (field as { hex?: unknown } | null)?.hex;
      return [name, typeof hex === "string" ? hexToBytes(hex) : field];
    }),
  ) as T;
}

const verify = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) =>
  nacl.sign.detached.verify(message, signature, publicKey);

const check = (row: {
  remembered: { size: number; root: string } | null;
  expected: object;
  evidence: object;
}) =>
  verifyLedgerEvidence(bytesOf<LedgerEvidence>(row.evidence), {
    verify,
    publicKey: hexToBytes(vectors.coordinatorKey),
    remembered: row.remembered ?? undefined,
    expected: bytesOf<ExpectedStart>(row.expected),
  });

describe("what the ledger proves to a device", () => {
  it.each(vectors.valid)("accepted: $name", (row) => {
    const { size, root, signature } = row.evidence;
    expect(check(row)).toEqual({
      ok: true,
      value: { coordinatorKey: vectors.coordinatorKey, size, root: root.hex, signature: signature.hex },
    });
  });

  it.each(vectors.invalid)("refused: $name", (row) => {
    expect(check(row)).toMatchObject({
      ok: false,
      rejection: {
        code: row.code,
        field: `selected.ledger.${row.field}`,
        rule: expect.stringMatching(/must/),
        fix: expect.stringMatching(/./),
      },
    });
  });

  it("is refused for any bit of any proof, root or signature that is changed", () => {
    const row = vectors.valid.find(({ remembered }) => remembered?.size === 3)!;
    for (const field of ["root", "signature", "consistency", "inclusion"] as const) {
      const bytes = hexToBytes(row.evidence[field].hex);
      for (let bit = 0; bit < bytes.length * 8; bit += 37) {
        const changed = bytes.slice();
        changed[bit >> 3]! ^= 1 << (bit & 7);
        const evidence = { ...bytesOf<LedgerEvidence>(row.evidence), [field]: changed };
        expect(check({ ...row, evidence }).ok).toBe(false);
      }
    }
  });
});

describe("the tree that a coordinator keeps", () => {
  const pair = nacl.sign.keyPair.fromSeed(new Uint8Array(32).fill(4));
  let signatures = 0;
  const signer = {
    publicKey: pair.publicKey,
    sign: (message: Uint8Array) => {
      signatures++;
      return nacl.sign.detached(message, pair.secretKey);
    },
  };
  const entries: LedgerEntry[] = [];
  for (let round = 1; round <= 40; round++) {
    const body: LedgerBody = {
      kind: "round-started",
      task: "films",
      round,
      planDigest: "aa".repeat(32),
      modelHash: "bb".repeat(32),
      beacon: "cc".repeat(32),
      promised: { coordinator: null, observer: null },
    };
    entries.push(appendEntry({ tail: entries.at(-1), body, time: "2026-01-01T00:00:00.000Z", signer }));
  }

  it("has the heads of the ledger, and signs each once, for a cohort that remembers anything", () => {
    const tree = new LedgerTree(signer);
    for (const [i, entry] of entries.entries()) {
      tree.append(entry);
      expect(tree.head()).toMatchObject(ledgerHead(entries.slice(0, i + 1)));
    }
    signatures = 0;
    const proofs = new Set<Uint8Array>();
    const fresh = new LedgerTree(signer);
    for (const entry of entries) fresh.append(entry);
    for (let device = 0; device < 1000; device++) {
      const remembered = device % 45;
      const evidence = fresh.evidence({ task: "films", round: 40, remembered });
      proofs.add(evidence.consistency);
      const known =
        remembered === 0 || remembered > 40 ? undefined : ledgerHead(entries.slice(0, remembered));
      const expected = {
        task: "films",
        round: 40,
        planDigest: hexToBytes("aa".repeat(32)),
        modelHash: hexToBytes("bb".repeat(32)),
        beacon: hexToBytes("cc".repeat(32)),
        epsilonLimit: null,
      };
      if (device < 45)
        expect(
          verifyLedgerEvidence(evidence, { verify, publicKey: pair.publicKey, remembered: known, expected })
            .ok,
        ).toBe(true);
      expect(evidence.consistency.length + evidence.inclusion.length).toBeLessThanOrEqual(32 * 12);
    }
    expect(signatures).toBe(1);
    // One for each of 39 sizes, and none for 0, 40 and what is beyond.
    expect(proofs.size).toBe(40);
  });

  it("knows only the last start of a task, and takes entries in order", () => {
    const tree = new LedgerTree(signer);
    expect(() => tree.append(entries[1]!)).toThrow(RangeError);
    for (const entry of entries.slice(0, 2)) tree.append(entry);
    for (const [task, round] of [
      ["films", 1],
      ["films", 3],
      ["books", 2],
    ] as const)
      expect(() => tree.evidence({ task, round, remembered: 0 })).toThrow(/lacks the start/);
    for (const remembered of [-1, 0.5, Number.NaN, 1e300])
      expect(tree.evidence({ task: "films", round: 2, remembered }).consistency).toHaveLength(0);
  });
});
