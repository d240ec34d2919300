/** One valid example of everything that the protocol carries, from fixed bytes. */
import {
  type Advertisement,
  type Catalogue,
  type ClientMessage,
  encodeMemberSet,
  type Model,
  type Plan,
  packBits,
  parsePlanInput,
  revealedColumns,
  type ServerMessage,
  sealedColumns,
} from "../src/index.ts";

/** `length` bytes that differ from those of any other `start`: start, start + 1, … modulo 256. */
export function bytesFrom(start: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => start + i);
}

export function sampleAdvertisement(start: number): Advertisement {
  return {
    device: bytesFrom(start, 32),
    cPublic: bytesFrom(start + 1, 32),
    sPublic: bytesFrom(start + 2, 32),
    nonce: bytesFrom(start + 3, 16),
    seedCommitment: bytesFrom(start + 4, 32),
    signature: bytesFrom(start + 5, 64),
  };
}

/** One message of every type that a client sends. */
export const clientSamples: readonly ClientMessage[] = [
  {
    type: "hello",
    protocol: 3,
    task: "films",
    device: bytesFrom(0, 32),
    signature: bytesFrom(9, 64),
    sdk: "kindred-js 0.1.0",
    ledgerSize: 0,
  },
  { type: "check-in", ledgerSize: 70_000 },
  { type: "ready", round: 1 },
  { type: "advertise", round: 1, advertisement: sampleAdvertisement(16) },
  {
    type: "shares",
    round: 2,
    ...sealedColumns([
      { peer: 0, box: bytesFrom(1, 40) },
      { peer: 7, box: bytesFrom(2, 40) },
    ]),
  },
  {
    type: "masked-input",
    round: 3,
    vector: packBits(Uint32Array.from([0, 1, 0xfffff, 0x12345, 0x80000]), 20),
    signature: bytesFrom(7, 64),
  },
  { type: "consistency", round: 4, signature: bytesFrom(3, 64) },
  {
    type: "reveal",
    round: 5,
    ...revealedColumns([
      { owner: 0, kind: "self-mask", share: bytesFrom(4, 36) },
      { owner: 300, kind: "mask-key", share: bytesFrom(5, 36) },
    ]),
  },
  { type: "leave", round: 0xffffffff, code: "consent-missing" },
];

/** A `hello` of a device whose app's backend vouches for the account. */
export const helloWithAccount: ClientMessage = {
  type: "hello",
  protocol: 3,
  task: "films",
  device: bytesFrom(0, 32),
  signature: bytesFrom(9, 64),
  sdk: "kindred-js 0.1.0",
  ledgerSize: 70_000,
  account: "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl",
};

/** One message of every type that the coordinator sends. */
export const serverSamples: readonly ServerMessage[] = [
  { type: "challenge", nonce: bytesFrom(1, 32) },
  { type: "welcome", task: "films", planDigest: bytesFrom(2, 32), modelHash: bytesFrom(3, 32) },
  { type: "come-back", afterMs: 90_000, code: "participation-cap" },
  {
    type: "selected",
    round: 1,
    planDigest: bytesFrom(2, 32),
    modelHash: bytesFrom(3, 32),
    beacon: bytesFrom(4, 32),
    trainForMs: 600_000,
    ledger: {
      size: 70_001,
      root: bytesFrom(14, 32),
      signature: bytesFrom(15, 64),
      consistency: bytesFrom(16, 96),
      index: 70_000,
      started: `{"body":{"kind":"round-started"},"index":70000}`,
      inclusion: bytesFrom(18, 64),
    },
  },
  { type: "enrol", round: 1 },
  {
    type: "roster",
    round: 1,
    entries: [sampleAdvertisement(16), sampleAdvertisement(48)],
    signature: bytesFrom(6, 64),
  },
  {
    type: "neighbourhood",
    round: 1,
    devices: bytesFrom(0, 96),
    root: bytesFrom(1, 32),
    proof: bytesFrom(2, 64),
    neighbours: [{ advertisement: sampleAdvertisement(16), proof: bytesFrom(3, 64) }],
    signature: bytesFrom(6, 64),
  },
  {
    type: "inbox",
    round: 1,
    sharing: encodeMemberSet([0, 1, 8], 10),
    ...sealedColumns([{ peer: 1, box: bytesFrom(8, 40) }]),
  },
  {
    type: "survivors",
    round: 1,
    members: encodeMemberSet([0, 8], 10),
    statements: [bytesFrom(9, 64)],
  },
  { type: "unmask", round: 1, signers: encodeMemberSet([0, 8], 10), signatures: bytesFrom(10, 128) },
  { type: "released", round: 1, modelHash: bytesFrom(12, 32), survivors: 40 },
  { type: "round-failed", round: 1, code: "too-few-survivors", rule: "needs 40 survivors, 39 are left" },
  { type: "task-finished", modelHash: bytesFrom(13, 32) },
  {
    type: "rejection",
    code: "message-unexpected",
    field: "ready",
    rule: "does not belong to the present phase",
    fix: "check in again",
  },
  { type: "ok" },
];

export const sampleCatalogue: Catalogue = {
  schema: "kindred.catalogue/1",
  items: [
    { id: "1", title: "Metropolis (1927)", tags: ["drama", "science fiction"] },
    { id: "ü-2", title: "Die Brücke – „1959“", tags: [] },
  ],
};

export const sampleModel: Model = {
  task: "films",
  round: 3,
  parent: "ab".repeat(32),
  weights: Float32Array.from([0, -0, 1, -1.5, 3.4028234663852886e38, 1.401298464324817e-45]),
  centroids: Float32Array.from([1, 0, 0, 1]),
  clusters: 2,
  cells: Float32Array.from([0, 1, 0, -1, 1, 0]),
  clustering: {
    source: "released",
    refinements: null,
    sizes: [0.625, 0.25],
    layers: [
      { ids: [1], nextId: 2, names: [["drama"]], parents: [] },
      { ids: [4, 0], nextId: 5, names: [["science fiction", "drama"], []], parents: [0, 0] },
    ],
    regions: [0, -1],
    events: [
      { kind: "merge", from: [2, 4], into: 4 },
      { kind: "split", from: 0, into: [0, 3] },
      { kind: "death", id: 3 },
      { kind: "birth", id: 4 },
    ],
    changes: [{ kind: "suppressed", reason: "below-noise", count: 12 }],
  },
};

/** The default plan, resolved with a small layout; the mechanism's numbers fit together but are not calibrated. */
export function samplePlan(changes: Record<string, unknown> = {}): Plan {
  return {
    ...parsePlanInput({ task: "films", title: "Films", clustering: { clusters: 2 }, ...changes }),
    resolved: {
      coordinatorKey: "0f".repeat(32),
      catalogueHash: "1e".repeat(32),
      itemCount: 2,
      blocks: [
        { name: "model", length: 100, clip: 1, weight: 0.5 },
        { name: "counts", length: 2, clip: 1, weight: 0.5 },
        { name: "sums", length: 128, clip: 1, weight: 0.5 },
        { name: "evaluation", length: 2, clip: 1.5, weight: 0.5 },
      ],
      mechanism: {
        rotation: "overlapped-hadamard",
        paddedLength: 232,
        modulusBits: 20,
        scale: 100.5,
        localDeviation: 64,
        honest: 36,
        sensitivity: { l2: 101.25, l1: 1620 },
        beta: 0.5,
        noiseMultiplier: 3.82,
      },
    },
  };
}
