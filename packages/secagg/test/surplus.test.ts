/** Noise that is added in components and removed in part: what honest parties get, and what liars do not. */
import { AesCtrRandom, sampleDiscreteGaussian } from "@kindred/privacy";
import {
  bytesToHex,
  type ClientMessage,
  hexToBytes,
  type RevealedShare,
  revealedColumns,
  revealedShares,
  sha256Hex,
  utf8ToBytes,
} from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { noiseKey, noiseSeedBefore } from "../src/keys.ts";
import { applyMasks } from "../src/masks.ts";
import { type Delivery, type RunOptions, run } from "../src/run.ts";
import { Secret } from "../src/secret.ts";
import { shareX } from "../src/session.ts";
import { combineShares } from "../src/shamir.ts";
import {
  addedNoise,
  applyNoise,
  isNoiseSecret,
  noiseSecret,
  removedNoise,
  surplusLevel,
} from "../src/surplus-seeds.ts";
import { Cohort, suite } from "./cohort.ts";
import vectors from "./vectors/noise.json" with { type: "json" };

const seed = utf8ToBytes("surplus");
const bits = 20;
const LENGTH = 2000;

/** Deviations that differ enough to tell from a sum which components are in it. */
const surplus = [
  { survivors: 14, deviation: 10 },
  { survivors: 15, deviation: 100 },
  { survivors: 16, deviation: 1000 },
];
const GRAPHS = [
  { graph: "complete", n: 16, dropout: 0.2 },
  { graph: "regular", n: 16, dropout: 0.2 },
] as const;

function lifted(sum: Uint32Array): number[] {
  return Array.from(sum, (value) => (value >= 2 ** (bits - 1) ? value - 2 ** bits : value));
}
const variance = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value * value, 0) / values.length;

/** A round of zeros: its sum is the noise that is left. */
function round(options: Partial<RunOptions> & Pick<RunOptions, "graph">, n = 16) {
  const zeros = Array.from({ length: n }, () => new Uint32Array(LENGTH));
  return run({ vectors: zeros, bits, seed, suite, minSurvivors: 8, surplus, ...options });
}

