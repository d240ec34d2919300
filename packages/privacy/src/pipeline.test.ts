/** The whole path of a round in one process: join, rotate, round, add noise, sum modulo 2^b, and back. */
import { describe, expect, it } from "vitest";
import { calibrateMechanism, type Mechanism } from "./calibrate.ts";
import { clipToNorm, joinBlocks, splitBlocks } from "./clip.ts";
import { sampleDiscreteGaussian } from "./discrete-gaussian.ts";
import { centredLift, conditionalRound, toModulus } from "./quantise.ts";
import { AesCtrRandom } from "./random.ts";
import { rotate, unrotate } from "./rotation.ts";
import { mechanismWithoutNoise } from "./silent-mechanism.ts";
import { clipNorm, delta, epsilon } from "./units.ts";

const shapes = [
  { length: 900, clip: clipNorm(2), weight: 0.8 },
  { length: 16, clip: clipNorm(1), weight: 0.6 },
];
const length = 916;
const n = 30;
const rotationSeed = new Uint8Array(32).fill(77);

interface Person {
  readonly blocks: readonly { values: Float64Array; clip: (typeof shapes)[number]["clip"]; weight: number }[];
  readonly random: AesCtrRandom;
}

const people: readonly Person[] = Array.from({ length: n }, (_, person) => {
  const random = new AesCtrRandom(new Uint8Array(32).fill(person));
  const blocks = shapes.map(({ length: size, clip, weight }) => ({
    values: Float64Array.from({ length: size }, () => (random.uniform() - 0.3) * 0.2),
    clip,
    weight,
  }));
  return { blocks, random };
});

function contribution({ blocks, random }: Person, mechanism: Mechanism): Uint32Array {
  const { paddedLength, scale, sensitivity, localDeviation, modulusBits } = mechanism;
  const vector = new Float64Array(paddedLength);
  vector.set(joinBlocks(blocks));
  const rounded = conditionalRound({
    vector: rotate(vector, rotationSeed),
    scale,
    bound: sensitivity.l2,
    random,
  });
  if (localDeviation > 0) {
    const noise = sampleDiscreteGaussian({ sigma: localDeviation, length: paddedLength, random });
    for (const [i, value] of noise.entries()) rounded[i]! += value;
  }
  return toModulus(rounded, modulusBits);
}

function released(mechanism: Mechanism): { blocks: Float64Array[]; joint: Float64Array } {
  const sum = new Uint32Array(mechanism.paddedLength);
  for (const person of people) {
    for (const [i, value] of contribution(person, mechanism).entries()) {
      sum[i] = (sum[i]! + value) % 2 ** mechanism.modulusBits;
    }
  }
  const lifted = Float64Array.from(centredLift(sum, mechanism.modulusBits), (x) => x / mechanism.scale);
  const joint = unrotate(lifted, rotationSeed);
  return { blocks: splitBlocks(joint, shapes), joint };
}

const truth = shapes.map(({ length: size, clip }, i) => {
  const clipped = people.map(({ blocks }) => clipToNorm(blocks[i]!.values, clip).vector);
  return Float64Array.from({ length: size }, (_, j) => clipped.reduce((sum, v) => sum + v[j]!, 0));
});

const residualDeviation = (blocks: Float64Array[], i: number): number =>
  Math.sqrt(blocks[i]!.reduce((sum, value, j) => sum + (value - truth[i]![j]!) ** 2, 0) / blocks[i]!.length);

describe("a round in one process", () => {
  it("without noise releases the sum of the clipped blocks, up to rounding", () => {
    const mechanism = mechanismWithoutNoise({ cohortMaximum: n, length, modulusBits: 24 });
    const { blocks } = released(mechanism);
    for (const [i, { clip, weight }] of shapes.entries()) {
      // Each of the n roundings has a deviation of at most 1/2 in quantised units.
      const limit = ((Math.sqrt(n) / 2) * clip) / weight / mechanism.scale;
      expect(residualDeviation(blocks, i)).toBeLessThan(limit * 1.1);
      expect(Math.hypot(...truth[i]!)).toBeGreaterThan(100 * limit);
    }
  });

  it("with noise releases it with deviation √n·σ·C/(a·s), and so at least z·C/a", () => {
    const mechanism = calibrateMechanism({
      epsilon: epsilon(6),
      delta: delta(1e-5),
      participations: 2,
      cohortMaximum: n,
      minSurvivors: 20,
      corruption: 0.1,
      length,
      modulusBits: 20,
    });
    const { blocks } = released(mechanism);
    const { clip, weight } = shapes[0]!;
    const expected = (Math.sqrt(n) * mechanism.localDeviation * clip) / weight / mechanism.scale;
    const measured = residualDeviation(blocks, 0);
    // 900 coordinates: the sample deviation is within 1/√1800 = 2.4 %, one sigma.
    expect(measured / expected).toBeGreaterThan(0.9);
    expect(measured / expected).toBeLessThan(1.1);
    expect(measured).toBeGreaterThan((mechanism.noiseMultiplier * clip) / weight);
  });

  it("adds nothing but rounding to the padding of a plan that names no rotation", () => {
    const { rotation: _, ...padded } = mechanismWithoutNoise({
      cohortMaximum: n,
      length: 1024,
      modulusBits: 24,
    });
    const { joint } = released(padded);
    expect(joint).toHaveLength(1024);
    expect(Math.max(...joint.subarray(length).map(Math.abs))).toBeLessThan(1e-3);
  });

  it("sends as many entries as the blocks have, in as few bits as a plan without a modulus takes", () => {
    const open = { cohortMaximum: n, length };
    const mechanism = mechanismWithoutNoise(open);
    expect(mechanism.modulusBits).toBeLessThan(16);
    const { blocks, joint } = released(mechanism);
    expect(joint).toHaveLength(length);
    // The rounding of n members adds up to less than a hundredth of each one's own entries.
    for (const [i, { clip, weight }] of shapes.entries())
      expect(residualDeviation(blocks, i)).toBeLessThan(
        (0.011 * Math.sqrt(n) * clip) / weight / Math.sqrt(length),
      );
  });
});
