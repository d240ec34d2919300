import { resolvePlan } from "@kindred/engine";
import { parsePlanInput, unpackBits } from "@kindred/protocol";
import type { MaskJob } from "@kindred/secagg";
import { nodeSuite } from "@kindred/secagg/node";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../test/virtual-clock.ts";
import type { WipeableContribution } from "./contribution.ts";
import { maskContribution } from "./masked-contribution.ts";

const plan = resolvePlan(
  parsePlanInput({
    task: "x",
    encoder: { dimension: 4, heads: 1, itemDeltaRank: 0 },
    cohort: { minimum: 8, target: 10, maximum: 12, minSurvivors: 6 },
    privacy: { mechanism: "none" },
    clustering: { clusters: 2 },
  }),
  { coordinatorKey: "a".repeat(64), catalogueHash: "b".repeat(64), itemCount: 8, modelLength: 5 },
);
const { paddedLength: length, modulusBits: bits } = plan.resolved.mechanism;
const epsilon = { coordinator: 0, observers: 0 };

function setting() {
  const lengths = plan.resolved.blocks.map((block) => block.length);
  const contribution: WipeableContribution = {
    model: new Float32Array(lengths[0]!).fill(0.01),
    counts: new Float64Array(lengths[1]!).fill(0.01),
    sums: new Float64Array(lengths[2]!).fill(0.01),
    evaluation: new Float64Array(lengths[3]!).fill(0.1),
    clip: plan.resolved.blocks[0]!.clip,
    content: "training",
    signal: new Float64Array(),
  };
  const job: MaskJob = { bits, length, terms: [{ key: new Uint8Array(32).fill(7), sign: 1 }] };
  const output = { type: "mask", round: 1, sid: new Uint8Array(32), job, epsilon } as never;
  const seen: { vector?: Uint32Array } = {};
  const options = {
    config: { plan, planDigest: new Uint8Array(32) },
    random: (count: number) => new Uint8Array(count).fill(5),
    keystream: undefined,
    clock: new VirtualClock(),
    suite: nodeSuite(),
    native: {
      foresee: () => Promise.reject(new Error("not asked for")),
      applyMasks: (vector: Uint32Array) => {
        seen.vector = vector;
        return Promise.resolve();
      },
    },
    ports: { ledger: { entries: () => [], append: () => Promise.resolve() } },
    contribution,
    modelHash: "m",
    isWanted: () => true,
  };
  return { contribution, job, output, options, seen };
}
type Setting = ReturnType<typeof setting>;

const isZero = (values: ArrayLike<number>): boolean => Array.from(values).every((value) => value === 0);

function run({ output, options }: Setting, changes: object = {}) {
  return maskContribution(output, { ...options, ...changes } as never);
}

/** Nothing of the contribution or of the masks' keys is left in memory. */
function expectWiped({ contribution, job, seen }: Setting): void {
  for (const block of ["model", "counts", "sums", "evaluation"] as const)
    expect(isZero(contribution[block])).toBe(true);
  expect(isZero(job.terms[0]!.key)).toBe(true);
  if (seen.vector !== undefined) expect(isZero(seen.vector)).toBe(true);
}

describe("masking a contribution", () => {
  it("gives the packed vector and wipes the plain one", async () => {
    const given = setting();
    const masked = await run(given);
    const vector = unpackBits(masked!.vector, { bits, length });
    expect(vector.ok && isZero(vector.value)).toBe(false);
    expectWiped(given);
  });

  it("wipes everything where the masks fail half-way", async () => {
    const given = setting();
    const applyMasks = (vector: Uint32Array) => {
      given.seen.vector = vector;
      return Promise.reject(new Error("the platform gave up"));
    };
    const native = { ...given.options.native, applyMasks };
    await expect(run(given, { native })).rejects.toThrow("gave up");
    expect(given.seen.vector).toBeDefined();
    expectWiped(given);
  });

  it("masks nothing that the ledger could not write down", async () => {
    const given = setting();
    const append = () => Promise.reject(new Error("the disk is full"));
    await expect(run(given, { ports: { ledger: { entries: () => [], append } } })).rejects.toThrow("full");
    expect(given.seen.vector).toBeUndefined();
    expectWiped(given);
  });

  it.each([1, 2])(
    "gives nothing away where the round ends before question %i whether it goes on",
    async (at) => {
      const given = setting();
      let asked = 0;
      expect(await run(given, { isWanted: () => ++asked < at })).toBeUndefined();
      expect(given.seen.vector === undefined).toBe(at === 1);
      expectWiped(given);
    },
  );
});
