import { describe, expect, it } from "vitest";
import { seededRandom } from "../random.ts";
import { graphOfPairs, itemWalks, similarityGraph } from "./item-walks.ts";

/** Two groups of four items each, at right angles, and one item apart. */
const features = Float32Array.from(
  [0, 0.1, 0.25, 0.45]
    .flatMap((angle) => [Math.cos(angle), Math.sin(angle), 0, 0])
    .concat(
      [0, 0.1, 0.25, 0.45].flatMap((angle) => [0, 0, Math.cos(angle), Math.sin(angle)]),
      [-0.6, 0, -0.8, 0],
    ),
);

describe("the graph of what is alike", () => {
  it("leads to the nearest others, nearest first", async () => {
    const fractions: number[] = [];
    const graph = await similarityGraph(features, {
      dimension: 4,
      neighbours: 2,
      progress: (fraction) => void fractions.push(fraction),
    });
    const partnersOf = (item: number) => [
      ...graph.partners.subarray(graph.starts[item], graph.starts[item + 1]),
    ];
    expect(partnersOf(0)).toEqual([1, 2]);
    expect(partnersOf(6)).toEqual([5, 7]);
    expect(partnersOf(8)).toEqual([]);
    expect(graph.weights[0]).toBeCloseTo(Math.cos(0.1) ** 2, 5);
    expect(fractions).toEqual([1]);
  });

  it("of pairs leads both ways, by how often each was named", () => {
    const graph = graphOfPairs(3, [
      [0, 1],
      [1, 0],
      [0, 2],
      [2, 2],
    ]);
    expect([...graph.starts]).toEqual([0, 2, 3, 4]);
    expect([...graph.partners]).toEqual([1, 2, 0, 0]);
    expect([...graph.weights]).toEqual([2, 1, 2, 1]);
    expect(() => graphOfPairs(3, [[0, 3]])).toThrow("pairs[0]");
  });
});

describe("walks", () => {
  it("stay among what is alike, visit nothing twice, and are those of their seed", async () => {
    const graph = await similarityGraph(features, { dimension: 4, neighbours: 3 });
    const walk = (seed: number) => itemWalks(graph, { length: 6, perItem: 3, random: seededRandom(seed) });
    const walks = walk(1);
    // Nothing leads away from the item apart.
    expect(walks).toHaveLength(24);
    for (const { items, times, actions, ratings } of walks) {
      const list = Array.from(items);
      expect(new Set(list).size).toBe(list.length);
      expect(list.length).toBeGreaterThanOrEqual(2);
      expect(new Set(list.map((item) => Math.floor(item / 4))).size).toBe(1);
      expect([times.length, actions.length, ratings!.length]).toEqual([
        list.length,
        list.length,
        list.length,
      ]);
      expect(Array.from(times)).toEqual(Array.from(times).sort((a, b) => a - b));
    }
    expect(walk(1)).toEqual(walks);
    expect(walk(2)).not.toEqual(walks);
  });

  it("go where the weight is", () => {
    const pairs = [...Array.from({ length: 9 }, () => [0, 1] as const), [0, 2] as const];
    const graph = graphOfPairs(3, pairs);
    const walks = itemWalks(graph, { length: 2, perItem: 400, random: seededRandom(5) });
    const fromFirst = walks.filter(({ items }) => items[0] === 0);
    const share = fromFirst.filter(({ items }) => items[1] === 1).length / fromFirst.length;
    // 400 draws of probability .9: five standard errors are .075.
    expect(Math.abs(share - 0.9)).toBeLessThan(0.075);
  });
});
