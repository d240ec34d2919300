import { describe, expect, it } from "vitest";
import {
  groupShares,
  type InterestHead,
  interestLoss,
  itemGroups,
  scoresByInterest,
} from "./interest-head.ts";
import { seededRandom } from "./random.ts";

const D = 3;
const GROUPS = 4;
const random = seededRandom(3);
const drawn = (length: number): Float32Array => Float32Array.from({ length }, () => 2 * random() - 1);
const head: InterestHead = { matrix: drawn(D * GROUPS), bias: drawn(GROUPS) };
const rows = { vectors: drawn(5 * D), groups: [0, 3, 3, 1, 0] };
const nowhere = (scale = 1) => ({
  matrix: new Float32Array(D * GROUPS),
  bias: new Float32Array(GROUPS),
  vectors: new Float32Array(5 * D),
  scale,
});

describe("the loss of next interests", () => {
  it("is the mean cross-entropy of the groups that followed", () => {
    const expected = rows.groups.map((group, row) => {
      const logits = Array.from({ length: GROUPS }, (_, g) =>
        Array.from({ length: D }, (_, j) => rows.vectors[row * D + j]! * head.matrix[j * GROUPS + g]!).reduce(
          (sum, value) => sum + value,
          head.bias[g]!,
        ),
      );
      return Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - logits[group]!;
    });
    const mean = expected.reduce((sum, value) => sum + value, 0) / 5;
    expect(interestLoss(head, rows, nowhere(7))).toBeCloseTo(mean, 6);
    expect(interestLoss(head, { vectors: new Float32Array(), groups: [] }, nowhere())).toBe(0);
  });

  it("has the gradient of central finite differences, by head and vectors, scaled and added", () => {
    const into = nowhere(0.5);
    into.bias[1] = 10;
    interestLoss(head, rows, into);
    into.bias[1]! -= 10;
    const step = 1e-2;
    for (const name of ["matrix", "bias", "vectors"] as const) {
      const lossAt = (index: number, by: number): number => {
        const all = { ...head, vectors: rows.vectors };
        const moved = { ...all, [name]: all[name].map((value, i) => (i === index ? value + by : value)) };
        return interestLoss(moved, { vectors: moved.vectors, groups: rows.groups }, nowhere());
      };
      into[name].forEach((slope, index) => {
        const found = (0.5 * (lossAt(index, step) - lossAt(index, -step))) / (2 * step);
        expect(slope, `${name}[${index}]`).toBeCloseTo(found, 4);
      });
    }
  });
});

describe("groups of items", () => {
  it("are of public features that point alike, the same for the same seed", () => {
    const features = Float32Array.of(1, 0, 0, 1, 2, 0.1, 0, 3);
    const options = { columns: 2, groups: 2, seed: 1 };
    const groups = itemGroups(features, options);
    expect(groups[0]).toBe(groups[2]);
    expect(groups[1]).toBe(groups[3]);
    expect(groups[0]).not.toBe(groups[1]);
    expect(itemGroups(features, options)).toEqual(groups);
  });

  it("are as many as there are directions, and one where there is none", () => {
    const groups = itemGroups(Float32Array.of(1, 0, 1, 0, 0, 1), { columns: 2, groups: 8, seed: 1 });
    expect(new Set(groups).size).toBe(2);
    expect([...itemGroups(new Float32Array(4), { columns: 2, groups: 8, seed: 1 })]).toEqual([0, 0]);
  });
});

describe("scores by interest", () => {
  const groups = Int32Array.of(0, 1, 1, 3);

  it("have the head's share in each group that has items, and the scores' odds within", () => {
    const shares = Float64Array.of(0.2, 0.4, 0.2, 0.2);
    const scores = scoresByInterest(Float32Array.of(5, 1, 1 + Math.log(3), -1000), { groups, shares });
    expect(Array.from(scores, Math.exp)).toEqual([
      expect.closeTo(0.25, 5),
      expect.closeTo(0.125, 5),
      expect.closeTo(0.375, 5),
      expect.closeTo(0.25, 5),
    ]);
  });

  it("do not change where the head says what the scores say", () => {
    const scores = Float32Array.of(0.3, -0.2, 1.4, 0.1);
    const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
    const shares = new Float64Array(GROUPS);
    scores.forEach((score, item) => {
      shares[groups[item]!]! += Math.exp(score) / total;
    });
    scoresByInterest(scores, { groups, shares }).forEach((score, item) => {
      expect(score).toBeCloseTo(scores[item]! - Math.log(total), 5);
    });
  });

  it("have shares of sum 1, larger for what the vector points to", () => {
    const shares = groupShares(head, [0.2, -1, 0.5]);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    const towards = Array.from({ length: D }, (_, j) => 20 * head.matrix[j * GROUPS + 2]!);
    expect(groupShares(head, towards)[2]).toBeGreaterThan(shares[2]!);
  });
});
