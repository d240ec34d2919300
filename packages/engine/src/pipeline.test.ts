import { AesCtrRandom, centredLift, squaredNorm } from "@kindred/privacy";
import { type Plan, sha256Bytes } from "@kindred/protocol";
import { addInto } from "@kindred/secagg";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testPlan, zeroContribution } from "../test/test-task.ts";
import { blockDeviation, type Contribution, decodeAggregate, encodeContribution } from "./pipeline.ts";

const sid = sha256Bytes("session");
const randomOf = (seed: string) => new AesCtrRandom(sha256Bytes(seed));
const uneven = {
  model: { weight: 1, clip: 0.5 },
  counts: { weight: 0.3 },
  sums: { weight: 0.7 },
  evaluation: { weight: 0.2 },
};
const silent = testPlan({ privacy: { mechanism: "none", modulusBits: 28, blocks: uneven } });
const noisy = testPlan({
  privacy: {
    mechanism: "distributed-discrete-gaussian",
    epsilon: 4,
    modulusBits: 24,
    blocks: uneven,
  },
});

/** Mean of contributions through both halves of the pipeline. */
function mean(plan: Plan, contributions: readonly Contribution[], seed = "noise") {
  const sum = new Uint32Array(plan.resolved.mechanism.paddedLength);
  contributions.forEach((contribution, i) => {
    const random = randomOf(`${seed} ${i}`);
    addInto(
      sum,
      encodeContribution(contribution, { plan, sid, random }),
      plan.resolved.mechanism.modulusBits,
    );
  });
  return decodeAggregate(sum, { plan, sid, survivors: contributions.length });
}

/** The vector a client would mask, before reduction modulo 2^b. */
function integers(plan: Plan, contribution: Contribution): Int32Array {
  const encoded = encodeContribution(contribution, { plan, sid, random: randomOf("rounding") });
  return centredLift(encoded, plan.resolved.mechanism.modulusBits);
}

const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
const close = (actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void => {
  expect(actual).toHaveLength(wanted.length);
  for (let i = 0; i < wanted.length; i++)
    expect(Math.abs(actual[i]! - wanted[i]!), `entry ${i}`).toBeLessThan(tolerance);
};

describe("without noise", () => {
  it("gives back the mean of each block, whatever its clip and weight", () => {
    const contribution = (client: number): Contribution => ({
      model: Float64Array.from({ length: 20 }, (_, i) => Math.sin(i + client) / 20),
      counts: [0.25, 0.5, client / 8, 0],
      sums: Float64Array.from({ length: 8 }, (_, i) => Math.cos(i * client) / 8),
      evaluation: [0.5, -client / 4],
    });
    const both = mean(silent, [contribution(1), contribution(3)]);
    for (const name of ["model", "counts", "sums", "evaluation"] as const) {
      const [a, b] = [contribution(1)[name], contribution(3)[name]];
      close(
        both[name],
        Array.from(a, (value, i) => (value + b[i]!) / 2),
        1e-5,
      );
      expect(both.deviation[name]).toBe(0);
    }
  });

  it("clips every block by itself, evaluation too, and keeps its direction", () => {
    const huge: Contribution = {
      model: new Float64Array(20).fill(1e30),
      counts: [50, 0, 0, 0],
      sums: [0, 3, 0, 0, 0, 0, 0, 4],
      evaluation: [7, -7],
    };
    const { model, counts, sums, evaluation } = mean(silent, [huge]);
    close(model, new Float64Array(20).fill(0.5 / Math.sqrt(20)), 1e-5);
    close(counts, [1, 0, 0, 0], 1e-5);
    close(sums, [0, 0.6, 0, 0, 0, 0, 0, 0.8], 1e-5);
    close(evaluation, [1, -1], 1e-5); // clipped to √2, the norm of two entries within [−1, 1]
  });

  it("counts a block with a value that is not finite as zeros and leaves the others alone", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const model = new Float32Array(20).fill(0.01);
      model[7] = bad;
      const result = mean(silent, [{ ...zeroContribution(silent), model, counts: [0, 1, 0, 0] }]);
      close(result.model, new Float64Array(20), 1e-5);
      close(result.counts, [0, 1, 0, 0], 1e-5);
    }
  });

  it("refuses a block of another length", () => {
    const contribution = { ...zeroContribution(silent), counts: [1, 0, 0] };
    expect(() => encodeContribution(contribution, { plan: silent, sid, random: randomOf("x") })).toThrow(
      "contribution.counts must have 4 values, found 3",
    );
  });

  it("another session rotates otherwise, so its sum decodes to something else", () => {
    const contribution = { ...zeroContribution(silent), model: new Float64Array(20).fill(0.1) };
    const sum = encodeContribution(contribution, { plan: silent, sid, random: randomOf("x") });
    const other = decodeAggregate(sum, { plan: silent, sid: sha256Bytes("other"), survivors: 1 });
    expect(norm(other.model.map((value) => value - 0.1))).toBeGreaterThan(0.1);
  });
});

