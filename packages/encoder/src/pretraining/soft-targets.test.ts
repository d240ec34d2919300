import { KindredError } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../random.ts";
import { trainingWindows } from "../sequence.ts";
import { positionLoss, softTargets, taughtLoss } from "./soft-targets.ts";

const ITEMS = 6;
const sequenceOf = (items: number[]) => ({
  items,
  actions: items.map(() => 0),
  times: items.map((_, i) => i),
});

/** After an item its successor scores 2, the next but one 1; how much was heard before it adds to all alike. */
const teacherOf = (step: number, length = 4) => ({
  itemCount: ITEMS,
  shape: { sequenceLength: length } as never,
  heard: [] as number[],
  scoresAlong(
    windows: ReturnType<typeof trainingWindows>,
    take: (row: number, scores: Float32Array) => void,
  ): void {
    let row = 0;
    for (const { sequence, start, end } of windows)
      for (let position = start; position < end; position++) {
        this.heard.push(position - start + 1);
        const scores = new Float32Array(ITEMS).fill(position - start);
        scores[(sequence.items[position]! + step) % ITEMS]! += 2;
        scores[(sequence.items[position]! + step + 1) % ITEMS]! += 1;
        take(row++, scores);
      }
  },
});

describe("soft targets", () => {
  it("are the likeliest items after each interaction but the last, at the temperature", async () => {
    const sequence = sequenceOf([0, 3, 5]);
    const found = await softTargets([teacherOf(1)], { sequences: [sequence], top: 2, temperature: 2 });
    const { items, shares } = found.get(sequence)!;
    expect([...items]).toEqual([1, 2, 4, 5]);
    const total = Math.exp(1) + Math.exp(0.5) + 4;
    for (const position of [0, 2]) {
      expect(shares[position]).toBeCloseTo(Math.exp(1) / total, 6);
      expect(shares[position + 1]).toBeCloseTo(Math.exp(0.5) / total, 6);
    }
  });

  it("are the mean of several teachers, of all items if so many are kept", async () => {
    const sequence = sequenceOf([0, 1]);
    const found = await softTargets([teacherOf(1), teacherOf(3)], {
      sequences: [sequence],
      top: 50,
      temperature: 1,
    });
    const { top, items, shares } = found.get(sequence)!;
    expect(top).toBe(ITEMS);
    expect([...items].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
    expect(shares[0]).toBeCloseTo(shares[1]!, 6);
    expect([items[0], items[1]].sort()).toEqual([1, 3]);
  });

  it("are asked with what came before, half a window at the least, and each position once", async () => {
    const sequence = sequenceOf([0, 1, 2, 3, 4, 5, 0, 1, 2, 3]);
    const teacher = teacherOf(1);
    const fractions: number[] = [];
    const found = await softTargets([teacher], {
      sequences: [sequence],
      top: 1,
      temperature: 1,
      progress: (fraction) => void fractions.push(fraction),
    });
    expect([...found.get(sequence)!.items]).toEqual([1, 2, 3, 4, 5, 0, 1, 2, 3]);
    expect(teacher.heard).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
    expect(fractions.at(-1)).toBe(1);
  });

  it("refuse nobody to ask, and options out of range", async () => {
    const options = { sequences: [sequenceOf([0, 1])], top: 1, temperature: 1 };
    await expect(softTargets([], options)).rejects.toThrow("teachers");
    await expect(softTargets([teacherOf(1)], { ...options, top: 0 })).rejects.toThrow("top");
    await expect(softTargets([teacherOf(1)], { ...options, temperature: 0 })).rejects.toThrow("temperature");
  });
});

describe("the loss of a student", () => {
  const random = seededRandom(4);
  const scores = Float32Array.from({ length: ITEMS }, () => 2 * random() - 1);
  const soft = { top: 2, items: Int32Array.of(0, 0, 3, 1), shares: Float32Array.of(0, 0, 0.5, 0.2) };
  const options = { target: 4, soft, position: 1, temperature: 2.5, weight: 0.4 };
  const softmax = (values: ArrayLike<number>, temperature: number): number[] => {
    const parts = Array.from(values, (value) => Math.exp(value / temperature));
    const total = parts.reduce((sum, part) => sum + part, 0);
    return parts.map((part) => part / total);
  };

  it("is T² times the divergence with the rest as one bucket, and the cross-entropy of what followed", () => {
    const own = softmax(scores, 2.5);
    const rest = 1 - own[3]! - own[1]!;
    const divergence =
      0.5 * Math.log(0.5 / own[3]!) + 0.2 * Math.log(0.2 / own[1]!) + 0.3 * Math.log(0.3 / rest);
    const hard = -Math.log(softmax(scores, 1)[4]!);
    expect(positionLoss(scores.slice(), options)).toBeCloseTo(0.4 * 6.25 * divergence + 0.6 * hard, 5);
  });

  it.each([
    ["some items kept", options],
    ["what followed among those kept", { ...options, target: 3 }],
    [
      "a teacher that leaves no rest",
      { ...options, soft: { ...soft, shares: Float32Array.of(0, 0, 0.7, 0.3) } },
    ],
    [
      "all items kept",
      {
        ...options,
        position: 0,
        soft: {
          top: ITEMS,
          items: Int32Array.of(2, 3, 1, 0, 4, 5),
          shares: Float32Array.from(softmax([3, 2, 1, 0, 0, 0], 1)),
        },
      },
    ],
  ])("has the gradient of central finite differences, with %s", (_, of) => {
    const gradient = scores.slice();
    positionLoss(gradient, of);
    gradient.forEach((slope, i) => {
      const [above, below] = [0.02, -0.02].map((by) =>
        positionLoss(
          scores.map((score, j) => (i === j ? score + by : score)),
          of,
        ),
      );
      expect(slope).toBeCloseTo((above! - below!) / 0.04, 3);
    });
  });

  it.each([20, 40, 100])(
    "has an exact gradient where the student's rest is %d below what it expects",
    (gap) => {
      const student = Float32Array.of(gap, gap - 1, 0, 0.5, -1, 0.25);
      const kept = { top: 2, items: Int32Array.of(0, 1), shares: Float32Array.of(0.5, 0.25) };
      const gradient = student.slice();
      positionLoss(gradient, { target: 2, soft: kept, position: 0, temperature: 0.5, weight: 0.4 });
      const [own, hard] = [softmax(student, 0.5), softmax(student, 1)];
      const rest = own.slice(2).reduce((sum, share) => sum + share, 0);
      const teacher = own.map((share, i) => kept.shares[i] ?? (0.25 * share) / rest);
      gradient.forEach((slope, i) => {
        const exact = 0.6 * (hard[i]! - (i === 2 ? 1 : 0)) + 0.4 * 0.5 * (own[i]! - teacher[i]!);
        expect(Math.abs(slope - exact)).toBeLessThanOrEqual(1e-6 * Math.abs(exact));
      });
    },
  );

  it("takes what rounding leaves of a teacher for no rest", () => {
    const student = Float32Array.of(40, 40, 0, 0, 0, 0);
    const soft = { top: 2, items: Int32Array.of(0, 1), shares: Float32Array.of(0.7, 0.2999997) };
    const gradient = student.slice();
    positionLoss(gradient, { target: 0, soft, position: 0, temperature: 0.5, weight: 1 });
    for (const slope of gradient.slice(2)) {
      expect(slope).toBeGreaterThanOrEqual(0);
      expect(slope).toBeLessThan(1e-30);
    }
  });

  it("is of each token of windows, and refused for a sequence that no teacher was asked about", async () => {
    const sequence = sequenceOf([0, 3, 5, 2, 1, 0]);
    const targets = await softTargets([teacherOf(1)], { sequences: [sequence], top: 2, temperature: 2.5 });
    const windows = trainingWindows(sequence, 3);
    const next = Int32Array.from(
      windows.flatMap(({ start, end }) => sequence.items.slice(start + 1, end + 1)),
    );
    const teaching = { targets, temperature: 2.5, weight: 0.4 };
    const lossOf = taughtLoss(windows, { targets: next, teaching });
    const positions = windows.flatMap(({ start, end }) =>
      Array.from({ length: end - start }, (_, i) => start + i),
    );
    expect(positions).toHaveLength(5);
    positions.forEach((position, row) => {
      const expected = positionLoss(scores.slice(), {
        target: sequence.items[position + 1]!,
        soft: targets.get(sequence)!,
        position,
        temperature: 2.5,
        weight: 0.4,
      });
      expect(lossOf(row, scores.slice())).toBe(expected);
    });
    const foreign = trainingWindows(sequenceOf([1, 2]), 3);
    expect(() => taughtLoss(foreign, { targets: Int32Array.of(2), teaching })).toThrow(KindredError);
  });
});
