import { KindredError } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { solvePositive } from "./cholesky.ts";
import { predictRatings, type Rated, ratedTargets, ratingErrors, ratingLoss } from "./rating-head.ts";
import { trainingWindows } from "./sequence.ts";

const head = { mean: 0.6, items: Float32Array.of(0.1, -0.2, 0, 0.05) };
const people: Rated[][] = [
  [
    { item: 0, rating: 1 },
    { item: 1, rating: 0.2 },
    { item: 0, rating: 0.7 },
  ],
  [{ item: 3, rating: 0.4 }],
];
const nowhere = () => ({ mean: new Float32Array(1), items: new Float32Array(4), scale: 1 });

describe("the loss of ratings", () => {
  it("has the gradient of central finite differences, through each person's own offset", () => {
    const into = nowhere();
    ratingLoss(head, people, into);
    const step = 1e-2;
    const slope = (move: (by: number) => typeof head): number =>
      (ratingLoss(move(step), people, nowhere()) - ratingLoss(move(-step), people, nowhere())) / (2 * step);
    expect(into.mean[0]).toBeCloseTo(
      slope((by) => ({ ...head, mean: head.mean + by })),
      4,
    );
    head.items.forEach((_, item) => {
      const moved = (by: number) => ({ ...head, items: head.items.map((b, i) => (i === item ? b + by : b)) });
      expect(into.items[item], `item ${item}`).toBeCloseTo(slope(moved), 4);
    });
    expect(into.items[2]).toBe(0);
  });

  it("is 0 without ratings, and leaves gradients alone", () => {
    const into = nowhere();
    expect(ratingLoss(head, [], into)).toBe(0);
    expect([...into.mean, ...into.items].every((value) => value === 0)).toBe(true);
  });
});

describe("rated targets", () => {
  it("are those that follow something in a window, each once", () => {
    const sequence = {
      items: [0, 1, 2, 3, 0],
      actions: [4, 4, 0, 4, 4],
      times: [1, 2, 3, 4, 5],
      ratings: [0.1, 0.2, Number.NaN, 0.4, 0.5],
    };
    const [rated, ...others] = ratedTargets(trainingWindows(sequence, 2));
    expect(others).toEqual([]);
    expect([...rated!].sort((a, b) => a.rating - b.rating)).toEqual([
      { item: 1, rating: 0.2 },
      { item: 3, rating: 0.4 },
      { item: 0, rating: 0.5 },
    ]);
    expect(ratedTargets(trainingWindows({ items: [0, 1], actions: [0, 0], times: [1, 2] }, 2))).toEqual([]);
  });
});

describe("predicted ratings", () => {
  // Items 0 and 1 point the same way, item 2 across, item 3 the other way.
  const units = { columns: 2, data: Float32Array.of(1, 0, 1, 0, 0, 1, -1, 0) };
  const plain = { mean: 0.6, items: new Float32Array(4) };
  const predict = (own: Rated[]) => [...predictRatings(plain, { own, units, wanted: [0, 1, 2, 3] })];

  it("are mean and offset for a person without ratings", () => {
    expect([...predictRatings(head, { own: [], units, wanted: [0, 1] })]).toEqual([
      expect.closeTo(0.7, 6),
      expect.closeTo(0.4, 6),
    ]);
  });

  it("follow a person's own ratings, the more so the nearer the item", () => {
    const [same, alike, across, opposite] = predict([{ item: 0, rating: 1 }]);
    expect(same).toBeGreaterThan(0.6);
    expect(alike).toBeCloseTo(same!, 12);
    expect(across).toBeLessThan(alike!);
    expect(opposite).toBeLessThan(across!);
    expect(opposite).toBeGreaterThan(0.6);
    const many = predict(Array.from({ length: 40 }, () => ({ item: 0, rating: 1 })));
    expect(many[0]).toBeGreaterThan(0.95);
    expect(Math.max(...many)).toBeLessThanOrEqual(1);
  });

  it("are refused for items outside the catalogue", () => {
    expect(() => predictRatings(plain, { own: [], units, wanted: [4] })).toThrow(KindredError);
  });

  it("are refused where weights that overflow leave an item without a direction", () => {
    const broken = { columns: 2, data: Float32Array.of(1, 0, Number.NaN, 0) };
    for (const [rated, wanted] of [
      [0, 1],
      [1, 0],
    ] as const)
      expect(() =>
        predictRatings(plain, { own: [{ item: rated, rating: 1 }], units: broken, wanted: [wanted] }),
      ).toThrow(expect.objectContaining({ code: "model-invalid" }));
  });
});

describe("errors of ratings", () => {
  it("are root mean square and mean absolute error", () => {
    expect(ratingErrors([0.5, 1, 0.2], [0.5, 0.6, 0.5])).toEqual({
      rmse: expect.closeTo(Math.sqrt(0.25 / 3), 12),
      mae: expect.closeTo(0.7 / 3, 12),
      n: 3,
    });
    expect(() => ratingErrors([], [])).toThrow(RangeError);
    expect(() => ratingErrors([1], [1, 2])).toThrow(RangeError);
  });
});

describe("a symmetric system", () => {
  it("is solved, unless it is not positive definite", () => {
    const [x, y] = solvePositive(
      [
        [4, 2],
        [2, 3],
      ],
      [10, 9],
    );
    expect([x, y]).toEqual([expect.closeTo(1.5, 12), expect.closeTo(2, 12)]);
    expect(() =>
      solvePositive(
        [
          [1, 2],
          [2, 1],
        ],
        [1, 1],
      ),
    ).toThrow(RangeError);
  });
});