describe("a plan that leaves the modulus out", () => {
  const modelLengths = [1, 2, 18, 19, 50, 113, 500, 1017];

  it.each(modelLengths)("sums %d weights without padding, to within rounding", (modelLength) => {
    const plan = testPlan({ privacy: { mechanism: "none" } }, modelLength);
    const { paddedLength, modulusBits, scale } = plan.resolved.mechanism;
    expect(paddedLength).toBe(modelLength + 14);
    expect(modulusBits).toBeLessThan(16);
    const contributions = Array.from({ length: 8 }, (_, client) => ({
      ...zeroContribution(plan),
      model: Float64Array.from(
        { length: modelLength },
        (_, i) => Math.sin(i + client) / Math.sqrt(modelLength),
      ),
    }));
    const { model } = mean(plan, contributions);
    const rounding = (5 * Math.sqrt(8 / 4)) / 8 / scale / plan.resolved.blocks[0]!.weight;
    for (const i of [0, modelLength >> 1, modelLength - 1]) {
      const exact = contributions.reduce((sum, of) => sum + of.model[i]!, 0) / 8;
      expect(Math.abs(model[i]! - exact), `entry ${i}`).toBeLessThan(rounding);
    }
  });

  it.each(modelLengths)("adds %d weights the noise that it says, and wraps none", (modelLength) => {
    const plan = testPlan(
      { privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 8 } },
      modelLength,
    );
    // All of the largest cohort agree: the worst case of the sum.
    const all = Array.from({ length: plan.cohort.maximum }, () => ({
      ...zeroContribution(plan),
      model: new Float64Array(modelLength).fill(1 / Math.sqrt(modelLength)),
    }));
    const { model, deviation } = mean(plan, all);
    const missed = model.map((x) => (x - 1 / Math.sqrt(modelLength)) / deviation.model);
    expect(norm(missed) / Math.sqrt(modelLength)).toBeLessThan(1 + 4 / Math.sqrt(2 * modelLength));
    expect(Math.max(...missed.map(Math.abs))).toBeLessThan(6);
  });
});

describe("the integers that noise is added to", () => {
  const value = fc.oneof(
    fc.double({ noNaN: false }),
    fc.double({ min: -1, max: 1, noNaN: true }),
    fc.constantFrom(0, 1e308, -1e308, 5e-324),
  );
  const block = (length: number) => fc.array(value, { minLength: length, maxLength: length });

  it("have an L2 norm within the sensitivity that ε is computed from, for any contribution", () => {
    const bound = silent.resolved.mechanism.sensitivity.l2;
    const contribution = fc.record({
      model: block(20),
      counts: block(4),
      sums: block(8),
      evaluation: block(2),
    });
    fc.assert(
      fc.property(contribution, (values) => {
        const squared = squaredNorm(integers(silent, values));
        expect(Number(squared)).toBeLessThanOrEqual(bound * bound);
      }),
      { numRuns: 200, seed: 7 },
    );
  });

  it("reach the scale itself where every block is clipped: the joint norm is 1", () => {
    const full: Contribution = {
      model: new Float64Array(20).fill(9),
      counts: [9, 0, 0, 0],
      sums: new Float64Array(8).fill(-9),
      evaluation: [9, 9],
    };
    const { scale } = silent.resolved.mechanism;
    expect(Math.sqrt(Number(squaredNorm(integers(silent, full)))) / scale).toBeCloseTo(1, 5);
  });
});

describe("with noise", () => {
  const { mechanism, blocks } = noisy.resolved;
  const clients = 6;
  const rounds = 160;

  it("has the deviation that is reported, block by block, and never less than h survivors guarantee", () => {
    const contribution: Contribution = {
      model: new Float64Array(20).fill(0.05),
      counts: [0, 1, 0, 0],
      sums: new Float64Array(8).fill(0.1),
      evaluation: [0.3, 0.1],
    };
    const errors = new Map(blocks.map(({ name }) => [name, [] as number[]]));
    for (let round = 0; round < rounds; round++) {
      const result = mean(noisy, new Array(clients).fill(contribution), `noise ${round}`);
      for (const name of ["model", "counts", "sums", "evaluation"] as const)
        errors.get(name)!.push(...Array.from(result[name], (value, i) => value - contribution[name][i]!));
    }
    for (const block of blocks) {
      const own = errors.get(block.name)!;
      const measured = Math.sqrt(own.reduce((sum, error) => sum + error * error, 0) / own.length);
      const reported = blockDeviation(mechanism, { block, survivors: clients });
      // Five standard errors of a deviation estimated from that many samples.
      const tolerance = 5 / Math.sqrt(2 * own.length);
      expect(Math.abs(measured / reported - 1), block.name).toBeLessThan(tolerance);
      // z·C/(a·n), of which the promise speaks; all 6 survive here where 4 are counted on.
      const promised = (mechanism.noiseMultiplier * block.clip) / (block.weight * clients);
      expect(reported / promised).toBeCloseTo(Math.sqrt(clients / mechanism.honest), 6);
      const bias = own.reduce((sum, error) => sum + error, 0) / own.length;
      expect(Math.abs(bias) / reported, block.name).toBeLessThan(5 / Math.sqrt(own.length));
    }
  });

  it("is drawn anew by each client and from its own randomness only", () => {
    const zero = zeroContribution(noisy);
    const encode = (seed: string) => encodeContribution(zero, { plan: noisy, sid, random: randomOf(seed) });
    expect(encode("a")).toEqual(encode("a"));
    expect(encode("a")).not.toEqual(encode("b"));
  });
});
