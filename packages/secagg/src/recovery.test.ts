import { bytesToHex, type RevealedShare, revealedColumns, revealedShares } from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { randomFrom, suite } from "../test/cohort.ts";
import { type Delivery, type RunOptions, run } from "./run.ts";

const bits = 16;
const vectors = Array.from({ length: 12 }, (_, i) => Uint32Array.from([i, 1000 * i, 65_535]));
const wholeSum = [66, 66_000 % 65_536, (12 * 65_535) % 65_536];
// n = 12 gives t = 7: with all twelve shares in hand five may be wrong, and up to two are named for certain.
const round: RunOptions = { vectors, bits, seed: randomFrom("recovery")(32), suite, dropout: 0.4 };

/** Replaces the shares that some clients reveal. */
function withBadReveals(clients: readonly number[], change: (share: RevealedShare) => RevealedShare) {
  return (delivery: Delivery): readonly Delivery[] => {
    if (
      delivery.to !== "coordinator" ||
      delivery.message.type !== "reveal" ||
      !clients.includes(delivery.from)
    )
      return [delivery];
    const { message } = delivery;
    return [
      { ...delivery, message: { ...message, ...revealedColumns(revealedShares(message).map(change)) } },
    ];
  };
}

const garbled = (share: RevealedShare): RevealedShare => {
  const bytes = share.share.map((byte, i) => (i % 4 === 0 ? byte & 0x7f : byte ^ share.share[(i + 9) % 36]!));
  return { ...share, share: bytes };
};

/** The same small error in everybody's share: combinations of them cancel at x = 0. */
const shifted = (share: RevealedShare): RevealedShare => {
  const bytes = share.share.slice();
  bytes[7]! ^= 4;
  return { ...share, share: bytes };
};

describe("wrong shares", () => {
  test.each([[[1]], [[1, 5]], [[8, 2]]])(
    "of clients %j: found, named, and without effect on the sum",
    (clients) => {
      const result = run({ ...round, intercept: withBadReveals(clients, garbled) });
      expect(result).toMatchObject({ outcome: "released", corrupt: clients.sort((a, b) => a - b) });
      expect([...result.sum!]).toEqual(wholeSum);
    },
  );

  test.each([[[0, 1, 2]], [[3, 6, 9, 11]], [[1, 2, 7, 8]]])(
    "of clients %j: without effect on the sum, and nobody innocent is named",
    (clients) => {
      for (const change of [garbled, shifted]) {
        const result = run({ ...round, intercept: withBadReveals(clients, change) });
        expect(result.outcome).toBe("released");
        expect([...result.sum!]).toEqual(wholeSum);
        for (const named of result.corrupt) expect(clients).toContain(named);
      }
    },
  );

  // Garbled shares seldom add up to the encoding of any secret; shifted ones do, and only the public key tells.
  test.each([
    ["garbled", garbled],
    ["shifted", shifted],
  ])("of mask keys of a dropped member, %s", (_, change) => {
    const dropouts = [{ client: 5, before: "masking" }] as const;
    const intercept = withBadReveals([1, 6], (share) => (share.kind === "mask-key" ? change(share) : share));
    const result = run({ ...round, dropouts, intercept });
    expect(result).toMatchObject({ outcome: "released", corrupt: [1, 6] });
    expect([...result.sum!]).toEqual([61, 61_000, (11 * 65_535) % 65_536]);
  });

  test("of so many that fewer than the threshold are right: the round fails and says whose secret is lost", () => {
    const result = run({ ...round, intercept: withBadReveals([0, 2, 4, 6, 8, 10], garbled) });
    expect(result.outcome).toMatchObject({ code: "reconstruction-failed", field: "reveal.shares" });
    expect(result.sum).toBeUndefined();
  });

  test("without a spare share there is nothing to try", () => {
    const dropouts = [1, 2, 3, 4, 5].map((client) => ({ client, before: "unmasking" }) as const);
    const result = run({ ...round, dropouts, intercept: withBadReveals([0], garbled) });
    expect(result.outcome).toMatchObject({ code: "reconstruction-failed" });
    expect(run({ ...round, dropouts }).outcome).toBe("released");
  });
});

test("a member that dealt shares of another seed than it committed to fails the round, by name", () => {
  // Every holder reveals a wrong but consistent share of one owner: the constant polynomial 1.
  const lie = (share: RevealedShare): RevealedShare =>
    share.owner === 3 ? { ...share, share: new Uint8Array(36).map((_, i) => (i % 4 === 3 ? 1 : 0)) } : share;
  const result = run({ ...round, intercept: withBadReveals([...vectors.keys()], lie) });
  expect(result.outcome).toMatchObject({
    code: "reconstruction-failed",
    rule: expect.stringContaining("member 3"),
  });
});

test("equivocation about U3: whatever part of the cohort is shown a smaller set, nobody's secret comes out whole", () => {
  for (const deceived of [3, 6, 9]) {
    const devices: string[] = [];
    const reveals: RevealedShare[] = [];
    const intercept = (delivery: Delivery): readonly Delivery[] => {
      const { message } = delivery;
      if (message.type === "advertise")
        devices[delivery.from as number] = bytesToHex(message.advertisement.device);
      if (message.type === "reveal") reveals.push(...revealedShares(message));
      if (message.type !== "survivors" || (delivery.to as number) >= deceived) return [delivery];
      // The target is the last client; the deceived are to take it for dropped and reveal its mask key.
      const target = [...devices].sort().indexOf(devices.at(-1)!);
      const members = message.members.slice();
      members[target >>> 3]! &= ~(1 << (target & 7));
      return [{ ...delivery, message: { ...message, members } } as Delivery];
    };
    const result = run({ ...round, intercept });
    const kinds = new Set(reveals.map(({ kind }) => kind));
    expect(result.sum === undefined || kinds.size === 1).toBe(true);
    expect(kinds.has("mask-key")).toBe(false);
  }
});