describe.each(GRAPHS)("in the $graph graph", ({ graph, n, dropout }) => {
  test.each([13, 14, 15, 16])(
    "the noise of %i survivors is that of their level, and no more",
    (survivors) => {
      const dropouts = Array.from({ length: n - survivors }, (_, i) => ({
        client: 3 + 4 * i,
        before: "masking" as const,
      }));
      const result = round({ graph, dropout, dropouts });
      expect(result).toMatchObject({
        outcome: "released",
        corrupt: [],
        kept: [],
        refusals: [],
        rejections: [],
      });
      expect(result.survivors).toHaveLength(survivors);
      const level = surplusLevel(surplus, survivors);
      const staying = surplus.slice(level).reduce((sum, { deviation }) => sum + deviation ** 2, 0);
      if (level === surplus.length) expect([...result.sum!]).toEqual(Array.from({ length: LENGTH }, () => 0));
      else {
        const found = variance(lifted(result.sum!)) / (survivors * staying);
        expect(Math.abs(found - 1)).toBeLessThan(5 * Math.sqrt(2 / LENGTH));
      }
    },
  );

  test("members that vanish after their masked input have their surplus removed too", () => {
    const dropouts = [
      { client: 2, before: "consistency" as const },
      { client: 9, before: "unmasking" as const },
    ];
    const result = round({ graph, dropout, dropouts });
    expect(result.survivors).toHaveLength(16);
    expect(result.kept).toEqual([]);
    expect(new Set(result.sum)).toEqual(new Set([0]));
  });

  /** Changes the reveals on their way. */
  const tampering =
    (change: (share: RevealedShare, from: number) => RevealedShare) =>
    (delivery: Delivery): readonly Delivery[] => {
      const { from, message } = delivery;
      if (from === "coordinator" || message.type !== "reveal") return [delivery];
      const shares = revealedShares(message).map((share) => change(share, from));
      return [{ ...delivery, message: { ...message, ...revealedColumns(shares) } } as Delivery];
    };
  /** Another value in the half that is of a noise seed. */
  const forged = ({ share, ...rest }: RevealedShare): RevealedShare => ({
    ...rest,
    share: share.map((byte, i) => (i >= 36 && i % 4 === 3 ? byte ^ 1 : byte)),
  });

  test("wrong shares of noise seeds are sorted out, and who had to be worked around is named", () => {
    const named = new Set<number>();
    for (const liar of [0, 3, 6, 9, 12, 15]) {
      const lies = tampering((share, from) => (from === liar ? forged(share) : share));
      const result = round({ graph, dropout, intercept: lies });
      expect(result).toMatchObject({ outcome: "released", kept: [] });
      expect(new Set(result.sum)).toEqual(new Set([0]));
      for (const client of result.corrupt) expect(client).toBe(liar);
      if (result.corrupt.length > 0) named.add(liar);
    }
    expect(named.size).toBeGreaterThan(0);
  });

  test("a seed that cannot be reconstructed leaves its owner's noise in, and nobody else's", () => {
    const [owner] = [3];
    const result = round({
      graph,
      dropout,
      intercept: tampering((share) => (share.owner === owner ? forged(share) : share)),
    });
    expect(result.outcome).toBe("released");
    expect(result.kept).toHaveLength(1);
    const added = surplus.reduce((sum, { deviation }) => sum + deviation ** 2, 0);
    expect(Math.abs(variance(lifted(result.sum!)) / added - 1)).toBeLessThan(5 * Math.sqrt(2 / LENGTH));
  });

  test("the coordinator takes no share of a seed of a dropped member, and none in a level without", () => {
    const codes = (change: (share: RevealedShare) => RevealedShare, dropped: number) => {
      const dropouts = Array.from({ length: dropped }, (_, i) => ({
        client: 3 + 4 * i,
        before: "masking" as const,
      }));
      const { rejections } = round({ graph, dropout, dropouts, intercept: tampering(change) });
      return new Set(rejections.map(({ rejection }) => rejection.code));
    };
    const refused = new Set(["share-invalid"]);
    const filled = ({ share, ...rest }: RevealedShare) => ({
      ...rest,
      share: rest.kind === "mask-key" ? share.map((byte, i) => (i === 70 ? 1 : byte)) : share,
    });
    expect(codes(filled, 1)).toEqual(refused);
    expect(codes(filled, 0)).toEqual(new Set());
    expect(codes((share) => ({ ...share, share: new Uint8Array(72) }), 3)).toEqual(refused);
    expect(codes(({ share, ...rest }) => ({ ...rest, share: share.slice(0, 36) }), 0)).toEqual(refused);
  });
});

