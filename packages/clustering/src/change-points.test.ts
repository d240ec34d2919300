import { describe, expect, it } from "vitest";
import { changePoints } from "./change-points.ts";
import { type Matrix, matrixFromRows } from "./matrix.ts";
import { type PublicRandom, publicRandom } from "./random.ts";

const DIMENSION = 16;

function gaussian(random: PublicRandom): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A person with some interests: each event is near one of them, in runs of a length. */
function person(
  random: PublicRandom,
  interests: number,
): { events: (count: number, run: number) => number[][] } {
  const centres = Array.from({ length: interests }, () =>
    Array.from({ length: DIMENSION }, () => gaussian(random)),
  );
  return {
    events: (count, run) => {
      const events: number[][] = [];
      while (events.length < count) {
        const centre = centres[Math.floor(random() * interests)]!;
        const length = 1 + Math.floor(random() * run);
        for (let i = 0; i < length && events.length < count; i++)
          events.push(centre.map((value) => value + 0.7 * gaussian(random)));
      }
      return events;
    },
  };
}

const indices = (points: Matrix): number[] => changePoints(points).map(({ index }) => index);

describe("change points", () => {
  it("are found where the directions change, and nowhere else", () => {
    const east = Array.from({ length: 20 }, (_, i) => [1, 0.01 * (i % 5)]);
    const north = Array.from({ length: 15 }, (_, i) => [0.01 * (i % 3), 1]);
    const west = Array.from({ length: 25 }, (_, i) => [-1, 0.02 * (i % 4)]);
    const found = changePoints(matrixFromRows([...east, ...north, ...west]));
    expect(found.map(({ index }) => index)).toEqual([20, 35]);
    for (const { shift, probability } of found) {
      expect(shift).toBeGreaterThan(0.2);
      expect(probability).toBeLessThanOrEqual(0.01);
    }
    expect(indices(matrixFromRows(east))).toEqual([]);
    expect(indices(matrixFromRows(east.slice(0, 3)))).toEqual([]);
  });

  it("raise fewer than two false alarms in a thousand events of people who stay as they are", () => {
    const random = publicRandom(5);
    let alarms = 0;
    for (let i = 0; i < 40; i++) {
      const { events } = person(random, 1 + (i % 4));
      alarms += indices(matrixFromRows(events(100, 1 + (i % 3)))).length;
    }
    expect(alarms).toBeLessThan(8);
  });

  it("find a planted change within ten events: F1 of at least .9", () => {
    const random = publicRandom(6);
    let found = 0;
    let wrong = 0;
    let missed = 0;
    for (let i = 0; i < 40; i++) {
      const before = person(random, 1 + (i % 2)).events(50, 2);
      const after = person(random, 1 + (i % 2)).events(10, 2);
      const points = indices(matrixFromRows([...before, ...after]));
      const near = points.filter((index) => Math.abs(index - 50) <= 5);
      found += Math.min(1, near.length);
      missed += near.length === 0 ? 1 : 0;
      wrong += points.length - Math.min(1, near.length);
    }
    expect((2 * found) / (2 * found + wrong + missed)).toBeGreaterThanOrEqual(0.9);
  });

  it("are the same for the same seed", () => {
    const { events } = person(publicRandom(8), 2);
    const points = matrixFromRows([...events(30, 2), ...person(publicRandom(9), 2).events(20, 2)]);
    expect(changePoints(points, { seed: 3 })).toEqual(changePoints(points, { seed: 3 }));
  });

  it("refuse options outside their bounds", () => {
    const points = matrixFromRows([[1, 0]]);
    expect(() => changePoints(points, { minimum: 1 })).toThrow("at least 2 points");
    expect(() => changePoints(points, { block: 0 })).toThrow("at least 1 point");
    expect(() => changePoints(points, { significance: 1 })).toThrow("between 0 and 1");
  });
});
