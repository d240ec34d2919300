import { describe, expect, it } from "vitest";
import { bytesFrom, sampleAdvertisement, samplePlan } from "../test/samples.ts";
import { bytesToHex, concatBytes, hashParts, utf8ToBytes } from "./canonical.ts";
import { planSigningText } from "./plan.ts";
import {
  advertisementBytes,
  advertisementSigningBytes,
  consistencySigningBytes,
  directoryDigest,
  helloSigningBytes,
  rosterSigningBytes,
  sessionId,
  sharingSigningBytes,
} from "./signing.ts";

const { signature: _, ...unsigned } = sampleAdvertisement(1);
const binding = {
  task: "films",
  round: 7,
  planDigest: bytesFrom(1, 32),
  modelHash: bytesFrom(2, 32),
  beacon: bytesFrom(4, 32),
  directory: bytesFrom(3, 32),
};

describe("signed bytes", () => {
  it("of no two functions are alike, even for inputs chosen to collide", () => {
    const sid = bytesFrom(0, 32);
    const outputs = [
      // hello(task, nonce) against the bare sid functions, with an empty text and the same 32 bytes
      helloSigningBytes({ task: "", nonce: sid }),
      rosterSigningBytes(sid),
      consistencySigningBytes(sid, []),
      directoryDigest({ devices: new Uint8Array(0), root: sid }),
      directoryDigest({ devices: sid, root: sid }),
      sharingSigningBytes(sid, sid),
      hashParts("", [sid]),
      advertisementSigningBytes(
        { device: sid, cPublic: sid, sPublic: sid, nonce: sid, seedCommitment: sid },
        { task: "", round: 0 },
      ),
      sessionId({ task: "", round: 0, planDigest: sid, modelHash: sid, beacon: sid, directory: sid }),
      utf8ToBytes(planSigningText(samplePlan())),
    ].map(bytesToHex);
    expect(new Set(outputs).size).toBe(outputs.length);
  });

  it("start from domain labels of which none is a prefix of another", () => {
    const domains = [
      "hello/1",
      "advertise/1",
      "directory/2",
      "session/2",
      "roster/1",
      "sharing/1",
      "consistency/1",
      "plan/1",
    ];
    const labels = domains.map((name) => `kindred.${name}`);
    for (const label of labels)
      expect(labels.filter((other) => other !== label && other.startsWith(label))).toEqual([]);
  });

  it("of a hello depend on task and nonce", () => {
    const of = (task: string, start: number) =>
      bytesToHex(helloSigningBytes({ task, nonce: bytesFrom(start, 32) }));
    expect(new Set([of("a", 0), of("b", 0), of("a", 1)]).size).toBe(3);
  });

  it("of an advertisement depend on every field, task and round", () => {
    const of = (change: Partial<typeof unsigned>, task = "films", round = 1) =>
      bytesToHex(advertisementSigningBytes({ ...unsigned, ...change }, { task, round }));
    const changes = Object.entries(unsigned).map(([field, value]) =>
      of({ [field]: bytesFrom(99, value.length) }),
    );
    expect(changes.length).toBe(5);
    const all = [of({}), ...changes, of({}, "film"), of({}, "films", 2)];
    expect(new Set(all).size).toBe(all.length);
    const swapped = of({ cPublic: unsigned.sPublic, sPublic: unsigned.cPublic });
    expect(all).not.toContain(swapped);
  });

  it("of a directory depend on every device key, their order, and the root", () => {
    const [a, b] = [bytesFrom(1, 32), bytesFrom(2, 32)];
    const all = [
      { devices: concatBytes(a, b), root: a },
      { devices: concatBytes(b, a), root: a },
      { devices: a, root: a },
      { devices: concatBytes(a, b), root: b },
    ].map((directory) => bytesToHex(directoryDigest(directory)));
    expect(new Set(all).size).toBe(all.length);
  });

  it("of an advertisement's leaf hold every field at its place", () => {
    const advertisement = sampleAdvertisement(1);
    const leaf = advertisementBytes(advertisement);
    expect(leaf).toHaveLength(208);
    expect(leaf.subarray(0, 32)).toEqual(advertisement.device);
    expect(leaf.subarray(144)).toEqual(advertisement.signature);
    expect(new Set(leaf).size).toBe(new Set(Object.values(advertisement).flatMap((v) => [...v])).size);
  });

  it("of a sharing statement depend on session and set", () => {
    const [a, b] = [bytesFrom(0, 32), bytesFrom(1, 32)];
    const all = [sharingSigningBytes(a, b), sharingSigningBytes(b, b), sharingSigningBytes(a, a)];
    expect(new Set(all.map(bytesToHex)).size).toBe(3);
  });

  it("make a session id that binds task, round, plan, model, beacon and directory", () => {
    const changes = [
      binding,
      { ...binding, task: "film" },
      { ...binding, round: 8 },
      { ...binding, planDigest: bytesFrom(9, 32) },
      { ...binding, modelHash: bytesFrom(9, 32) },
      { ...binding, beacon: bytesFrom(9, 32) },
      { ...binding, directory: bytesFrom(9, 32) },
      { ...binding, planDigest: binding.modelHash, modelHash: binding.planDigest },
    ].map((change) => bytesToHex(sessionId(change)));
    expect(new Set(changes).size).toBe(changes.length);
  });

  it("of a consistency check depend on the whole set", () => {
    const sid = bytesFrom(0, 32);
    const sets = [[], [0], [1], [0, 1], [1, 0], [256], [0, 0]].map((set) =>
      bytesToHex(consistencySigningBytes(sid, set)),
    );
    expect(new Set(sets).size).toBe(sets.length);
  });

  it.each([-1, 0.5, 2 ** 32, Number.NaN])("refuse %d as a round or an index", (value) => {
    expect(() => advertisementSigningBytes(unsigned, { task: "films", round: value })).toThrow(RangeError);
    expect(() => sessionId({ ...binding, round: value })).toThrow(RangeError);
    expect(() => consistencySigningBytes(bytesFrom(0, 32), [value])).toThrow(RangeError);
  });
});
