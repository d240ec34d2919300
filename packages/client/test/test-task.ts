/** The task of the client's tests: a small catalogue, a plan for five devices, and randomness that repeats. */
import { matrixFromRows } from "@kindred/clustering";
import { type Catalogue, hashParts, utf8ToBytes } from "@kindred/protocol";

/** Items of the catalogue, on as many axes as the encoder has dimensions, again and again. */
export const ITEMS = 8;
export const DIMENSION = 4;

export const catalogue: Catalogue = {
  schema: "kindred.catalogue/1",
  items: Array.from({ length: ITEMS }, (_, i) => ({
    id: `item-${i}`,
    title: `Item number ${i}`,
    tags: [`axis ${i % DIMENSION}`, "all"],
  })),
};

/** Item i points along axis i. */
export const AXES = matrixFromRows(
  Array.from({ length: ITEMS }, (_, i) =>
    Array.from({ length: DIMENSION }, (_, j) => +(i % DIMENSION === j)),
  ),
);

/** Five devices, of which one may be lost at any time; noise off, so that a sum can be checked. */
export const PLAN_INPUT = {
  task: "films",
  rounds: 3,
  encoder: {
    layers: 1,
    dimension: DIMENSION,
    heads: 1,
    feedForward: 4,
    sequenceLength: 4,
    itemDeltaRank: 0,
    textBuckets: 256,
  },
  cohort: {
    minimum: 4,
    target: 5,
    maximum: 5,
    overSelection: 1,
    minSurvivors: 3,
    corruption: 0,
    dropout: 0.2,
  },
  deadlines: { selecting: 20_000, training: 60_000 },
  server: { optimiser: "fedavg", learningRate: 1, shrinkage: "none" },
  privacy: { mechanism: "none", modulusBits: 24 },
  clustering: { clusters: 2, microClusters: 0 },
} as const;

/** Of its signing key. */
export const COORDINATOR_SEED = new Uint8Array(32).fill(7);

/** Deterministic bytes for tests: SHA-256 in counter mode. */
export function testRandom(seed: string): (length: number) => Uint8Array {
  let counter = 0;
  return (length) => {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 32) {
      const block = hashParts(seed, [utf8ToBytes(String(counter++))]);
      out.set(block.subarray(0, Math.min(32, length - at)), at);
    }
    return out;
  };
}