describe("a hostile coordinator", () => {
  const n = 8;
  const levels = [
    { survivors: 6, deviation: 10 },
    { survivors: 7, deviation: 20 },
    { survivors: 8, deviation: 30 },
  ];
  const member = 3;
  const cohort = () => new Cohort(n, { minSurvivors: 3, dropout: 0.3, surplus: levels, bits });
  const everyone = Array.from({ length: n }, (_, i) => i);

  /** What the member holds of everybody's noise seeds, hexadecimal, by component. */
  function heldBy(the: Cohort): string[][] {
    const state = the.states[member]!;
    if (state.phase !== "consistency") throw new Error(`is in ${state.phase}`);
    return levels.map((_, component) =>
      everyone.map((owner) => bytesToHex(state.held.get(owner)!.noise[component]!.expose())),
    );
  }
  const revealOf = (message: ClientMessage): readonly RevealedShare[] => {
    if (message.type !== "reveal") throw new Error(message.type);
    return revealedShares(message);
  };

  test.each([8, 7, 6, 5])("gets of %i survivors the seeds of one level, of members of U3 only", (count) => {
    const the = cohort();
    const survivors = everyone.slice(0, count);
    const signatures = the.confirm(survivors);
    const held = heldBy(the);
    const shares = revealOf(the.send(member, the.certificate(signatures), "reveal"));
    const level = surplusLevel(levels, count);
    const bytes = shares.map(({ share }) => bytesToHex(share));
    for (const [component, values] of held.entries())
      for (const [owner, value] of values.entries()) {
        const due = component === level - 1 && survivors.includes(owner);
        expect(bytes.some((share) => share.includes(value))).toBe(due);
      }
    for (const { owner, kind, share } of shares) {
      expect(share).toHaveLength(level === 0 ? 36 : 72);
      expect(kind).toBe(survivors.includes(owner) ? "self-mask" : "mask-key");
      if (kind === "mask-key") expect(share.slice(36).every((byte) => byte === 0)).toBe(true);
    }
  });

  test("who names more survivors than masked, for a higher level, gets nothing", () => {
    const the = cohort();
    const sharing = everyone.slice(0, 6);
    the.mask(sharing);
    expect(the.refusal(member, the.survivors(member, everyone, sharing))).toMatchObject({
      code: "message-invalid",
      field: expect.stringContaining("survivors"),
    });
  });

  test("who has six sign six survivors and proves eight, or asks for a second level, gets nothing", () => {
    const six = everyone.slice(0, 6);
    const the = cohort();
    const signatures = the.confirm(six);
    const lie = everyone.map((who) => the.consistency(who, everyone));
    expect(the.refusal(member, the.certificate(lie)).code).toMatch(/^(signature|message)-invalid$/);
    expect(the.refusal(member, the.certificate(signatures)).code).toBe("message-unexpected");

    const honest = cohort();
    const over = honest.confirm(six);
    expect(honest.refusal(member, honest.survivors(member, everyone)).code).toBe("message-unexpected");
    expect(honest.refusal(member, honest.certificate(over)).code).toBe("message-unexpected");

    const twice = cohort();
    const once = twice.confirm(six);
    expect(revealOf(twice.send(member, twice.certificate(once), "reveal"))).toHaveLength(n);
    expect(twice.refusal(member, twice.certificate(once)).code).toBe("message-unexpected");
    expect(twice.refusal(member, twice.survivors(member, everyone)).code).toBe("message-unexpected");
  });

  test("the revealed seed gives away the components below it and none above", () => {
    const the = cohort();
    const survivors = everyone.slice(0, 7);
    const inboxes = the.share();
    const own = the.states[0]!;
    if (own.phase !== "sharing") throw new Error(own.phase);
    const seeds = own.noiseSeeds.map((secret) => secret.expose().slice());
    const selfMaskSeed = own.keys.seed.expose().slice();
    for (const who of everyone) the.step(who, the.inbox(inboxes[who]!));
    const signatures = survivors.map((index) => ({
      index,
      signature: the.send(index, the.survivors(index, survivors), "consistency").signature,
    }));
    const shares = survivors.map((who) => {
      const revealed = revealOf(the.send(who, the.certificate(signatures), "reveal"));
      return { x: shareX(who), share: revealed.find(({ owner }) => owner === 0)!.share.subarray(36) };
    });
    const { sid, threshold } = the.session();
    const secret = combineShares({ shares, threshold, length: 32 })!;
    const of = { sid, owner: 0, component: 1, selfMaskSeed };
    expect(isNoiseSecret(secret, of, suite)).toBe(true);
    const shape = { bits, length: 4 };
    const known = removedNoise(secret, { sid, owner: 0, deviations: [10, 20], shape }, suite).map(({ key }) =>
      bytesToHex(key),
    );
    const all = addedNoise(seeds, { sid, owner: 0, surplus: levels, shape }, suite).map(({ key }) =>
      bytesToHex(key),
    );
    expect(known).toEqual(all.slice(0, 2));
    expect(bytesToHex(secret)).not.toContain(bytesToHex(seeds[2]!));
    // Tags are the owner's: nobody without its self-mask seed can make one, nor move one.
    const flipped = secret.map((byte, i) => (i === 3 ? byte ^ 1 : byte));
    expect(isNoiseSecret(flipped, of, suite)).toBe(false);
    for (const other of [{ owner: 1 }, { component: 0 }, { sid: seeds[0]! }, { selfMaskSeed: sid }])
      expect(isNoiseSecret(secret, { ...of, ...other }, suite)).toBe(false);
  });

  test("a box with a share too few or too many does not open as shares", () => {
    const the = cohort();
    const fewer = new Cohort(n, { minSurvivors: 3, dropout: 0.3, surplus: levels.slice(1), bits });
    the.share();
    const other = fewer.share()[member]!;
    expect(the.refusal(member, the.inbox(other)).code).toBe("share-invalid");
  });
});

test("a machine that ends wipes its seeds, and a job its keys", () => {
  const the = new Cohort(4, { surplus, bits });
  the.share();
  const state = the.states[0]!;
  if (state.phase !== "sharing") throw new Error(state.phase);
  const secrets = [...state.noiseSeeds, ...state.own!.noise];
  expect(secrets).toHaveLength(6);
  expect(secrets.every((secret) => secret instanceof Secret)).toBe(true);
  the.step(0, { type: "leave" });
  for (const secret of secrets) expect(() => secret.expose()).toThrow();
  const masking = new Cohort(4, { surplus, bits });
  const boxes = masking.share();
  const before = masking.states[1]!;
  if (before.phase !== "sharing") throw new Error(before.phase);
  masking.step(1, masking.inbox(boxes[1]!));
  expect(masking.states[1]!.phase).toBe("masking");
  for (const used of before.noiseSeeds) expect(() => used.expose()).toThrow();
  const { job } = new Cohort(4, { surplus, bits }).mask()[0]!;
  expect(job.noise).toHaveLength(3);
  expect(JSON.stringify(job)).not.toContain("key");
});

describe("the vectors", () => {
  const { sid, owner, selfMaskSeed, shape, deviations } = vectors;
  const of = { sid: hexToBytes(sid), owner };
  const seeds = vectors.seeds.map(hexToBytes);

  test("the chain, its keys, and what shares are dealt of", () => {
    for (let component = seeds.length - 1; component > 0; component--)
      expect(noiseSeedBefore(seeds[component]!, { ...of, component }, suite).slice(0, 16)).toEqual(
        seeds[component - 1],
      );
    for (const [component, seedOf] of seeds.entries()) {
      const secret = noiseSecret(seedOf, { ...of, component, selfMaskSeed: hexToBytes(selfMaskSeed) }, suite);
      expect(bytesToHex(secret)).toBe(vectors.secrets[component]);
      expect(bytesToHex(noiseKey(seedOf, { ...of, component, shape }, suite))).toBe(vectors.keys[component]);
    }
  });

  test("the noise that a key gives, on this platform as on every other", () => {
    const keystream = suite.maskStream;
    for (const [component, deviation] of deviations.entries()) {
      const vector = new Uint32Array(shape.length);
      const key = hexToBytes(vectors.keys[component]!);
      applyNoise(vector, [{ key, deviation, sign: 1 }], { bits: shape.bits, keystream });
      expect(lifted(vector)).toEqual(vectors.noise[component]);
      const samples = sampleDiscreteGaussian({
        sigma: deviation,
        length: 20_000,
        random: new AesCtrRandom(key),
      });
      const words = new DataView(new ArrayBuffer(4 * samples.length));
      samples.forEach((sample, i) => {
        words.setInt32(4 * i, sample);
      });
      expect(sha256Hex(new Uint8Array(words.buffer))).toBe(vectors.digests[component]);
    }
    const all = new Uint32Array(shape.length);
    const noise = addedNoise(
      seeds,
      { ...of, surplus: deviations.map((deviation) => ({ survivors: 1, deviation })), shape },
      suite,
    );
    applyMasks(all, { ...shape, terms: [], noise }, suite);
    expect(lifted(all)).toEqual(
      Array.from({ length: shape.length }, (_, i) =>
        vectors.noise.reduce((sum, values) => sum + values[i]!, 0),
      ),
    );
  });
});
